//! Packets through whole workers, on plain memory, with `etherparse` as the judge of what comes out.

mod own_addresses;

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};

use etherparse::{NetHeaders, PacketBuilder, PacketHeaders, TransportHeader};
use proptest::prelude::*;

use super::*;
use crate::Protocol;
use crate::clock::TickSpan;
use crate::counters::WorkerCounters;
use crate::network::{Attachment, Interface, Network, SnatAddresses, Subnet};
use crate::offline::{MemoryFrame, MemoryIo, SharedWire, Wire};
use crate::pipeline::Parts;
use crate::table::publication::{Publisher, channel};
use crate::table::{Backend, BackendSlot, Epoch, Policy, Service, ServiceSlot, Table, Timeouts};
use crate::wire::MacAddr;
use crate::wire::arp::{ArpOperation, ArpPacket};
use crate::wire::ethernet::{self, ETHERTYPE_ARP, VlanId};

const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 1, 1]);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 101);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const SNAT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 3);
const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);

const TIMEOUTS: Timeouts = Timeouts {
    tcp_handshake: TickSpan(100),
    tcp_established: TickSpan(2000),
    tcp_closing: TickSpan(200),
    udp: TickSpan(500),
};

/// Some workers with one port, a VIP with TCP and UDP on port 80, and its backends.
struct Rig {
    workers: Vec<Worker<MemoryIo>>,
    wire: SharedWire,
    tables: Publisher<Table>,
    counters: Vec<Arc<WorkerCounters>>,
    now: Ticks,
    vlan: Option<VlanId>,
    /// Probes and gratuitous ARP, which come after each start and are no answer to anything.
    announced: Vec<Vec<u8>>,
}

/// True for ARP that asks for its own sender, or for no sender.
fn is_announcement(frame: &[u8]) -> bool {
    let packet = [14, 18].map(|header| ArpPacket::read(frame.get(header..).unwrap_or_default()));
    let [untagged, tagged] = packet;
    let found = untagged.or(tagged);
    let is_own = |packet: ArpPacket| packet.sender_ip == packet.target_ip;
    found.is_some_and(|packet| is_own(packet) || packet.sender_ip.is_unspecified())
}

fn backend_address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 99, 0, 10 + number], 8080))
}

fn backend_mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 2, number])
}

fn table(weights: &[(u8, u16)]) -> Table {
    table_under(&Policy::new(TIMEOUTS), weights)
}

fn table_under(policy: &Policy, weights: &[(u8, u16)]) -> Table {
    let backends = |base: u32| -> Vec<_> {
        let backend = |&(number, weight): &(u8, u16)| Backend {
            slot: BackendSlot(base + u32::from(number)),
            epoch: Epoch(0),
            address: backend_address(number),
            weight,
        };
        weights.iter().map(backend).collect()
    };
    let service = |slot, protocol, base| {
        let vip = SocketAddr::from((VIP, 80));
        Arc::new(Service::new(
            ServiceSlot(slot),
            vip,
            protocol,
            policy.clone(),
            backends(base),
        ))
    };
    let services = [service(0, Protocol::Tcp, 0), service(1, Protocol::Udp, 100)];
    Table::new(&services, &BTreeSet::new())
}

fn rig(workers: usize, vlan: Option<VlanId>) -> Rig {
    rig_on(network(workers, vlan))
}

fn network(workers: usize, vlan: Option<VlanId>) -> Network {
    let interface = Interface {
        port: 0,
        vlan,
        mac: OURS,
        mtu: 1500,
        ipv4: Some(Attachment {
            address: OWN,
            subnet: Subnet::of(OWN, 14),
            gateway: None,
        }),
        ipv6: None,
        host_port: None,
    };
    Network {
        interfaces: vec![interface],
        snat: SnatAddresses {
            ipv4: vec![SNAT],
            ipv6: vec![],
        },
        workers,
        ..Network::default()
    }
}

fn rig_on(network: Network) -> Rig {
    let (workers, vlan) = (network.workers, network.interfaces[0].vlan);
    let network = Arc::new(network);
    let wire = Wire::new(workers, 1);
    let (mut tables, readers) = channel(Table::default(), workers);
    tables.publish(table(&[(1, 1), (2, 1), (3, 1)]));
    let counters: Vec<_> = (0..workers)
        .map(|_| Arc::new(WorkerCounters::new(1, 200).with_own_addresses(2)))
        .collect();
    let mailboxes = mailboxes(workers);
    let workers = readers.into_iter().enumerate().map(|(n, reader)| {
        let id = WorkerId(n as u8);
        let counters = Arc::clone(&counters[n]);
        let pipeline = Pipeline::new(
            Parts {
                worker: id,
                network: Arc::clone(&network),
                tables: reader,
                counters,
                flows: 64,
                half_open: 16,
                steering: Vec::new(),
            },
            Ticks(0),
        );
        Worker::new(
            id,
            MemoryIo::new(n, Rc::clone(&wire)),
            pipeline,
            mailboxes.clone(),
        )
    });
    let workers = workers.collect();
    Rig {
        workers,
        wire,
        tables,
        counters,
        now: Ticks(0),
        vlan,
        announced: vec![],
    }
}

