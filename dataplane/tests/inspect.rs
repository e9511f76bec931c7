//! What workers say of themselves is true: an explained packet comes to what was explained, byte for
//! byte; asking changes nothing; every flow is listed once.

#[path = "inspection/rig.rs"]
mod rig;

use std::net::{Ipv4Addr, SocketAddr};

use dataplane::Protocol;
use dataplane::inspect::{
    Facts, FlowEntry, FlowFilter, FlowPage, NeighborPage, PlaceOfFlow, Probe, Question, Step,
};
use dataplane::neighbor::NeighborState;
use dataplane::verdict::{DropReason, Verdict};
use dataplane::wire::tcp::TcpFlags;
use etherparse::{Icmpv4Type, PacketBuilder, TcpOptionElement, icmpv4};
use proptest::prelude::*;
use rig::{FIRST_PORT, OURS, OWN, Rig, SERVICES, SNAT, THEIRS, VIP, interface};

fn client(number: u8, port: u16) -> SocketAddr {
    // Two on the segment, the others behind the gateway.
    let network = if number < 2 { 99 } else { 98 };
    SocketAddr::from(([10, network, 0, 100 + number], port))
}

/// A packet that comes in.
#[derive(Clone, Debug)]
enum Packet {
    /// To a VIP's port, or another of Viaduct's addresses.
    Request {
        client: u8,
        port: u16,
        to: u16,
        udp: bool,
        flags: u8,
        hops: u8,
        payload: u16,
    },
    /// A SYN with an option.
    Open {
        client: u8,
        port: u16,
        to: u16,
    },
    /// From the destination of the frame that left so many frames ago, back to its source.
    Answer {
        ago: usize,
        flags: u8,
    },
    /// An ICMP error about that frame.
    Error {
        ago: usize,
    },
    /// A part of a datagram.
    Fragment {
        client: u8,
        id: u16,
        first: bool,
        to: u16,
    },
    Ping {
        client: u8,
        own: bool,
    },
    /// A request with a byte that is wrong.
    Damaged {
        at: usize,
        by: u8,
    },
}

#[derive(Clone, Debug)]
enum Action {
    Packet(Packet, usize),
    Pass(u32),
    Resolve(u8),
    ChangeTable,
}

