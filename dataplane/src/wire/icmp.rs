//! ICMP for IPv4 (RFC 792), and what its messages and those of ICMPv6 mean to Viaduct.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ip::AddressPair;
use super::{checksum, icmpv6};

/// Length of the header of all messages, in bytes.
pub const HEADER_LEN: usize = 8;

/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type of "destination unreachable", for the reason that its code gives.
pub const UNREACHABLE: u8 = 3;
/// Type of the deprecated "source quench" (RFC 6633).
pub const SOURCE_QUENCH: u8 = 4;
/// Type of a redirect.
pub const REDIRECT: u8 = 5;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Type of "time exceeded": on the way (code 0) or in reassembly (code 1).
pub const TIME_EXCEEDED: u8 = 11;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 12;

/// Code of [`UNREACHABLE`]: no way to the host.
pub const CODE_HOST: u8 = 1;
/// Code of [`UNREACHABLE`]: nobody listens on the port.
pub const CODE_PORT: u8 = 3;
/// Code of [`UNREACHABLE`]: too long for the next hop, and may not be fragmented (RFC 1191).
pub const CODE_FRAGMENTATION_NEEDED: u8 = 4;
/// Code of [`UNREACHABLE`]: forbidden by an administrator (RFC 1812, section 5.2.7.1).
pub const CODE_PROHIBITED: u8 = 13;

/// The last type that RFC 792 and its early successors gave out.
const LAST_KNOWN_TYPE: u8 = 18;

/// The part that all ICMP messages share, and the 32 bits that their types define. The same in
/// both families.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct IcmpHeader {
    /// Type of the message.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Over the whole message; in ICMPv6 also over a pseudo header.
    pub checksum: U16,
    /// Depends on the type; identifier and sequence number in echo.
    pub rest: [u8; 4],
}

impl IcmpHeader {
    /// The MTU of the next hop in "fragmentation needed" (RFC 1191, section 4), in bytes; 0 from
    /// routers that are older than that.
    #[must_use]
    pub const fn next_hop_mtu(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }
}

/// What a message of either family is to Viaduct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpKind {
    /// Asks for an echo.
    EchoRequest,
    /// Echoes.
    EchoReply,
    /// Says what became of the packet that it quotes.
    Error(ErrorKind),
    /// Finds neighbors and routers (RFC 4861).
    NeighborDiscovery,
    /// Anything else, redirects and source quench too.
    Other,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It did not reach its destination.
    Unreachable,
    /// It was too long for a hop: "fragmentation needed", or "packet too big".
    PacketTooBig,
    /// It made too many hops, or its other fragments did not come.
    TimeExceeded,
    /// Its headers were not understood.
    ParameterProblem,
}

/// What an ICMP message of this type and code is.
#[must_use]
pub const fn kind(kind: u8, code: u8) -> IcmpKind {
    match (kind, code) {
        (ECHO_REQUEST, 0) => IcmpKind::EchoRequest,
        (ECHO_REPLY, 0) => IcmpKind::EchoReply,
        (UNREACHABLE, CODE_FRAGMENTATION_NEEDED) => IcmpKind::Error(ErrorKind::PacketTooBig),
        (UNREACHABLE, _) => IcmpKind::Error(ErrorKind::Unreachable),
        (TIME_EXCEEDED, _) => IcmpKind::Error(ErrorKind::TimeExceeded),
        (PARAMETER_PROBLEM, _) => IcmpKind::Error(ErrorKind::ParameterProblem),
        _ => IcmpKind::Other,
    }
}

/// True for types about which no error may be sent (RFC 1122, section 3.2.2): errors, and types
/// that are not known not to be errors.
#[must_use]
pub const fn may_be_error(kind: u8) -> bool {
    matches!(
        kind,
        UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
    ) || kind > LAST_KNOWN_TYPE
}

/// The checksum field's value over a whole message of the family of `addresses`, with that field
/// read as it stands: 0 over a message with a right one.
#[must_use]
pub fn checksum(addresses: AddressPair, message: &[u8]) -> u16 {
    match addresses {
        AddressPair::V4 { .. } => checksum::checksum(message),
        AddressPair::V6 { .. } => icmpv6::checksum(addresses, message),
    }
}

#[cfg(test)]
mod tests {
    use etherparse::icmpv4::{DestUnreachableHeader, TimeExceededCode};
    use etherparse::{IcmpEchoHeader, Icmpv4Type};

    use super::*;

    fn kind_of(message: Icmpv4Type) -> IcmpKind {
        let bytes = etherparse::Icmpv4Header::new(message).to_bytes();
        kind(bytes[0], bytes[1])
    }

    #[test]
    fn kinds_are_those_of_the_judge() {
        let echo = IcmpEchoHeader { id: 1, seq: 2 };
        let unreachable = Icmpv4Type::DestinationUnreachable;
        let too_big = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
        let is = |message, expected| assert_eq!(kind_of(message), expected);
        is(Icmpv4Type::EchoRequest(echo), IcmpKind::EchoRequest);
        is(Icmpv4Type::EchoReply(echo), IcmpKind::EchoReply);
        is(
            unreachable(too_big),
            IcmpKind::Error(ErrorKind::PacketTooBig),
        );
        let port = unreachable(DestUnreachableHeader::Port);
        is(port, IcmpKind::Error(ErrorKind::Unreachable));
        let exceeded = Icmpv4Type::TimeExceeded(TimeExceededCode::TtlExceededInTransit);
        is(exceeded, IcmpKind::Error(ErrorKind::TimeExceeded));
    }

    #[test]
    fn the_mtu_is_where_the_judge_writes_it() {
        let too_big = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
        let message = Icmpv4Type::DestinationUnreachable(too_big);
        let bytes = etherparse::Icmpv4Header::new(message).to_bytes();
        let (header, _) = IcmpHeader::ref_from_prefix(&bytes).expect("8 bytes");
        assert_eq!(header.next_hop_mtu(), 1400);
    }

    #[test]
    fn quench_redirects_and_odd_codes_are_nothing_to_act_on() {
        for (number, code) in [
            (SOURCE_QUENCH, 0),
            (REDIRECT, 1),
            (ECHO_REQUEST, 1),
            (42, 0),
        ] {
            assert_eq!(kind(number, code), IcmpKind::Other);
        }
        assert!(may_be_error(SOURCE_QUENCH) && may_be_error(REDIRECT) && may_be_error(42));
        assert!(!may_be_error(ECHO_REQUEST) && !may_be_error(ECHO_REPLY));
    }
}
