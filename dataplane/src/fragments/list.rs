//! Places in the order in which they were added: the oldest first, any of them removed at once.

/// The end of a list.
const NIL: u32 = u32::MAX;

/// A place's neighbors in its list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    next: u32,
    previous: u32,
}

impl Links {
    pub(super) const UNLINKED: Self = Self {
        next: NIL,
        previous: NIL,
    };
}

/// Gives a list access to the links that live in the places.
pub(super) trait Linked {
    fn links(&mut self, place: u32) -> &mut Links;
}

/// A list that is threaded through the places.
#[derive(Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: NIL,
        last: NIL,
    };

    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NIL).then_some(self.first)
    }

    /// Adds a place that is in no list.
    pub(super) fn push(&mut self, places: &mut impl Linked, place: u32) {
        *places.links(place) = Links {
            next: NIL,
            previous: self.last,
        };
        match self.last {
            NIL => self.first = place,
            last => places.links(last).next = place,
        }
        self.last = place;
    }

    /// Removes a place that is in this list.
    pub(super) fn remove(&mut self, places: &mut impl Linked, place: u32) {
        let Links { next, previous } = std::mem::replace(places.links(place), Links::UNLINKED);
        match previous {
            NIL => self.first = next,
            previous => places.links(previous).next = next,
        }
        match next {
            NIL => self.last = previous,
            next => places.links(next).previous = previous,
        }
    }
}
