//! Two workers on plain memory with services in every mode, that are asked and watched.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use dataplane::Protocol;
use dataplane::clock::{TickSpan, Ticks};
use dataplane::counters::WorkerCounters;
use dataplane::frame::BURST;
use dataplane::inspect::{
    Event, Explanation, Inspector, Matcher, Point, Points, Question, Recording, Sample, Tap,
    TapOrder, desks,
};
use dataplane::network::{Attachment, Interface, Network, SnatAddresses, Subnet};
use dataplane::offline::{MemoryFrame, MemoryIo, SharedWire, Wire};
use dataplane::pipeline::{Origin, Parts, Pipeline};
use dataplane::table::publication::{Publisher, channel};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Limits, Mode, Policy, Prefix, Refusal, Removal, Service,
    ServiceSlot, SourceFilter, Table, Timeouts,
};
use dataplane::verdict::Verdict;
use dataplane::wire::MacAddr;
use dataplane::wire::arp::{ArpOperation, ArpPacket};
use dataplane::wire::ethernet::{self, ETHERTYPE_ARP};
use dataplane::worker::{Worker, WorkerId, mailboxes};
use etherparse::PacketBuilder;

pub(crate) const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
pub(crate) const THEIRS: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
pub(crate) const SNAT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 3);
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
pub(crate) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, 2);
pub(crate) const SNAT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, 3);
pub(crate) const VIP_V6: Ipv6Addr = Ipv6Addr::new(0xfd01, 0xc, 0, 0, 0, 0, 0, 1);
/// Services are on this port and the next ones, one for each protocol.
pub(crate) const FIRST_PORT: u16 = 80;
pub(crate) const SERVICES: u16 = 9;

/// A station of the segment.
pub(crate) fn station_v6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x99, 0, 0, 0, 0, 0, number.into())
}

pub(crate) fn interface() -> Interface {
    Interface {
        ipv4: Some(Attachment {
            address: OWN,
            subnet: Subnet::of(OWN, 24),
            gateway: Some(Ipv4Addr::new(10, 99, 0, 1)),
        }),
        ipv6: Some(Attachment {
            address: OWN_V6,
            subnet: Subnet::of(OWN_V6, 64),
            gateway: Some(station_v6(1)),
        }),
        ..Interface::new(0, OURS)
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        tcp_handshake: TickSpan(30),
        tcp_established: TickSpan(200),
        tcp_closing: TickSpan(20),
        udp: TickSpan(50),
    }
}

/// Every mode, and services that refuse for each of their reasons.
fn policy(number: u16) -> Policy {
    let policy = Policy::new(timeouts());
    match number {
        1 => Policy {
            mode: Mode::Gateway,
            ..policy
        },
        2 => Policy {
            mode: Mode::Dsr,
            max_segment: Some(1000),
            ..policy
        },
        3 => Policy {
            mode: Mode::Ipip,
            ..policy
        },
        4 => Policy {
            mode: Mode::Gue,
            removal: Removal::Keep,
            ..policy
        },
        5 => {
            let everybody = Prefix {
                address: IpAddr::from([0, 0, 0, 0]),
                len: 0,
            };
            let sources = Some(Arc::new(SourceFilter::new(vec![], vec![everybody])));
            Policy { sources, ..policy }
        }
        6 => {
            let limits = Limits {
                flows: Some(4),
                new_flows_per_second: Some(2),
            };
            Policy { limits, ..policy }
        }
        7 => Policy {
            refusal: Refusal::Unreachable,
            ..policy
        },
        _ => policy,
    }
}

/// Service 7 has no backends; of the others, two of three in turn, by `epoch`.
fn table(epoch: u16) -> Table {
    let service = |number: u16, protocol: Protocol, vip: IpAddr, slot: u16| {
        let backend = |n: u16| {
            let last = 11 + n as u8;
            let address: IpAddr = match vip {
                IpAddr::V4(_) => Ipv4Addr::new(10, 99, 0, last).into(),
                IpAddr::V6(_) => station_v6(last).into(),
            };
            Backend {
                slot: BackendSlot(u32::from(slot * 3 + n)),
                epoch: Epoch(0),
                address: SocketAddr::new(address, 8080),
                weight: u16::from(epoch % 4 != 3 || n != 1),
            }
        };
        let backends = (0..3)
            .filter(|n| number != 7 && *n != epoch % 3)
            .map(backend);
        let vip = SocketAddr::new(vip, FIRST_PORT + number);
        let slot = ServiceSlot(slot);
        let (policy, backends) = (policy(number), backends.collect());
        Arc::new(Service::new(slot, vip, protocol, policy, backends))
    };
    let mut services = Vec::new();
    for number in 0..SERVICES {
        for vip in [VIP.into(), VIP_V6.into()] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let slot = services.len() as u16;
                services.push(service(number, protocol, vip, slot));
            }
        }
    }
    Table::new(&services, &BTreeSet::new())
}

