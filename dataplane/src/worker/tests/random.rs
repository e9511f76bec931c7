//! Whatever arrives, each packet has one end, and what is sent is well formed.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::sample::Index;

use super::fragments::fragment;
use super::*;
use crate::Protocol;
use crate::network::PortRange;
use crate::table::{Backend, BackendSlot, Epoch, Mode, Service, ServiceSlot};

/// Few source ports, so that replies find flows by chance.
const PORTS: PortRange = PortRange {
    first: 2000,
    last: 2015,
};

/// The port of a mode's services.
fn port_of(mode: Mode) -> u16 {
    80 + mode as u16
}

/// Built once: most of the time would go into Maglev tables.
static TABLE: LazyLock<Table> = LazyLock::new(table);

/// TCP and UDP of both families in all modes; GUE's backends are of the other family.
fn table() -> Table {
    let mut services = vec![];
    for (net, mode) in Net::ALL
        .into_iter()
        .flat_map(|net| Mode::ALL.map(|mode| (net, mode)))
    {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let slot = services.len() as u16;
            let other = if net == Net::V4 { Net::V6 } else { Net::V4 };
            let backends = if mode == Mode::Gue { other } else { net };
            let backend = |number: u8| Backend {
                slot: BackendSlot(u32::from(slot) * 10 + u32::from(number)),
                epoch: Epoch(0),
                address: backends.backend(number),
                weight: 1,
            };
            let vip = (net.vip_address(), port_of(mode)).into();
            let policy = Policy {
                max_segment: Some(1300),
                ..policy(mode)
            };
            let backends = [1, 2].map(backend).to_vec();
            let service = Service::new(ServiceSlot(slot), vip, protocol, policy, backends);
            services.push(Arc::new(service));
        }
    }
    Table::new(&services, &BTreeSet::new())
}

fn net() -> impl Strategy<Value = Net> {
    prop::sample::select(&Net::ALL[..])
}

/// Ends of packets that find something to do: clients and VIPs, backends and what they answer.
fn ends() -> impl Strategy<Value = (End, End)> {
    let places = (net(), 0u16..4, 80u16..86, any::<bool>(), 1u8..3);
    (places, 0u8..4).prop_map(|((net, client, port, near, number), which)| {
        let client = match near {
            true => net.near_client(4000 + client),
            false => net.client(4000 + client),
        };
        let backend = (backend_mac(number), net.backend(number));
        let vip = (OURS, (net.vip_address(), port).into());
        match which {
            0 => (
                backend,
                (OURS, (net.snat(), PORTS.first + (port - 80) * 3).into()),
            ),
            1 => (backend, (OURS, client.1)),
            _ => (client, vip),
        }
    })
}

fn ip() -> impl Strategy<Value = Ip> {
    (
        prop_oneof![4 => Just(64u8), 1 => 1u8..4],
        any::<u8>(),
        any::<bool>(),
    )
        .prop_map(|(hops, traffic_class, may_fragment)| Ip {
            hops,
            traffic_class,
            may_fragment,
        })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![4 => 0usize..64, 1 => 1380usize..1450];
    (len, any::<u8>()).prop_map(|(len, value)| vec![value; len])
}

fn segment() -> impl Strategy<Value = Vec<u8>> {
    (ends(), ip(), "S|SA|A|FA|R|RA|A", payload())
        .prop_map(|((from, to), ip, flags, payload)| tcp_with(ip, from, to, &flags, &payload))
}

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    (ends(), ip(), payload()).prop_map(|((from, to), ip, payload)| udp_with(ip, from, to, &payload))
}

/// A part of a datagram of 160 bytes that is all zero and has no checksum, or may have none.
fn part() -> impl Strategy<Value = Vec<u8>> {
    (ends(), 0usize..3, 0u16..3).prop_map(|((from, to), n, id)| {
        let whole = udp(from, to, &[0; 2392]);
        let start = whole.len() - 2400;
        fragment(
            (from, to),
            (n, n < 2),
            &whole[start..][n * 800..][..800],
            id,
        )
    })
}

/// An error to one of our addresses about a packet that may have left here.
fn error() -> impl Strategy<Value = Vec<u8>> {
    let kinds = (0usize..4, 8usize..60);
    (net(), ends(), kinds, any::<bool>()).prop_map(|(net, (from, to), (kind, len), reversed)| {
        let kind = match net {
            Net::V4 => [[3, 3], [3, 4], [11, 0], [3, 1]][kind],
            Net::V6 => [[1, 4], [2, 0], [3, 0], [1, 0]][kind],
        };
        let is_too_big = [[3, 4], [2, 0]].contains(&kind);
        let rest = if is_too_big { [0, 0, 5, 0] } else { [0; 4] };
        let (from, to) = if reversed { (to, from) } else { (from, to) };
        let quoted = udp(from, to, b"some payload");
        let quote = packet_in(&quoted);
        let quote = &quote[..quote.len().min(20 + len)];
        let about = if from.1.is_ipv4() { Net::V4 } else { Net::V6 };
        let (to, router) = if about == net {
            (from.1.ip(), net.distant_router())
        } else {
            (net.own(), net.backend(1).ip())
        };
        icmp_error((ROUTER_MAC, router), to, kind, rest, quote)
    })
}

