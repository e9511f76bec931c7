//! The packet that an ICMP error quotes: whose it is, and what it becomes on the other side of a
//! translation (RFC 5508, section 4.2).
//!
//! ```text
//! message │ ICMP, 8 │ IP header │ transport, at least 8 bytes │ … as much as there is
//!                   └ ip_offset └ transport_offset
//! ```
//! All offsets count from the ICMP header. Reading is lenient about what was cut off and strict
//! about bounds; a quote that says more than it has is usual.

use zerocopy::FromBytes;

use super::checksum::Delta;
use super::icmp::{self, IcmpHeader};
use super::icmpv6;
use super::ip::{AddressPair, Datagram, Family, PROTOCOL_IPV4, PROTOCOL_IPV6, PROTOCOL_UDP};
use super::ipv4::Ipv4Header;
use super::ipv6::Ipv6Header;
use super::{tunnel, udp};
use crate::Protocol;

/// Transport bytes that every quote has (RFC 792): ports, and UDP's whole header.
const MIN_TRANSPORT_LEN: usize = 8;

const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// A quoted packet of TCP or UDP, or its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Source and destination.
    pub addresses: AddressPair,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Start of its IP header in the message.
    pub ip_offset: usize,
    /// Start of its transport header in the message.
    pub transport_offset: usize,
    /// Start of its transport checksum in the message, if both bytes of it were quoted.
    pub checksum_offset: Option<usize>,
}

/// What a quoted packet becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Source and destination, of the same family as before.
    pub addresses: AddressPair,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

impl Quoted {
    /// Reads the packet whose IP header starts at `ip_offset` of `message`, an ICMP error of either
    /// family: [`icmp::HEADER_LEN`], or where [`QuotedTunnel`] found an inner packet. `message` ends
    /// where the ICMP message does.
    ///
    /// `None` if it is not TCP or UDP, is a fragment other than the first, or has not even its ports
    /// quoted.
    #[must_use]
    pub fn read(message: &[u8], ip_offset: usize) -> Option<Self> {
        let packet = quote(message).get(ip_offset..)?;
        let datagram = Datagram::read(packet)?;
        let protocol = Protocol::from_number(datagram.protocol)?;
        let body = datagram.body(packet);
        let ports = body.get(..MIN_TRANSPORT_LEN)?;
        let at = checksum_position(protocol);
        let transport_offset = ip_offset + datagram.transport;
        datagram.is_first.then_some(Self {
            addresses: datagram.addresses,
            protocol,
            source_port: u16::from_be_bytes([ports[0], ports[1]]),
            destination_port: u16::from_be_bytes([ports[2], ports[3]]),
            ip_offset,
            transport_offset,
            checksum_offset: (body.len() >= at + 2).then_some(transport_offset + at),
        })
    }

    /// Rewrites the quoted packet of `message`, from which `self` was read, to these endpoints: its
    /// addresses and ports, its checksums as far as they are quoted, and the message's own checksum.
    /// `outside` is what the packet that carries the message will have for addresses.
    ///
    /// The message's checksum is made anew, so it must have been found right before. False, and
    /// nothing changed, if the families differ or `message` is not the one that was read.
    #[must_use]
    pub fn translate(&self, message: &mut [u8], to: &Endpoints, outside: AddressPair) -> bool {
        let Some(addresses) = self.addresses.change_to(to.addresses) else {
            return false;
        };
        let ends = message.len() >= self.transport_offset + MIN_TRANSPORT_LEN
            && self
                .checksum_offset
                .is_none_or(|at| message.len() >= at + 2);
        if !ends || !write_addresses(&mut message[self.ip_offset..], to.addresses, addresses) {
            return false;
        }
        let ports = Delta::of_word(self.source_port, to.source_port)
            .and(Delta::of_word(self.destination_port, to.destination_port));
        write_word(message, self.transport_offset, to.source_port);
        write_word(message, self.transport_offset + 2, to.destination_port);
        if let Some(at) = self.checksum_offset {
            let old = u16::from_be_bytes([message[at], message[at + 1]]);
            let change = addresses.and(ports);
            let new = match self.protocol {
                Protocol::Tcp => change.apply(old),
                Protocol::Udp => change.apply_udp(old),
            };
            write_word(message, at, new);
        }
        renew_checksum(message, outside)
    }
}

