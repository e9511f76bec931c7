//! Some workers on plain memory, with the stations around them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use super::oracle::{Seen, seen, verify};
use super::packets::*;
use crate::Protocol;
use crate::clock::{TickSpan, Ticks};
use crate::counters::WorkerCounters;
use crate::frame::Frame;
use crate::neighbor::own_addresses;
use crate::network::{Attachment, Interface, Network, SnatAddresses, Subnet};
use crate::offline::{MemoryFrame, MemoryIo, SharedWire, Wire};
use crate::pipeline::{Parts, Pipeline};
use crate::table::publication::{Publisher, channel};
use crate::table::{Backend, BackendSlot, Epoch, Mode, Policy, Service, ServiceSlot};
use crate::table::{Table, Timeouts};
use crate::verdict::DropReason;
use crate::wire::arp::{ArpOperation, ArpPacket};
use crate::wire::ethernet::{self, VlanId};
use crate::worker::{Worker, WorkerId, mailboxes};

pub(super) const TIMEOUTS: Timeouts = Timeouts {
    tcp_handshake: TickSpan(100),
    tcp_established: TickSpan(2000),
    tcp_closing: TickSpan(200),
    udp: TickSpan(500),
};

/// Workers with one port, and what they have sent.
pub(super) struct Rig {
    pub(super) workers: Vec<Worker<MemoryIo>>,
    pub(super) wire: SharedWire,
    pub(super) tables: Publisher<Table>,
    pub(super) counters: Vec<Arc<WorkerCounters>>,
    pub(super) now: Ticks,
    pub(super) vlan: Option<VlanId>,
    /// Probes and announcements, which come after each start and are no answer to anything.
    pub(super) announced: Vec<Vec<u8>>,
    /// All checksums of what is sent are right, because those of what came were.
    pub(super) strict: bool,
}

/// What a rig is made of.
pub(super) struct Setup {
    pub(super) network: Network,
    pub(super) table: Table,
    pub(super) flows: usize,
    pub(super) half_open: usize,
}

impl Setup {
    pub(super) fn new(network: Network, table: Table) -> Self {
        Self {
            network,
            table,
            flows: 64,
            half_open: 16,
        }
    }

    pub(super) fn rig(self) -> Rig {
        let (count, vlan) = (self.network.workers, self.network.interfaces[0].vlan);
        let network = Arc::new(self.network);
        let wire = Wire::new(count, 1);
        let (mut tables, readers) = channel(Table::default(), count);
        tables.publish(self.table);
        let own = own_addresses(&network).len();
        let counters: Vec<_> = (0..count)
            .map(|_| Arc::new(WorkerCounters::new(1, 500).with_own_addresses(own)))
            .collect();
        let mailboxes = mailboxes(count);
        let mut workers = vec![];
        for (n, tables) in readers.into_iter().enumerate() {
            let worker = WorkerId(n as u8);
            let parts = Parts {
                worker,
                network: Arc::clone(&network),
                tables,
                counters: Arc::clone(&counters[n]),
                flows: self.flows,
                half_open: self.half_open,
                announces: n == 0,
                steering: Vec::new(),
            };
            let io = MemoryIo::new(n, Rc::clone(&wire));
            let pipeline = Pipeline::new(parts, Ticks(0));
            workers.push(Worker::new(worker, io, pipeline, mailboxes.clone()));
        }
        Rig {
            workers,
            wire,
            tables,
            counters,
            now: Ticks(0),
            vlan,
            announced: vec![],
            strict: true,
        }
    }
}

