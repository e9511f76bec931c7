//! The flow table against a model, and its edges.

mod model;

use std::net::Ipv4Addr;

use super::*;
use crate::Protocol;

fn flow(number: u16, now: Ticks) -> Flow<Ipv4Addr> {
    let client = (Ipv4Addr::new(192, 0, 2, 1), number);
    let vip = (Ipv4Addr::new(11, 0, 0, 1), 80);
    let snat = (Ipv4Addr::new(10, 0, 0, 3), number ^ 0x5555);
    let backend = (Ipv4Addr::new(10, 0, 0, 11), 8080);
    Flow::through_us(Protocol::Udp, [client, vip], [snat, backend], now)
}

fn find(table: &FlowTable<Ipv4Addr>, key: FlowKey<Ipv4Addr>) -> Option<Direction> {
    table
        .find(&table.probe(key))
        .map(|(_, direction)| direction)
}

#[test]
fn a_flow_is_found_by_both_keys_and_by_no_other() {
    let mut table = FlowTable::new(4, Ticks(0));
    let flow = flow(7, Ticks(0));
    let index = table.insert(flow, TickSpan(10)).expect("there is room");
    assert_eq!(find(&table, flow.forward_key()), Some(Direction::Forward));
    assert_eq!(find(&table, flow.reverse_key()), Some(Direction::Reverse));
    let other = FlowKey {
        protocol: Protocol::Tcp,
        ..flow.forward_key()
    };
    assert_eq!(find(&table, other), None);
    table.remove(index);
    assert_eq!(find(&table, flow.forward_key()), None);
    assert_eq!(find(&table, flow.reverse_key()), None);
    assert!(table.is_empty());
}

#[test]
fn a_full_table_refuses_and_stays_whole() {
    let mut table = FlowTable::new(2, Ticks(0));
    assert!(table.insert(flow(1, Ticks(0)), TickSpan(10)).is_some());
    assert!(table.insert(flow(2, Ticks(0)), TickSpan(10)).is_some());
    assert!(table.insert(flow(3, Ticks(0)), TickSpan(10)).is_none());
    assert_eq!(table.len(), 2);
    assert!(!table.has(flow(3, Ticks(0)).forward_key()));
}

#[test]
fn only_idle_flows_expire() {
    let mut table = FlowTable::new(4, Ticks(0));
    let (idle, busy) = (flow(1, Ticks(0)), flow(2, Ticks(0)));
    table.insert(idle, TickSpan(10)).expect("there is room");
    let index = table.insert(busy, TickSpan(10)).expect("there is room");
    table.get_mut(index).last_seen = Ticks(6);
    let expire = |table: &mut FlowTable<_>, now| {
        let mut gone = vec![];
        table.expire(
            Ticks(now),
            100,
            |_| TickSpan(10),
            |flow| gone.push(flow.client_port),
        );
        gone
    };
    assert_eq!(expire(&mut table, 9), []);
    assert_eq!(expire(&mut table, 15), [1]);
    assert_eq!(expire(&mut table, 16), [2]);
}

#[test]
fn a_direct_flow_has_one_key() {
    let mut table = FlowTable::new(4, Ticks(0));
    let ends = [
        (Ipv4Addr::new(192, 0, 2, 1), 7),
        (Ipv4Addr::new(11, 0, 0, 1), 80),
    ];
    let first = Flow::direct(Protocol::Tcp, ends, Ticks(0));
    let second = Flow::direct(Protocol::Tcp, [(ends[0].0, 8), ends[1]], Ticks(0));
    let index = table.insert(first, TickSpan(10)).expect("there is room");
    table.insert(second, TickSpan(10)).expect("there is room");
    assert_eq!(find(&table, first.forward_key()), Some(Direction::Forward));
    assert_eq!(find(&table, first.reverse_key()), None);
    table.remove(index);
    assert_eq!(find(&table, first.forward_key()), None);
    assert_eq!(find(&table, second.forward_key()), Some(Direction::Forward));
}

#[test]
fn a_scan_sees_every_flow_once_while_others_come_and_go() {
    let mut table = FlowTable::new(10, Ticks(0));
    let indexes: Vec<_> = (0..8)
        .map(|n| table.insert(flow(n, Ticks(0)), TickSpan(10)))
        .collect();
    table.remove(indexes[1].expect("there was room"));
    let (mut cursor, mut seen) = (0, vec![]);
    while cursor < table.capacity() {
        let found = table.scan(&mut cursor, 3);
        let found: Vec<_> = found
            .map(|(index, flow)| (index, flow.client_port))
            .collect();
        assert!(found.len() <= 3);
        for (index, number) in found {
            assert_eq!(table.get(index).client_port, number);
            seen.push(number);
            table.remove(index);
        }
    }
    assert_eq!(seen, [0, 2, 3, 4, 5, 6, 7]);
    assert!(table.is_empty());
    assert_eq!(table.scan(&mut cursor, 3).count(), 0);
}
