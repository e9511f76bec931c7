//! The headers in front of a packet that a tunnel carries to its backend.
//!
//! ```text
//! ipip           │ IPv4 or IPv6           │ inner packet      RFC 2003, RFC 2473, RFC 4213
//! gue variant 1  │ IPv4 or IPv6 │ UDP     │ inner packet      draft-ietf-intarea-gue, section 4
//! gue variant 0  │ IPv4 or IPv6 │ UDP │ 4 │ inner packet      draft-ietf-intarea-gue, section 3
//! ```
//! GUE's UDP checksum is 0. Over IPv4 that is UDP's own rule (RFC 768). Over IPv6 it is allowed to
//! tunnels (RFC 6935, RFC 6936), and what RFC 6936 asks for holds: the inner packet has checksums
//! of its own, and an exit that gets a packet with a damaged outer address finds an inner
//! destination that is not its VIP. A real checksum would read every byte of every packet, which
//! nothing else on the packet path does.
//!
//! Whether the packet still fits the link, and what is said to its sender if not, is the caller's
//! business.

use zerocopy::IntoBytes;

use super::ip::{AddressPair, Datagram, Family, NewHeader, PROTOCOL_UDP};
use super::udp::{self, UdpHeader};

/// UDP port that GUE exits listen on unless configured otherwise (IANA).
pub const GUE_PORT: u16 = 6080;

/// Length of GUE's own header in variant 0, in bytes.
const GUE_HEADER_LEN: usize = 4;

/// The upper two bits of DSCP and ECN's byte belong to DSCP, the lower two to ECN.
const ECN_MASK: u8 = 0x03;

/// The dynamic ports (RFC 6335, section 6), of which 14 bits are free.
const DYNAMIC_PORTS: u16 = 0xc000;

/// How GUE says what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GueVariant {
    /// By a header of 4 bytes that names the inner protocol, without flags and control messages.
    Header,
    /// By the version in the first half-byte of the inner packet, which follows UDP directly.
    Direct,
}

/// What lies between the outer IP header and the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encapsulation {
    /// Nothing.
    Ip,
    /// UDP and GUE.
    Gue {
        /// UDP destination port.
        port: u16,
        /// With GUE's own header or without.
        variant: GueVariant,
    },
}

impl Encapsulation {
    /// Length of what lies between, in bytes.
    const fn len(self) -> usize {
        match self {
            Self::Ip => 0,
            Self::Gue { variant, .. } => match variant {
                GueVariant::Direct => udp::HEADER_LEN,
                GueVariant::Header => udp::HEADER_LEN + GUE_HEADER_LEN,
            },
        }
    }
}

/// What the outer header says in its DSCP field (RFC 2983). ECN is not a choice: the outer header
/// always has the inner one's (RFC 6040, section 4.1, normal mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OuterDscp {
    /// What the inner header says: the uniform model.
    #[default]
    Copy,
    /// Always the same 6 bits: the pipe model.
    Fixed(u8),
}

impl OuterDscp {
    const fn traffic_class(self, inner: u8) -> u8 {
        match self {
            Self::Copy => inner,
            Self::Fixed(dscp) => dscp << 2 | inner & ECN_MASK,
        }
    }
}

/// What the outer headers of a tunnel say, whatever the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterParams {
    /// The tunnel's entry and exit.
    pub addresses: AddressPair,
    /// What lies between the outer header and the packet.
    pub encapsulation: Encapsulation,
    /// TTL or hop limit of the outer header: the tunnel's own, not the packet's (RFC 2003,
    /// section 3.1; RFC 2473, section 6.3).
    pub ttl: u8,
    /// Where the outer DSCP comes from.
    pub dscp: OuterDscp,
    /// IPv4: ID of the outer header if routers may fragment it. The caller counts, so that it does
    /// not come again soon (RFC 6864, section 4.3). A packet that may not be fragmented has ID 0.
    pub identification: u16,
}

/// What the outer headers take from the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerFacts {
    /// Version of the packet.
    pub family: Family,
    /// Its DSCP and ECN.
    pub traffic_class: u8,
    /// True if routers may not fragment it, as in IPv6 always.
    pub dont_fragment: bool,
    /// Its length, in bytes.
    pub len: usize,
    /// The same for all packets of a flow, so that routers with several ways spread flows over them
    /// and keep each on one.
    pub flow_hash: u32,
}

