//! A worker that is looked into does not touch the heap either: not while it answers, not while it
//! records packets, and not when it can record no more.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use assert_no_alloc::{AllocDisabler, assert_no_alloc, violation_count};
use dataplane::Protocol;
use dataplane::clock::{TickSpan, Ticks};
use dataplane::counters::WorkerCounters;
use dataplane::frame::{Frame, Io};
use dataplane::inspect::{
    Explanation, FlowFilter, FlowPage, Inspector, Matcher, NeighborPage, PlaceOfFlow, Point,
    Points, Probe, Question, Tap, TapOrder, desks,
};
use dataplane::network::{Attachment, Interface, Network, SnatAddresses, Subnet};
use dataplane::pipeline::{Origin, Parts, Pipeline};
use dataplane::table::publication::{Publisher, channel};
use dataplane::table::{
    Backend, BackendSlot, Epoch, Policy, Service, ServiceSlot, Table, Timeouts,
};
use dataplane::wire::MacAddr;
use dataplane::wire::tcp::TcpFlags;
use dataplane::worker::{Worker, WorkerId, mailboxes};
use pool::PoolIo;

#[path = "support/pool.rs"]
mod pool;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const SNAT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 3);
const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 11);
const VIP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);

fn interface() -> Interface {
    Interface {
        ipv4: Some(Attachment {
            address: OWN,
            subnet: Subnet::of(OWN, 24),
            gateway: None,
        }),
        ..Interface::new(0, MacAddr([2; 6]))
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
    let backend = Backend {
        slot: BackendSlot(0),
        epoch: Epoch(0),
        address: (BACKEND, 8080).into(),
        weight: 1,
    };
    let vip = SocketAddr::from((VIP, 80));
    let policy = Policy::new(timeouts);
    let service = Service::new(ServiceSlot(0), vip, Protocol::Tcp, policy, vec![backend]);
    Table::new(&[Arc::new(service)], &BTreeSet::new())
}

struct Rig {
    worker: Worker<PoolIo>,
    inspector: Inspector,
    now: Ticks,
    _tables: Publisher<Table>,
}

fn rig() -> Rig {
    let network = Arc::new(Network {
        interfaces: vec![interface()],
        snat: SnatAddresses {
            ipv4: vec![SNAT],
            ipv6: vec![],
        },
        workers: 1,
        ..Network::default()
    });
    let (tables, mut readers) = channel(table(), 1);
    let parts = Parts {
        worker: WorkerId(0),
        network,
        tables: readers.pop().expect("there is one"),
        counters: Arc::new(WorkerCounters::new(1, 8)),
        flows: 4096,
        half_open: 4096,
        announces: false,
        steering: Vec::new(),
    };
    let (inspector, mut desks) = desks(1);
    let pipeline = Pipeline::new(parts, Ticks(0));
    let worker = Worker::new(WorkerId(0), PoolIo::new(2), pipeline, mailboxes(1));
    Rig {
        worker: worker.with_desk(desks.pop().expect("there is one")),
        inspector,
        now: Ticks(0),
        _tables: tables,
    }
}

fn syn(source_port: u16, port: u16) -> Vec<u8> {
    let probe = Probe {
        protocol: Protocol::Tcp,
        source: SocketAddr::from(([10, 99, 0, 101], source_port)),
        destination: SocketAddr::from((VIP, port)),
        flags: TcpFlags(TcpFlags::SYN),
        hops: 64,
        payload: 0,
    };
    probe.frame(&interface()).expect("of one family")
}

impl Rig {
    /// A turn without the heap, with this packet if there is one.
    fn turn(&mut self, what: &str, packet: Option<&[u8]>) {
        let io = self.worker.io_mut();
        if let Some(packet) = packet {
            let mut frame = io.allocate().expect("the pool has frames");
            assert!(frame.assign(packet), "the packet fits");
            io.arriving.push_back(frame);
        }
        let before = violation_count();
        assert_no_alloc(|| self.worker.turn(self.now));
        assert_eq!(violation_count(), before, "{what} used the heap");
        let io = self.worker.io_mut();
        io.free.append(&mut io.sent);
    }

    fn ask(&mut self, what: &str, question: Question) -> Question {
        let worker = WorkerId(0);
        let ticket = self.inspector.ask(worker, question).expect("room");
        for _ in 0..1000 {
            self.turn(what, None);
            if let Some((answered, answer)) = self.inspector.answer(worker) {
                assert_eq!(answered, ticket);
                return answer;
            }
        }
        panic!("{what}: no answer");
    }
}

#[test]
fn questions_are_answered_in_the_memory_that_they_bring() {
    let mut rig = rig();
    for port in 1000..1100 {
        rig.turn("a new flow", Some(&syn(port, 80)));
    }
    let page = FlowPage::new(FlowFilter::default(), PlaceOfFlow::START, 64);
    let Question::Flows(page) = rig.ask("a page of flows", Question::Flows(Box::new(page))) else {
        panic!("another answer");
    };
    assert_eq!(page.flows.len(), 64);
    let page = NeighborPage::new(0, 64);
    let Question::Neighbors(page) = rig.ask("neighbors", Question::Neighbors(Box::new(page)))
    else {
        panic!("another answer");
    };
    assert_eq!(page.neighbors.len(), 2);
    for (source, port) in [(1000, 80), (9, 80), (9, 81)] {
        let question = Explanation::new(Origin::Port(0), syn(source, port));
        let answer = rig.ask("an explanation", Question::Explain(Box::new(question)));
        let Question::Explain(answer) = answer else {
            panic!("another answer");
        };
        assert!(answer.verdict().is_some());
    }
}

#[test]
fn packets_are_recorded_in_memory_of_their_own_until_there_is_none_and_beyond() {
    let mut rig = rig();
    let order = TapOrder {
        matcher: Matcher::default(),
        points: Points::of(&Point::ALL),
        snaplen: 200_000,
        packets: u64::MAX,
        span: TickSpan(50),
    };
    let (tap, mut recording) = Tap::new(WorkerId(0), order);
    let watch = Question::Watch(Box::new(tap));
    rig.inspector.ask(WorkerId(0), watch).expect("room");
    rig.turn("a tap", None);
    assert!(recording.is_armed());
    for port in 1000..1100 {
        rig.turn("a recorded packet", Some(&syn(port, 80)));
        rig.turn("a recorded refusal", Some(&syn(port, 81)));
    }
    let mut recorded = 0;
    while recording.next(|_| recorded += 1).is_some() {}
    assert!(recorded >= 64 && recording.lost() > 0, "{recorded}");
    rig.turn("a packet with memory again", Some(&syn(2000, 81)));
    assert!(recording.next(|_| ()).is_some());
    rig.now = Ticks(50);
    rig.turn("the end of a tap", None);
    while recording.next(|_| ()).is_some() {}
    assert!(recording.is_over());
    assert!(
        rig.inspector.answer(WorkerId(0)).is_some(),
        "its memory comes back"
    );
}
