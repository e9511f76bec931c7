//! A packet at one point of its way, as it is recorded.

use std::time::SystemTime;

use super::flows::Passage;
use crate::verdict::Verdict;
use crate::worker::WorkerId;

/// A point of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Point {
    /// As it came by a port, or from the inbox for what other workers hand over.
    Rx = 1,
    /// As it leaves by a port, rewritten.
    Tx = 2,
    /// As it came, when it is dropped.
    Drop = 4,
    /// As it came, when it goes to the host's own stack.
    Punt = 8,
}

impl Point {
    /// All points, in the order of the way.
    pub const ALL: [Self; 4] = [Self::Rx, Self::Tx, Self::Drop, Self::Punt];

    /// Its name for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rx => "rx",
            Self::Tx => "tx",
            Self::Drop => "drop",
            Self::Punt => "punt",
        }
    }
}

/// A set of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points(u8);

impl Points {
    /// These points.
    #[must_use]
    pub fn of(points: &[Point]) -> Self {
        Self(points.iter().fold(0, |set, &point| set | point as u8))
    }

    /// True if it is one of them.
    #[inline]
    #[must_use]
    pub const fn has(self, point: Point) -> bool {
        self.0 & point as u8 != 0
    }
}

/// What a packet came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the pipeline has decided, and what then became of it.
    Verdict(Verdict),
    /// It has waited for its next hop, or for the first part of its datagram.
    Released,
    /// Viaduct itself has made it.
    Originated,
}

/// A packet at one point of its way.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Who saw it.
    pub worker: WorkerId,
    /// Number of the packet among those that this worker recorded, from 1: the samples of one
    /// packet have the same.
    pub packet: u64,
    /// When its burst came, or was made.
    pub time: SystemTime,
    /// Where it was.
    pub point: Point,
    /// The port that it came by, or leaves by. `None` from the inbox.
    pub port: Option<usize>,
    /// What it came to.
    pub event: Event,
    /// Its flow, if it has one.
    pub passage: Option<Passage>,
    /// Its length, in bytes.
    pub len: usize,
    /// Its first bytes, up to the length that was ordered.
    pub bytes: Vec<u8>,
}

impl Sample {
    /// An empty one with room for this many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            worker: WorkerId(0),
            packet: 0,
            time: SystemTime::UNIX_EPOCH,
            point: Point::Rx,
            port: None,
            event: Event::Originated,
            passage: None,
            len: 0,
            bytes: Vec::with_capacity(bytes),
        }
    }
}
