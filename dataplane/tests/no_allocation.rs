//! A turn of a worker never touches the heap, whatever arrives.
//!
//! A process of its own, with an allocator that counts what this thread asks of it. The frames lie
//! in a fixed pool: one that falls instead of being given back frees memory, and is counted too.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use assert_no_alloc::{AllocDisabler, assert_no_alloc, violation_count};
use dataplane::Protocol;
use dataplane::clock::{TickSpan, Ticks};
use dataplane::counters::WorkerCounters;
use dataplane::frame::{Frame, Io};
use dataplane::neighbor::{self, Announcements, Claim, NeighborUpdate, Neighbors, Role};
use dataplane::network::{
    Attachment, Interface, InterfaceIndex, Network, Route, SnatAddresses, Subnet,
};
use dataplane::pipeline::{Parts, Pipeline};
use dataplane::table::publication::{Publisher, channel};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Policy, Service, ServiceSlot, Table, Timeouts,
};
use dataplane::verdict::DropReason;
use dataplane::wire::MacAddr;
use dataplane::wire::arp::{ArpOperation, ArpPacket};
use dataplane::wire::ethernet::{self, ETHERTYPE_ARP};
use dataplane::worker::{Worker, WorkerId, mailboxes};
use etherparse::PacketBuilder;
use pool::PoolIo;

#[path = "support/pool.rs"]
mod pool;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const SNAT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 3);
const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 11);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 0);
const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
const FLOWS: usize = 8;

fn table(epoch: u16) -> Table {
    let span = TickSpan(100);
    let timeouts = Timeouts {
        tcp_handshake: span,
        tcp_established: span,
        tcp_closing: span,
        udp: span,
    };
    let service = |slot: u16, protocol| {
        let backend = Backend {
            slot: BackendSlot(slot.into()),
            epoch: Epoch(epoch),
            address: (BACKEND, 8080).into(),
            weight: 1,
        };
        let vip = SocketAddr::from((VIP, 80));
        Arc::new(Service::new(
            ServiceSlot(slot),
            vip,
            protocol,
            Policy::new(timeouts),
            vec![backend],
        ))
    };
    let services = [service(0, Protocol::Tcp), service(1, Protocol::Udp)];
    Table::new(&services, &BTreeSet::new())
}

struct Rig {
    worker: Worker<PoolIo>,
    tables: Publisher<Table>,
    counters: Arc<WorkerCounters>,
    now: Ticks,
}

fn network() -> Network {
    let interface = Interface {
        port: 0,
        vlan: None,
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
        workers: 2,
        ..Network::default()
    }
}

fn rig() -> Rig {
    let network = Arc::new(network());
    let (tables, mut readers) = channel(table(0), 1);
    let counters = Arc::new(WorkerCounters::new(1, 8));
    let reader = readers.pop().expect("there is one");
    let (id, shared) = (WorkerId(0), Arc::clone(&counters));
    let pipeline = Pipeline::new(
        Parts {
            worker: id,
            network,
            tables: reader,
            counters: shared,
            flows: FLOWS,
            half_open: FLOWS,
            announces: true,
            steering: Vec::new(),
        },
        Ticks(0),
    );
    Rig {
        worker: Worker::new(id, PoolIo::new(), pipeline, mailboxes(2)),
        tables,
        counters,
        now: Ticks(0),
    }
}

impl Rig {
    /// One turn with this packet, without the heap. Returns what was sent.
    fn turn(&mut self, what: &str, packet: &[u8]) -> Vec<Vec<u8>> {
        self.turn_after(0, what, packet)
    }

