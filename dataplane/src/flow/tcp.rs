//! How far a TCP connection is, from the control bits that pass.
//!
//! A middlebox sees what both sides send, or in direct return only what the client sends. It follows
//! no sequence numbers: it judges nothing, and never keeps a packet from the side that can judge.
//! Nothing here knows addresses, time or the flow table.

use super::entry::Direction;
use crate::wire::tcp::TcpFlags;

/// How far a flow is. Decides its idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// TCP, half open: the client has sent SYN, and the backend has perhaps answered; or one packet
    /// from the middle of a connection has come. Spoofed packets get as far as this, so that these
    /// flows are the first to go when room is needed.
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

/// What a flow needs to know of a TCP packet. All zero for UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFacts {
    /// Control bits.
    pub flags: TcpFlags,
    /// Acknowledgement number; means something only with the ACK bit.
    pub ack: u32,
}

/// Which way a flow's replies take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// By way of Viaduct (`nat`, `gateway`): a flow has two keys.
    ThroughUs,
    /// From the backend straight to the client (`dsr`, tunnels): only the client is heard, and a
    /// flow has one key.
    Direct,
}

/// What has been seen of a connection. The state follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(u16);

impl Seen {
    const BACKEND_SYN: u16 = 1;
    const CLIENT_FIN: u16 = 1 << 1;
    const BACKEND_FIN: u16 = 1 << 2;
    const CLIENT_RST: u16 = 1 << 3;
    const BACKEND_RST: u16 = 1 << 4;
    /// Somebody who hears the other side has acknowledged.
    const OPEN: u16 = 1 << 5;
    /// The client's acknowledgement number is known.
    const CLIENT_ACK: u16 = 1 << 6;
    /// The backend's acknowledgement number is known.
    const BACKEND_ACK: u16 = 1 << 7;
    /// The first packet was not the connection's first.
    const MID_STREAM: u16 = 1 << 8;
    /// A packet has come.
    const HEARD: u16 = 1 << 9;

    const FINS: u16 = Self::CLIENT_FIN | Self::BACKEND_FIN;
    const RSTS: u16 = Self::CLIENT_RST | Self::BACKEND_RST;

    /// Nothing yet of a connection that is older than its flow.
    pub(super) const PICKED_UP: Self = Self(Self::MID_STREAM);

    const fn has(self, bits: u16) -> bool {
        self.0 & bits == bits
    }

    /// Notes one packet.
    pub(super) fn note(&mut self, direction: Direction, flags: TcpFlags, returns: Return) {
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
        let acknowledges = flags.has(TcpFlags::ACK) && !flags.has(TcpFlags::SYN);
        if acknowledges && self.is_answered(direction, returns) {
            self.0 |= Self::OPEN;
        }
        self.0 |= Self::HEARD;
    }

    /// True if an acknowledgement that comes now shows that two sides talk.
    const fn is_answered(self, direction: Direction, returns: Return) -> bool {
        if self.has(Self::MID_STREAM) {
            return self.has(Self::HEARD);
        }
        match (direction, returns) {
            (Direction::Forward, Return::Direct) => true,
            (Direction::Forward, Return::ThroughUs) => self.has(Self::BACKEND_SYN),
            (Direction::Reverse, _) => false,
        }
    }

    /// Notes that this side's acknowledgement number is known.
    pub(super) fn note_ack(&mut self, direction: Direction) {
        self.0 |= Self::ack_of(direction);
    }

    /// True if the side that sends in this direction has sent an acknowledgement number.
    pub(super) const fn has_ack(self, direction: Direction) -> bool {
        self.has(Self::ack_of(direction))
    }

    const fn ack_of(direction: Direction) -> u16 {
        match direction {
            Direction::Forward => Self::CLIENT_ACK,
            Direction::Reverse => Self::BACKEND_ACK,
        }
    }

    /// Until a connection is open nothing closes it: a SYN and a FIN from a spoofed address are
    /// still half a handshake.
    pub(super) const fn state(self) -> State {
        if !self.has(Self::OPEN) {
            State::Handshake
        } else if self.0 & Self::RSTS != 0 || self.has(Self::FINS) {
            State::Closed
        } else if self.0 & Self::FINS != 0 {
            State::HalfClosed
        } else {
            State::Established
        }
    }
}
