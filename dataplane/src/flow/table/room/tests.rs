//! Which flow makes room, against a model that looks at all of them.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::Protocol;
use crate::flow::{Direction, FlowIndex, TcpFacts};
use crate::wire::tcp::TcpFlags;

const HALF_OPEN_LIMIT: usize = 6;

/// All within the horizon of the wheel, so that what is due first is known exactly.
fn timeout(flow: &Flow<Ipv4Addr>) -> TickSpan {
    TickSpan(match flow.state() {
        State::Handshake => 60,
        State::Datagram => 100,
        _ => 400,
    })
}

fn flow(number: u16, protocol: Protocol, now: Ticks) -> Flow<Ipv4Addr> {
    let ends = [
        (Ipv4Addr::new(192, 0, 2, 1), number),
        (Ipv4Addr::new(11, 0, 0, 1), 80),
    ];
    Flow::direct(protocol, ends, now)
}

fn table(capacity: usize) -> FlowTable<Ipv4Addr> {
    FlowTable::new(capacity, Ticks(0)).with_half_open_limit(HALF_OPEN_LIMIT)
}

/// Makes room for a flow and adds it.
fn add(
    table: &mut FlowTable<Ipv4Addr>,
    flow: Flow<Ipv4Addr>,
) -> (Option<(u16, Evicted)>, Option<FlowIndex>) {
    let evicted = table.make_room(flow.state(), flow.last_seen, timeout);
    let evicted = evicted.map(|(flow, why)| (flow.client_port, why));
    (evicted, table.insert(flow, timeout(&flow)))
}

fn find(table: &FlowTable<Ipv4Addr>, number: u16, protocol: Protocol) -> Option<FlowIndex> {
    let key = flow(number, protocol, Ticks(0)).forward_key();
    table.find(&table.probe(key)).map(|(index, _)| index)
}

fn hear(table: &mut FlowTable<Ipv4Addr>, index: FlowIndex, flags: u8, now: Ticks) {
    let facts = TcpFacts {
        flags: TcpFlags(flags),
        ack: 0,
    };
    table.follow(index, Direction::Forward, facts, now, timeout);
}

#[test]
fn room_is_not_made_where_there_is_room() {
    let mut table = table(100);
    for number in 0..HALF_OPEN_LIMIT as u16 {
        let (evicted, index) = add(&mut table, flow(number, Protocol::Tcp, Ticks(0)));
        assert!(evicted.is_none() && index.is_some());
    }
    // The limit holds for half-open flows only.
    let (evicted, _) = add(&mut table, flow(50, Protocol::Udp, Ticks(0)));
    assert_eq!(evicted, None);
    let (evicted, _) = add(&mut table, flow(51, Protocol::Tcp, Ticks(0)));
    assert!(matches!(evicted, Some((_, Evicted::HalfOpen))));
    assert_eq!(table.half_open(), HALF_OPEN_LIMIT);
}

#[test]
fn a_flood_of_syns_costs_no_established_flow() {
    let mut table = table(64);
    for number in 0..58 {
        let (_, index) = add(&mut table, flow(number, Protocol::Tcp, Ticks(0)));
        hear(
            &mut table,
            index.expect("there is room"),
            TcpFlags::ACK,
            Ticks(0),
        );
    }
    for number in 1000..3000 {
        let (_, index) = add(&mut table, flow(number, Protocol::Tcp, Ticks(350)));
        assert!(index.is_some());
    }
    assert!((0..58).all(|number| find(&table, number, Protocol::Tcp).is_some()));
}

#[test]
fn more_busy_flows_than_are_looked_at_hide_an_idle_one_only_for_a_while() {
    const FLOWS: u16 = 200;
    let mut table = table(FLOWS.into());
    let now = Ticks(90);
    for number in 0..FLOWS {
        // The idle one is due last.
        let started = Ticks(u32::from(number == 17) * 20);
        let (_, index) = add(&mut table, flow(number, Protocol::Udp, started));
        if number != 17 {
            hear(&mut table, index.expect("there is room"), 0, now);
        }
    }
    let tries = (1..).find_map(|tries| {
        let room = table.make_room(State::Datagram, now, timeout);
        room.map(|(flow, why)| (tries, flow.client_port, why))
    });
    let tries = tries.expect("there is an idle one");
    assert_eq!((tries.1, tries.2), (17, Evicted::Idle));
    assert!(tries.0 <= usize::from(FLOWS).div_ceil(CANDIDATES));
}