/// IPv4 only, without a router.
pub(super) fn network(workers: usize, vlan: Option<VlanId>) -> Network {
    let interface = Interface {
        vlan,
        ipv4: Some(Attachment {
            address: OWN,
            subnet: Subnet::of(OWN, 14),
            gateway: None,
        }),
        ..Interface::new(0, OURS)
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

/// Both families, with a router of each.
pub(super) fn wide_network(workers: usize) -> Network {
    let mut network = network(workers, None);
    let interface = &mut network.interfaces[0];
    interface.ipv4 = Some(Attachment {
        address: OWN,
        subnet: Subnet::of(OWN, 14),
        gateway: Some(ROUTER),
    });
    interface.ipv6 = Some(Attachment {
        address: OWN_V6,
        subnet: Subnet::of(OWN_V6, 64),
        gateway: Some(ROUTER_V6),
    });
    network.snat.ipv6 = vec![SNAT_V6];
    network
}

/// TCP and UDP on port 80 of a VIP. `weights` are backends' numbers and weights.
pub(super) fn services(
    policy: &Policy,
    (vip, backends): (Net, Net),
    weights: &[(u8, u16)],
) -> Vec<Arc<Service>> {
    let first = if vip == Net::V4 { 0 } else { 2 };
    let service = |slot: u16, protocol| {
        let backend = |&(number, weight): &(u8, u16)| Backend {
            slot: BackendSlot(u32::from(slot) * 100 + u32::from(number)),
            epoch: Epoch(0),
            address: backends.backend(number),
            weight,
        };
        let backends = weights.iter().map(backend).collect();
        let (slot, vip) = (ServiceSlot(slot), vip.vip().1);
        Arc::new(Service::new(slot, vip, protocol, policy.clone(), backends))
    };
    vec![
        service(first, Protocol::Tcp),
        service(first + 1, Protocol::Udp),
    ]
}

pub(super) fn policy(mode: Mode) -> Policy {
    Policy {
        mode,
        ..Policy::new(TIMEOUTS)
    }
}

/// The VIPs of both families, each with backends of its own.
pub(super) fn wide_table(policy: &Policy, weights: &[(u8, u16)]) -> Table {
    let of = |net| services(policy, (net, net), weights);
    Table::new(&[of(Net::V4), of(Net::V6)].concat(), &BTreeSet::new())
}

pub(super) fn table(weights: &[(u8, u16)]) -> Table {
    table_under(&Policy::new(TIMEOUTS), weights)
}

pub(super) fn table_under(policy: &Policy, weights: &[(u8, u16)]) -> Table {
    let services = services(policy, (Net::V4, Net::V4), weights);
    Table::new(&services, &BTreeSet::new())
}

pub(super) fn rig(workers: usize, vlan: Option<VlanId>) -> Rig {
    rig_on(network(workers, vlan))
}

pub(super) fn rig_on(network: Network) -> Rig {
    Setup::new(network, table(&[(1, 1), (2, 1), (3, 1)])).rig()
}

/// Both families under this policy.
pub(super) fn wide_rig(workers: usize, policy: &Policy) -> Rig {
    let table = wide_table(policy, &[(1, 1), (2, 1), (3, 1)]);
    Setup::new(wide_network(workers), table).rig()
}

/// The start of the payload of an Ethernet frame, and its type.
fn body(frame: &[u8]) -> Option<(u16, &[u8])> {
    let at = if frame.get(12..14)? == [0x81, 0] {
        16
    } else {
        12
    };
    let kind = u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?);
    Some((kind, &frame[at + 2..]))
}

fn arp_in(frame: &[u8]) -> Option<ArpPacket> {
    let (kind, packet) = body(frame)?;
    (kind == ethernet::ETHERTYPE_ARP).then(|| ArpPacket::read(packet))?
}

/// Type, source, destination and target of Neighbor Discovery.
fn discovery_in(frame: &[u8]) -> Option<(u8, [Ipv6Addr; 3])> {
    let (kind, packet) = body(frame)?;
    let is_discovery = kind == ethernet::ETHERTYPE_IPV6 && packet.get(6) == Some(&58);
    let kind = *packet.get(40)?;
    let address = |at: usize| {
        Some(Ipv6Addr::from(
            <[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?,
        ))
    };
    let addresses = [address(8)?, address(24)?, address(48)?];
    (is_discovery && [135, 136].contains(&kind)).then_some((kind, addresses))
}

/// True for ARP that asks for its own sender, or for no sender, and for its like in IPv6.
fn is_announcement(frame: &[u8]) -> bool {
    if let Some(packet) = arp_in(frame) {
        return packet.sender_ip == packet.target_ip || packet.sender_ip.is_unspecified();
    }
    discovery_in(frame).is_some_and(|(kind, [source, destination, _])| match kind {
        135 => source.is_unspecified(),
        _ => destination.is_multicast(),
    })
}

/// True for a question about a neighbor.
pub(super) fn is_question(frame: &[u8]) -> bool {
    arp_in(frame).is_some_and(|packet| packet.operation == ArpOperation::Request)
        || discovery_in(frame).is_some_and(|(kind, _)| kind == 135)
}

/// What the station that is asked for answers, if `frame` asks for one.
fn neighbors_answer(vlan: Option<VlanId>, frame: &[u8]) -> Option<Vec<u8>> {
    if let Some(request) = arp_in(frame).filter(|p| p.operation == ArpOperation::Request) {
        let mac = mac_of(request.target_ip);
        return Some(frame_arp(vlan, mac, OURS, request.reply_from(mac)));
    }
    let (_, [asker, _, target]) = discovery_in(frame).filter(|(kind, _)| *kind == 135)?;
    let mac = station(target.into());
    let on_link = Ip { hops: 255, ..PLAIN };
    let headers = ip_headers(IpAddr::V6(target), IpAddr::V6(asker), on_link);
    let message = [&target.octets()[..], &[2, 1], &mac.0].concat();
    let mut bytes = vec![];
    etherparse::PacketBuilder::ethernet2(mac.0, OURS.0)
        .ip(headers)
        .icmpv6_raw(136, 0, [0x60, 0, 0, 0])
        .write(&mut bytes, &message)
        .expect("a vector takes all");
    Some(bytes)
}

impl Rig {
    pub(super) fn put(&self, worker: usize, bytes: &[u8]) {
        self.wire.borrow_mut().arriving[worker][0].push_back(MemoryFrame::new(bytes));
    }

    /// Runs all workers until nothing moves, and returns what they sent.
    pub(super) fn run(&mut self) -> Vec<Vec<u8>> {
        let now = self.now;
        while self.workers.iter_mut().map(|w| w.turn(now)).sum::<usize>() > 0 {}
        self.check_accounts();
        let sent = std::mem::take(&mut self.wire.borrow_mut().sent[0]);
        let sent = sent.iter().map(|frame| frame.bytes().to_vec());
        let (announced, sent): (Vec<_>, Vec<_>) = sent.partition(|frame| is_announcement(frame));
        for frame in sent.iter().chain(&announced) {
            let verified = verify(frame, self.strict);
            assert_eq!(verified, Ok(()), "{frame:02x?} was sent");
        }
        self.announced.extend(announced);
        sent
    }

    /// Every packet that arrived has exactly one end.
    pub(super) fn check_accounts(&self) {
        let sum =
            |of: fn(&WorkerCounters) -> u64| -> u64 { self.counters.iter().map(|c| of(c)).sum() };
        let holding = sum(|c| c.holding.get());
        assert_eq!(
            sum(WorkerCounters::arrived),
            sum(|c| c.verdicts.total()) + holding
        );
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.sum(|c| c.verdicts.dropped(reason).get())
    }

    /// A counter, over all workers.
    pub(super) fn sum(&self, of: impl Fn(&WorkerCounters) -> u64) -> u64 {
        self.counters.iter().map(|c| of(c)).sum()
    }

    /// One packet in, through worker 0; the only packet out, if there is one.
    pub(super) fn through(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.put(0, bytes);
        let mut sent = self.run();
        assert!(sent.len() <= 1, "{} packets came out", sent.len());
        sent.pop()
    }

    /// Answers all questions about neighbors among `sent`, and returns the rest with what that
    /// released.
    pub(super) fn answer_arp(&mut self, sent: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let (mut packets, mut answered) = (vec![], false);
        for bytes in sent {
            match neighbors_answer(self.vlan, &bytes) {
                Some(answer) => {
                    self.put(0, &answer);
                    answered = true;
                }
                None => packets.push(bytes),
            }
        }
        if answered {
            packets.extend(self.run());
        }
        packets
    }

    /// What comes of one packet, with the neighbors answering.
    pub(super) fn all_of(&mut self, worker: usize, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.put(worker, bytes);
        let sent = self.run();
        self.answer_arp(sent)
    }

    /// The only packet that comes of one, with the neighbors answering.
    pub(super) fn exchange(&mut self, worker: usize, bytes: &[u8]) -> Vec<u8> {
        let mut sent = self.all_of(worker, bytes);
        assert_eq!(sent.len(), 1, "{:?}", self.counters[worker].verdicts);
        sent.remove(0)
    }

    /// Lets time pass, a tick after the other; returns what was sent.
    pub(super) fn wait_until(&mut self, end: u32) -> Vec<Vec<u8>> {
        let mut sent = vec![];
        while self.now.0 < end {
            self.now = self.now.after(TickSpan(1));
            let more = self.run();
            sent.extend(self.answer_arp(more));
        }
        sent
    }
}

/// The ends of the packet that a backend answers `request` with.
pub(super) fn reply_ends(request: &Seen) -> (End, End) {
    ((request.macs[0], request.ends[1]), (OURS, request.ends[0]))
}

/// Opens a connection; returns its first packet as the backend sees it.
pub(super) fn open(rig: &mut Rig, port: u16) -> Seen {
    open_from(rig, client(port), vip(80))
}

/// The same for any client and VIP.
pub(super) fn open_from(rig: &mut Rig, client: End, vip: End) -> Seen {
    let request = seen(&rig.exchange(0, &tcp(client, vip, "S", b"")));
    let (from, to) = reply_ends(&request);
    rig.exchange(0, &tcp(from, to, "SA", b""));
    rig.exchange(0, &tcp(client, vip, "A", b""));
    request
}

/// True if `address` is one of the backends of this family with these numbers.
pub(super) fn is_backend(net: Net, address: SocketAddr) -> bool {
    (1..=9).any(|number| net.backend(number) == address)
}