fn packet() -> impl Strategy<Value = Packet> {
    let flags = prop::sample::select(vec![0x02, 0x10, 0x12, 0x11, 0x04, 0x18]);
    let hops = prop::sample::select(vec![64, 64, 64, 1]);
    let payload = prop::sample::select(vec![0, 0, 100, 1440, 1470]);
    // The service with limits more often than others.
    let to = prop_oneof![4 => FIRST_PORT..FIRST_PORT + SERVICES + 1, 1 => Just(FIRST_PORT + 6)];
    let request = (
        0..4u8,
        1..4u16,
        to.clone(),
        any::<bool>(),
        flags.clone(),
        hops,
        payload,
    );
    prop_oneof![
        8 => request.prop_map(|(client, port, to, udp, flags, hops, payload)| {
            Packet::Request { client, port, to, udp, flags, hops, payload }
        }),
        4 => (0..4u8, 1..9u16, to.clone())
            .prop_map(|(client, port, to)| Packet::Open { client, port, to }),
        4 => (0..6usize, flags).prop_map(|(ago, flags)| Packet::Answer { ago, flags }),
        1 => (0..6usize).prop_map(|ago| Packet::Error { ago }),
        2 => (0..3u8, 0..4u16, any::<bool>(), to)
            .prop_map(|(client, id, first, to)| Packet::Fragment { client, id, first, to }),
        1 => (0..4u8, any::<bool>()).prop_map(|(client, own)| Packet::Ping { client, own }),
        2 => (0..54usize, any::<u8>()).prop_map(|(at, by)| Packet::Damaged { at, by }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        20 => (packet(), 0..2usize).prop_map(|(packet, worker)| Action::Packet(packet, worker)),
        2 => (1..40u32).prop_map(Action::Pass),
        4 => (0..8u8).prop_map(Action::Resolve),
        1 => Just(Action::ChangeTable),
    ]
}

fn probe(protocol: Protocol, source: SocketAddr, to: (Ipv4Addr, u16)) -> Probe {
    Probe {
        protocol,
        source,
        destination: to.into(),
        flags: TcpFlags(TcpFlags::SYN),
        hops: 64,
        payload: 0,
    }
}

fn frame(probe: Probe) -> Vec<u8> {
    probe.frame(&interface()).expect("of one family")
}

/// The bytes of a packet, given the frames that have left; `None` if they are too few.
fn bytes(packet: &Packet, left: &[Vec<u8>]) -> Option<Vec<u8>> {
    let before = |ago: usize| left.len().checked_sub(ago + 1).map(|at| &left[at]);
    Some(match *packet {
        Packet::Request {
            client: number,
            port,
            to,
            udp,
            flags,
            hops,
            payload,
        } => {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            // The last port but one is at another address.
            let address = if to == FIRST_PORT + SERVICES {
                SNAT
            } else {
                VIP
            };
            let probe = probe(protocol, client(number, port), (address, to));
            frame(Probe {
                flags: TcpFlags(flags),
                hops,
                payload,
                ..probe
            })
        }
        Packet::Open {
            client: number,
            port,
            to,
        } => syn_with_option(client(number, port), (VIP, to))?,
        Packet::Answer { ago, flags } => {
            let ip = Facts::read(before(ago)?, None).ip?;
            let (ports, protocol) = (ip.ports?, Protocol::from_number(ip.protocol?)?);
            frame(Probe {
                flags: TcpFlags(flags),
                destination: SocketAddr::new(ip.source, ports.0),
                ..probe(protocol, SocketAddr::new(ip.destination, ports.1), (VIP, 0))
            })
        }
        Packet::Error { ago } => {
            let quoted = before(ago)?;
            let ip = Facts::read(quoted, None).ip?;
            let [from, to] = [ip.destination, ip.source].map(|address| match address {
                std::net::IpAddr::V4(address) => address.octets(),
                std::net::IpAddr::V6(_) => [0; 4],
            });
            let code = icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
            built(
                from,
                to,
                Icmpv4Type::DestinationUnreachable(code),
                &quoted[14..quoted.len().min(90)],
            )
        }
        Packet::Fragment {
            client: number,
            id,
            first,
            to,
        } => {
            let mut whole = frame(Probe {
                payload: 64,
                ..probe(Protocol::Udp, client(number, 7), (VIP, to))
            });
            let offset: u16 = if first { 0x2000 } else { 0x0009 };
            whole[18..20].copy_from_slice(&id.to_be_bytes());
            whole[20..22].copy_from_slice(&offset.to_be_bytes());
            whole[24..26].copy_from_slice(&[0, 0]);
            let sum = dataplane::wire::checksum::checksum(&whole[14..34]);
            whole[24..26].copy_from_slice(&sum.to_be_bytes());
            whole
        }
        Packet::Ping {
            client: number,
            own,
        } => {
            let std::net::IpAddr::V4(from) = client(number, 0).ip() else {
                return None;
            };
            let to = if own { OWN } else { Ipv4Addr::new(11, 9, 9, 9) };
            let echo = etherparse::IcmpEchoHeader { id: 1, seq: 2 };
            built(
                from.octets(),
                to.octets(),
                Icmpv4Type::EchoRequest(echo),
                b"ping",
            )
        }
        Packet::Damaged { at, by } => {
            let mut damaged = frame(probe(Protocol::Tcp, client(0, 9), (VIP, FIRST_PORT)));
            damaged[at] ^= by;
            damaged
        }
    })
}

/// The headers of a frame.
fn hex(frame: &[u8]) -> String {
    let bytes = frame.iter().take(96);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// A TCP SYN that announces a maximum segment size.
fn syn_with_option(source: SocketAddr, to: (Ipv4Addr, u16)) -> Option<Vec<u8>> {
    let std::net::IpAddr::V4(from) = source.ip() else {
        return None;
    };
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ipv4(from.octets(), to.0.octets(), 64)
        .tcp(source.port(), to.1, 7, 1000)
        .syn()
        .options(&[TcpOptionElement::MaximumSegmentSize(1460)])
        .expect("there is room for it")
        .write(&mut bytes, b"")
        .expect("a vector takes all");
    Some(bytes)
}

fn built(from: [u8; 4], to: [u8; 4], message: Icmpv4Type, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ethernet2(THEIRS.0, OURS.0).ipv4(from, to, 64);
    builder
        .icmpv4(message)
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_explained_is_what_happens(actions in prop::collection::vec(action(), 1..120)) {
        let mut rig = Rig::new(6);
        let mut left: Vec<Vec<u8>> = Vec::new();
        for action in actions {
            match action {
                Action::Pass(ticks) => rig.pass(ticks),
                Action::ChangeTable => rig.change_table(),
                Action::Resolve(last) => {
                    rig.answer_arp(Ipv4Addr::new(10, 99, 0, [1, 11, 12, 13, 100, 101, 12, 11][usize::from(last)]));
                }
                Action::Packet(packet, worker) => {
                    let Some(bytes) = bytes(&packet, &left) else { continue };
                    rig.rest();
                    let before = rig.counted();
                    let (explanation, verdict) = rig.explain(worker, &bytes);
                    prop_assert_eq!(before, rig.counted(), "asking was counted");
                    let fate = rig.send(worker, &bytes);
                    // How many packets wait is not foretold.
                    let crowded = fate.verdict == Verdict::Drop(DropReason::NeighborQueue);
                    if !(crowded && verdict == Verdict::Hold) {
                        prop_assert_eq!(verdict, fate.verdict, "{:?}: {:#?}", packet, explanation.steps);
                    }
                    if let Some(frame) = fate.left {
                        let expected = hex(&explanation.frame);
                        prop_assert!(
                            explanation.frame == frame,
                            "{packet:?}: {expected} {}: {:#?}",
                            hex(&frame),
                            explanation.steps
                        );
                        left.push(frame);
                    }
                }
            }
        }
    }
}

fn flows(rig: &mut Rig, worker: usize, filter: FlowFilter, size: usize) -> Vec<FlowEntry> {
    let mut place = PlaceOfFlow::START;
    let mut all = Vec::new();
    while place != PlaceOfFlow::End {
        let page = FlowPage::new(filter, place, size);
        let Question::Flows(page) = rig.ask(worker, Question::Flows(Box::new(page))) else {
            panic!("another answer");
        };
        assert!(page.flows.len() <= page.flows.capacity());
        place = page.next;
        all.extend(page.flows);
    }
    all
}

#[test]
fn every_flow_is_on_one_page_whatever_their_size() {
    let mut rig = Rig::new(2000);
    for port in 1..=1500 {
        let to = FIRST_PORT + port % 5;
        rig.send(0, &frame(probe(Protocol::Udp, client(0, port), (VIP, to))));
    }
    rig.rest();
    let existing = rig.counters[0].flows_created.get() as usize;
    assert!(existing > 1000, "{existing}");
    for size in [1, 7, 100, 5000] {
        let mut ports: Vec<u16> = flows(&mut rig, 0, FlowFilter::default(), size)
            .iter()
            .map(|flow| flow.client.port())
            .collect();
        assert_eq!(ports.len(), existing, "pages of {size}");
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), existing, "pages of {size}");
    }
    let filter = FlowFilter {
        vip_port: Some(FIRST_PORT + 2),
        ..FlowFilter::default()
    };
    let wanted = flows(&mut rig, 0, filter, 64);
    assert!(!wanted.is_empty() && wanted.iter().all(|flow| flow.vip.port() == FIRST_PORT + 2));
    assert!(
        wanted
            .iter()
            .all(|flow| flow.backend.is_some_and(|backend| backend.port() == 8080))
    );
    assert_eq!(
        flows(&mut rig, 1, FlowFilter::default(), 64).len() as u64,
        rig.counters[1].flows_created.get()
    );
}

