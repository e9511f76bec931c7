//! Fragments of TCP and UDP datagrams: all go where the first goes, which alone names the ports
//! (RFC 791, RFC 8200). Nothing is reassembled.
//!
//! NICs spread fragments by addresses only, so all of a datagram are brought together at one worker
//! first, which any worker can compute. There the first one's ports are remembered, and fragments
//! that come before it wait. With its ports a fragment is a packet of its flow like any other, and
//! is handed to the flow's worker if that is known to be another; the ports travel as its note.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::side::Side;
use super::{Pipeline, Transport};
use crate::clock::Ticks;
use crate::flow::FlowKey;
use crate::fragments::{FragmentKey, Fragments, HELD_ALL, Ports};
use crate::frame::Frame;
use crate::network::InterfaceIndex;
use crate::verdict::{DropReason, Verdict};
use crate::wire::packet::{Content, Fragment, Packet};
use crate::wire::tcp::TcpFlags;
use crate::worker::WorkerId;

/// The fragmented datagrams of one worker.
#[derive(Debug)]
pub struct Datagrams<F> {
    pub(super) ipv4: Fragments<Ipv4Addr, F>,
    pub(super) ipv6: Fragments<Ipv6Addr, F>,
    /// The datagram that the last [`Verdict::HoldFragment`] is about.
    held_for: Option<Held>,
    /// Frames whose first fragment has come.
    released: VecDeque<F>,
}

/// A datagram of either family.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    /// IPv4.
    Ipv4(FragmentKey<Ipv4Addr>),
    /// IPv6.
    Ipv6(FragmentKey<Ipv6Addr>),
}

impl<F> Default for Datagrams<F> {
    fn default() -> Self {
        Self {
            ipv4: Fragments::default(),
            ipv6: Fragments::default(),
            held_for: None,
            released: VecDeque::with_capacity(2 * HELD_ALL),
        }
    }
}

impl<F> Datagrams<F> {
    fn held(&self) -> usize {
        self.ipv4.held() + self.ipv6.held() + self.released.len()
    }
}

impl<F: Frame> Pipeline<F> {
    pub(super) fn gather<A: Side>(
        &mut self,
        frame: &mut F,
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
        now: Ticks,
    ) -> Result<Verdict, DropReason> {
        let Content::Fragment(fragment) = packet.content else {
            return Err(DropReason::Protocol);
        };
        let noted = if arrived.is_none() { frame.note() } else { 0 };
        if noted != 0 {
            let ports = ((noted >> 16) as u16, noted as u16);
            return Ok(self.balance_fragment(frame, arrived, packet, fragment, ports, now));
        }
        let gatherer = self.gatherer(packet, fragment);
        if gatherer != self.worker {
            frame.set_note(0);
            return Ok(Verdict::Handoff(gatherer));
        }
        let Some(ports) = self.ports_of(packet, fragment, now)? else {
            frame.set_note(0);
            return Ok(Verdict::HoldFragment);
        };
        let note = u32::from(ports.0) << 16 | u32::from(ports.1);
        match self.flow_owner_elsewhere(&key(packet, fragment, ports)) {
            Some(owner) if note != 0 => {
                frame.set_note(note);
                Ok(Verdict::Handoff(owner))
            }
            _ => Ok(self.balance_fragment(frame, arrived, packet, fragment, ports, now)),
        }
    }

    /// The worker at which the fragments of a datagram come together.
    pub(super) fn gatherer<A: Side>(&self, packet: &Packet<A>, fragment: Fragment) -> WorkerId {
        let key = FlowKey {
            source: packet.source,
            destination: packet.destination,
            source_port: (fragment.id >> 16) as u16,
            destination_port: fragment.id as u16,
            protocol: fragment.protocol,
        };
        self.network.worker_of(key.hash(self.network.seed))
    }