fn question() -> impl Strategy<Value = Vec<u8>> {
    (net(), 0usize..4).prop_map(|(net, which)| {
        let asked = [
            net.own(),
            net.snat(),
            net.vip_address(),
            net.backend(1).ip(),
        ][which];
        let client = net.near_client(0).1.ip();
        match (asked, client) {
            (IpAddr::V4(target_ip), IpAddr::V4(sender_ip)) => {
                let request = ArpPacket {
                    operation: ArpOperation::Request,
                    sender_mac: CLIENT_MAC,
                    sender_ip,
                    target_mac: MacAddr::ZERO,
                    target_ip,
                };
                frame_arp(None, CLIENT_MAC, MacAddr::BROADCAST, request)
            }
            (target, _) => {
                let IpAddr::V6(octets) = target else {
                    unreachable!("both are of one family")
                };
                let on_link = Ip { hops: 255, ..PLAIN };
                let message = [&octets.octets()[..], &[1, 1], &CLIENT_MAC.0].concat();
                let mut bytes = vec![];
                PacketBuilder::ethernet2(CLIENT_MAC.0, OURS.0)
                    .ip(ip_headers(client, target, on_link))
                    .icmpv6_raw(135, 0, [0; 4])
                    .write(&mut bytes, &message)
                    .expect("a vector takes all");
                bytes
            }
        }
    })
}

fn echo() -> impl Strategy<Value = Vec<u8>> {
    (net(), 0usize..4, payload()).prop_map(|(net, which, payload)| {
        let asked = [
            net.own(),
            net.snat(),
            net.vip_address(),
            net.backend(1).ip(),
        ][which];
        let client = net.client(0);
        let builder = between(client, (OURS, (asked, 0).into()), PLAIN);
        let mut bytes = vec![];
        let written = match net {
            Net::V4 => builder
                .icmpv4_echo_request(1, 2)
                .write(&mut bytes, &payload),
            Net::V6 => builder
                .icmpv6_echo_request(1, 2)
                .write(&mut bytes, &payload),
        };
        written.expect("a vector takes all");
        bytes
    })
}

/// A frame with nothing wrong.
fn good() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => segment(),
        4 => datagram(),
        2 => part(),
        2 => error(),
        1 => question(),
        1 => echo(),
    ]
}

/// A frame with some bytes changed, cut off or added, or made of nothing but chance.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    // Headers are where damage matters most.
    let headers = prop::collection::vec((12usize..80, any::<u8>()), 0..3);
    let length = prop_oneof![4 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let frame = (good(), damage, headers, length, 0usize..20).prop_map(
        |(mut bytes, damage, headers, length, padding)| {
            let len = bytes.len();
            let anywhere = damage.iter().map(|(at, value)| (at.index(len), *value));
            for (at, value) in anywhere.chain(headers) {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            match length {
                Some(at) => bytes.truncate(at.index(len + 1)),
                None => bytes.resize(len + padding, 0),
            }
            bytes
        },
    );
    prop_oneof![9 => frame, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

/// What happens: a frame comes to a worker after some time, and neighbors answer or not.
type Event = (usize, Vec<u8>, u32, bool);

fn events(frame: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Event>> {
    let wait = prop_oneof![8 => 0u32..3, 1 => 0u32..400];
    prop::collection::vec((0usize..2, frame, wait, any::<bool>()), 1..60)
}

/// Plays the events; each frame that came must have left in one way.
fn play(events: Vec<Event>, strict: bool) -> Result<(), TestCaseError> {
    let mut network = wide_network(2);
    network.snat_ports = PORTS;
    let mut rig = Setup::new(network, TABLE.clone()).rig();
    rig.strict = strict;
    let (mut came, mut sent) = (0, 0);
    for (worker, bytes, wait, neighbors_answer) in events {
        rig.now = rig.now.after(TickSpan(wait));
        rig.put(worker, &bytes);
        let out = rig.run();
        let questions = out.iter().filter(|frame| is_question(frame)).count();
        came += 1;
        sent += out.len();
        if neighbors_answer {
            let released = rig.answer_arp(out.clone());
            came += questions;
            sent += released.len() - (out.len() - questions);
        }
    }
    for worker in &mut rig.workers {
        worker.finish();
    }
    rig.check_accounts();
    let originated = rig.sum(|c| c.originated.get()) as usize;
    let (sent, discarded) = (sent + rig.announced.len(), rig.wire.borrow().discarded);
    prop_assert_eq!(sent + discarded, came + originated);
    prop_assert_eq!(rig.sum(|c| c.holding.get()), 0);
    Ok(())
}

proptest! {
    #[test]
    fn good_frames_become_good_frames(events in events(good())) {
        play(events, true)?;
    }

    #[test]
    fn damaged_frames_have_one_end_each(events in events(damaged())) {
        play(events, false)?;
    }
}
