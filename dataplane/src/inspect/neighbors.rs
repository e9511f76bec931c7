//! A worker's neighbors, a page at a time.

use crate::neighbor::NeighborEntry;

/// A page of a worker's neighbors, in the order of their places.
#[derive(Debug)]
pub struct NeighborPage {
    /// The first place.
    pub first: usize,
    /// The neighbors of this page. Its capacity is the size of the page; fewer than that come from
    /// the end of the table.
    pub neighbors: Vec<NeighborEntry>,
}

impl NeighborPage {
    /// An empty page for up to `size` neighbors, from place `first` on.
    #[must_use]
    pub fn new(first: usize, size: usize) -> Self {
        Self {
            first,
            neighbors: Vec::with_capacity(size.max(1)),
        }
    }
}
