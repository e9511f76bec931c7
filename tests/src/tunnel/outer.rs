//! Takes a tunnel's packet apart and says what its outer header is like. Nothing is
//! forgiven: a wrong checksum or length is a [`Fault`].

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, UdpHeader, UdpHeaderSlice};
use serde::{Deserialize, Serialize};

use super::{GUE_PORT, IPV4, IPV6, UDP};

/// How the inner packet is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// Directly behind the outer IP header.
    Ip,
    /// Behind UDP and a GUE header.
    GueHeader,
    /// Directly behind UDP (GUE variant 1).
    GueDirect,
}

/// UDP's part of an outer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Udp {
    /// Source port, which spreads flows over equal paths.
    pub source_port: u16,
    /// Whether there is a checksum; if there is, it is right.
    pub has_checksum: bool,
}

/// An IP header, outer or inner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL, or hop limit.
    pub ttl: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Explicit congestion notification.
    pub ecn: u8,
    /// "Don't fragment"; always true of IPv6.
    pub dont_fragment: bool,
    /// Identification; 0 for IPv6.
    pub identification: u16,
    /// Flow label; 0 for IPv4.
    pub flow_label: u32,
    /// Protocol, or next header.
    pub protocol: u8,
    /// Length of the packet, header included, in bytes.
    pub length: usize,
}

/// A tunnel's packet taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The outer IP header.
    pub outer: Ip,
    /// How the inner packet was carried.
    pub carrier: Carrier,
    /// The outer UDP header.
    pub udp: Option<Udp>,
    /// The inner IP header.
    pub inner: Ip,
    /// The inner packet.
    pub packet: &'a [u8],
}

/// Why a packet that came by a tunnel is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The outer packet is a fragment: the sender did not respect the path's MTU.
    #[error("the outer packet is a fragment")]
    Fragment,
    /// The IPv4 header's checksum is wrong.
    #[error("the IPv4 header's checksum is {found:#06x} and should be {right:#06x}")]
    HeaderChecksum {
        /// As it came.
        found: u16,
        /// As it should be.
        right: u16,
    },
    /// The UDP checksum is wrong.
    #[error("the UDP checksum is {found:#06x} and should be {right:#06x}")]
    UdpChecksum {
        /// As it came.
        found: u16,
        /// As it should be.
        right: u16,
    },
    /// A header, or what it announces, does not fit the packet.
    #[error("{0}")]
    Malformed(String),
}

/// Takes apart a packet that begins with its IP header; bytes behind the packet are ignored.
/// `None` if it is no tunnel's.
///
/// # Errors
/// It is a tunnel's packet and something is wrong with it.
pub fn open(bytes: &[u8]) -> Option<Result<Opened<'_>, Fault>> {
    let protocol = match bytes.first()? >> 4 {
        4 => *bytes.get(9)?,
        6 => *bytes.get(6)?,
        _ => return None,
    };
    match protocol {
        IPV4 | IPV6 => Some(open_ip(bytes)),
        UDP => open_udp(bytes).transpose(),
        _ => None,
    }
}

fn open_ip(bytes: &[u8]) -> Result<Opened<'_>, Fault> {
    let (outer, packet) = ip(bytes)?;
    finish(outer, Carrier::Ip, None, packet)
}

fn open_udp(bytes: &[u8]) -> Result<Option<Opened<'_>>, Fault> {
    let header_length = if bytes[0] >> 4 == 6 {
        40
    } else {
        usize::from(bytes[0] & 15) * 4
    };
    let ports = bytes.get(header_length..header_length + 4);
    if ports.is_none_or(|ports| ports[2..] != GUE_PORT.to_be_bytes()) {
        return Ok(None);
    }
    let (outer, datagram) = ip(bytes)?;
    let (udp, payload) = udp(&outer, datagram)?;
    let (carrier, packet) = gue(payload)?;
    finish(outer, carrier, Some(udp), packet).map(Some)
}

fn finish(
    outer: Ip,
    carrier: Carrier,
    udp: Option<Udp>,
    packet: &[u8],
) -> Result<Opened<'_>, Fault> {
    let (inner, _) = ip(packet)?;
    if inner.length != packet.len() {
        return Err(malformed(format!(
            "the inner packet says {} bytes and has {}",
            inner.length,
            packet.len()
        )));
    }
    Ok(Opened {
        outer,
        carrier,
        udp,
        inner,
        packet,
    })
}

