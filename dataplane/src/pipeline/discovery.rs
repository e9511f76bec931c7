//! soon
use super::Pipeline;
use super::side::Side;
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::verdict::{DropReason, Verdict};
use crate::wire::packet::Packet;

impl<F: Frame> Pipeline<F> {
    pub(super) fn discover<A: Side>(
        &mut self,
        _frame: &mut F,
        _interface: InterfaceIndex,
        _packet: &Packet<A>,
    ) -> Result<Verdict, DropReason> {
        Err(DropReason::Protocol)
    }
}