use std::rc::Rc;

impl Rig {
    fn put(&self, worker: usize, bytes: &[u8]) {
        self.wire.borrow_mut().arriving[worker][0].push_back(MemoryFrame::new(bytes));
    }

    /// Runs all workers until nothing moves, and returns what they sent.
    fn run(&mut self) -> Vec<Vec<u8>> {
        let now = self.now;
        while self.workers.iter_mut().map(|w| w.turn(now)).sum::<usize>() > 0 {}
        self.check_accounts();
        let sent = std::mem::take(&mut self.wire.borrow_mut().sent[0]);
        let sent = sent.iter().map(|frame| frame.bytes().to_vec());
        let (announced, sent): (Vec<_>, Vec<_>) = sent.partition(|frame| is_announcement(frame));
        self.announced.extend(announced);
        sent
    }

    /// Every packet that arrived has exactly one end.
    fn check_accounts(&self) {
        let sum =
            |of: fn(&WorkerCounters) -> u64| -> u64 { self.counters.iter().map(|c| of(c)).sum() };
        let holding = sum(|c| c.holding.get());
        assert_eq!(
            sum(WorkerCounters::arrived),
            sum(|c| c.verdicts.total()) + holding
        );
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters
            .iter()
            .map(|c| c.verdicts.dropped(reason).get())
            .sum()
    }

    /// One packet in, through worker 0; the only packet out, if there is one.
    fn through(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.put(0, bytes);
        let mut sent = self.run();
        assert!(sent.len() <= 1, "{} packets came out", sent.len());
        sent.pop()
    }

    /// Answers all ARP requests among `sent`, and returns the rest with what that released.
    fn answer_arp(&mut self, sent: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let (mut packets, mut answered) = (vec![], false);
        for bytes in sent {
            let header = ethernet::header_len(self.vlan);
            match ArpPacket::read(&bytes[header..]) {
                Some(request) if request.operation == ArpOperation::Request => {
                    let mac = mac_of(request.target_ip);
                    let reply = frame_arp(self.vlan, mac, OURS, request.reply_from(mac));
                    self.put(0, &reply);
                    answered = true;
                }
                _ => packets.push(bytes),
            }
        }
        if answered {
            packets.extend(self.run());
        }
        packets
    }

    /// [`Self::through`], with the neighbors answering.
    fn exchange(&mut self, worker: usize, bytes: &[u8]) -> Vec<u8> {
        self.put(worker, bytes);
        let sent = self.run();
        let mut sent = self.answer_arp(sent);
        assert_eq!(sent.len(), 1);
        sent.remove(0)
    }
}

fn mac_of(address: Ipv4Addr) -> MacAddr {
    match address {
        CLIENT => CLIENT_MAC,
        other => backend_mac(other.octets()[3] - 10),
    }
}

fn frame_arp(vlan: Option<VlanId>, from: MacAddr, to: MacAddr, packet: ArpPacket) -> Vec<u8> {
    let mut bytes = vec![0; ethernet::header_len(vlan)];
    assert!(ethernet::write(&mut bytes, to, from, vlan, ETHERTYPE_ARP));
    bytes.extend(packet.to_bytes());
    bytes
}

/// What a packet says, as the oracle reads it after it has checked all checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    macs: [MacAddr; 2],
    ends: [SocketAddr; 2],
    ttl: u8,
    payload: Vec<u8>,
}

fn seen(bytes: &[u8]) -> Seen {
    let packet = PacketHeaders::from_ethernet_slice(bytes).expect("the packet is well formed");
    let link = packet
        .link
        .expect("there is a link header")
        .ethernet2()
        .expect("it is Ethernet");
    let Some(NetHeaders::Ipv4(ip, _)) = packet.net else {
        panic!("not IPv4")
    };
    assert_eq!(
        ip.header_checksum,
        ip.calc_header_checksum(),
        "IPv4 checksum"
    );
    let payload = packet.payload.slice();
    let ports = match packet.transport.expect("there is a transport header") {
        TransportHeader::Tcp(tcp) => {
            assert_eq!(
                Ok(tcp.checksum),
                tcp.calc_checksum_ipv4(&ip, payload),
                "TCP checksum"
            );
            [tcp.source_port, tcp.destination_port]
        }
        TransportHeader::Udp(udp) => {
            let sum = udp
                .calc_checksum_ipv4(&ip, payload)
                .expect("the length fits");
            assert!(udp.checksum == 0 || udp.checksum == sum, "UDP checksum");
            [udp.source_port, udp.destination_port]
        }
        other => panic!("unexpected {other:?}"),
    };
    Seen {
        macs: [MacAddr(link.destination), MacAddr(link.source)],
        ends: [
            (Ipv4Addr::from(ip.source), ports[0]).into(),
            (Ipv4Addr::from(ip.destination), ports[1]).into(),
        ],
        ttl: ip.time_to_live,
        payload: payload.to_vec(),
    }
}

