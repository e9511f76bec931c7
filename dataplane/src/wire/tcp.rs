//! TCP headers (RFC 9293).

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a header without options, in bytes.
pub const MIN_HEADER_LEN: usize = 20;

/// The fixed part of a header; options may follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TcpHeader {
    /// Source port.
    pub source_port: U16,
    /// Destination port.
    pub destination_port: U16,
    /// Sequence number.
    pub sequence: U32,
    /// Acknowledgement number.
    pub acknowledgement: U32,
    /// Header length in 32-bit words (4 bits), reserved (4 bits).
    pub offset: u8,
    /// Control bits.
    pub flags: TcpFlags,
    /// Receive window.
    pub window: U16,
    /// Over the pseudo header, this header and the payload.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl TcpHeader {
    /// Length of the header with its options, in bytes: 0 to 60, at least 20 if it is valid.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        (self.offset >> 4) as usize * 4
    }
}

/// Control bits of a TCP header.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;

    /// True if every bit of `bits` is set.
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    /// True for the packets that open a connection, either way.
    #[must_use]
    pub const fn has_syn(self) -> bool {
        self.has(Self::SYN)
    }

    /// True for the first packet of a connection: SYN without ACK.
    #[must_use]
    pub const fn opens(self) -> bool {
        self.0 & (Self::SYN | Self::ACK) == Self::SYN
    }

    /// False for combinations that no TCP sends: none of SYN, ACK, RST and FIN, or SYN together
    /// with FIN or RST.
    #[must_use]
    pub const fn are_sane(self) -> bool {
        let known = self.0 & (Self::SYN | Self::ACK | Self::RST | Self::FIN);
        known != 0 && !(self.has(Self::SYN) && self.0 & (Self::FIN | Self::RST) != 0)
    }
}
