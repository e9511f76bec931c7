//! The tables of a worker never touch the heap after their start, however often their entries
//! change. Beside the test of whole turns: more changes than packets are practical for.

use std::net::{Ipv4Addr, Ipv6Addr};

use assert_no_alloc::{AllocDisabler, assert_no_alloc, violation_count};
use dataplane::Protocol;
use dataplane::clock::{TickSpan, Ticks};
use dataplane::flow::snat::SnatPorts;
use dataplane::flow::{Flow, FlowTable};
use dataplane::fragments::{FragmentKey, Fragments};
use dataplane::network::PortRange;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

const CHANGES: u32 = 100_000;

fn without_the_heap(work: impl FnOnce()) {
    let before = violation_count();
    assert_no_alloc(work);
    assert_eq!(violation_count(), before, "the heap was used");
}

#[test]
fn fragments_come_and_go() {
    let mut table = Fragments::<_, u32>::new(100, 90);
    let key = |id| FragmentKey {
        source: Ipv4Addr::new(192, 0, 2, 1),
        destination: Ipv4Addr::new(11, 0, 0, 1),
        protocol: 17,
        id,
    };
    let (mut given, mut dropped, mut refused) = (0, 0, 0);
    without_the_heap(|| {
        for id in 0..CHANGES {
            let now = Ticks(id / 50);
            refused += u32::from(table.hold(key(id), id, now).is_err());
            if id % 3 != 0 {
                let learned = table.learn(key(id), (1, 2), now, |_| given += 1);
                assert!(learned.is_ok());
            }
            table.tick(now, |_| dropped += 1);
        }
        table.drain(|_| dropped += 1);
    });
    assert!(given > 0 && dropped > 0 && refused > 0);
    assert_eq!(given + dropped + refused, CHANGES);
}

#[test]
fn flows_of_ipv6_make_room_for_each_other() {
    const CAPACITY: usize = 1000;
    let address = |n: u32| Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(n));
    let mut flows = FlowTable::new(CAPACITY, Ticks(0));
    let share = PortRange {
        first: 1024,
        last: 9999,
    };
    let mut ports = SnatPorts::new(vec![address(1), address(2)], share);
    let timeout = |_: &Flow<_>| TickSpan(3000);
    let mut evicted = 0;
    without_the_heap(|| {
        for n in 0..CHANGES {
            let (now, protocol) = (
                Ticks(n / 50),
                [Protocol::Tcp, Protocol::Udp][n as usize % 2],
            );
            let backend = (address(3), 443);
            let snat = ports.choose(&flows, backend, protocol, None);
            let snat = snat.expect("most ports are free");
            let arriving = [(address(100 + n), 5000), (address(4), 443)];
            let flow = Flow::through_us(protocol, arriving, [snat, backend], now);
            let room = flows.make_room(flow.state(), now, timeout);
            evicted += usize::from(room.is_some());
            assert!(flows.insert(flow, TickSpan(3000)).is_some());
            flows.expire(now, 64, timeout, |_| evicted += 1);
        }
    });
    assert_eq!(flows.len() + evicted, CHANGES as usize);
    assert!(flows.len() > CAPACITY / 2);
}