fn ethernet_ipv4(
    from: (MacAddr, SocketAddr),
    to: (MacAddr, SocketAddr),
    ttl: u8,
) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let octets = |address: SocketAddr| match address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets(),
        std::net::IpAddr::V6(_) => unreachable!("all test addresses are IPv4"),
    };
    PacketBuilder::ethernet2(from.0.0, to.0.0).ipv4(octets(from.1), octets(to.1), ttl)
}

fn udp(from: (MacAddr, SocketAddr), to: (MacAddr, SocketAddr), payload: &[u8]) -> Vec<u8> {
    let builder = ethernet_ipv4(from, to, 64).udp(from.1.port(), to.1.port());
    let mut bytes = vec![];
    builder
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}

/// A TCP packet with these flags: any of `S`, `A`, `F`, `R`.
fn tcp(
    from: (MacAddr, SocketAddr),
    to: (MacAddr, SocketAddr),
    flags: &str,
    payload: &[u8],
) -> Vec<u8> {
    let mut builder = ethernet_ipv4(from, to, 64).tcp(from.1.port(), to.1.port(), 7, 1000);
    for flag in flags.chars() {
        builder = match flag {
            'S' => builder.syn(),
            'A' => builder.ack(9),
            'F' => builder.fin(),
            'R' => builder.rst(),
            other => panic!("no flag {other}"),
        };
    }
    let mut bytes = vec![];
    builder
        .write(&mut bytes, payload)
        .expect("a vector takes all");
    bytes
}

fn client(port: u16) -> (MacAddr, SocketAddr) {
    (CLIENT_MAC, (CLIENT, port).into())
}

fn vip(port: u16) -> (MacAddr, SocketAddr) {
    (OURS, (VIP, port).into())
}

/// The packet that a backend answers `request` with.
fn reply_ends(request: &Seen) -> ((MacAddr, SocketAddr), (MacAddr, SocketAddr)) {
    ((request.macs[0], request.ends[1]), (OURS, request.ends[0]))
}

#[test]
fn udp_goes_to_a_backend_and_back() {
    let mut rig = rig(1, None);
    let request = seen(&rig.exchange(0, &udp(client(4000), vip(80), b"ping")));
    assert_eq!(request.ends[0].ip(), SNAT);
    assert!(
        (1..=3).any(|n| request.ends[1] == backend_address(n)),
        "{request:?}"
    );
    assert_eq!(request.macs, [mac_of(ipv4(request.ends[1])), OURS]);
    assert_eq!(
        (request.ttl, request.payload.as_slice()),
        (63, b"ping".as_slice())
    );
    let (from, to) = reply_ends(&request);
    let reply = seen(&rig.exchange(0, &udp(from, to, b"pong")));
    assert_eq!(reply.ends, [vip(80).1, client(4000).1]);
    assert_eq!(reply.macs, [CLIENT_MAC, OURS]);
    assert_eq!(reply.payload, b"pong");
}

fn ipv4(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(_) => unreachable!("all test addresses are IPv4"),
    }
}

#[test]
fn udp_without_checksum_stays_without() {
    let mut rig = rig(1, None);
    let mut bytes = udp(client(4000), vip(80), b"ping");
    bytes[40..42].copy_from_slice(&[0, 0]);
    assert_eq!(rig.exchange(0, &bytes)[40..42], [0, 0]);
}

#[test]
fn a_connection_stays_on_its_backend_while_backends_come_and_go() {
    let mut rig = rig(1, None);
    let first = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    rig.tables
        .publish(table(&[(1, 1), (2, 1), (3, 1), (4, 9), (5, 9), (6, 9)]));
    let second = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "A", b"x")));
    assert_eq!(second.ends, first.ends);
    // Even when its own backend is taken out of the table, or drains.
    rig.tables.publish(table(&[(6, 1)]));
    let third = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "A", b"y")));
    assert_eq!(third.ends, first.ends);
    let fresh = seen(&rig.exchange(0, &tcp(client(4001), vip(80), "S", b"")));
    assert_eq!(fresh.ends[1], backend_address(6));
}