#[test]
fn timeouts_beyond_the_horizon_are_compared_by_their_true_deadlines() {
    let mut table = table(8);
    let long = |_: &Flow<Ipv4Addr>| TickSpan(81_000);
    for number in 0..8 {
        let flow = flow(number, Protocol::Udp, Ticks(0));
        let index = table.insert(flow, TickSpan(81_000)).expect("there is room");
        // Number 5 is the one that was used first.
        hear(&mut table, index, 0, Ticks(100 - u32::from(number == 5)));
    }
    assert!(table.make_room(State::Datagram, Ticks(108), long).is_none());
    let room = table.make_room(State::Datagram, Ticks(109), long);
    assert_eq!(room.map(|(flow, _)| flow.client_port), Some(5));
}

#[derive(Clone, Debug)]
enum Step {
    Add(u16, Protocol),
    /// A packet; for TCP with these flags.
    Hear(u16, Protocol, u8),
    Wait(u32),
    Expire(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    let flags = prop_oneof![Just(TcpFlags::SYN), Just(TcpFlags::ACK)];
    prop_oneof![
        4 => (0u16..200, protocol.clone()).prop_map(|(n, p)| Step::Add(n, p)),
        3 => (0u16..200, protocol, flags).prop_map(|(n, p, f)| Step::Hear(n, p, f)),
        2 => (0u32..25).prop_map(Step::Wait),
        1 => (0usize..9).prop_map(Step::Expire),
    ]
}

type Key = (u16, Protocol);

/// State and last use of every flow.
type Model = HashMap<Key, (State, Ticks)>;

fn is_half_open(state: State) -> bool {
    state == State::Handshake
}

/// When a flow goes, by the rules; and why, if it must go for one that opens in `opening`.
fn expected(
    model: &Model,
    capacity: usize,
    opening: State,
    now: Ticks,
) -> Option<(Vec<u16>, Evicted)> {
    let half_open = model
        .values()
        .filter(|(state, _)| is_half_open(*state))
        .count();
    let capped = is_half_open(opening) && half_open >= HALF_OPEN_LIMIT;
    if !capped && model.len() < capacity {
        return None;
    }
    let why = if half_open > 0 {
        Evicted::HalfOpen
    } else {
        Evicted::Idle
    };
    let span = |state| match state {
        State::Handshake => 60,
        State::Datagram => 100,
        _ => 400,
    };
    let may_go = model.iter().filter(|(_, (state, used))| match why {
        Evicted::HalfOpen => is_half_open(*state),
        Evicted::Idle => now.since(*used) >= RECENT,
    });
    let due: Vec<_> = may_go
        .map(|((number, _), (state, used))| (used.0 + span(*state), *number))
        .map(|(due, number)| (due.max(now.0), number))
        .collect();
    let first = due.iter().map(|(due, _)| *due).min()?;
    let all = due
        .iter()
        .filter(|(due, _)| *due == first)
        .map(|(_, number)| *number);
    Some((all.collect(), why))
}

proptest! {
    #[test]
    fn the_flow_that_the_rules_say_makes_room(
        capacity in 1usize..=CANDIDATES, steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut now = Ticks(0);
        let mut table = table(capacity);
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Add(number, protocol) if !model.contains_key(&(number, protocol)) => {
                    let new = flow(number, protocol, now);
                    let expected = expected(&model, capacity, new.state(), now);
                    let (evicted, index) = add(&mut table, new);
                    prop_assert_eq!(evicted.is_some(), expected.is_some());
                    if let (Some((gone, why)), Some((due, because))) = (evicted, expected) {
                        prop_assert_eq!(why, because);
                        prop_assert!(due.contains(&gone), "{} of {:?}", gone, due);
                        model.retain(|(n, p), _| find(&table, *n, *p).is_some());
                    }
                    prop_assert_eq!(index.is_some(), model.len() < capacity);
                    if index.is_some() {
                        model.insert((number, protocol), (new.state(), now));
                    }
                }
                Step::Add(..) => {}
                Step::Hear(number, protocol, flags) => {
                    let found = find(&table, number, protocol);
                    prop_assert_eq!(found.is_some(), model.contains_key(&(number, protocol)));
                    let Some(index) = found else { continue };
                    hear(&mut table, index, flags, now);
                    model.insert((number, protocol), (table.get(index).state(), now));
                }
                Step::Wait(ticks) => now = now.after(TickSpan(ticks)),
                Step::Expire(budget) => {
                    table.expire(now, budget, timeout, |flow| {
                        let gone = model.remove(&(flow.client_port, flow.protocol));
                        assert!(gone.is_some_and(|(_, used)| now.since(used) >= timeout(&flow)));
                    });
                }
            }
            prop_assert_eq!(table.len(), model.len());
            let half_open = model.values().filter(|(state, _)| is_half_open(*state)).count();
            prop_assert_eq!(table.half_open(), half_open);
            prop_assert!(half_open <= HALF_OPEN_LIMIT);
        }
        // Whatever was looked at on the way, every flow still expires at its time.
        table.expire(now.after(TickSpan(1000)), usize::MAX, timeout, |_| ());
        prop_assert!(table.is_empty());
    }
}
