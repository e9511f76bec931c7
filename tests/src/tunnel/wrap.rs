//! Puts a packet into a tunnel's: what the sender of the harness sends.

use std::net::IpAddr;

use clap::ValueEnum;
use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};

use super::outer::Carrier;
use super::{GUE_PORT, IPV4, IPV6, UDP};

/// TTL of an outer header.
pub const TTL: u8 = 61;

/// Source port of an outer UDP header.
pub const SOURCE_PORT: u16 = 50_000;

impl ValueEnum for Carrier {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ip, Self::GueHeader, Self::GueDirect]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::Ip => "ip",
            Self::GueHeader => "gue-header",
            Self::GueDirect => "gue-direct",
        }))
    }
}

/// A packet in an outer header from one address to another of the same family.
///
/// # Errors
/// The families differ, or the packet is too long or is none, in words.
pub fn wrap(packet: &[u8], carrier: Carrier, from: IpAddr, to: IpAddr) -> Result<Vec<u8>, String> {
    let inner = match packet.first().map(|first| first >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        version => return Err(format!("a packet of IP version {version:?}")),
    };
    match carrier {
        Carrier::Ip => ip(packet, inner, from, to),
        Carrier::GueHeader => {
            let payload = [&[0, inner, 0, 0], packet].concat();
            ip(&udp(&payload, from, to)?, UDP, from, to)
        }
        Carrier::GueDirect => ip(&udp(packet, from, to)?, UDP, from, to),
    }
}

fn ip(payload: &[u8], protocol: u8, from: IpAddr, to: IpAddr) -> Result<Vec<u8>, String> {
    let length = u16::try_from(payload.len()).map_err(|error| error.to_string())?;
    let mut packet = Vec::with_capacity(payload.len() + Ipv6Header::LEN);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let (from, to) = (from.octets(), to.octets());
            let header = Ipv4Header::new(length, TTL, IpNumber(protocol), from, to);
            let mut header = header.map_err(|error| error.to_string())?;
            header.dont_fragment = true;
            header.header_checksum = header.calc_header_checksum();
            packet.extend_from_slice(&header.to_bytes());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                payload_length: length,
                next_header: IpNumber(protocol),
                hop_limit: TTL,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            packet.extend_from_slice(&header.to_bytes());
        }
        _ => return Err(format!("{from} and {to} are of two families")),
    }
    packet.extend_from_slice(payload);
    Ok(packet)
}

fn udp(payload: &[u8], from: IpAddr, to: IpAddr) -> Result<Vec<u8>, String> {
    let length = u16::try_from(payload.len() + 8).map_err(|error| error.to_string())?;
    let mut header = UdpHeader {
        source_port: SOURCE_PORT,
        destination_port: GUE_PORT,
        length,
        checksum: 0,
    };
    let sum = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.calc_checksum_ipv4_raw(from.octets(), to.octets(), payload)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            header.calc_checksum_ipv6_raw(from.octets(), to.octets(), payload)
        }
        _ => return Err(format!("{from} and {to} are of two families")),
    };
    header.checksum = sum.map_err(|error| error.to_string())?;
    Ok([&header.to_bytes()[..], payload].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::addressing::{Family, Subnet};
    use crate::tunnel::outer::{Fault, open};

    const CARRIERS: [Carrier; 3] = [Carrier::Ip, Carrier::GueHeader, Carrier::GueDirect];

    fn every_tunnel() -> Vec<(Carrier, Family, Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        for carrier in CARRIERS {
            for (outside, inside) in [
                (Family::V4, Family::V4),
                (Family::V4, Family::V6),
                (Family::V6, Family::V4),
                (Family::V6, Family::V6),
            ] {
                let at = |family, number| Subnet::FABRIC.at(family, number);
                let packet = ip(b"12345678", 6, at(inside, 101), at(inside, 10)).unwrap();
                let outer = wrap(&packet, carrier, at(outside, 2), at(outside, 11)).unwrap();
                all.push((carrier, outside, packet, outer));
            }
        }
        all
    }

    #[test]
    fn what_is_wrapped_is_opened() {
        for (carrier, family, packet, mut bytes) in every_tunnel() {
            bytes.extend_from_slice(b"padding of a short frame");
            let opened = open(&bytes).unwrap().unwrap();
            assert_eq!(opened.packet, packet, "{carrier:?} {family}");
            assert_eq!(opened.carrier, carrier);
            assert_eq!(opened.outer.source, Subnet::FABRIC.at(family, 2));
            assert_eq!((opened.outer.ttl, opened.outer.dont_fragment), (TTL, true));
            assert_eq!(opened.udp.is_some(), carrier != Carrier::Ip);
        }
    }

    #[test]
    fn no_byte_of_an_ipv4_header_or_of_a_datagram_may_change() {
        for (carrier, family, _, good) in every_tunnel() {
            let covered = match (carrier, family) {
                (Carrier::Ip, Family::V6) => 0..0,
                (_, Family::V6) => 42..good.len(),
                (_, Family::V4) => 0..20,
            };
            for index in covered {
                let mut bad = good.clone();
                bad[index] ^= 0x10;
                let opened = open(&bad);
                assert!(
                    !matches!(opened, Some(Ok(_))),
                    "{carrier:?} {family} {index}"
                );
            }
        }
    }

    #[test]
    fn a_datagram_may_have_no_checksum_but_no_wrong_one() {
        let mut bytes = every_tunnel()[4].3.clone();
        bytes[26..28].copy_from_slice(&[0, 0]);
        assert!(!open(&bytes).unwrap().unwrap().udp.unwrap().has_checksum);
        bytes[27] = 1;
        let fault = open(&bytes).unwrap().unwrap_err();
        assert!(
            matches!(fault, Fault::UdpChecksum { found: 1, .. }),
            "{fault}"
        );
    }

    #[test]
    fn other_traffic_is_none_of_a_tunnels() {
        let at = |number| Subnet::FABRIC.at(Family::V4, number);
        let tcp = ip(b"12345678", 6, at(101), at(10)).unwrap();
        assert_eq!(open(&tcp), None);
        assert_eq!(open(&[]), None);
        assert_eq!(open(&tcp[..5]), None);
    }

    #[test]
    fn what_is_cut_short_is_a_fault_or_nobodys() {
        for (_, _, _, good) in every_tunnel() {
            for length in 0..good.len() {
                assert!(!matches!(open(&good[..length]), Some(Ok(_))), "{length}");
            }
        }
    }
}