#[test]
fn neighbors_have_their_states_and_what_waits_for_them() {
    let mut rig = Rig::new(64);
    rig.send(
        0,
        &frame(probe(Protocol::Tcp, client(0, 5), (VIP, FIRST_PORT))),
    );
    let neighbors = |rig: &mut Rig| {
        let page = NeighborPage::new(0, 4096);
        let Question::Neighbors(page) = rig.ask(0, Question::Neighbors(Box::new(page))) else {
            panic!("another answer");
        };
        page.neighbors
    };
    let waiting: u16 = neighbors(&mut rig)
        .iter()
        .map(|neighbor| neighbor.waiting)
        .sum();
    assert_eq!(waiting, 1);
    for last in 11..14 {
        rig.answer_arp(Ipv4Addr::new(10, 99, 0, last));
    }
    let known = neighbors(&mut rig);
    let reachable: Vec<_> = known
        .iter()
        .filter(|n| n.state == NeighborState::Reachable)
        .collect();
    assert_eq!(reachable.len(), 1, "{known:?}");
    assert_eq!((reachable[0].mac, reachable[0].waiting), (Some(THEIRS), 0));
}

#[test]
fn an_explanation_tells_the_way() {
    let mut rig = Rig::new(64);
    let syn = frame(probe(Protocol::Tcp, client(0, 5), (VIP, FIRST_PORT + 3)));
    let (explanation, verdict) = rig.explain(0, &syn);
    assert_eq!(verdict, Verdict::Hold);
    let steps: Vec<&str> = explanation.steps.iter().map(name).collect();
    let expected = [
        "transport",
        "no flow",
        "service",
        "backend",
        "encapsulated",
        "route",
        "next hop",
        "verdict",
    ];
    assert_eq!(steps, expected);
    let Some(Step::Backend {
        address,
        maglev: (slot, size),
        ..
    }) = explanation.steps.get(3)
    else {
        panic!("{explanation:?}");
    };
    assert!(slot < size && address.port() == 8080);
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Transport { .. } => "transport",
        Step::NoFlow => "no flow",
        Step::Service { .. } => "service",
        Step::Backend { .. } => "backend",
        Step::Encapsulated { .. } => "encapsulated",
        Step::Route(_) => "route",
        Step::NextHop(..) => "next hop",
        Step::Verdict(_) => "verdict",
        _ => "another",
    }
}
