//! The first stage: reads a packet, refuses what is malformed or not for Viaduct, and sends what
//! belongs to another worker on its way. Needs no memory beyond the packet and the network.

use super::{Admitted, Pipeline};
use crate::frame::Frame;
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::parse::{Parsed, Payload, Transport};
use crate::worker::WorkerId;

/// Where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This worker's queue of a port.
    Port(usize),
    /// Another worker, which has admitted it already.
    Worker,
}

impl<F: Frame> Pipeline<F> {
    /// Reads `frame` and says what it is. Prefetches the flow table for what will be looked up.
    #[inline]
    pub fn admit(&self, origin: Origin, frame: &F) -> Admitted {
        let admitted = crate::wire::parse(frame).and_then(|parsed| match origin {
            Origin::Port(port) => self.admit_from_port(port, parsed),
            Origin::Worker => self.admit_from_worker(parsed),
        });
        admitted.unwrap_or_else(|reason| Admitted::Decided(Verdict::Drop(reason)))
    }

    fn admit_from_port(&self, port: usize, parsed: Parsed) -> Result<Admitted, DropReason> {
        let interface = self
            .network
            .interface_of(port, parsed.vlan)
            .ok_or(DropReason::Vlan)?;
        let to_us = parsed.destination == self.network.interface(interface).mac;
        let to_all =
            parsed.destination == MacAddr::BROADCAST && matches!(parsed.payload, Payload::Arp(_));
        if !to_us && !to_all {
            return Err(DropReason::NotForUs);
        }
        match parsed.payload {
            Payload::Arp(packet) => Ok(Admitted::Arp(interface, packet)),
            Payload::Echo(layout, to) if self.is_local(to) => Ok(Admitted::Echo(interface, layout)),
            Payload::Echo(..) => Err(DropReason::NotLocal),
            Payload::Transport(packet) => self.admit_transport(packet),
        }
    }

    fn admit_transport(&self, packet: Transport) -> Result<Admitted, DropReason> {
        if self.is_local(packet.key.source) {
            return Err(DropReason::Ipv4Source);
        }
        Ok(match self.owner_elsewhere(&packet) {
            Some(owner) => Admitted::Decided(Verdict::Handoff(owner)),
            None => Admitted::Flow(packet, self.flows.probe(packet.key)),
        })
    }

    /// The other worker that owns a reply, by the port that it comes back to.
    #[inline]
    fn owner_elsewhere(&self, packet: &Transport) -> Option<WorkerId> {
        if !self.network.is_snat(packet.key.destination) {
            return None;
        }
        let port = packet.key.destination_port;
        let owner = self.network.snat_ports.owner(port, self.network.workers)?;
        (owner != self.worker).then_some(owner)
    }

    fn admit_from_worker(&self, parsed: Parsed) -> Result<Admitted, DropReason> {
        match parsed.payload {
            Payload::Transport(packet) => Ok(Admitted::Flow(packet, self.flows.probe(packet.key))),
            // Only transport packets are handed over.
            Payload::Arp(_) | Payload::Echo(..) => Err(DropReason::NotForUs),
        }
    }
}
