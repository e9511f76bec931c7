//! Neighbor Discovery: answers for Viaduct's own addresses, its source addresses and VIPs; learns
//! from everyone (RFC 4861). What it does not use is the host's.

use std::net::Ipv6Addr;

use zerocopy::FromBytes;

use super::Pipeline;
use super::side::Side;
use crate::frame::Frame;
use crate::neighbor::{Claim, Heard, NeighborUpdate, Request};
use crate::network::{Interface, InterfaceIndex};
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::ethernet::EthernetHeader;
use crate::wire::icmpv6::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};
use crate::wire::ipv6::Ipv6Header;
use crate::wire::nd::{self, Link, NdKind, NdMessage};
use crate::wire::packet::{Layout, Packet};

impl<F: Frame> Pipeline<F> {
    pub(super) fn discover<A: Side>(
        &mut self,
        frame: &mut F,
        interface: InterfaceIndex,
        packet: &Packet<A>,
    ) -> Result<Verdict, DropReason> {
        let bytes = frame.bytes();
        let kind = bytes.get(usize::from(packet.layout.transport));
        if !matches!(kind, Some(&NEIGHBOR_SOLICITATION | &NEIGHBOR_ADVERTISEMENT)) {
            return Ok(self.to_host(interface));
        }
        let (header, message) = read(bytes, packet.layout).ok_or(DropReason::NdInvalid)?;
        let (station, asker) = (source_station(bytes)?, header.source());
        let is_claim = message.kind == NdKind::Advertisement;
        let claimed = if is_claim { message.target } else { asker };
        if !claimed.is_unspecified() && self.is_local(claimed) {
            let claimed = self.claimed(interface, claimed.into(), station);
            return Err(claimed.unwrap_or(DropReason::NdInvalid));
        }
        self.learn_from(interface, asker, &message);
        if is_claim || !self.answers_for(interface, message.target) {
            return Ok(self.to_host(interface));
        }
        let link = link(self.network.interface(interface));
        let mut reply = [0; nd::MAX_FRAME_LEN];
        let len = nd::write_reply(&mut reply, link, &message, asker, station, false)
            .ok_or(DropReason::Headroom)?;
        if frame.assign(&reply[..len]) {
            Ok(Verdict::Reply(interface))
        } else {
            Err(DropReason::Headroom)
        }
    }

    fn learn_from(&mut self, interface: InterfaceIndex, asker: Ipv6Addr, message: &NdMessage) {
        let (address, claim) = match message.kind {
            NdKind::Solicitation if asker.is_unspecified() => return,
            NdKind::Solicitation => (asker, Claim::Solicitation),
            NdKind::Advertisement => (
                message.target,
                Claim::Advertisement {
                    solicited: message.solicited,
                    overrides: message.r#override,
                },
            ),
        };
        let mac = match (message.link_layer, claim) {
            (Some(mac), _) => mac,
            (None, Claim::Advertisement { .. }) => MacAddr::ZERO,
            (None, _) => return,
        };
        self.hear(Heard::Neighbor(NeighborUpdate {
            interface,
            address: address.into(),
            mac,
            claim,
        }));
    }

    /// Makes `frame` a solicitation of this next hop. False if it does not fit.
    pub(super) fn write_solicitation(
        &self,
        frame: &mut F,
        interface: &Interface,
        target: Ipv6Addr,
        request: Request,
    ) -> bool {
        let own = interface.ipv6.map(|at| at.address);
        let source = match own {
            Some(own) if !target.is_unicast_link_local() => own,
            _ => interface.link_local(),
        };
        let mut bytes = [0; nd::MAX_FRAME_LEN];
        let link = link(interface);
        let len = nd::write_solicitation(&mut bytes, link, source, target, request.unicast);
        len.is_some_and(|len| frame.assign(&bytes[..len]))
    }
}

fn read(bytes: &[u8], layout: Layout) -> Option<(&Ipv6Header, NdMessage)> {
    let (header, _) = Ipv6Header::ref_from_prefix(bytes.get(usize::from(layout.ip)..)?).ok()?;
    let message = bytes.get(usize::from(layout.transport)..usize::from(layout.end))?;
    Some((header, NdMessage::read(header, message).ok()?))
}

fn source_station(bytes: &[u8]) -> Result<MacAddr, DropReason> {
    let (ethernet, _) =
        EthernetHeader::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
    Ok(ethernet.source)
}

fn link(interface: &Interface) -> Link {
    Link {
        mac: interface.mac,
        vlan: interface.vlan,
    }
}