#[test]
fn udp_of_a_gone_backend_chooses_again() {
    let mut rig = rig(1, None);
    rig.exchange(0, &udp(client(4000), vip(80), b""));
    rig.tables.publish(table(&[(9, 1)]));
    let after = seen(&rig.exchange(0, &udp(client(4000), vip(80), b"")));
    assert_eq!(after.ends[1], backend_address(9));
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn draining_backends_get_no_new_flows() {
    let mut rig = rig(1, None);
    rig.tables.publish(table(&[(1, 0), (2, 1)]));
    for port in 4000..4030 {
        let request = seen(&rig.exchange(0, &tcp(client(port), vip(80), "S", b"")));
        assert_eq!(request.ends[1], backend_address(2));
    }
    rig.tables.publish(table(&[(1, 0), (2, 0)]));
    let reset = rig.through(&tcp(client(5000), vip(80), "S", b""));
    assert_eq!(
        seen(&reset.expect("the client is told")).ends[1],
        client(5000).1
    );
    assert_eq!(rig.dropped(DropReason::NoBackend), 1);
}

#[test]
fn flows_spread_over_all_backends() {
    let mut rig = rig(1, None);
    let mut spread: HashMap<SocketAddr, u32> = HashMap::new();
    for port in 4000..4060 {
        let request = seen(&rig.exchange(0, &tcp(client(port), vip(80), "S", b"")));
        *spread.entry(request.ends[1]).or_default() += 1;
    }
    assert_eq!(spread.len(), 3);
    assert!(spread.values().all(|&n| n >= 8), "{spread:?}");
}

#[test]
fn a_refusal_ends_the_flow_and_is_delivered() {
    let mut rig = rig(1, None);
    let request = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    let (from, to) = reply_ends(&request);
    let reply = seen(&rig.exchange(0, &tcp(from, to, "RA", b"")));
    assert_eq!(reply.ends[1], client(4000).1);
    let reset = rig.through(&tcp(client(4000), vip(80), "A", b"late"));
    assert_eq!(
        seen(&reset.expect("the client is told")).ends[1],
        client(4000).1
    );
    assert_eq!(rig.dropped(DropReason::NoFlow), 1);
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

/// Opens a connection; returns its first packet as the backend sees it.
fn open(rig: &mut Rig, port: u16) -> Seen {
    let request = seen(&rig.exchange(0, &tcp(client(port), vip(80), "S", b"")));
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(from, to, "SA", b""));
    rig.exchange(0, &tcp(client(port), vip(80), "A", b""));
    request
}

#[test]
fn a_stray_reset_does_not_end_a_connection_that_goes_on() {
    for from_client in [true, false] {
        let mut rig = rig(1, None);
        let request = open(&mut rig, 4000);
        let (from, to) = match from_client {
            true => (client(4000), vip(80)),
            false => reply_ends(&request),
        };
        // Whoever made this reset did not know the sequence numbers: its receiver ignores it.
        rig.exchange(0, &tcp(from, to, "R", b""));
        rig.exchange(0, &tcp(from, to, "A", b"still there"));
        rig.now = Ticks(1999);
        rig.run();
        assert_eq!(rig.counters[0].flows_ended.get(), 0);
        let later = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "A", b"x")));
        assert_eq!(later.ends, request.ends);
    }
}

#[test]
fn a_connection_that_was_reset_ends_after_the_closing_timeout() {
    let mut rig = rig(1, None);
    let request = open(&mut rig, 4000);
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(client(4000), vip(80), "RA", b""));
    // What was on its way when the client gave up does not bring the connection back.
    rig.exchange(0, &tcp(from, to, "A", b"data"));
    rig.now = Ticks(199);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 0);
    rig.now = Ticks(200);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn a_late_fin_of_the_old_connection_does_not_age_the_new_one() {
    let mut rig = rig(1, None);
    let request = open_and_close(&mut rig, 4000);
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(client(4000), vip(80), "S", b""));
    rig.exchange(0, &tcp(from, to, "FA", b""));
    rig.exchange(0, &tcp(from, to, "SA", b""));
    rig.exchange(0, &tcp(client(4000), vip(80), "A", b""));
    rig.now = Ticks(1999);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 0);
}

/// Opens and closes a connection; returns its first packet as the backend sees it.
fn open_and_close(rig: &mut Rig, port: u16) -> Seen {
    let request = open(rig, port);
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(from, to, "FA", b""));
    rig.exchange(0, &tcp(client(port), vip(80), "FA", b""));
    request
}

