//! Looking inside running workers: their flows, their neighbors, what they would do with a packet,
//! and what they do with packets that match.
//!
//! ```text
//!             Inspector::ask ──▶ questions ──▶ Desk   between bursts, a bounded part at a time
//!   control                                     │     by the worker
//!             Inspector::answer ◀── answers ◀───┘
//!             Recording::next ◀──── samples ◀── Tap   while packets are watched
//! ```
//! A question brings all the memory of its answer and goes back whole, so that a worker neither
//! allocates nor frees. Queues are bounded and only ever tried: an answer that finds no room is kept
//! until there is some, a sample that finds none is counted as lost. While nobody asks, a worker
//! looks at one queue in each turn, and at one flag for each burst.
//!
//! Nothing here decides anything about a packet: that is [`crate::pipeline`], which explains its own
//! decisions. Nothing here is text for people.

mod exchange;
mod explain;
mod facts;
mod flows;
mod matcher;
mod neighbors;
mod probe;
mod sample;
mod tap;

pub use exchange::{Busy, Desk, Inspector, Question, Ticket, desks};
pub use explain::{Explanation, STEPS, Step, Steps};
pub use facts::{Facts, IpFacts};
pub use flows::{FlowEntry, FlowFilter, FlowPage, Passage, PlaceOfFlow};
pub use matcher::{Condition, End, Matcher, TERMS, Term, TooManyTerms};
pub use neighbors::NeighborPage;
pub use probe::{Probe, ProbeError};
pub use sample::{Event, Point, Points, Sample};
pub use tap::{Recording, Tap, TapOrder};
