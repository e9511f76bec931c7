//! ICMPv6 (RFC 4443). The header is [`IcmpHeader`], as in IPv4; the checksum covers a pseudo header.

use super::checksum::Sum;
use super::icmp::{ErrorKind, IcmpHeader, IcmpKind};
use super::ip::AddressPair;

/// IP protocol number of ICMPv6.
pub const PROTOCOL: u8 = 58;

/// Type of "destination unreachable", for the reason that its code gives.
pub const UNREACHABLE: u8 = 1;
/// Type of "packet too big".
pub const PACKET_TOO_BIG: u8 = 2;
/// Type of "time exceeded": hops (code 0) or reassembly (code 1).
pub const TIME_EXCEEDED: u8 = 3;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 4;
/// Type of an echo request.
pub const ECHO_REQUEST: u8 = 128;
/// Type of an echo reply.
pub const ECHO_REPLY: u8 = 129;
/// Type of a router solicitation, the first of Neighbor Discovery (RFC 4861, section 4).
pub const ROUTER_SOLICITATION: u8 = 133;
/// Type of a neighbor solicitation.
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// Type of a neighbor advertisement.
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Type of a redirect, the last of Neighbor Discovery.
pub const REDIRECT: u8 = 137;

/// Code of [`UNREACHABLE`]: forbidden by an administrator.
pub const CODE_PROHIBITED: u8 = 1;
/// Code of [`UNREACHABLE`]: no way to the address, its neighbor does not answer for example.
pub const CODE_ADDRESS: u8 = 3;
/// Code of [`UNREACHABLE`]: nobody listens on the port.
pub const CODE_PORT: u8 = 4;

/// Types from here on inform; those below tell of errors (RFC 4443, section 2.1).
const FIRST_INFORMATIONAL: u8 = 128;

/// What an ICMPv6 message of this type and code is.
#[must_use]
pub const fn kind(kind: u8, code: u8) -> IcmpKind {
    match (kind, code) {
        (UNREACHABLE, _) => IcmpKind::Error(ErrorKind::Unreachable),
        (PACKET_TOO_BIG, _) => IcmpKind::Error(ErrorKind::PacketTooBig),
        (TIME_EXCEEDED, _) => IcmpKind::Error(ErrorKind::TimeExceeded),
        (PARAMETER_PROBLEM, _) => IcmpKind::Error(ErrorKind::ParameterProblem),
        (ECHO_REQUEST, 0) => IcmpKind::EchoRequest,
        (ECHO_REPLY, 0) => IcmpKind::EchoReply,
        (ROUTER_SOLICITATION..=REDIRECT, _) => IcmpKind::NeighborDiscovery,
        _ => IcmpKind::Other,
    }
}

/// True for types about which no error may be sent (RFC 4443, section 2.4, e.1 and e.2).
#[must_use]
pub const fn is_error_or_redirect(kind: u8) -> bool {
    kind < FIRST_INFORMATIONAL || kind == REDIRECT
}

/// The MTU in "packet too big" (RFC 4443, section 3.2), in bytes.
#[must_use]
pub const fn mtu(header: &IcmpHeader) -> u32 {
    u32::from_be_bytes(header.rest)
}

/// The checksum field's value over a whole message, with that field read as it stands: 0 over a
/// message with a right one.
#[must_use]
pub fn checksum(addresses: AddressPair, message: &[u8]) -> u16 {
    Sum::pseudo_header(addresses, PROTOCOL, message.len())
        .bytes(message)
        .checksum()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use etherparse::Icmpv6Type;
    use etherparse::icmpv6::{DestUnreachableCode, TimeExceededCode};
    use proptest::prelude::*;
    use zerocopy::FromBytes;

    use super::*;

    #[test]
    fn kinds_are_those_of_the_judge() {
        let echo = etherparse::IcmpEchoHeader { id: 1, seq: 2 };
        let cases = [
            (Icmpv6Type::EchoRequest(echo), IcmpKind::EchoRequest),
            (Icmpv6Type::EchoReply(echo), IcmpKind::EchoReply),
            (
                Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Port),
                IcmpKind::Error(ErrorKind::Unreachable),
            ),
            (
                Icmpv6Type::PacketTooBig { mtu: 1400 },
                IcmpKind::Error(ErrorKind::PacketTooBig),
            ),
            (
                Icmpv6Type::TimeExceeded(TimeExceededCode::HopLimitExceeded),
                IcmpKind::Error(ErrorKind::TimeExceeded),
            ),
            (Icmpv6Type::RouterSolicitation, IcmpKind::NeighborDiscovery),
            (
                Icmpv6Type::NeighborSolicitation,
                IcmpKind::NeighborDiscovery,
            ),
            (Icmpv6Type::Redirect, IcmpKind::NeighborDiscovery),
        ];
        for (message, expected) in cases {
            assert_eq!(kind(message.type_u8(), message.code_u8()), expected);
        }
        assert_eq!(kind(ECHO_REQUEST, 1), IcmpKind::Other);
        assert_eq!(kind(130, 0), IcmpKind::Other);
    }

    #[test]
    fn errors_about_errors_are_known() {
        for number in [UNREACHABLE, PARAMETER_PROBLEM, 127, REDIRECT] {
            assert!(is_error_or_redirect(number), "{number}");
        }
        assert!(!is_error_or_redirect(ECHO_REQUEST));
        assert!(!is_error_or_redirect(NEIGHBOR_SOLICITATION));
    }

    proptest! {
        #[test]
        fn checksums_are_those_of_the_judge(
            source: [u8; 16], destination: [u8; 16], mtu_written: u32,
            payload in prop::collection::vec(any::<u8>(), 0..99),
        ) {
            let message = Icmpv6Type::PacketTooBig { mtu: mtu_written };
            let header = etherparse::Icmpv6Header::with_checksum(message, source, destination, &payload)
                .expect("short");
            let bytes = [&header.to_bytes()[..], &payload].concat();
            let addresses = AddressPair::V6 {
                source: Ipv6Addr::from(source),
                destination: Ipv6Addr::from(destination),
            };
            prop_assert_eq!(checksum(addresses, &bytes), 0);
            let (header, _) = IcmpHeader::ref_from_prefix(&bytes).expect("8 bytes");
            prop_assert_eq!(mtu(header), mtu_written);
        }
    }
}
