//! One flow: who talks to whom, by what rewrite, and how far the conversation is.

use super::key::{Address, Endpoint, FlowKey};
use super::tcp::{Return, Seen, State, TcpFacts, Transition};
use crate::Protocol;
use crate::clock::{TickSpan, Ticks};
use crate::neighbor::NeighborRef;
use crate::table::{BackendSlot, Epoch, ServiceSlot, Timeouts};
use crate::wire::checksum::Delta;
use crate::wire::tcp::TcpFlags;

/// Place of a flow in its worker's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowIndex(pub(super) u32);

/// Which way a packet of a flow travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Client to backend: arrives at the VIP.
    Forward,
    /// Backend to client: arrives at the source address that the backend saw.
    Reverse,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }
}

/// A flow. For IPv4 it is exactly one cache line, for IPv6 two.
///
/// ```text
/// client ── client:cp → vip:vp ──▶ worker ── snat:sp → backend:bp ──▶ backend
/// client ◀── vip:vp → client:cp ── worker ◀── backend:bp → snat:sp ── backend
/// ```
/// In `gateway` mode `snat:sp` is the client itself. A flow whose replies go straight to the client
/// is not rewritten: its `snat` and `backend` are unspecified, and the backend follows from the slot.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Flow<A> {
    /// The client's address.
    pub client: A,
    /// The VIP.
    pub vip: A,
    /// The source address that the backend sees.
    pub snat: A,
    /// The backend's address.
    pub backend: A,
    /// The client's port.
    pub client_port: u16,
    /// The VIP's port.
    pub vip_port: u16,
    /// The source port that the backend sees.
    pub snat_port: u16,
    /// The backend's port.
    pub backend_port: u16,
    /// The backend's slot.
    pub backend_slot: BackendSlot,
    /// When the last packet came, either way.
    pub last_seen: Ticks,
    /// The last acknowledgement number that the client sent: the sequence number that it expects.
    pub(crate) client_next: u32,
    /// The same of the backend.
    pub(crate) backend_next: u32,
    /// Neighbors in the timer wheel's list.
    pub(crate) timer: super::wheel::Links,
    /// The backend's epoch when the flow was made.
    pub backend_epoch: Epoch,
    /// The service's slot.
    pub service: ServiceSlot,
    /// The next hop of packets to the backend.
    pub neighbor_to_backend: NeighborRef,
    /// The next hop of packets to the client.
    pub neighbor_to_client: NeighborRef,
    /// What the addresses' change adds to a checksum of packets to the backend.
    pub(crate) address_change: Delta,
    /// What has been seen of the connection.
    pub(crate) seen: Seen,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How far it is. Says which timer wheel it is in, so that only the table may change it.
    pub(crate) state: State,
    /// Which way its replies take.
    pub(crate) returns: Return,
}

const _: () = assert!(size_of::<Option<Flow<std::net::Ipv4Addr>>>() == 64);
const _: () = assert!(size_of::<Option<Flow<std::net::Ipv6Addr>>>() <= 128);

impl<A: Address> Flow<A> {
    /// A flow of this protocol whose first packet comes now, between no addresses yet.
    fn new(protocol: Protocol, returns: Return, now: Ticks) -> Self {
        Self {
            client: A::UNSPECIFIED,
            vip: A::UNSPECIFIED,
            snat: A::UNSPECIFIED,
            backend: A::UNSPECIFIED,
            client_port: 0,
            vip_port: 0,
            snat_port: 0,
            backend_port: 0,
            backend_slot: BackendSlot(0),
            last_seen: now,
            client_next: 0,
            backend_next: 0,
            timer: super::wheel::Links::UNLINKED,
            backend_epoch: Epoch(0),
            service: ServiceSlot(0),
            neighbor_to_backend: NeighborRef::default(),
            neighbor_to_client: NeighborRef::default(),
            address_change: Delta::default(),
            seen: Seen::default(),
            protocol,
            state: Self::first_state(protocol),
            returns,
        }
    }

    /// A flow whose replies come back through Viaduct. Its packets arrive from `client` at `vip`,
    /// and leave from `snat` (in `gateway` mode the client again) to `backend`. Slots and next hops
    /// are the caller's to fill in.
    #[must_use]
    pub fn through_us(
        protocol: Protocol,
        [client, vip]: [Endpoint<A>; 2],
        [snat, backend]: [Endpoint<A>; 2],
        now: Ticks,
    ) -> Self {
        let address_change = client.0.change_to(snat.0).and(vip.0.change_to(backend.0));
        Self {
            client: client.0,
            vip: vip.0,
            snat: snat.0,
            backend: backend.0,
            client_port: client.1,
            vip_port: vip.1,
            snat_port: snat.1,
            backend_port: backend.1,
            address_change,
            ..Self::new(protocol, Return::ThroughUs, now)
        }
    }

    /// A flow whose replies never pass, from `client` to `vip`.
    #[must_use]
    pub fn direct(protocol: Protocol, [client, vip]: [Endpoint<A>; 2], now: Ticks) -> Self {
        Self {
            client: client.0,
            vip: vip.0,
            client_port: client.1,
            vip_port: vip.1,
            ..Self::new(protocol, Return::Direct, now)
        }
    }

