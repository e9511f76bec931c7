//! One flow: who talks to whom, by what rewrite, and how far the conversation is.

use super::key::{Address, FlowKey};
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

/// How far a flow is. Decides its idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// TCP: the client has sent SYN; the backend has perhaps answered.
    Handshake,
    /// TCP: both sides have been heard and the client has acknowledged.
    Established,
    /// TCP: one side has sent FIN.
    HalfClosed,
    /// TCP: both sides have sent FIN, or one has sent RST. The ports stay reserved, because the side
    /// that closed first remembers the connection for a while (RFC 9293, TIME-WAIT).
    Closed,
    /// UDP.
    Datagram,
}

/// What a packet did to its flow's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    None,
    /// The state changed, and with it the timeout.
    Changed,
    /// The connection was refused: the flow ends with this packet.
    Refused,
}

/// A flow of NAT mode. For IPv4 it is exactly one cache line.
///
/// ```text
/// client ── client:cp → vip:vp ──▶ worker ── snat:sp → backend:bp ──▶ backend
/// client ◀── vip:vp → client:cp ── worker ◀── backend:bp → snat:sp ── backend
/// ```
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
    /// Changes to the IP and transport checksums of packets to the backend.
    pub to_backend: Rewrite,
    /// The same of packets to the client.
    pub to_client: Rewrite,
    /// The backend's slot.
    pub backend_slot: BackendSlot,
    /// The backend's epoch when the flow was made.
    pub backend_epoch: Epoch,
    /// The service's slot.
    pub service: ServiceSlot,
    /// When the last packet came, either way.
    pub last_seen: Ticks,
    /// Neighbors in the timer wheel's list.
    pub(crate) timer: super::wheel::Links,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How far it is.
    pub state: State,
    /// Which sides have sent what.
    pub(crate) seen: Seen,
}

/// What changes in packets of one direction besides addresses and ports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rewrite {
    /// Change to the IPv4 header's checksum, without the TTL's.
    pub ip: Delta,
    /// Change to the TCP or UDP checksum.
    pub transport: Delta,
    /// The next hop.
    pub neighbor: NeighborRef,
}

/// Flags of TCP seen from either side. The state follows from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(u8);

impl Seen {
    const BACKEND_SYN: u8 = 1;
    const CLIENT_FIN: u8 = 2;
    const BACKEND_FIN: u8 = 4;
    const CLIENT_RST: u8 = 8;
    const BACKEND_RST: u8 = 16;
    /// The client has acknowledged the backend's SYN.
    const OPEN: u8 = 32;

    const FINS: u8 = Self::CLIENT_FIN | Self::BACKEND_FIN;
    const RSTS: u8 = Self::CLIENT_RST | Self::BACKEND_RST;

    fn note(&mut self, direction: Direction, flags: TcpFlags) {
        let (fin, rst) = match direction {
            Direction::Forward => (Self::CLIENT_FIN, Self::CLIENT_RST),
            Direction::Reverse => (Self::BACKEND_FIN, Self::BACKEND_RST),
        };
        // Whoever has reset a connection sends nothing more on it. If a packet comes after all,
        // the reset was somebody else's, or not accepted.
        self.0 &= !rst;
        if flags.has(TcpFlags::RST) {
            self.0 |= rst;
        } else if flags.has(TcpFlags::FIN) {
            self.0 |= fin;
        } else if direction == Direction::Reverse && flags.has(TcpFlags::SYN) {
            // A FIN before it belongs to an earlier connection on the same ports.
            self.0 = self.0 & !fin | Self::BACKEND_SYN;
        }
        let acknowledges = direction == Direction::Forward && flags.has(TcpFlags::ACK);
        if acknowledges && self.0 & Self::BACKEND_SYN != 0 {
            self.0 |= Self::OPEN;
        }
    }

    const fn state(self) -> State {
        if self.0 & Self::RSTS != 0 || self.0 & Self::FINS == Self::FINS {
            State::Closed
        } else if self.0 & Self::FINS != 0 {
            State::HalfClosed
        } else if self.0 & Self::OPEN != 0 {
            State::Established
        } else {
            State::Handshake
        }
    }
}

const _: () = assert!(size_of::<Option<Flow<std::net::Ipv4Addr>>>() == 64);

impl<A: Address> Flow<A> {
    /// A flow of this protocol whose first packet comes now, between no addresses yet.
    #[must_use]
    pub fn new(protocol: Protocol, now: Ticks) -> Self {
        Self {
            client: A::UNSPECIFIED,
            vip: A::UNSPECIFIED,
            snat: A::UNSPECIFIED,
            backend: A::UNSPECIFIED,
            client_port: 0,
            vip_port: 0,
            snat_port: 0,
            backend_port: 0,
            to_backend: Rewrite::default(),
            to_client: Rewrite::default(),
            backend_slot: BackendSlot(0),
            backend_epoch: Epoch(0),
            service: ServiceSlot(0),
            last_seen: now,
            timer: super::wheel::Links::UNLINKED,
            protocol,
            state: Self::first_state(protocol),
            seen: Seen::default(),
        }
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

    /// The key of packets from the backend.
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
    pub fn follow(&mut self, direction: Direction, flags: TcpFlags, now: Ticks) -> Transition {
        self.last_seen = now;
        if self.protocol == Protocol::Udp {
            return Transition::None;
        }
        if flags.has(TcpFlags::RST) && self.state == State::Handshake {
            return Transition::Refused;
        }
        let before = self.state;
        self.seen.note(direction, flags);
        self.state = self.seen.state();
        if self.state == before {
            Transition::None
        } else {
            Transition::Changed
        }
    }

    /// True if a client's SYN on this flow opens a new connection on the same ports, rather than
    /// repeating the SYN of the present one.
    #[must_use]
    pub fn may_reopen(&self) -> bool {
        matches!(self.state, State::HalfClosed | State::Closed)
    }

    /// Starts over for a new connection on the same ports.
    pub fn reopen(&mut self, now: Ticks) {
        self.state = Self::first_state(self.protocol);
        self.seen = Seen::default();
        self.last_seen = now;
    }
}