/// An IP header and its payload.
fn ip(bytes: &[u8]) -> Result<(Ip, &[u8]), Fault> {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => ipv4(bytes),
        Some(6) => ipv6(bytes),
        version => Err(malformed(format!("IP version {version:?}"))),
    }
}

fn ipv4(bytes: &[u8]) -> Result<(Ip, &[u8]), Fault> {
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(malformed)?;
    let right = header.to_header().calc_header_checksum();
    let found = header.header_checksum();
    if found != right {
        return Err(Fault::HeaderChecksum { found, right });
    }
    if header.is_fragmenting_payload() {
        return Err(Fault::Fragment);
    }
    let length = usize::from(header.total_len());
    let payload = bytes.get(header.slice().len()..length);
    let ip = Ip {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.ttl(),
        dscp: header.dcp().value(),
        ecn: header.ecn().value(),
        dont_fragment: header.dont_fragment(),
        identification: header.identification(),
        flow_label: 0,
        protocol: header.protocol().0,
        length,
    };
    Ok((ip, payload.ok_or_else(|| too_short(length, bytes))?))
}

fn ipv6(bytes: &[u8]) -> Result<(Ip, &[u8]), Fault> {
    const FRAGMENT: u8 = 44;
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(malformed)?;
    if header.next_header().0 == FRAGMENT {
        return Err(Fault::Fragment);
    }
    let length = header.slice().len() + usize::from(header.payload_length());
    let payload = bytes.get(header.slice().len()..length);
    let ip = Ip {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.hop_limit(),
        dscp: header.traffic_class() >> 2,
        ecn: header.traffic_class() & 3,
        dont_fragment: true,
        identification: 0,
        flow_label: header.flow_label().value(),
        protocol: header.next_header().0,
        length,
    };
    Ok((ip, payload.ok_or_else(|| too_short(length, bytes))?))
}

fn udp<'a>(outer: &Ip, datagram: &'a [u8]) -> Result<(Udp, &'a [u8]), Fault> {
    let header = UdpHeaderSlice::from_slice(datagram).map_err(malformed)?;
    if usize::from(header.length()) != datagram.len() {
        return Err(malformed(format!(
            "UDP says {} bytes and has {}",
            header.length(),
            datagram.len()
        )));
    }
    let (found, payload) = (header.checksum(), &datagram[8..]);
    let right = udp_checksum(outer, &header.to_header(), payload)?;
    if found != 0 && found != right {
        return Err(Fault::UdpChecksum { found, right });
    }
    let udp = Udp {
        source_port: header.source_port(),
        has_checksum: found != 0,
    };
    Ok((udp, payload))
}

fn udp_checksum(outer: &Ip, header: &UdpHeader, payload: &[u8]) -> Result<u16, Fault> {
    let sum = match (outer.source, outer.destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.calc_checksum_ipv4_raw(from.octets(), to.octets(), payload)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            header.calc_checksum_ipv6_raw(from.octets(), to.octets(), payload)
        }
        _ => return Err(malformed("two families in one header")),
    };
    sum.map_err(malformed)
}

/// GUE: the two highest bits are the variant; of variant 1 they are the IP version's already.
fn gue(payload: &[u8]) -> Result<(Carrier, &[u8]), Fault> {
    let &[first, protocol, ..] = payload else {
        return Err(malformed("no GUE header"));
    };
    match first >> 6 {
        0 => {
            let (is_control, words) = (first & 0x20 != 0, usize::from(first & 0x1f));
            let packet = payload.get(4 + 4 * words..);
            let packet = packet.ok_or_else(|| malformed("GUE's options do not fit"))?;
            let version = packet.first().map(|first| first >> 4);
            let announced = if protocol == IPV4 { 4 } else { 6 };
            if is_control || ![IPV4, IPV6].contains(&protocol) || version != Some(announced) {
                return Err(malformed(format!(
                    "GUE carries protocol {protocol} (control: {is_control}, version {version:?})"
                )));
            }
            Ok((Carrier::GueHeader, packet))
        }
        1 => Ok((Carrier::GueDirect, payload)),
        variant => Err(malformed(format!("GUE variant {variant}"))),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "errors are mapped by value")]
fn malformed<T: ToString>(reason: T) -> Fault {
    Fault::Malformed(reason.to_string())
}

fn too_short(announced: usize, bytes: &[u8]) -> Fault {
    malformed(format!(
        "the header announces {announced} bytes of {}",
        bytes.len()
    ))
}