    /// The ports of the datagram, if its first fragment has come or comes now.
    fn ports_of<A: Side>(
        &mut self,
        packet: &Packet<A>,
        fragment: Fragment,
        now: Ticks,
    ) -> Result<Option<Ports>, DropReason> {
        let key = datagram_key(packet, fragment);
        let Some(first) = fragment.first else {
            let ports = A::fragments(&mut self.datagrams).lookup(&key, now);
            self.datagrams.held_for = Some(A::held(key));
            return Ok(ports);
        };
        let ports = (first.source_port, first.destination_port);
        let mut released = std::mem::take(&mut self.datagrams.released);
        let learned = A::fragments(&mut self.datagrams).learn(key, ports, now, |frame| {
            released.push_back(frame);
        });
        self.datagrams.released = released;
        learned.map_err(|_| DropReason::FragmentConflict)?;
        Ok(Some(ports))
    }

    fn balance_fragment<A: Side>(
        &mut self,
        frame: &mut F,
        arrived: Option<InterfaceIndex>,
        packet: &Packet<A>,
        fragment: Fragment,
        ports: Ports,
        now: Ticks,
    ) -> Verdict {
        let transport = transport(arrived, packet, fragment, ports);
        let probe = A::memory(&self.memories).flows.probe(transport.key);
        self.balance(frame, &transport, &probe, now)
    }

    /// Lets the frame of the last [`Verdict::HoldFragment`] wait for the first of its datagram.
    ///
    /// # Errors
    /// Gives it back if enough wait.
    pub fn hold_fragment(&mut self, frame: F, now: Ticks) -> Result<(), F> {
        match self.datagrams.held_for {
            Some(Held::Ipv4(key)) => self.datagrams.ipv4.hold(key, frame, now),
            Some(Held::Ipv6(key)) => self.datagrams.ipv6.hold(key, frame, now),
            None => Err(frame),
        }
    }

    /// The next frame that has waited and waits no longer.
    pub fn next_released(&mut self) -> Option<F> {
        self.datagrams.released.pop_front()
    }

    /// Gives up on fragments whose first one does not come.
    pub fn tick_fragments(&mut self, now: Ticks, mut drop: impl FnMut(F)) {
        self.datagrams.ipv4.tick(now, &mut drop);
        self.datagrams.ipv6.tick(now, &mut drop);
    }

    /// Gives up on all fragments. For the end of a run.
    pub fn drain_fragments(&mut self, mut drop: impl FnMut(F)) {
        self.datagrams.ipv4.drain(&mut drop);
        self.datagrams.ipv6.drain(&mut drop);
        self.datagrams.released.drain(..).for_each(drop);
    }

    /// Frames that wait, for neighbors or for first fragments.
    #[must_use]
    pub fn holding(&self) -> usize {
        self.neighbors.waiting() + self.datagrams.held()
    }
}

/// What tells the datagram of a fragment from others.
pub(super) fn datagram_key<A: Side>(packet: &Packet<A>, fragment: Fragment) -> FragmentKey<A> {
    FragmentKey {
        source: packet.source,
        destination: packet.destination,
        protocol: A::fragment_protocol(fragment.protocol),
        id: fragment.id,
    }
}

/// A fragment whose ports are known, as a packet of its flow.
pub(super) fn transport<A: Side>(
    arrived: Option<InterfaceIndex>,
    packet: &Packet<A>,
    fragment: Fragment,
    ports: Ports,
) -> Transport<A> {
    let first = fragment.first;
    Transport {
        arrived,
        layout: packet.layout,
        key: key(packet, fragment, ports),
        flags: first.map_or(TcpFlags::default(), |segment| segment.flags),
        acknowledgement: first.map_or(0, |segment| segment.acknowledgement),
        has_header: first.is_some(),
    }
}

pub(super) fn key<A: Side>(packet: &Packet<A>, fragment: Fragment, ports: Ports) -> FlowKey<A> {
    FlowKey {
        source: packet.source,
        destination: packet.destination,
        source_port: ports.0,
        destination_port: ports.1,
        protocol: fragment.protocol,
    }
}
