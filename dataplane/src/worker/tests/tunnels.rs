//! `ipip` and `gue`: the packet goes to the backend inside another.

use std::collections::BTreeSet;

use super::*;
use crate::table::Mode;
use crate::wire::tunnel::{GUE_PORT, GueVariant, OuterDscp};

/// A way to carry packets.
#[derive(Clone, Copy, Debug)]
struct Way {
    vip: Net,
    backend: Net,
    mode: Mode,
    variant: GueVariant,
}

impl Way {
    fn all() -> Vec<Self> {
        let mut ways = vec![];
        for (vip, backend) in Net::ALL
            .into_iter()
            .flat_map(|vip| Net::ALL.map(|to| (vip, to)))
        {
            for (mode, variant) in [
                (Mode::Ipip, GueVariant::Direct),
                (Mode::Gue, GueVariant::Direct),
                (Mode::Gue, GueVariant::Header),
            ] {
                ways.push(Self {
                    vip,
                    backend,
                    mode,
                    variant,
                });
            }
        }
        ways
    }

    fn rig(self) -> Rig {
        self.rig_with(OuterDscp::Copy)
    }

    fn rig_with(self, dscp: OuterDscp) -> Rig {
        let services = services(&policy(self.mode), (self.vip, self.backend), &[(1, 1)]);
        let mut network = wide_network(1);
        network.tunnels.gue_variant = self.variant;
        network.tunnels.dscp = dscp;
        Setup::new(network, Table::new(&services, &BTreeSet::new())).rig()
    }

    /// The number of the inner packet's protocol.
    fn inner_protocol(self) -> u8 {
        match self.vip {
            Net::V4 => 4,
            Net::V6 => 41,
        }
    }

    /// What lies between the outer IP header, or UDP's, and the inner packet.
    fn between(self) -> Vec<u8> {
        match (self.mode, self.variant) {
            (Mode::Gue, GueVariant::Header) => vec![0, self.inner_protocol(), 0, 0],
            _ => vec![],
        }
    }

    /// Bytes that the tunnel adds to an IP packet.
    fn overhead(self) -> usize {
        let udp = if self.mode == Mode::Gue { 8 } else { 0 };
        self.backend.header_len() + udp + self.between().len()
    }
}

/// The IP packet of `frame` after one hop.
fn a_hop_later(net: Net, frame: &[u8]) -> Vec<u8> {
    let mut packet = packet_in(frame).to_vec();
    match net {
        Net::V4 => {
            packet[8] -= 1;
            let (mut ip, _) = etherparse::Ipv4Header::from_slice(&packet).expect("a header");
            ip.header_checksum = ip.calc_header_checksum();
            packet[..20].copy_from_slice(&ip.to_bytes());
        }
        Net::V6 => packet[7] -= 1,
    }
    packet
}

#[test]
fn every_family_in_every_family() {
    for way in Way::all() {
        let mut rig = way.rig();
        let (client, vip) = (way.vip.client(4000), way.vip.vip());
        for may_fragment in [false, true] {
            let ip = Ip {
                hops: 33,
                traffic_class: 0xba,
                may_fragment,
            };
            let packet = tcp_with(ip, client, vip, "A", b"some data");
            let outside = outer(&rig.exchange(0, &packet));
            let backend = way.backend.backend(1).ip();
            assert_eq!(outside.macs, [station(backend), OURS], "{way:?}");
            assert_eq!(outside.addresses, [way.backend.own(), backend], "{way:?}");
            assert_eq!(outside.ttl, 64, "{way:?}");
            assert_eq!(outside.traffic_class, 0xba, "{way:?}");
            let routers_may = may_fragment && (way.vip, way.backend) == (Net::V4, Net::V4);
            assert_eq!(outside.dont_fragment, !routers_may, "{way:?}");
            assert_eq!(outside.identification != 0, routers_may, "{way:?}");
            match way.mode {
                Mode::Gue => {
                    assert_eq!(outside.protocol, 17);
                    assert_eq!(outside.ports.expect("UDP")[1], GUE_PORT);
                }
                _ => assert_eq!(outside.protocol, way.inner_protocol()),
            }
            let inside = [way.between(), a_hop_later(way.vip, &packet)].concat();
            assert_eq!(outside.inner, inside, "{way:?}");
        }
    }
}