/// What a packet has come to: the verdict, and the frame that has left, if one has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) verdict: Verdict,
    pub(crate) left: Option<Vec<u8>>,
}

pub(crate) struct Rig {
    workers: Vec<Worker<MemoryIo>>,
    pub(crate) inspector: Inspector,
    recordings: Vec<Recording>,
    wire: SharedWire,
    tables: Publisher<Table>,
    pub(crate) counters: Vec<Arc<WorkerCounters>>,
    now: Ticks,
    epoch: u16,
}

impl Rig {
    /// Workers whose flow tables hold this many flows each, all of whose packets are recorded.
    pub(crate) fn new(flows: usize) -> Self {
        const WORKERS: usize = 2;
        let network = Arc::new(Network {
            interfaces: vec![interface()],
            snat: SnatAddresses {
                ipv4: vec![SNAT],
                ipv6: vec![SNAT_V6],
            },
            workers: WORKERS,
            ..Network::default()
        });
        let wire = Wire::new(WORKERS, 1);
        let (tables, readers) = channel(table(0), WORKERS);
        let (inspector, desks) = desks(WORKERS);
        let counters: Vec<_> = (0..WORKERS)
            .map(|_| Arc::new(WorkerCounters::new(1, 128)))
            .collect();
        let mailboxes = mailboxes(WORKERS);
        let make = |(number, (reader, desk))| {
            let id = WorkerId(number as u8);
            let parts = Parts {
                worker: id,
                network: Arc::clone(&network),
                tables: reader,
                counters: Arc::clone(&counters[number]),
                flows,
                half_open: flows,
                announces: false,
                steering: Vec::new(),
            };
            let pipeline = Pipeline::new(parts, Ticks(0));
            let io = MemoryIo::new(number, wire.clone());
            Worker::new(id, io, pipeline, mailboxes.clone()).with_desk(desk)
        };
        let workers = readers
            .into_iter()
            .zip(desks)
            .enumerate()
            .map(make)
            .collect();
        let mut rig = Self {
            workers,
            inspector,
            recordings: Vec::new(),
            wire,
            tables,
            counters,
            now: Ticks(0),
            epoch: 0,
        };
        rig.watch();
        rig
    }

    fn watch(&mut self) {
        for worker in (0..self.workers.len() as u8).map(WorkerId) {
            let order = TapOrder {
                matcher: Matcher::default(),
                points: Points::of(&Point::ALL),
                snaplen: 2048,
                packets: u64::MAX,
                span: TickSpan(u32::MAX / 2),
            };
            let (tap, recording) = Tap::new(worker, order);
            let watch = Question::Watch(Box::new(tap));
            self.inspector.ask(worker, watch).expect("room");
            self.recordings.push(recording);
        }
        self.rest();
    }

    /// Turns without packets: whatever is due is done.
    pub(crate) fn rest(&mut self) {
        for _ in 0..3 {
            for worker in &mut self.workers {
                worker.turn(self.now);
            }
        }
        self.wire.borrow_mut().sent[0].clear();
        for recording in &mut self.recordings {
            while recording.next(|_| ()).is_some() {}
        }
    }

    pub(crate) fn pass(&mut self, ticks: u32) {
        self.now = self.now.after(TickSpan(ticks));
        self.rest();
    }

    pub(crate) fn change_table(&mut self) {
        self.epoch += 1;
        self.tables.publish(table(self.epoch));
        self.rest();
    }

    /// Asks a worker, which takes as many turns as it needs.
    pub(crate) fn ask(&mut self, worker: usize, question: Question) -> Question {
        let id = WorkerId(worker as u8);
        let ticket = self.inspector.ask(id, question).expect("room");
        for _ in 0..10_000 {
            self.workers[worker].turn(self.now);
            if let Some((answered, answer)) = self.inspector.answer(id) {
                assert_eq!(answered, ticket);
                return answer;
            }
        }
        panic!("no answer");
    }

