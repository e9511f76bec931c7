//! What workers say of themselves is true: an explained packet comes to what was explained, byte for
//! byte; asking changes nothing; every flow is listed once.

mod packets;
mod rig;

use std::net::Ipv4Addr;

use dataplane::Protocol;
use dataplane::inspect::{
    Event, FlowEntry, FlowFilter, FlowPage, NeighborPage, PlaceOfFlow, Point, Question, Step,
};
use dataplane::neighbor::NeighborState;
use dataplane::verdict::{DropReason, Verdict};
use packets::{Packet, bytes, client, frame, packet, probe};
use proptest::prelude::*;
use rig::{FIRST_PORT, Rig, THEIRS, VIP, station_v6};

#[derive(Clone, Debug)]
enum Action {
    Packet(Packet, usize),
    Pass(u32),
    Resolve(u8),
    ChangeTable,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        20 => (packet(), 0..2usize).prop_map(|(packet, worker)| Action::Packet(packet, worker)),
        2 => (1..40u32).prop_map(Action::Pass),
        4 => (0..8u8).prop_map(Action::Resolve),
        1 => Just(Action::ChangeTable),
    ]
}

/// The headers of a frame.
fn hex(frame: &[u8]) -> String {
    let bytes = frame.iter().take(96);
    bytes.map(|byte| format!("{byte:02x}")).collect()
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
                Action::Resolve(which) => {
                    let last = [1, 11, 12, 13, 100, 101, 12, 11][usize::from(which)];
                    rig.answer_arp(Ipv4Addr::new(10, 99, 0, last));
                    rig.answer_nd(station_v6(last));
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

#[test]
fn frames_that_a_port_refuses_are_known_again() {
    let mut rig = Rig::new(256);
    let to_vip = |port| frame(probe(Protocol::Udp, client(0, port), (VIP, FIRST_PORT)));
    let all_backends: Vec<_> = (1..20).map(to_vip).collect();
    rig.record(0, &all_backends);
    for last in 11..14 {
        rig.answer_arp(Ipv4Addr::new(10, 99, 0, last));
    }
    let frames: Vec<_> = (1000..1048).map(to_vip).collect();
    rig.close_port();
    let samples = rig.record(0, &frames);
    let at = |number: u64, point: Point| {
        let found = samples
            .iter()
            .find(|s| s.packet == number && s.point == point);
        found.unwrap_or_else(|| panic!("packet {number} is not at {point:?}"))
    };
    let numbers = samples
        .iter()
        .filter(|s| s.point == Point::Rx)
        .map(|s| s.packet);
    let numbers: Vec<u64> = numbers.collect();
    assert_eq!(numbers.len(), frames.len());
    for (number, frame) in numbers.into_iter().zip(&frames) {
        assert_eq!(&at(number, Point::Rx).bytes, frame);
        let dropped = at(number, Point::Drop);
        assert_eq!(dropped.bytes, at(number, Point::Tx).bytes);
        let verdict = Event::Verdict(Verdict::Drop(DropReason::TransmitQueue));
        assert_eq!(dropped.event, verdict);
    }
}

#[test]
fn a_packet_that_waits_is_known_when_it_leaves() {
    let mut rig = Rig::new(64);
    let syn = frame(probe(Protocol::Tcp, client(0, 5), (VIP, FIRST_PORT)));
    let held = rig.record(0, &[syn]);
    let number = held.iter().find(|s| s.point == Point::Rx).map(|s| s.packet);
    let released: Vec<_> = (11..14)
        .flat_map(|last| rig.answer_arp(Ipv4Addr::new(10, 99, 0, last)))
        .filter(|sample| sample.event == Event::Released)
        .collect();
    assert_eq!(released.len(), 1);
    assert_eq!(
        (Some(released[0].packet), released[0].point),
        (number, Point::Tx)
    );
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