#[test]
fn ids_of_packets_that_may_be_fragmented_differ() {
    let way = Way {
        vip: Net::V4,
        backend: Net::V4,
        mode: Mode::Ipip,
        variant: GueVariant::Direct,
    };
    let mut rig = way.rig();
    let ip = Ip {
        may_fragment: true,
        ..PLAIN
    };
    let packet = udp_with(ip, way.vip.client(1), way.vip.vip(), b"");
    let ids: BTreeSet<_> = (0..100)
        .map(|_| outer(&rig.exchange(0, &packet)).identification)
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn the_outer_dscp_may_be_fixed_and_ecn_is_always_the_inner_one() {
    for way in Way::all() {
        let mut rig = way.rig_with(OuterDscp::Fixed(10));
        let ip = Ip {
            traffic_class: 0xff,
            ..PLAIN
        };
        let packet = udp_with(ip, way.vip.client(1), way.vip.vip(), b"");
        let outside = outer(&rig.exchange(0, &packet));
        assert_eq!(outside.traffic_class, 10 << 2 | 3);
    }
}

#[test]
fn the_udp_source_port_is_the_flows() {
    for way in Way::all().into_iter().filter(|way| way.mode == Mode::Gue) {
        let mut rig = way.rig();
        let mut ports = BTreeSet::new();
        for client in 0..20 {
            let packet = udp(way.vip.client(4000 + client), way.vip.vip(), b"");
            let twice = [(); 2].map(|()| outer(&rig.exchange(0, &packet)).ports.expect("UDP")[0]);
            assert_eq!(twice[0], twice[1]);
            assert!(twice[0] >= 0xc000, "{}", twice[0]);
            ports.insert(twice[0]);
        }
        assert!(ports.len() > 15, "{ports:?}");
    }
}

#[test]
fn what_fits_is_sent_and_a_byte_more_is_told_what_fits() {
    for way in Way::all() {
        for may_fragment in [false, true] {
            let mut rig = way.rig();
            let (client, vip) = (way.vip.client(4000), way.vip.vip());
            let ip = Ip {
                may_fragment,
                ..PLAIN
            };
            let fits = 1500 - way.overhead();
            let headers = way.vip.header_len() + 8;
            let largest = udp_with(ip, client, vip, &vec![7; fits - headers]);
            assert_eq!(rig.exchange(0, &largest).len(), 14 + 1500);
            let larger = udp_with(ip, client, vip, &vec![7; fits - headers + 1]);
            let told = icmp(&rig.exchange(0, &larger));
            assert_eq!(rig.dropped(DropReason::TooBig), 1);
            assert_eq!(told.addresses, [way.vip.own(), client.1.ip()]);
            let (kind, mtu) = match way.vip {
                Net::V4 => (
                    [3, 4],
                    u32::from(u16::from_be_bytes([told.rest[2], told.rest[3]])),
                ),
                Net::V6 => ([2, 0], u32::from_be_bytes(told.rest)),
            };
            assert_eq!(
                ([told.kind, told.code], mtu as usize),
                (kind, fits),
                "{way:?}"
            );
            assert_eq!(told.quoted_ends(), [client.1, vip.1]);
        }
    }
}

/// What a router on the way to the backend says of a packet in the tunnel.
fn too_big_on_the_way(way: Way, frame: &[u8], mtu: u16) -> Vec<u8> {
    let router = (
        station(way.backend.backend(1).ip()),
        way.backend.distant_router(),
    );
    let [high, low] = mtu.to_be_bytes();
    let kind = match way.backend {
        Net::V4 => [3, 4],
        Net::V6 => [2, 0],
    };
    let quote = packet_in(frame);
    let quote = &quote[..quote.len().min(500)];
    icmp_error(router, way.backend.own(), kind, [0, 0, high, low], quote)
}

#[test]
fn what_routers_say_of_the_way_is_told_to_clients_for_ten_minutes() {
    for way in Way::all() {
        let mut rig = way.rig();
        let packet = udp(way.vip.client(4000), way.vip.vip(), &[7; 1350]);
        let sent = rig.exchange(0, &packet);
        assert_eq!(rig.through(&too_big_on_the_way(way, &sent, 1380)), None);
        assert_eq!(
            rig.sum(|c| c.verdicts.absorb.get()),
            2,
            "an answer and the error"
        );
        let told = icmp(&rig.exchange(0, &packet));
        let expected = (1380 - way.overhead()) as u16;
        // IPv6 hosts are never told less than 1280.
        let expected = if way.vip == Net::V6 {
            expected.max(1280)
        } else {
            expected
        };
        assert_eq!(told.rest[2..], expected.to_be_bytes(), "{way:?}");
        rig.now = Ticks(5999);
        rig.run();
        assert_eq!(
            rig.exchange(0, &packet).len(),
            14 + told_len(&told),
            "{way:?}"
        );
        rig.now = Ticks(6000);
        rig.run();
        let sent = rig.all_of(0, &packet);
        let again = sent.last().expect("it goes on");
        assert_eq!(
            outer(again).addresses[1],
            way.backend.backend(1).ip(),
            "{way:?}"
        );
    }
}

/// Length of the IP packet of an ICMP error.
fn told_len(told: &Icmp) -> usize {
    let ip = if told.addresses[0].is_ipv4() { 20 } else { 40 };
    ip + 8 + told.quote.len()
}