    /// What the worker says that would become of a frame.
    pub(crate) fn explain(&mut self, worker: usize, frame: &[u8]) -> (Explanation, Verdict) {
        let question = Explanation::new(Origin::Port(0), frame.to_vec());
        let Question::Explain(answer) = self.ask(worker, Question::Explain(Box::new(question)))
        else {
            panic!("another answer");
        };
        let verdict = answer.verdict().expect("there are packet buffers");
        (*answer, verdict)
    }

    /// What becomes of a frame that comes to this worker.
    pub(crate) fn send(&mut self, worker: usize, frame: &[u8]) -> Fate {
        let samples = self.record(worker, &[frame.to_vec()]);
        let arrived = samples.iter().find(|sample| sample.point == Point::Rx);
        let arrived = arrived.expect("every packet is recorded");
        assert_eq!(arrived.bytes, frame);
        let Event::Verdict(verdict) = arrived.event else {
            panic!("{arrived:?}");
        };
        let is_left =
            |sample: &&Sample| sample.point == Point::Tx && sample.packet == arrived.packet;
        let left = samples
            .iter()
            .find(is_left)
            .map(|sample| sample.bytes.clone());
        if let Some(left) = &left {
            let sent = &self.wire.borrow().sent[0];
            assert!(
                sent.iter()
                    .any(|frame| dataplane::frame::Frame::bytes(frame) == left)
            );
        }
        Fate { verdict, left }
    }

    /// From now on the port takes no frames.
    pub(crate) fn close_port(&mut self) {
        self.wire.borrow_mut().transmit_limit = 0;
    }

    /// What is recorded when frames come to this worker.
    pub(crate) fn record(&mut self, worker: usize, frames: &[Vec<u8>]) -> Vec<Sample> {
        let arriving = frames.iter().map(|frame| MemoryFrame::new(frame));
        self.wire.borrow_mut().arriving[worker][0].extend(arriving);
        // A turn takes a burst.
        for _ in 0..frames.len().div_ceil(BURST) {
            self.workers[worker].turn(self.now);
        }
        let mut samples = Vec::new();
        let recording = &mut self.recordings[worker];
        while recording
            .next(|sample| samples.push(Sample::clone(sample)))
            .is_some()
        {}
        samples
    }

    /// Answers ARP for an address, to one worker, which tells the other. What the first records.
    pub(crate) fn answer_arp(&mut self, address: Ipv4Addr) -> Vec<Sample> {
        let reply = ArpPacket {
            operation: ArpOperation::Reply,
            sender_mac: THEIRS,
            sender_ip: address,
            target_mac: OURS,
            target_ip: OWN,
        };
        let mut bytes = vec![0; ethernet::HEADER_LEN];
        assert!(ethernet::write(
            &mut bytes,
            OURS,
            THEIRS,
            None,
            ETHERTYPE_ARP
        ));
        bytes.extend(reply.to_bytes());
        let samples = self.record(0, &[bytes]);
        self.rest();
        samples
    }

    /// Answers a neighbor solicitation for an address, in the same way.
    pub(crate) fn answer_nd(&mut self, address: Ipv6Addr) {
        const ADVERTISEMENT: u8 = 136;
        const SOLICITED_AND_OVERRIDES: u8 = 0x60;
        let option = [&[2, 1][..], &THEIRS.0].concat();
        let message = [&address.octets()[..], &option].concat();
        let mut bytes = Vec::new();
        PacketBuilder::ethernet2(THEIRS.0, OURS.0)
            .ipv6(address.octets(), OWN_V6.octets(), 255)
            .icmpv6_raw(ADVERTISEMENT, 0, [SOLICITED_AND_OVERRIDES, 0, 0, 0])
            .write(&mut bytes, &message)
            .expect("a vector takes all");
        self.record(0, &[bytes]);
        self.rest();
    }

    /// Everything that is counted, except turns.
    pub(crate) fn counted(&self) -> String {
        let counters = self.counters.iter().map(|counters| {
            let verdicts = &counters.verdicts;
            let flows = (
                &counters.flows_created,
                &counters.flows_ended,
                &counters.holding,
            );
            format!("{verdicts:?} {flows:?} {:?}", counters.ports)
        });
        counters.collect()
    }
}