#[test]
fn closed_connections_keep_their_ports_for_a_while() {
    let mut rig = rig(1, None);
    open_and_close(&mut rig, 4000);
    rig.now = Ticks(199);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 0);
    rig.now = Ticks(200);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn a_new_connection_on_the_ports_of_a_closed_one_gets_through() {
    let mut rig = rig(1, None);
    let first = open_and_close(&mut rig, 4000);
    let again = open_and_close(&mut rig, 4000);
    assert_eq!(again.ends, first.ends);
    // When the old backend is gone it goes elsewhere.
    rig.tables.publish(table(&[(7, 1)]));
    let elsewhere = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    assert_eq!(elsewhere.ends[1], backend_address(7));
}

#[test]
fn a_draining_backend_gets_no_new_connection_on_the_ports_of_a_closed_one() {
    let mut rig = rig(1, None);
    rig.tables.publish(table(&[(1, 1)]));
    open_and_close(&mut rig, 4000);
    rig.tables.publish(table(&[(1, 0), (2, 1)]));
    let again = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    assert_eq!(again.ends[1], backend_address(2));
    assert_eq!(rig.counters[0].flows_ended.get(), 1);
}

#[test]
fn timeouts_follow_the_state() {
    let mut rig = rig(1, None);
    let request = seen(&rig.exchange(0, &tcp(client(4000), vip(80), "S", b"")));
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(from, to, "SA", b""));
    rig.exchange(0, &tcp(client(4000), vip(80), "A", b""));
    rig.exchange(0, &tcp(client(4001), vip(80), "S", b""));
    rig.now = Ticks(100);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 1, "the half-open one");
    rig.now = Ticks(2000);
    rig.run();
    assert_eq!(rig.counters[0].flows_ended.get(), 2);
}

#[test]
fn the_packet_that_waits_for_arp_is_not_lost() {
    let mut rig = rig(1, None);
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    let asked = rig.run();
    assert_eq!(asked.len(), 1);
    let request = ArpPacket::read(&asked[0][14..]).expect("an ARP request");
    assert_eq!((request.sender_ip, request.sender_mac), (OWN, OURS));
    assert_eq!(rig.counters[0].holding.get(), 1);
    let released = rig.answer_arp(asked);
    assert_eq!(seen(&released[0]).macs[0], mac_of(request.target_ip));
    assert_eq!(rig.counters[0].holding.get(), 0);
}

#[test]
fn a_silent_next_hop_drops_what_waited() {
    let mut rig = rig(1, None);
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    let mut asked = rig.run().len();
    for tick in 1..=30 {
        rig.now = Ticks(tick);
        asked += rig.run().len();
    }
    assert_eq!((asked, rig.dropped(DropReason::NeighborFailed)), (3, 1));
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    rig.run();
    assert_eq!(rig.dropped(DropReason::NeighborFailed), 2);
}

#[test]
fn a_backend_that_dies_is_probed_used_meanwhile_and_then_given_up() {
    let mut rig = rig(1, None);
    let packet = udp(client(4000), vip(80), b"");
    let first = rig.exchange(0, &packet);
    let (mut probes, mut forwarded) = (vec![], 0);
    for tick in (300..400).step_by(5) {
        rig.now = Ticks(tick);
        rig.put(0, &packet);
        for bytes in rig.run() {
            match ArpPacket::read(&bytes[14..]) {
                Some(_) => probes.push(bytes[..6].to_vec()),
                None => forwarded += 1,
            }
        }
    }
    let (station, all) = (first[..6].to_vec(), vec![0xff; 6]);
    let expected = [&station, &station, &station, &all, &all, &all];
    assert!(probes.iter().take(6).eq(expected), "{probes:x?}");
    assert_eq!(forwarded, (300..=360).step_by(5).count());
    assert!(rig.dropped(DropReason::NeighborFailed) > 0);
}

#[test]
fn arp_is_answered_for_own_source_and_virtual_addresses_only() {
    for (address, answered) in [(OWN, true), (SNAT, true), (VIP, true), (CLIENT, false)] {
        let mut rig = rig(1, None);
        let request = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: CLIENT_MAC,
            sender_ip: Ipv4Addr::new(10, 99, 0, 200),
            target_mac: MacAddr::ZERO,
            target_ip: address,
        };
        let reply = rig.through(&frame_arp(None, CLIENT_MAC, MacAddr::BROADCAST, request));
        let expected =
            answered.then(|| frame_arp(None, OURS, CLIENT_MAC, request.reply_from(OURS)));
        assert_eq!(reply, expected, "{address}");
    }
}

