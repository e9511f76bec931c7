//! The cases: a worker with one service and three backends, and different traffic.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use dataplane::Protocol;
use dataplane::clock::{TickSpan, Ticks};
use dataplane::counters::WorkerCounters;
use dataplane::network::{Attachment, Interface, Network, SnatAddresses, Subnet};
use dataplane::pipeline::{Parts, Pipeline};
use dataplane::table::publication::{Publisher, channel};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Policy, Service, ServiceSlot, Table, Timeouts,
};
use dataplane::wire::MacAddr;
use dataplane::wire::arp::{ArpOperation, ArpPacket};
use dataplane::wire::checksum::checksum;
use dataplane::worker::{Worker, WorkerId, mailboxes};

use crate::ring::Ring;

/// Packets in one round.
const PACKETS: usize = 1 << 20;

const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A worker and the packets that it is given.
pub(crate) struct Case {
    name: &'static str,
    worker: Worker<Ring>,
    now: Ticks,
    /// Whether time passes between rounds so that all flows expire.
    forget: bool,
    /// What the neighbors say when they are asked.
    replies: Vec<Vec<u8>>,
    _tables: Publisher<Table>,
}

/// All cases; the first is the one that the others are compared with.
pub(crate) fn all() -> Vec<Case> {
    let flows = |count: u32| {
        (0..count)
            .map(|n| udp(client(n), 4000, VIP))
            .collect::<Vec<_>>()
    };
    let stray = |n: u32| udp(client(n), 4000, Ipv4Addr::new(11, 9, 9, 9));
    vec![
        Case::new("forward, 1,000 flows", 1 << 11, flows(1000)),
        Case::new("forward, 100,000 flows", 1 << 18, flows(100_000)),
        Case::new("forward, 1,000,000 flows", 1 << 21, flows(1_000_000)),
        Case {
            forget: true,
            ..Case::new("new flow each packet", 1 << 21, flows(PACKETS as u32))
        },
        Case::new(
            "drop: none of our addresses",
            1 << 11,
            (0..1000).map(stray).collect(),
        ),
        Case::new("drop: wrong IPv4 checksum", 1 << 11, vec![damaged()]),
    ]
}

impl Case {
    fn new(name: &'static str, flows: usize, packets: Vec<Vec<u8>>) -> Self {
        let network = Arc::new(network());
        let (mut tables, mut readers) = channel(Table::default(), 1);
        tables.publish(table());
        let counters = Arc::new(WorkerCounters::new(1, 8));
        let reader = readers.remove(0);
        let id = WorkerId(0);
        let pipeline = Pipeline::new(
            Parts {
                worker: id,
                network,
                tables: reader,
                counters,
                flows,
                half_open: flows,
                steering: Vec::new(),
            },
            Ticks(0),
        );
        let worker = Worker::new(id, Ring::new(packets), pipeline, mailboxes(1));
        let mut case = Self {
            name,
            worker,
            now: Ticks(0),
            forget: false,
            replies: vec![],
            _tables: tables,
        };
        case.warm_up();
        case
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Resolves the neighbors and makes the flows.
    fn warm_up(&mut self) {
        let ring = self.worker.io_mut();
        let packets = ring.len();
        ring.keep = true;
        ring.budget = packets.min(64);
        self.drain();
        let ring = self.worker.io_mut();
        let asked = std::mem::take(&mut ring.sent);
        ring.keep = false;
        self.replies = asked.iter().filter_map(|frame| arp_reply(frame)).collect();
        self.answer();
        self.worker.io_mut().budget = packets;
        self.drain();
    }

    /// Lets the neighbors be heard: they stay reachable however much time passes.
    fn answer(&mut self) {
        let ring = self.worker.io_mut();
        let packets = ring.swap(self.replies.clone());
        ring.budget = ring.len();
        self.drain();
        self.worker.io_mut().load(packets);
    }

    fn drain(&mut self) {
        while self.worker.turn(self.now) > 0 {}
    }

    /// Nanoseconds per packet of one round.
    pub(crate) fn round(&mut self) -> f64 {
        if self.forget {
            self.now = self.now.after(TickSpan(200));
            while self.worker.pipeline().flows() > 0 {
                self.worker.turn(self.now);
            }
            self.answer();
        }
        self.worker.io_mut().budget = PACKETS;
        let begin = Instant::now();
        self.drain();
        begin.elapsed().as_secs_f64() * 1e9 / PACKETS as f64
    }
}

fn network() -> Network {
    Network {
        interfaces: vec![Interface {
            port: 0,
            vlan: None,
            mac: OURS,
            mtu: 1500,
            ipv4: Some(Attachment {
                address: OWN,
                subnet: Subnet::of(OWN, 24),
                gateway: Some(Ipv4Addr::new(10, 0, 0, 254)),
            }),
            ipv6: None,
            host_port: None,
        }],
        // Room for a million flows towards three backends.
        snat: SnatAddresses {
            ipv4: (100..132).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect(),
            ipv6: vec![],
        },
        workers: 1,
        ..Network::default()
    }
}

fn table() -> Table {
    let span = TickSpan(100);
    let timeouts = Timeouts {
        tcp_handshake: span,
        tcp_established: span,
        tcp_closing: span,
        udp: span,
    };
    let backend = |n: u8| Backend {
        slot: BackendSlot(u32::from(n)),
        epoch: Epoch(0),
        address: SocketAddr::from(([10, 0, 0, 10 + n], 8080)),
        weight: 1,
    };
    let vip = SocketAddr::from((VIP, 80));
    let backends = (0..3).map(backend).collect();
    let service = Service::new(
        ServiceSlot(0),
        vip,
        Protocol::Udp,
        Policy::new(timeouts),
        backends,
    );
    Table::new(&[Arc::new(service)], &BTreeSet::new())
}

/// Client number `n`: behind the gateway, all different.
fn client(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xac10_0000 + n)
}

/// A UDP packet of 60 bytes, the shortest on an Ethernet, without a UDP checksum.
fn udp(from: Ipv4Addr, port: u16, to: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[..6].copy_from_slice(&OURS.0);
    bytes[6..12].copy_from_slice(&THEIRS.0);
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17]);
    bytes[26..30].copy_from_slice(&from.octets());
    bytes[30..34].copy_from_slice(&to.octets());
    let sum = checksum(&bytes[14..34]);
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    bytes[34..36].copy_from_slice(&port.to_be_bytes());
    bytes[36..38].copy_from_slice(&80u16.to_be_bytes());
    bytes[38..40].copy_from_slice(&26u16.to_be_bytes());
    bytes
}

fn damaged() -> Vec<u8> {
    let mut bytes = udp(client(1), 4000, VIP);
    bytes[24] ^= 1;
    bytes
}

/// The answer to an ARP request, as a frame; `None` for any other frame.
fn arp_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let request = ArpPacket::read(frame.get(14..)?)?;
    if request.operation != ArpOperation::Request || frame[12..14] != [8, 6] {
        return None;
    }
    let mut bytes = frame[..14].to_vec();
    bytes[..6].copy_from_slice(&OURS.0);
    bytes[6..12].copy_from_slice(&THEIRS.0);
    bytes.extend(request.reply_from(THEIRS).to_bytes());
    Some(bytes)
}
