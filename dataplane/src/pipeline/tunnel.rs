//! soon
use super::leave::Outbound;
use super::refuse::Refused;
use super::side::Side;
use super::{Pipeline, Transport};
use crate::frame::Frame;
use crate::neighbor::NeighborRef;
use crate::table::Occupant;
use crate::verdict::DropReason;

impl<F: Frame> Pipeline<F> {
    pub(super) fn encapsulate<A: Side>(
        &mut self,
        _frame: &mut F,
        _packet: &Transport<A>,
        _entropy: u64,
        _backend: &Occupant,
        _neighbor: NeighborRef,
    ) -> Result<Outbound, Refused> {
        Err(DropReason::Protocol.into())
    }
}