#[test]
fn echo_is_answered_for_own_addresses_and_vips() {
    for (address, answered) in [(OWN, true), (SNAT, true), (VIP, true), (CLIENT, false)] {
        let mut rig = rig(1, None);
        let builder = PacketBuilder::ethernet2(CLIENT_MAC.0, OURS.0)
            .ipv4(CLIENT.octets(), address.octets(), 9)
            .icmpv4_echo_request(77, 3);
        let mut bytes = vec![];
        builder
            .write(&mut bytes, b"odd")
            .expect("a vector takes all");
        let Some(reply) = rig.through(&bytes) else {
            assert!(!answered, "{address}");
            continue;
        };
        assert!(answered, "{address}");
        let expected = PacketBuilder::ethernet2(OURS.0, CLIENT_MAC.0)
            .ipv4(address.octets(), CLIENT.octets(), 64)
            .icmpv4_echo_reply(77, 3);
        let mut wanted = vec![];
        expected
            .write(&mut wanted, b"odd")
            .expect("a vector takes all");
        assert_eq!(reply, wanted);
    }
}

#[test]
fn tagged_ports_speak_tagged() {
    let vlan = VlanId::new(100);
    let mut rig = rig(1, vlan);
    let plain = udp(client(4000), vip(80), b"ping");
    assert_eq!(rig.through(&plain), None);
    assert_eq!(rig.dropped(DropReason::Vlan), 1);
    let mut tagged = plain;
    tagged.splice(12..12, [0x81, 0, 0, 100]);
    let sent = rig.exchange(0, &tagged);
    assert_eq!(sent[12..18], [0x81, 0, 0, 100, 8, 0]);
    assert_eq!(seen(&sent).payload, b"ping");
}

#[test]
fn an_untagged_port_takes_priority_tags_but_not_the_reserved_vlan() {
    let mut rig = rig(1, None);
    let mut tagged = udp(client(4000), vip(80), b"ping");
    tagged.splice(12..12, [0x81, 0, 0xe0, 0]);
    assert_eq!(seen(&rig.exchange(0, &tagged)).payload, b"ping");
    tagged[14..16].copy_from_slice(&[0x0f, 0xff]);
    assert_eq!(rig.through(&tagged), None);
    assert_eq!(rig.dropped(DropReason::Vlan), 1);
}

#[test]
fn replies_at_the_wrong_worker_are_handed_to_their_owner() {
    let mut rig = rig(2, None);
    for (port, via) in [(4000, 0), (4001, 1)] {
        let request = seen(&rig.exchange(via, &udp(client(port), vip(80), b"ping")));
        let (from, to) = reply_ends(&request);
        for at in 0..2 {
            let reply = seen(&rig.exchange(at, &udp(from, to, b"pong")));
            assert_eq!(reply.ends, [vip(80).1, client(port).1]);
        }
    }
    let handoffs: Vec<_> = rig
        .counters
        .iter()
        .map(|c| (c.verdicts.handoff.get(), c.handed_in.get()))
        .collect();
    assert_eq!(handoffs, [(1, 1), (1, 1)]);
}

#[test]
fn full_queues_drop_and_count() {
    let mut rig = rig(2, None);
    let request = seen(&rig.exchange(0, &udp(client(4000), vip(80), b"ping")));
    let (from, to) = reply_ends(&request);
    rig.wire.borrow_mut().inbox_limit = 0;
    rig.put(1, &udp(from, to, b"pong"));
    assert_eq!(rig.run().len(), 0);
    assert_eq!(rig.dropped(DropReason::HandoffQueue), 1);
    rig.wire.borrow_mut().transmit_limit = 0;
    rig.put(0, &udp(client(4000), vip(80), b"ping"));
    assert_eq!(rig.run().len(), 0);
    assert_eq!(rig.dropped(DropReason::TransmitQueue), 1);
}

#[test]
fn a_full_flow_table_refuses_new_flows_only() {
    let mut rig = rig(1, None);
    for port in 0..64 {
        rig.exchange(0, &udp(client(4000 + port), vip(80), b""));
    }
    assert_eq!(rig.through(&udp(client(5000), vip(80), b"")), None);
    assert_eq!(rig.dropped(DropReason::FlowTableFull), 1);
    assert_eq!(
        seen(&rig.exchange(0, &udp(client(4000), vip(80), b"x"))).payload,
        b"x"
    );
}

#[test]
fn stopping_drops_what_waits() {
    let mut rig = rig(1, None);
    rig.put(0, &tcp(client(4000), vip(80), "S", b""));
    rig.run();
    rig.workers[0].finish();
    rig.check_accounts();
    assert_eq!(rig.dropped(DropReason::Stopping), 1);
}