    /// The same flow, made by a packet from the middle of its connection. It stays half open until
    /// another packet with ACK comes. For `dsr`, tunnels and `gateway`, where another host may have
    /// balanced the connection before.
    #[must_use]
    pub fn picked_up(self) -> Self {
        let seen = Seen::PICKED_UP;
        Self { seen, ..self }
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Which way its replies take.
    #[must_use]
    pub const fn returns(&self) -> Return {
        self.returns
    }

    /// The key of packets from the client.
    #[must_use]
    pub fn forward_key(&self) -> FlowKey<A> {
        FlowKey {
            source: self.client,
            destination: self.vip,
            source_port: self.client_port,
            destination_port: self.vip_port,
            protocol: self.protocol,
        }
    }

    /// The key of packets from the backend, if they come back through Viaduct.
    #[must_use]
    pub fn reverse_key(&self) -> FlowKey<A> {
        FlowKey {
            source: self.backend,
            destination: self.snat,
            source_port: self.backend_port,
            destination_port: self.snat_port,
            protocol: self.protocol,
        }
    }

    /// The key of packets in this direction.
    #[must_use]
    pub fn key(&self, direction: Direction) -> FlowKey<A> {
        match direction {
            Direction::Forward => self.forward_key(),
            Direction::Reverse => self.reverse_key(),
        }
    }

    /// The source and destination with which packets of this direction leave, if they are rewritten.
    #[inline]
    #[must_use]
    pub fn leaving(&self, direction: Direction) -> [Endpoint<A>; 2] {
        match direction {
            Direction::Forward => [
                (self.snat, self.snat_port),
                (self.backend, self.backend_port),
            ],
            Direction::Reverse => [(self.vip, self.vip_port), (self.client, self.client_port)],
        }
    }

    /// What the rewrite of packets in this direction adds to checksums: to the IPv4 header's (which
    /// covers the addresses; the time to live is the caller's), and to the transport's (which covers
    /// addresses and ports). No change for flows that are not rewritten.
    #[inline]
    #[must_use]
    pub fn changes(&self, direction: Direction) -> (Delta, Delta) {
        if self.returns == Return::Direct {
            return (Delta::default(), Delta::default());
        }
        let ports = Delta::of_word(self.client_port, self.snat_port)
            .and(Delta::of_word(self.vip_port, self.backend_port));
        let (ip, transport) = (self.address_change, self.address_change.and(ports));
        match direction {
            Direction::Forward => (ip, transport),
            Direction::Reverse => (ip.inverse(), transport.inverse()),
        }
    }

    /// The next hop of packets in this direction.
    #[inline]
    #[must_use]
    pub const fn neighbor(&self, direction: Direction) -> NeighborRef {
        match direction {
            Direction::Forward => self.neighbor_to_backend,
            Direction::Reverse => self.neighbor_to_client,
        }
    }

    /// The sequence number with which a RST that travels in this direction is accepted at once: the
    /// very one that its receiver expects (RFC 5961, section 3.2). `None` if the receiver has sent
    /// no acknowledgement, or none that passed here.
    #[must_use]
    pub const fn reset_sequence(&self, direction: Direction) -> Option<u32> {
        if !self.seen.has_ack(direction.opposite()) {
            return None;
        }
        Some(match direction {
            Direction::Forward => self.backend_next,
            Direction::Reverse => self.client_next,
        })
    }

    /// How long it may be idle in its present state.
    #[must_use]
    pub fn timeout(&self, timeouts: &Timeouts) -> TickSpan {
        match self.state {
            State::Handshake => timeouts.tcp_handshake,
            State::Established => timeouts.tcp_established,
            State::HalfClosed | State::Closed => timeouts.tcp_closing,
            State::Datagram => timeouts.udp,
        }
    }

    /// The state of a flow whose first packet this protocol has sent.
    #[must_use]
    pub const fn first_state(protocol: Protocol) -> State {
        match protocol {
            Protocol::Tcp => State::Handshake,
            Protocol::Udp => State::Datagram,
        }
    }

    /// Follows one packet. Half-closed connections keep the established timeout's data flowing:
    /// every packet renews `last_seen`, so only silence ends them sooner. A reset does not end a
    /// connection at once: sequence numbers are not followed, so a blind one looks like a right one.
    pub(super) fn follow(
        &mut self,
        direction: Direction,
        facts: TcpFacts,
        now: Ticks,
    ) -> Transition {
        self.last_seen = now;
        if self.protocol == Protocol::Udp {
            return Transition::None;
        }
        if facts.flags.has(TcpFlags::RST) && self.state == State::Handshake {
            return Transition::Refused;
        }
        self.note_ack(direction, facts);
        let before = self.state;
        self.seen.note(direction, facts.flags, self.returns);
        self.state = self.seen.state();
        if self.state == before {
            Transition::None
        } else {
            Transition::Changed
        }
    }

    /// The last one counts, not the highest: a wrong one is corrected by the next packet.
    fn note_ack(&mut self, direction: Direction, facts: TcpFacts) {
        if facts.flags.has(TcpFlags::ACK) && !facts.flags.has(TcpFlags::RST) {
            match direction {
                Direction::Forward => self.client_next = facts.ack,
                Direction::Reverse => self.backend_next = facts.ack,
            }
            self.seen.note_ack(direction);
        }
    }

    /// True if a client's SYN on this flow opens a new connection on the same ports, rather than
    /// repeating the SYN of the present one.
    #[must_use]
    pub fn may_reopen(&self) -> bool {
        matches!(self.state, State::HalfClosed | State::Closed)
    }

    /// Starts over for a new connection on the same ports.
    pub(super) fn reopen(&mut self, now: Ticks) {
        self.state = Self::first_state(self.protocol);
        self.seen = Seen::default();
        self.last_seen = now;
    }
}

#[cfg(test)]
mod tests;