impl InnerFacts {
    /// The facts of the IP packet at the front of `packet`; `None` if it can't be read.
    #[must_use]
    pub fn read(packet: &[u8], flow_hash: u32) -> Option<Self> {
        let datagram = Datagram::read(packet)?;
        Some(Self {
            family: datagram.addresses.family(),
            traffic_class: datagram.traffic_class,
            dont_fragment: datagram.dont_fragment,
            len: datagram.end,
            flow_hash,
        })
    }
}

/// Length of all that goes in front of a packet, in bytes: 20 to 52.
#[must_use]
pub const fn overhead(outer: Family, encapsulation: Encapsulation) -> usize {
    outer.header_len() + encapsulation.len()
}

/// Writes the outer headers to the front of `front`, where the packet follows after [`overhead`]
/// bytes, and returns that overhead. `None` if there is no room or the whole would be longer than
/// IP allows.
#[must_use]
pub fn write_outer(front: &mut [u8], outer: &OuterParams, inner: &InnerFacts) -> Option<usize> {
    let family = outer.addresses.family();
    let len = overhead(family, outer.encapsulation);
    let between = front.get_mut(..len)?.get_mut(family.header_len()..)?;
    let payload_len = outer.encapsulation.len() + inner.len;
    let protocol = match outer.encapsulation {
        Encapsulation::Ip => inner.family.protocol(),
        Encapsulation::Gue { port, variant } => {
            write_gue(between, port, variant, inner, payload_len)?;
            PROTOCOL_UDP
        }
    };
    let header = NewHeader {
        addresses: outer.addresses,
        protocol,
        traffic_class: outer.dscp.traffic_class(inner.traffic_class),
        ttl: outer.ttl,
        payload_len,
        // What the packet's sender asked for holds on the way through the tunnel too (RFC 2003,
        // section 3.1); routers never fragment IPv6.
        identification: (!inner.dont_fragment).then_some(outer.identification),
        flow_label: flow_label(inner.flow_hash),
    };
    header.write(front)?;
    Some(len)
}

fn write_gue(
    between: &mut [u8],
    port: u16,
    variant: GueVariant,
    inner: &InnerFacts,
    payload_len: usize,
) -> Option<()> {
    let header = UdpHeader {
        source_port: source_port(inner.flow_hash).into(),
        destination_port: port.into(),
        len: u16::try_from(payload_len).ok()?.into(),
        checksum: 0.into(),
    };
    let (udp, gue) = between.split_at_mut_checked(udp::HEADER_LEN)?;
    udp.copy_from_slice(header.as_bytes());
    match variant {
        GueVariant::Direct => {}
        // Version 0, data, no optional words; the protocol; no flags.
        GueVariant::Header => gue.copy_from_slice(&[0, inner.family.protocol(), 0, 0]),
    }
    Some(())
}

/// The source port that spreads flows (draft-ietf-intarea-gue, on flow entropy): a dynamic port.
const fn source_port(flow_hash: u32) -> u16 {
    DYNAMIC_PORTS | flow_hash as u16
}

/// The flow label that spreads flows (RFC 6438); 0 would say that there is none (RFC 6437).
const fn flow_label(flow_hash: u32) -> u32 {
    match flow_hash & 0x000f_ffff {
        0 => 1,
        label => label,
    }
}

/// Where the inner packet starts in the payload of a UDP datagram to a GUE exit, in bytes. `None`
/// for control messages, for other payloads than IP, and if its header is not there.
#[must_use]
pub fn gue_header_len(payload: &[u8]) -> Option<usize> {
    let [first, protocol, ..] = *payload else {
        return None;
    };
    match first >> 6 {
        0 if first & 0x20 == 0 && is_ip(protocol) => {
            Some(GUE_HEADER_LEN + usize::from(first & 0x1f) * 4)
        }
        1 => Some(0),
        _ => None,
    }
}

const fn is_ip(protocol: u8) -> bool {
    protocol == Family::V4.protocol() || protocol == Family::V6.protocol()
}

#[cfg(test)]
mod tests;
