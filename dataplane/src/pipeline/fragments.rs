//! soon
use super::Pipeline;
use super::side::Side;
use crate::clock::Ticks;
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::verdict::{DropReason, Verdict};
use crate::wire::packet::Packet;

impl<F: Frame> Pipeline<F> {
    pub(super) fn gather<A: Side>(
        &mut self,
        _frame: &mut F,
        _arrived: Option<InterfaceIndex>,
        _packet: &Packet<A>,
        _now: Ticks,
    ) -> Result<Verdict, DropReason> {
        Err(DropReason::Protocol)
    }
}
