//! ICMP and ICMPv6 errors that Viaduct sends itself, with the packet that they are about.
//!
//! ```text
//! │ IP, 20 or 40 │ ICMP, 8 │ the offending packet from its IP header on, as far as it fits │
//! ```
//! Whether an error may be sent at all is asked first, of [`may_answer`]. How often is the caller's
//! business (RFC 1812, section 4.3.2.8; RFC 4443, section 2.4, f).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::icmp::{self, IcmpHeader};
use super::icmpv6;
use super::ip::{AddressPair, Datagram, Family, NewHeader};
use super::ipv4::is_martian_source;
use super::ipv6::{MIN_MTU, is_martian_source_v6};

/// Length of the longest error about an IPv4 packet, in bytes (RFC 1812, section 4.3.2.3).
pub const MAX_LEN_V4: usize = 576;
/// Length of the longest error about an IPv6 packet, in bytes (RFC 4443, section 2.4, c).
pub const MAX_LEN_V6: usize = MIN_MTU;

/// DSCP CS6, for messages of routers to hosts (RFC 1812, section 4.3.2.5; RFC 4594).
const TRAFFIC_CLASS: u8 = 0xc0;

/// What went wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nobody serves this port of the address.
    PortUnreachable,
    /// There is no way to the host, or nobody serves the address.
    HostUnreachable,
    /// A rule forbids it.
    Prohibited,
    /// It does not fit where it would go, and may not be fragmented there.
    TooBig {
        /// Length of the longest IP packet that fits, in bytes. In IPv6 at least 1280 is said.
        mtu: u16,
    },
    /// It made as many hops as it may.
    HopsExceeded,
}

impl Problem {
    /// Type, code and the 32 bits behind them.
    const fn header(self, family: Family) -> IcmpHeader {
        let (kind, code) = match family {
            Family::V4 => self.numbers_v4(),
            Family::V6 => self.numbers_v6(),
        };
        let rest = match (self, family) {
            (Self::TooBig { mtu }, Family::V4) => {
                let [high, low] = mtu.to_be_bytes();
                [0, 0, high, low]
            }
            (Self::TooBig { mtu }, Family::V6) => {
                // Hosts ignore or distrust less (RFC 8201, section 4).
                let least = MIN_MTU as u32;
                let mtu = mtu as u32;
                (if mtu < least { least } else { mtu }).to_be_bytes()
            }
            _ => [0; 4],
        };
        IcmpHeader {
            kind,
            code,
            checksum: zerocopy::byteorder::network_endian::U16::ZERO,
            rest,
        }
    }

    const fn numbers_v4(self) -> (u8, u8) {
        match self {
            Self::PortUnreachable => (icmp::UNREACHABLE, icmp::CODE_PORT),
            Self::HostUnreachable => (icmp::UNREACHABLE, icmp::CODE_HOST),
            Self::Prohibited => (icmp::UNREACHABLE, icmp::CODE_PROHIBITED),
            Self::TooBig { .. } => (icmp::UNREACHABLE, icmp::CODE_FRAGMENTATION_NEEDED),
            Self::HopsExceeded => (icmp::TIME_EXCEEDED, 0),
        }
    }

    const fn numbers_v6(self) -> (u8, u8) {
        match self {
            Self::PortUnreachable => (icmpv6::UNREACHABLE, icmpv6::CODE_PORT),
            Self::HostUnreachable => (icmpv6::UNREACHABLE, icmpv6::CODE_ADDRESS),
            Self::Prohibited => (icmpv6::UNREACHABLE, icmpv6::CODE_PROHIBITED),
            Self::TooBig { .. } => (icmpv6::PACKET_TOO_BIG, 0),
            Self::HopsExceeded => (icmpv6::TIME_EXCEEDED, 0),
        }
    }
}

/// True if an error about `original`, an IP packet, may be sent (RFC 1122, section 3.2.2; RFC 1812,
/// section 4.3.2.7; RFC 4443, section 2.4, e): not about errors, not about fragments other than
/// the first, not about what went to many, and not to a source that is not one host.
///
/// A packet that came in a broadcast or multicast frame gets no error either, nor one to the
/// broadcast address of a subnet: the caller knows.
#[must_use]
pub fn may_answer(original: &[u8], problem: Problem) -> bool {
    let Some(datagram) = Datagram::read(original) else {
        return false;
    };
    let addressed = match datagram.addresses {
        AddressPair::V4 {
            source,
            destination,
        } => !is_martian_source(source) && is_unicast_v4(destination),
        AddressPair::V6 {
            source,
            destination,
        } => !is_martian_source_v6(source) && may_answer_about_v6(destination, problem),
    };
    addressed && datagram.is_first && !is_error(&datagram, original)
}

fn is_unicast_v4(address: Ipv4Addr) -> bool {
    !address.is_multicast() && !address.is_broadcast()
}

/// The path MTU of multicast is found by errors too (RFC 4443, section 2.4, e.3).
fn may_answer_about_v6(destination: Ipv6Addr, problem: Problem) -> bool {
    !destination.is_multicast() || matches!(problem, Problem::TooBig { .. })
}

/// True if the packet is an ICMP error, or is cut short so that it may be one.
fn is_error(datagram: &Datagram, original: &[u8]) -> bool {
    let family = datagram.addresses.family();
    if datagram.protocol != family.icmp_protocol() {
        return false;
    }
    match (family, datagram.body(original).first()) {
        (_, None) => true,
        (Family::V4, Some(&kind)) => icmp::may_be_error(kind),
        (Family::V6, Some(&kind)) => icmpv6::is_error_or_redirect(kind),
    }
}

/// Writes the error about `original` to the front of `packet`, as a whole IP packet from `source` to
/// the source of `original`, and returns its length. It quotes as much as fits in
/// [`MAX_LEN_V4`] or [`MAX_LEN_V6`].
///
/// `original` starts with its IP header and may be followed by padding. `None` if it can't be read,
/// `source` is of the other family, or `packet` has no room.
#[must_use]
pub fn write(
    packet: &mut [u8],
    source: IpAddr,
    problem: Problem,
    original: &[u8],
) -> Option<usize> {
    let datagram = Datagram::read(original)?;
    let addresses = AddressPair::new(source, datagram.addresses.source())?;
    let family = addresses.family();
    let (ip, longest) = (family.header_len(), max_len(family));
    let quote = datagram.end.min(original.len());
    let quote = &original[..quote.min(longest - ip - icmp::HEADER_LEN)];
    let len = ip + icmp::HEADER_LEN + quote.len();

    let message = packet.get_mut(..len)?.get_mut(ip..)?;
    let (front, rest) = message.split_at_mut(icmp::HEADER_LEN);
    let mut header = problem.header(family);
    front.copy_from_slice(header.as_bytes());
    rest.copy_from_slice(quote);
    header.checksum = icmp::checksum(addresses, message).into();
    message[..icmp::HEADER_LEN].copy_from_slice(header.as_bytes());

    let outside = NewHeader {
        traffic_class: TRAFFIC_CLASS,
        ..NewHeader::message(addresses, family.icmp_protocol(), len - ip)
    };
    outside.write(packet)?;
    Some(len)
}

const fn max_len(family: Family) -> usize {
    match family {
        Family::V4 => MAX_LEN_V4,
        Family::V6 => MAX_LEN_V6,
    }
}

#[cfg(test)]
mod tests;