    /// The same, `ticks` later.
    fn turn_after(&mut self, ticks: u32, what: &str, packet: &[u8]) -> Vec<Vec<u8>> {
        self.now = self.now.after(TickSpan(ticks));
        let io = self.worker.io_mut();
        if !packet.is_empty() {
            let mut frame = io.allocate().expect("the pool has frames");
            assert!(frame.assign(packet), "the packet fits");
            io.arriving.push_back(frame);
        }
        let before = violation_count();
        assert_no_alloc(|| self.worker.turn(self.now));
        assert_eq!(violation_count(), before, "{what} used the heap");
        let io = self.worker.io_mut();
        let sent = io.sent.iter().map(|frame| frame.bytes().to_vec());
        let sent = sent.filter(|frame| !is_announcement(frame)).collect();
        io.free.append(&mut io.sent);
        sent
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.verdicts.dropped(reason).get()
    }

    /// A packet whose next hop is asked for, and answers.
    fn resolve(&mut self, what: &str, packet: &[u8]) -> Vec<u8> {
        let asked = self.turn(what, packet);
        let request = ArpPacket::read(&asked[0][ethernet::HEADER_LEN..]).expect("ARP");
        let mut released = self.turn("an ARP reply", &arp(request.reply_from(THEIRS)));
        released.remove(0)
    }
}

/// True for ARP that asks for its own sender, or for no sender: it comes after a start and answers
/// nothing.
fn is_announcement(frame: &[u8]) -> bool {
    let packet = frame.get(ethernet::HEADER_LEN..).and_then(ArpPacket::read);
    let is_own = |packet: ArpPacket| packet.sender_ip == packet.target_ip;
    packet.is_some_and(|packet| is_own(packet) || packet.sender_ip.is_unspecified())
}

fn arp(packet: ArpPacket) -> Vec<u8> {
    let mut bytes = vec![0; ethernet::HEADER_LEN];
    assert!(ethernet::write(
        &mut bytes,
        OURS,
        THEIRS,
        None,
        ETHERTYPE_ARP
    ));
    bytes.extend(packet.to_bytes());
    bytes
}

fn client(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(CLIENT.to_bits() + n)
}

fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut bytes = vec![];
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ipv4(from.0.octets(), to.0.octets(), 64)
        .udp(from.1, to.1)
        .write(&mut bytes, b"data")
        .expect("a vector takes all");
    bytes
}

fn tcp_syn(from: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut bytes = vec![];
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ipv4(from.0.octets(), VIP.octets(), 64)
        .tcp(from.1, 80, 7, 1000)
        .syn()
        .write(&mut bytes, b"")
        .expect("a vector takes all");
    bytes
}

/// Source port of a packet as the backend sees it.
fn source_port(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[34], packet[35]])
}

#[test]
fn the_heap_is_watched() {
    let before = violation_count();
    assert_no_alloc(|| drop(std::hint::black_box(Box::new(7))));
    assert_eq!(violation_count(), before + 2);
}

#[test]
fn flows_replies_and_changes_of_the_table() {
    let mut rig = rig();
    let request = rig.resolve("a first packet", &udp((client(1), 9), (VIP, 80)));
    let reply = udp((BACKEND, 8080), (SNAT, source_port(&request)));
    rig.resolve("a first reply", &reply);
    for _ in 0..100 {
        assert_eq!(
            rig.turn("a warm flow", &udp((client(1), 9), (VIP, 80)))
                .len(),
            1
        );
        assert_eq!(rig.turn("a warm reply", &reply).len(), 1);
    }
    assert_eq!(
        rig.turn("a new connection", &tcp_syn((client(1), 10)))
            .len(),
        1
    );
    for epoch in 1..20 {
        rig.tables.publish(table(epoch));
        assert_eq!(
            rig.turn("a new table", &udp((client(1), 9), (VIP, 80)))
                .len(),
            1
        );
    }
    // The first flow chose again each time; the connection ended with its backend.
    assert_eq!(rig.counters.flows_ended.get(), 20);
    rig.turn(
        "a packet of another worker",
        &udp((BACKEND, 8080), (SNAT, 65535)),
    );
    assert_eq!(rig.counters.verdicts.handoff.get(), 1);
}

