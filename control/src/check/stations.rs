//! The stations of a setup: they answer when they are asked for their Ethernet addresses, by ARP
//! (RFC 826) or neighbor solicitation (RFC 4861, 4.3 and 4.4), and do nothing else.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use dataplane::wire::MacAddr;
use dataplane::wire::arp::{ArpOperation, ArpPacket};
use dataplane::wire::checksum::checksum;
use dataplane::wire::ethernet::{ETHERTYPE_ARP, ETHERTYPE_VLAN, HEADER_LEN, TAG_LEN};

use super::suite::Mac;

const ETHERTYPE_IPV6: u16 = 0x86dd;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Solicited, override.
const FLAGS: u8 = 0x60;
/// An advertisement with the option that tells the station's address.
const ADVERTISEMENT_LEN: u8 = 32;

/// The stations' answer to `frame`, if it asks for one of them.
pub(super) fn answer(stations: &BTreeMap<IpAddr, Mac>, frame: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let tagged = word(12)? == ETHERTYPE_VLAN;
    let body = if tagged {
        HEADER_LEN + TAG_LEN
    } else {
        HEADER_LEN
    };
    let (header, packet) = frame.split_at_checked(body)?;
    let (mac, answer) = match word(body - 2)? {
        ETHERTYPE_ARP => answer_arp(stations, packet)?,
        ETHERTYPE_IPV6 => answer_solicitation(stations, packet)?,
        _ => return None,
    };
    let mut bytes = header.to_vec();
    bytes.copy_within(6..12, 0);
    bytes[6..12].copy_from_slice(&mac.0);
    bytes.extend(answer);
    Some(bytes)
}

fn answer_arp(stations: &BTreeMap<IpAddr, Mac>, packet: &[u8]) -> Option<(MacAddr, Vec<u8>)> {
    let request = ArpPacket::read(packet)?;
    if request.operation != ArpOperation::Request {
        return None;
    }
    let Mac(mac) = *stations.get(&request.target_ip.into())?;
    Some((mac, request.reply_from(mac).to_bytes().to_vec()))
}

fn answer_solicitation(
    stations: &BTreeMap<IpAddr, Mac>,
    packet: &[u8],
) -> Option<(MacAddr, Vec<u8>)> {
    let (header, message) = packet.split_at_checked(40)?;
    if header[6] != ICMPV6 || *message.first()? != SOLICITATION {
        return None;
    }
    let target: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    let Mac(mac) = *stations.get(&IpAddr::from(Ipv6Addr::from(target)))?;
    let mut advertisement = vec![ADVERTISEMENT, 0, 0, 0, FLAGS, 0, 0, 0];
    advertisement.extend(target);
    advertisement.extend([2, 1]);
    advertisement.extend(mac.0);
    let asker = &header[8..24];
    let pseudo = [
        &target[..],
        asker,
        &[0, 0, 0, ADVERTISEMENT_LEN, 0, 0, 0, ICMPV6],
    ]
    .concat();
    let sum = checksum(&[pseudo, advertisement.clone()].concat());
    advertisement[2..4].copy_from_slice(&sum.to_be_bytes());
    let fixed = [0x60, 0, 0, 0, 0, ADVERTISEMENT_LEN, ICMPV6, 255];
    Some((mac, [&fixed[..], &target, asker, &advertisement].concat()))
}