/// A good packet with one thing wrong, and the reason that it is dropped for.
fn malformed() -> Vec<(DropReason, Vec<u8>)> {
    let tcp_syn = || tcp(client(4000), vip(80), "S", b"payload");
    let udp_ok = || udp(client(4000), vip(80), b"payload");
    // Changes bytes of the IPv4 header and puts its checksum right again.
    let ip = |mut bytes: Vec<u8>, change: &[(usize, u8)]| {
        for &(at, value) in change {
            bytes[14 + at] = value;
        }
        bytes[24..26].copy_from_slice(&[0, 0]);
        let sum = crate::wire::checksum::checksum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let at = |mut bytes: Vec<u8>, change: &[(usize, u8)]| {
        for &(at, value) in change {
            bytes[at] = value;
        }
        bytes
    };
    let own_source = tcp((CLIENT_MAC, (VIP, 9).into()), vip(80), "S", b"");
    vec![
        (DropReason::Truncated, tcp_syn()[..13].to_vec()),
        (DropReason::Truncated, tcp_syn()[..33].to_vec()),
        (
            DropReason::Truncated,
            at(tcp_syn(), &[(12, 0x81)])[..16].to_vec(),
        ),
        (DropReason::Truncated, ip(tcp_syn(), &[(3, 39)])),
        (DropReason::Truncated, ip(udp_ok(), &[(3, 27)])),
        (DropReason::NotForUs, at(tcp_syn(), &[(5, 99)])),
        (
            DropReason::NotForUs,
            at(
                tcp_syn(),
                &[
                    (0, 0xff),
                    (1, 0xff),
                    (2, 0xff),
                    (3, 0xff),
                    (4, 0xff),
                    (5, 0xff),
                ],
            ),
        ),
        (
            DropReason::EtherType,
            at(tcp_syn(), &[(12, 0x88), (13, 0xcc)]),
        ),
        (
            DropReason::AddressConflict,
            frame_arp(None, CLIENT_MAC, OURS, arp_from(OWN, CLIENT_MAC)),
        ),
        (
            DropReason::ArpInvalid,
            frame_arp(None, CLIENT_MAC, OURS, arp_from(CLIENT, MacAddr::BROADCAST)),
        ),
        (
            DropReason::Truncated,
            frame_arp(None, CLIENT_MAC, OURS, arp_from(CLIENT, CLIENT_MAC))[..41].to_vec(),
        ),
        (DropReason::Ipv4Header, ip(tcp_syn(), &[(0, 0x65)])),
        (DropReason::Ipv4Header, ip(tcp_syn(), &[(0, 0x44)])),
        (DropReason::Ipv4Length, ip(tcp_syn(), &[(2, 0xff)])),
        (DropReason::Ipv4Length, ip(tcp_syn(), &[(3, 19)])),
        (DropReason::Ipv4Checksum, at(tcp_syn(), &[(24, 1)])),
        (DropReason::Ipv4Source, ip(tcp_syn(), &[(12, 127)])),
        (DropReason::Ipv4Source, own_source),
        (DropReason::Protocol, ip(tcp_syn(), &[(9, 47)])),
        (DropReason::TcpHeader, at(tcp_syn(), &[(46, 0x40)])),
        (DropReason::TcpHeader, at(tcp_syn(), &[(46, 0xf0)])),
        (DropReason::TcpFlags, at(tcp_syn(), &[(47, 0x03)])),
        (DropReason::TcpFlags, at(tcp_syn(), &[(47, 0)])),
        (DropReason::UdpLength, at(udp_ok(), &[(38, 0), (39, 7)])),
        (DropReason::UdpLength, at(udp_ok(), &[(38, 1)])),
        (DropReason::TtlExpired, ip(tcp_syn(), &[(8, 1)])),
        (
            DropReason::NotLocal,
            tcp(
                client(1),
                (OURS, (Ipv4Addr::new(11, 9, 9, 9), 80).into()),
                "S",
                b"",
            ),
        ),
        (DropReason::NoService, tcp(client(1), vip(81), "S", b"")),
        (DropReason::NoFlow, tcp(client(1), vip(80), "A", b"")),
        (
            DropReason::NoFlow,
            tcp(client(1), (OURS, (SNAT, 2000).into()), "SA", b""),
        ),
        (
            DropReason::NoRoute,
            tcp(
                (CLIENT_MAC, (Ipv4Addr::new(172, 16, 0, 1), 1).into()),
                vip(80),
                "S",
                b"",
            ),
        ),
    ]
}

fn arp_from(sender_ip: Ipv4Addr, sender_mac: MacAddr) -> ArpPacket {
    let (target_mac, target_ip) = (MacAddr::ZERO, OWN);
    ArpPacket {
        operation: ArpOperation::Request,
        sender_mac,
        sender_ip,
        target_mac,
        target_ip,
    }
}

#[test]
fn clients_that_have_gone_leave_room_for_new_neighbors() {
    let mut rig = rig(1, None);
    rig.exchange(0, &udp(client(4000), vip(80), b""));
    for n in 0..2 * neighbor::CAPACITY as u32 {
        rig.now = Ticks(n * 20);
        // A whole Ethernet of clients: each has its own next hop.
        let address = Ipv4Addr::from_bits(OWN.to_bits() & !0x1_ffff | n);
        rig.put(0, &udp((CLIENT_MAC, (address, 9).into()), vip(80), b""));
        rig.run();
    }
    assert_eq!(rig.dropped(DropReason::NeighborTable), 0);
    assert_eq!(
        rig.counters[0].flows_created.get(),
        2 * neighbor::CAPACITY as u64 + 1
    );
}

#[test]
fn source_addresses_and_vips_are_announced_by_one_worker() {
    let mut rig = rig(2, None);
    for now in 0..40 {
        rig.now = Ticks(now);
        rig.run();
    }
    let read = |frame: &Vec<u8>| ArpPacket::read(&frame[14..]).expect("it is ARP");
    let announced: Vec<_> = rig.announced.iter().map(read).collect();
    assert!(announced.iter().all(|packet| packet.sender_mac == OURS));
    for address in [OWN, SNAT, VIP] {
        let times = announced
            .iter()
            .filter(|packet| packet.sender_ip == address);
        assert_eq!(times.count(), 3, "{address}");
    }
    let asked: u64 = rig.counters.iter().map(|c| c.originated.get()).sum();
    assert_eq!(asked, announced.len() as u64);
}

#[test]
fn each_fault_has_its_own_reason() {
    for (number, (reason, bytes)) in malformed().into_iter().enumerate() {
        let mut rig = rig(1, None);
        // What is wrong only by what it asks for is answered.
        let answered = matches!(
            reason,
            DropReason::TtlExpired
                | DropReason::NoService
                | DropReason::NoFlow
                | DropReason::NoBackend
        );
        let answer = rig.through(&bytes);
        assert_eq!(answer.is_some(), answered, "case {number}, {reason:?}");
        assert_eq!(rig.dropped(reason), 1, "case {number}, {reason:?}");
        assert_eq!(rig.wire.borrow().discarded, usize::from(!answered));
    }
}

#[test]
fn icmp_faults_have_their_reasons() {
    let echo = |kind: u8| {
        let builder = PacketBuilder::ethernet2(CLIENT_MAC.0, OURS.0)
            .ipv4(CLIENT.octets(), VIP.octets(), 9)
            .icmpv4_raw(kind, 0, [0; 4]);
        let mut bytes = vec![];
        builder
            .write(&mut bytes, b"data")
            .expect("a vector takes all");
        bytes
    };
    let mut rig = rig(1, None);
    assert_eq!(rig.through(&echo(13)), None);
    assert_eq!(rig.dropped(DropReason::Protocol), 1);
    let mut damaged = echo(8);
    damaged[40] ^= 1;
    assert_eq!(rig.through(&damaged), None);
    assert_eq!(rig.dropped(DropReason::IcmpChecksum), 1);
}

#[test]
fn every_split_of_a_packet_is_survived() {
    for whole in [
        tcp(client(1), vip(80), "S", b"x"),
        udp(client(1), vip(80), b"x"),
    ] {
        for len in 0..whole.len() {
            let mut rig = rig(1, None);
            assert_eq!(rig.through(&whole[..len]), None, "{len} bytes");
            assert_eq!(rig.wire.borrow().discarded, 1);
        }
    }
}

/// A packet that gets far: a good one with a few bytes changed.
fn damaged_packet() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        (4000u16..4008, "[SAFR]{1,2}").prop_map(|(port, flags)| tcp(
            client(port),
            vip(80),
            &flags,
            b"data"
        )),
        (4000u16..4008).prop_map(|port| udp(client(port), vip(80), b"data")),
        (1024u16..1032).prop_map(|port| udp(
            (backend_mac(1), backend_address(1)),
            (OURS, (SNAT, port).into()),
            b""
        )),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (whole, damage, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut bytes, damage, cut, whole)| {
            for (at, value) in damage {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = value;
                }
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        },
    )
}

proptest! {
    /// Whatever arrives, at whichever worker, each packet has one end and no frame is lost.
    #[test]
    fn each_packet_is_accounted_for(
        packets in prop::collection::vec((0usize..2, damaged_packet()), 1..60), waits in prop::collection::vec(0u32..40, 60),
    ) {
        let mut rig = rig(2, None);
        let count = packets.len();
        let mut sent = 0;
        for ((worker, bytes), wait) in packets.into_iter().zip(waits) {
            rig.put(worker, &bytes);
            rig.now = rig.now.after(TickSpan(wait));
            sent += rig.run().len();
        }
        for worker in &mut rig.workers {
            worker.finish();
        }
        rig.check_accounts();
        let originated: u64 = rig.counters.iter().map(|c| c.originated.get()).sum();
        let sent = sent + rig.announced.len();
        prop_assert_eq!(sent as u64 + rig.wire.borrow().discarded as u64, count as u64 + originated);
    }
}