#[test]
fn faults_questions_and_full_tables() {
    let mut rig = rig();
    let good = udp((client(1), 9), (VIP, 80));
    for len in 1..good.len() {
        assert_eq!(rig.turn("a short packet", &good[..len]).len(), 0);
    }
    rig.turn("no service", &udp((client(1), 9), (VIP, 81)));
    assert_eq!(rig.dropped(DropReason::NoService), 1);
    let question = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: THEIRS,
        sender_ip: client(1),
        target_mac: MacAddr::ZERO,
        target_ip: VIP,
    };
    // More than another worker's mailbox holds, which nobody empties.
    for _ in 0..2000 {
        assert_eq!(rig.turn("an ARP request", &arp(question)).len(), 1);
    }
    rig.resolve("a first packet", &good);
    for port in 10..20 {
        rig.turn("a flow too many", &udp((client(1), port), (VIP, 80)));
    }
    assert_eq!(
        rig.dropped(DropReason::FlowTableFull),
        10 - (FLOWS as u64 - 1)
    );
}

#[test]
fn flows_expire_and_neighbors_come_and_go() {
    let mut rig = rig();
    rig.resolve("a first packet", &udp((client(1), 9), (VIP, 80)));
    let clients = 4 * neighbor::CAPACITY as u32;
    for n in 0..clients {
        let packet = udp((client(n), 9), (VIP, 80));
        let sent = rig.turn_after(20, "a client with its own next hop", &packet);
        for frame in &sent {
            let question = ArpPacket::read(&frame[ethernet::HEADER_LEN..]);
            if let Some(question) = question.filter(|question| question.target_ip == BACKEND) {
                rig.turn("the backend's answer", &arp(question.reply_from(THEIRS)));
            }
        }
        let to_backend = |packet: &&Vec<u8>| packet[30..34] == BACKEND.octets();
        let request = sent.iter().find(to_backend);
        let reply = udp(
            (BACKEND, 8080),
            (SNAT, source_port(request.expect("forwarded"))),
        );
        if n % 2 == 0 {
            rig.turn("a reply that waits", &reply);
        }
    }
    assert!(rig.counters.flows_ended.get() > u64::from(clients) - FLOWS as u64);
    assert!(rig.dropped(DropReason::NeighborFailed) > u64::from(clients / 2) - 10);
    assert_eq!(rig.dropped(DropReason::NeighborTable), 0);
    assert_no_alloc(|| rig.worker.finish());
    assert_eq!(violation_count(), 0, "the end used the heap");
}

#[test]
fn a_flood_of_next_hops_and_announcements_stay_within_their_memory() {
    let mut neighbors = Neighbors::<u32>::new(&network());
    let mut announcements = Announcements::new(&network(), Ticks(0));
    let vips: Vec<_> = (0..20_000).map(|n| client(n).into()).collect();
    let mut announced = 0;
    let before = violation_count();
    assert_no_alloc(|| {
        for n in 0..40 * neighbor::CAPACITY as u32 {
            let now = Ticks(n / 1000);
            let (interface, address) = (InterfaceIndex(0), client(n).into());
            let route = Route {
                interface,
                next_hop: address,
            };
            let role = if n % 3 == 0 {
                Role::Infrastructure
            } else {
                Role::Client
            };
            if let Some(neighbor) = neighbors.refer(route, role) {
                neighbors.lookup(neighbor, now);
                let _ = neighbors.wait(neighbor, n);
                neighbors.unrefer(neighbor);
            }
            if n % 5 == 0 {
                let update = NeighborUpdate {
                    interface,
                    address,
                    mac: THEIRS,
                    claim: Claim::Arp,
                };
                neighbors.learn(update, now, |_, _, _| {});
            }
            neighbors.tick(now, |_| {});
            while neighbors.next_request(now).is_some() {}
            if n % 100 == 0 {
                announcements.table_changed();
                while announcements.next_announcement(&vips, now).is_some() {
                    announced += 1;
                }
            }
        }
    });
    assert_eq!(violation_count(), before, "the heap was used");
    assert!(announced > 2 * vips.len(), "{announced}");
}
