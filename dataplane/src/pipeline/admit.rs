//! The first stage: reads a packet, refuses what is malformed or not for Viaduct, and sends what
//! belongs to another worker, or to the host, on its way. Needs no memory beyond the packet and the
//! network.

use super::side::Side;
use super::{Admitted, Pipeline, Task, Transport};
use crate::flow::FlowKey;
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::table::Mode;
use crate::verdict::{DropReason, Verdict};
use crate::wire::MacAddr;
use crate::wire::packet::{Content, Packet, Parsed, Payload, Segment};
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
        let admitted = match origin {
            Origin::Port(port) => match self.network.host_port(port) {
                Some(interface) => Ok(Admitted::Decided(Verdict::FromHost(interface))),
                None => self.admit_from_port(port, frame),
            },
            Origin::Worker => self.admit_from_worker(frame),
        };
        admitted.unwrap_or_else(|reason| Admitted::Decided(Verdict::Drop(reason)))
    }

    fn admit_from_port(&self, port: usize, frame: &F) -> Result<Admitted, DropReason> {
        let parsed = crate::wire::parse(frame)?;
        let interface = self
            .network
            .interface_of(port, parsed.vlan)
            .ok_or(DropReason::Vlan)?;
        if !self.is_for_us(interface, &parsed) {
            return Err(DropReason::NotForUs);
        }
        match parsed.payload {
            Payload::Arp(packet) => Ok(Admitted::Arp(interface, packet)),
            Payload::Ipv4(packet) => self.admit_ip(interface, packet).map(Side::admitted),
            Payload::Ipv6(packet) => self.admit_ip(interface, packet).map(Side::admitted),
        }
    }

    /// True for frames to the interface's address, and for questions to everybody.
    fn is_for_us(&self, interface: InterfaceIndex, parsed: &Parsed) -> bool {
        if parsed.destination == self.network.interface(interface).mac {
            return true;
        }
        match &parsed.payload {
            Payload::Arp(_) => parsed.destination == MacAddr::BROADCAST,
            Payload::Ipv4(_) => false,
            Payload::Ipv6(packet) => {
                packet.content == Content::Discovery && parsed.destination.is_group()
            }
        }
    }

    fn admit_ip<A: Side>(
        &self,
        interface: InterfaceIndex,
        packet: Packet<A>,
    ) -> Result<Task<A>, DropReason> {
        let is_snat = self.network.is_snat(packet.destination);
        let is_host = !is_snat && self.is_host(interface, packet.destination);
        match packet.content {
            Content::Discovery => Ok(Task::Discovery(interface, packet)),
            Content::Error => Ok(Task::Error(Some(interface), packet)),
            Content::Echo if self.is_local(packet.destination) => {
                Ok(Task::Echo(interface, packet.layout))
            }
            Content::Echo => Err(DropReason::NotLocal),
            Content::Segment(_) | Content::Fragment(_) if self.is_local(packet.source) => {
                Err(A::BAD_SOURCE)
            }
            Content::Segment(_) | Content::Fragment(_) | Content::Other(_) if is_host => {
                Ok(Task::Decided(Verdict::Punt(interface)))
            }
            Content::Segment(segment) => Ok(self.admit_segment(Some(interface), &packet, segment)),
            Content::Fragment(_) => Ok(Task::Fragment(Some(interface), packet)),
            Content::Other(_) => Err(DropReason::Protocol),
        }
    }

    /// True if the host's stack shares this address of ours.
    pub(super) fn is_host<A: Side>(&self, interface: InterfaceIndex, address: A) -> bool {
        let interface = self.network.interface(interface);
        interface.host_port.is_some() && A::is_own(interface, address)
    }

    #[inline]
    fn admit_segment<A: Side>(
        &self,
        interface: Option<InterfaceIndex>,
        packet: &Packet<A>,
        segment: Segment,
    ) -> Task<A> {
        let transport = Transport::new(interface, packet, segment);
        match self.flow_owner_elsewhere(&transport.key) {
            Some(owner) => Task::Decided(Verdict::Handoff(owner)),
            None => self.task(transport),
        }
    }

    /// A packet with its place in the flow table.
    #[inline]
    pub(super) fn task<A: Side>(&self, transport: Transport<A>) -> Task<A> {
        let probe = A::memory(&self.memories).flows.probe(transport.key);
        Task::Flow(transport, probe)
    }

    /// The other worker that owns the flow of a packet with this key, where that can be told: a
    /// reply to a source address, by its port; a packet of a `gateway` service, either way, by the
    /// client. Other flows belong to whichever worker receives them.
    #[inline]
    pub(super) fn flow_owner_elsewhere<A: Side>(&self, key: &FlowKey<A>) -> Option<WorkerId> {
        let network = &self.network;
        if network.workers == 1 {
            return None;
        }
        let owner = if network.is_snat(key.destination) {
            network
                .snat_ports
                .owner(key.destination_port, network.workers)?
        } else {
            self.owner_by_client(key)?
        };
        (owner != self.worker).then_some(owner)
    }

    fn owner_by_client<A: Side>(&self, key: &FlowKey<A>) -> Option<WorkerId> {
        let table = self.tables.current();
        if !table.has_gateways() {
            return None;
        }
        let client = if table.is_vip(key.destination) {
            let vip = (key.destination.into(), key.destination_port).into();
            let service = table.lookup(vip, key.protocol)?;
            (service.policy().mode == Mode::Gateway).then_some((key.source, key.source_port))?
        } else {
            (key.destination, key.destination_port)
        };
        let key = FlowKey {
            source: client.0,
            destination: A::UNSPECIFIED,
            source_port: client.1,
            destination_port: 0,
            protocol: key.protocol,
        };
        Some(self.network.worker_of(key.hash(self.network.seed)))
    }

    /// What another worker has handed over was for us when it arrived there.
    fn admit_from_worker(&self, frame: &F) -> Result<Admitted, DropReason> {
        match crate::wire::parse(frame)?.payload {
            Payload::Arp(_) => Err(DropReason::NotForUs),
            Payload::Ipv4(packet) => self.admit_handed(packet).map(Side::admitted),
            Payload::Ipv6(packet) => self.admit_handed(packet).map(Side::admitted),
        }
    }

    fn admit_handed<A: Side>(&self, packet: Packet<A>) -> Result<Task<A>, DropReason> {
        match packet.content {
            Content::Segment(segment) => Ok(self.task(Transport::new(None, &packet, segment))),
            Content::Fragment(_) => Ok(Task::Fragment(None, packet)),
            Content::Error => Ok(Task::Error(None, packet)),
            Content::Echo | Content::Discovery | Content::Other(_) => Err(DropReason::NotForUs),
        }
    }
}

impl<A: Side> Transport<A> {
    pub(super) fn new(
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
        segment: Segment,
    ) -> Self {
        Self {
            arrived,
            layout: packet.layout,
            key: FlowKey {
                source: packet.source,
                destination: packet.destination,
                source_port: segment.source_port,
                destination_port: segment.destination_port,
                protocol: segment.protocol,
            },
            flags: segment.flags,
            acknowledgement: segment.acknowledgement,
            has_header: true,
        }
    }
}
