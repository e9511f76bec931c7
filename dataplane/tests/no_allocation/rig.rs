//! A worker on the frames of a pool, watched by the allocator, and the packets that it gets.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use assert_no_alloc::{assert_no_alloc, violation_count};
use dataplane::Protocol;
use dataplane::clock::{TickSpan, Ticks};
use dataplane::counters::WorkerCounters;
use dataplane::frame::{Frame, Io};
use dataplane::network::{Attachment, Interface, Network, SnatAddresses, Subnet};
use dataplane::pipeline::{Parts, Pipeline};
use dataplane::table::publication::{Publisher, channel};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Policy, Service, ServiceSlot, Table, Timeouts,
};
use dataplane::verdict::DropReason;
use dataplane::wire::MacAddr;
use dataplane::wire::arp::ArpPacket;
use dataplane::wire::ethernet::{self, ETHERTYPE_ARP};
use dataplane::worker::{Worker, WorkerId, mailboxes};
use etherparse::PacketBuilder;

use crate::pool::PoolIo;

pub(crate) const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
pub(crate) const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
pub(crate) const SNAT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 3);
pub(crate) const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 11);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 0);
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
pub(crate) const FLOWS: usize = 8;

pub(crate) fn table(epoch: u16) -> Table {
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

pub(crate) struct Rig {
    pub(crate) worker: Worker<PoolIo>,
    pub(crate) tables: Publisher<Table>,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) now: Ticks,
}

pub(crate) fn network() -> Network {
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

pub(crate) fn rig() -> Rig {
    rig_on(network(), table(0))
}

/// The first worker of this network.
pub(crate) fn rig_on(network: Network, table: Table) -> Rig {
    let workers = network.workers;
    let (tables, mut readers) = channel(table, 1);
    let counters = Arc::new(WorkerCounters::new(1, 100));
    let worker = WorkerId(0);
    let parts = Parts {
        worker,
        network: Arc::new(network),
        tables: readers.pop().expect("there is one"),
        counters: Arc::clone(&counters),
        flows: FLOWS,
        half_open: FLOWS,
        announces: true,
        steering: Vec::new(),
    };
    let pipeline = Pipeline::new(parts, Ticks(0));
    Rig {
        worker: Worker::new(worker, PoolIo::new(workers), pipeline, mailboxes(workers)),
        tables,
        counters,
        now: Ticks(0),
    }
}

impl Rig {
    /// One turn with this packet, without the heap. Returns what was sent.
    pub(crate) fn turn(&mut self, what: &str, packet: &[u8]) -> Vec<Vec<u8>> {
        self.turn_after(0, what, packet)
    }

    /// The same, `ticks` later.
    pub(crate) fn turn_after(&mut self, ticks: u32, what: &str, packet: &[u8]) -> Vec<Vec<u8>> {
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

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.verdicts.dropped(reason).get()
    }

    /// A packet whose next hop is asked for, and answers.
    pub(crate) fn resolve(&mut self, what: &str, packet: &[u8]) -> Vec<u8> {
        let asked = self.turn(what, packet);
        let request = ArpPacket::read(&asked[0][ethernet::HEADER_LEN..]).expect("ARP");
        let mut released = self.turn("an ARP reply", &arp(request.reply_from(THEIRS)));
        released.remove(0)
    }
}

/// True for ARP that asks for its own sender, or for no sender, and its like in IPv6: it comes after a
/// start and answers nothing.
fn is_announcement(frame: &[u8]) -> bool {
    if let Some(kind) = discovery(frame) {
        let (source, destination) = (&frame[22..38], &frame[38..54]);
        return match kind {
            135 => source == [0; 16],
            _ => destination[0] == 0xff,
        };
    }
    let packet = frame.get(ethernet::HEADER_LEN..).and_then(ArpPacket::read);
    let is_own = |packet: ArpPacket| packet.sender_ip == packet.target_ip;
    packet.is_some_and(|packet| is_own(packet) || packet.sender_ip.is_unspecified())
}

/// The type of a Neighbor Discovery message.
pub(crate) fn discovery(frame: &[u8]) -> Option<u8> {
    let is_icmp = frame.get(12..14)? == [0x86, 0xdd] && *frame.get(20)? == 58;
    let kind = *frame.get(54)?;
    (is_icmp && [135, 136].contains(&kind)).then_some(kind)
}

pub(crate) fn arp(packet: ArpPacket) -> Vec<u8> {
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

pub(crate) fn client(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(CLIENT.to_bits() + n)
}

pub(crate) fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut bytes = vec![];
    PacketBuilder::ethernet2(THEIRS.0, OURS.0)
        .ipv4(from.0.octets(), to.0.octets(), 64)
        .udp(from.1, to.1)
        .write(&mut bytes, b"data")
        .expect("a vector takes all");
    bytes
}

pub(crate) fn tcp_syn(from: (Ipv4Addr, u16)) -> Vec<u8> {
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
pub(crate) fn source_port(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[34], packet[35]])
}