/// A quoted packet that a tunnel carried: one of ours, on its way to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotedTunnel {
    /// The tunnel's entry and exit.
    pub outer: AddressPair,
    /// Start of the inner IP header in the message, if that header is quoted whole.
    pub inner_offset: Option<usize>,
}

impl QuotedTunnel {
    /// Reads the tunnel packet whose outer IP header starts at `ip_offset` of `message`, an ICMP
    /// error: IP in IP, or GUE to `gue_port`. `None` if it is neither, or a fragment other than the
    /// first.
    #[must_use]
    pub fn read(message: &[u8], ip_offset: usize, gue_port: u16) -> Option<Self> {
        let packet = quote(message).get(ip_offset..)?;
        let datagram = Datagram::read(packet)?;
        let body = datagram.body(packet);
        let between = match datagram.protocol {
            PROTOCOL_IPV4 | PROTOCOL_IPV6 => Some(0),
            PROTOCOL_UDP => gue_len(body, gue_port)?,
            _ => return None,
        };
        let inner =
            between.filter(|&at| body.get(at..).is_some_and(|b| Datagram::read(b).is_some()));
        datagram.is_first.then_some(Self {
            outer: datagram.addresses,
            inner_offset: inner.map(|at| ip_offset + datagram.transport + at),
        })
    }
}

/// Where the inner packet starts in a UDP datagram, `Some(None)` if that is not quoted; `None` if
/// the datagram is not for `gue_port`.
fn gue_len(body: &[u8], gue_port: u16) -> Option<Option<usize>> {
    let header = body.get(..udp::HEADER_LEN)?;
    if u16::from_be_bytes([header[2], header[3]]) != gue_port {
        return None;
    }
    let len = tunnel::gue_header_len(&body[udp::HEADER_LEN..]);
    Some(len.map(|len| udp::HEADER_LEN + len))
}

/// The message up to the end of what it quotes: extensions may follow, if the message says how long
/// the quote is (RFC 4884, section 4).
fn quote(message: &[u8]) -> &[u8] {
    let [kind, _, _, _, word_v6, word_v4, _, _, packet @ ..] = message else {
        return &[];
    };
    let len = match (Family::of(packet), *kind) {
        (Some(Family::V4), icmp::UNREACHABLE | icmp::TIME_EXCEEDED | icmp::PARAMETER_PROBLEM) => {
            usize::from(*word_v4) * 4
        }
        (Some(Family::V6), icmpv6::UNREACHABLE | icmpv6::TIME_EXCEEDED) => {
            usize::from(*word_v6) * 8
        }
        _ => 0,
    };
    match len {
        0 => message,
        len => &message[..message.len().min(icmp::HEADER_LEN + len)],
    }
}

const fn checksum_position(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Tcp => TCP_CHECKSUM,
        Protocol::Udp => UDP_CHECKSUM,
    }
}

fn write_word(bytes: &mut [u8], at: usize, word: u16) {
    bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
}

/// Writes the addresses into the header at the front of `packet`. In IPv4 its checksum changes too,
/// and by as much as the addresses: it stays as right as it was.
fn write_addresses(packet: &mut [u8], addresses: AddressPair, change: Delta) -> bool {
    match addresses {
        AddressPair::V4 {
            source,
            destination,
        } => {
            let Ok((header, _)) = Ipv4Header::mut_from_prefix(packet) else {
                return false;
            };
            header.source = source.octets();
            header.destination = destination.octets();
            header.checksum = change.apply(header.checksum.get()).into();
        }
        AddressPair::V6 {
            source,
            destination,
        } => {
            let Ok((header, _)) = Ipv6Header::mut_from_prefix(packet) else {
                return false;
            };
            header.source = source.octets();
            header.destination = destination.octets();
        }
    }
    true
}

/// Makes the message's own checksum anew, for a packet with these addresses.
fn renew_checksum(message: &mut [u8], outside: AddressPair) -> bool {
    let Ok((header, _)) = IcmpHeader::mut_from_prefix(message) else {
        return false;
    };
    header.checksum = 0.into();
    let sum = icmp::checksum(outside, message);
    write_word(message, 2, sum);
    true
}

#[cfg(test)]
mod tests;
