//! A turn of a worker never touches the heap, whatever arrives.
//!
//! A process of its own, with an allocator that counts what this thread asks of it. The frames lie
//! in a fixed pool: one that falls instead of being given back frees memory, and is counted too.

mod modes;
#[path = "../support/pool.rs"]
mod pool;
mod rig;

use assert_no_alloc::{AllocDisabler, assert_no_alloc, violation_count};
use dataplane::clock::Ticks;
use dataplane::neighbor::{self, Announcements, Claim, NeighborUpdate, Neighbors, Role};
use dataplane::network::{InterfaceIndex, Route};
use dataplane::verdict::DropReason;
use dataplane::wire::MacAddr;
use dataplane::wire::arp::{ArpOperation, ArpPacket};
use dataplane::wire::ethernet;
use rig::*;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

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
