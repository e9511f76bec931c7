//! Writes solicitations and advertisements as whole Ethernet frames.

use std::net::Ipv6Addr;

use zerocopy::IntoBytes;

use super::{
    FLAG_OVERRIDE, FLAG_ROUTER, FLAG_SOLICITED, LinkLayerOption, MESSAGE_LEN, NdHeader, NdKind,
    NdMessage, OPTION_LEN, multicast_mac, solicited_node,
};
use crate::wire::ethernet::{self, ETHERTYPE_IPV6, VlanId};
use crate::wire::ip::{AddressPair, NewHeader};
use crate::wire::ipv6::{self, ALL_NODES, ON_LINK_HOP_LIMIT};
use crate::wire::{MacAddr, icmp, icmpv6};

/// Length of the longest frame written here, in bytes.
pub const MAX_FRAME_LEN: usize =
    ethernet::HEADER_LEN + ethernet::TAG_LEN + ipv6::HEADER_LEN + MESSAGE_LEN + OPTION_LEN;

/// The Ethernet side of the port that a frame leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The port's station.
    pub mac: MacAddr,
    /// Its VLAN.
    pub vlan: Option<VlanId>,
}

/// Where a message comes from and goes to.
struct Route {
    source: Ipv6Addr,
    destination: Ipv6Addr,
    station: MacAddr,
}

impl Route {
    fn to_group(source: Ipv6Addr, group: Ipv6Addr) -> Self {
        Self {
            source,
            destination: group,
            station: multicast_mac(group),
        }
    }
}

/// Asks for the station that has `target`: everybody, or only the `known` one, to see if it is still
/// there (RFC 4861, sections 7.2.2 and 7.3.3). `source` is an address of the link's port.
///
/// Like the others here, it writes to the front of `frame` and returns the frame's length; `None` if
/// there is no room. [`MAX_FRAME_LEN`] is enough for all.
#[must_use]
pub fn write_solicitation(
    frame: &mut [u8],
    link: Link,
    source: Ipv6Addr,
    target: Ipv6Addr,
    known: Option<MacAddr>,
) -> Option<usize> {
    let route = match known {
        None => Route::to_group(source, solicited_node(target)),
        Some(station) => Route {
            source,
            destination: target,
            station,
        },
    };
    solicitation(target, Some(link.mac)).write(frame, link, &route)
}

/// Asks whether anybody has `target` already, before it is used (duplicate address detection:
/// RFC 4862, section 5.4.2).
#[must_use]
pub fn write_probe(frame: &mut [u8], link: Link, target: Ipv6Addr) -> Option<usize> {
    let route = Route::to_group(Ipv6Addr::UNSPECIFIED, solicited_node(target));
    solicitation(target, None).write(frame, link, &route)
}

/// Answers a solicitation for an address of ours, which came from `asker` in a frame from `station`
/// (RFC 4861, section 7.2.4). To an asker without an address the answer goes to all nodes.
#[must_use]
pub fn write_reply(
    frame: &mut [u8],
    link: Link,
    solicitation: &NdMessage,
    asker: Ipv6Addr,
    station: MacAddr,
    router: bool,
) -> Option<usize> {
    let target = solicitation.target;
    let solicited = !asker.is_unspecified();
    let route = if solicited {
        Route {
            source: target,
            destination: asker,
            station: solicitation.link_layer.unwrap_or(station),
        }
    } else {
        Route::to_group(target, ALL_NODES)
    };
    advertisement(target, link.mac, solicited, router).write(frame, link, &route)
}

/// Tells all nodes unasked that the link's port has `target` now (RFC 4861, section 7.2.6).
#[must_use]
pub fn write_announcement(
    frame: &mut [u8],
    link: Link,
    target: Ipv6Addr,
    router: bool,
) -> Option<usize> {
    let route = Route::to_group(target, ALL_NODES);
    advertisement(target, link.mac, false, router).write(frame, link, &route)
}

fn solicitation(target: Ipv6Addr, link_layer: Option<MacAddr>) -> NdMessage {
    NdMessage {
        kind: NdKind::Solicitation,
        target,
        link_layer,
        solicited: false,
        r#override: false,
        router: false,
    }
}

fn advertisement(target: Ipv6Addr, mac: MacAddr, solicited: bool, router: bool) -> NdMessage {
    NdMessage {
        kind: NdKind::Advertisement,
        target,
        link_layer: Some(mac),
        solicited,
        r#override: true,
        router,
    }
}

impl NdMessage {
    fn write(&self, frame: &mut [u8], link: Link, route: &Route) -> Option<usize> {
        let option = self.link_layer.map(|address| LinkLayerOption {
            kind: self.kind.option(),
            len: (OPTION_LEN / 8) as u8,
            address,
        });
        let option = option.as_ref().map_or(&[][..], IntoBytes::as_bytes);
        let ip = ethernet::header_len(link.vlan);
        let start = ip + ipv6::HEADER_LEN;
        let end = start + MESSAGE_LEN + option.len();
        let frame = frame.get_mut(..end)?;
        let addresses = AddressPair::V6 {
            source: route.source,
            destination: route.destination,
        };

        let mut header = self.header();
        let message = &mut frame[start..];
        message[..MESSAGE_LEN].copy_from_slice(header.as_bytes());
        message[MESSAGE_LEN..].copy_from_slice(option);
        header.checksum = icmp::checksum(addresses, message).into();
        message[..MESSAGE_LEN].copy_from_slice(header.as_bytes());

        let outside = NewHeader {
            ttl: ON_LINK_HOP_LIMIT,
            ..NewHeader::message(addresses, icmpv6::PROTOCOL, end - start)
        };
        outside.write(&mut frame[ip..])?;
        ethernet::write(frame, route.station, link.mac, link.vlan, ETHERTYPE_IPV6).then_some(end)
    }

    fn header(&self) -> NdHeader {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        NdHeader {
            kind: self.kind.number(),
            code: 0,
            checksum: 0.into(),
            flags: flag(self.router, FLAG_ROUTER)
                | flag(self.solicited, FLAG_SOLICITED)
                | flag(self.r#override, FLAG_OVERRIDE),
            reserved: [0; 3],
            target: self.target.octets(),
        }
    }
}
