//! TCP's maximum segment size, where a service lowers it.

use super::side::Side;
use super::{Pipeline, Transport};
use crate::frame::Frame;
use crate::table::ServiceSlot;
use crate::wire::mss;

impl<F: Frame> Pipeline<F> {
    /// Lowers what a SYN, either way, announces to what the flow's service allows.
    pub(super) fn clamp<A: Side>(&self, frame: &mut F, packet: &Transport<A>, slot: ServiceSlot) {
        let service = self.tables.current().service(slot);
        let limit = service.and_then(|service| service.policy().max_segment);
        let layout = packet.layout;
        let (start, end) = (usize::from(layout.transport), usize::from(layout.end));
        if let (Some(limit), Some(segment)) = (limit, frame.bytes_mut().get_mut(start..end)) {
            mss::clamp(segment, limit);
        }
    }
}
