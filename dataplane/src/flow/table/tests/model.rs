//! Random operations on the table of either family, against a map. What makes room for what has a
//! model of its own (`room`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::super::*;
use crate::Protocol;
use crate::wire::tcp::TcpFlags;

const CAPACITY: usize = 40;

/// Addresses by number, of one family.
trait Numbered: Address {
    fn number(n: u16) -> Self;
}

impl Numbered for Ipv4Addr {
    fn number(n: u16) -> Self {
        Self::from_bits(0x0a00_0000 | u32::from(n))
    }
}

impl Numbered for Ipv6Addr {
    /// Only the upper half differs, as with clients that have a network each.
    fn number(n: u16) -> Self {
        Self::from_bits(u128::from(n) << 64)
    }
}

/// Flow number `n`: every fourth is UDP, and half of all are direct. Clients share ports, and flows
/// with translation a source address.
fn flow<A: Numbered>(n: u16, now: Ticks) -> Flow<A> {
    let protocol = if n.is_multiple_of(4) {
        Protocol::Udp
    } else {
        Protocol::Tcp
    };
    let client = (A::number(1000 + n / 2), 4000 + n % 2);
    let vip = (A::number(1), 80);
    let flow = match n % 8 {
        0..4 => Flow::direct(protocol, [client, vip], now),
        _ => {
            let backend = (A::number(2 + n % 3), 8080);
            Flow::through_us(
                protocol,
                [client, vip],
                [(A::number(9), 2000 + n), backend],
                now,
            )
        }
    };
    if n.is_multiple_of(5) && protocol == Protocol::Tcp {
        flow.picked_up()
    } else {
        flow
    }
}

fn timeout<A: Address>(flow: &Flow<A>) -> TickSpan {
    span(flow.state())
}

fn span(state: State) -> TickSpan {
    TickSpan(match state {
        State::Handshake => 15,
        State::Established => 60,
        State::HalfClosed => 30,
        State::Closed => 20,
        State::Datagram => 25,
    })
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16),
    Remove(u16),
    /// A packet with these control bits, from the backend or the client.
    Packet(u16, bool, u8),
    Reopen(u16),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    const BITS: [u8; 6] = [
        TcpFlags::SYN,
        TcpFlags::SYN | TcpFlags::ACK,
        TcpFlags::ACK,
        TcpFlags::ACK,
        TcpFlags::FIN | TcpFlags::ACK,
        TcpFlags::RST,
    ];
    let packet = (0u16..60, any::<bool>(), prop::sample::select(&BITS[..]));
    prop_oneof![
        3 => (0u16..60).prop_map(Step::Insert),
        1 => (0u16..60).prop_map(Step::Remove),
        8 => packet.prop_map(|(n, reply, bits)| Step::Packet(n, reply, bits)),
        1 => (0u16..60).prop_map(Step::Reopen),
        2 => (0u32..20).prop_map(Step::Wait),
    ]
}

/// A flow as the model has it. How states follow from packets is tested with `tcp`; here they
/// only have to be kept, and to decide the timeout.
#[derive(Clone, Copy, Debug)]
struct Known {
    used: Ticks,
    state: State,
}

struct Pair<A> {
    table: FlowTable<A>,
    model: BTreeMap<u16, Known>,
    now: Ticks,
}

impl<A: Numbered> Pair<A> {
    fn new() -> Self {
        Self {
            table: FlowTable::new(CAPACITY, Ticks(0)),
            model: BTreeMap::new(),
            now: Ticks(0),
        }
    }

    /// The place of a flow in the table, which must know it if the model does.
    fn find(&self, n: u16, reply: bool) -> Result<Option<FlowIndex>, TestCaseError> {
        let flow = flow::<A>(n, self.now);
        let direct = flow.returns() == Return::Direct;
        let direction = if reply && !direct {
            Direction::Reverse
        } else {
            Direction::Forward
        };
        let found = self.table.find(&self.table.probe(flow.key(direction)));
        prop_assert_eq!(found.is_some(), self.model.contains_key(&n));
        let Some((index, found)) = found else {
            return Ok(None);
        };
        prop_assert_eq!(found, direction);
        prop_assert_eq!(self.table.get(index).forward_key(), flow.forward_key());
        Ok(Some(index))
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Insert(n) if !self.model.contains_key(&n) => self.insert(n),
            Step::Insert(_) => Ok(()),
            Step::Remove(n) => self.remove(n),
            Step::Packet(n, reply, bits) => self.packet(n, reply, bits),
            Step::Reopen(n) => self.reopen(n),
            Step::Wait(span) => self.wait(TickSpan(span)),
        }
    }

    fn insert(&mut self, n: u16) -> Result<(), TestCaseError> {
        let flow = flow(n, self.now);
        let inserted = self.table.insert(flow, timeout(&flow)).is_some();
        prop_assert_eq!(inserted, self.model.len() < CAPACITY);
        if inserted {
            let (used, state) = (self.now, flow.state());
            self.model.insert(n, Known { used, state });
        }
        Ok(())
    }

    fn remove(&mut self, n: u16) -> Result<(), TestCaseError> {
        if let Some(index) = self.find(n, false)? {
            let removed = self.table.remove(index);
            prop_assert_eq!(removed.forward_key(), flow::<A>(n, self.now).forward_key());
            self.model.remove(&n);
        }
        Ok(())
    }

    fn packet(&mut self, n: u16, reply: bool, bits: u8) -> Result<(), TestCaseError> {
        let Some(index) = self.find(n, reply)? else {
            return Ok(());
        };
        let direct = self.table.get(index).returns() == Return::Direct;
        let direction = if reply && !direct {
            Direction::Reverse
        } else {
            Direction::Forward
        };
        let facts = TcpFacts {
            flags: TcpFlags(bits),
            ack: 0,
        };
        let before = self.model[&n].state;
        let transition = self
            .table
            .follow(index, direction, facts, self.now, timeout);
        if transition == Transition::Refused {
            prop_assert_eq!(before, State::Handshake);
            self.table.remove(index);
            self.model.remove(&n);
            return Ok(());
        }
        let state = self.table.get(index).state();
        prop_assert_eq!(state != before, transition == Transition::Changed);
        self.model.insert(
            n,
            Known {
                used: self.now,
                state,
            },
        );
        Ok(())
    }

    fn reopen(&mut self, n: u16) -> Result<(), TestCaseError> {
        let Some(index) = self.find(n, false)? else {
            return Ok(());
        };
        if self.table.get(index).may_reopen() {
            self.table.reopen(index, self.now, timeout);
            let state = State::Handshake;
            prop_assert_eq!(self.table.get(index).state(), state);
            self.model.insert(
                n,
                Known {
                    used: self.now,
                    state,
                },
            );
        }
        Ok(())
    }

    /// Exactly those expire that have been idle for as long as their state allows.
    fn wait(&mut self, waited: TickSpan) -> Result<(), TestCaseError> {
        self.now = self.now.after(waited);
        let mut gone = 0;
        self.table
            .expire(self.now, usize::MAX, timeout, |_| gone += 1);
        let before = self.model.len();
        let now = self.now;
        self.model
            .retain(|_, known| now.since(known.used) < span(known.state));
        prop_assert_eq!(gone, before - self.model.len());
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for n in 0..60 {
            self.find(n, false)?;
            self.find(n, true)?;
        }
        prop_assert_eq!(self.table.len(), self.model.len());
        let half_open = self
            .model
            .values()
            .filter(|known| known.state == State::Handshake);
        prop_assert_eq!(self.table.half_open(), half_open.count());
        Ok(())
    }
}

fn play<A: Numbered>(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut pair = Pair::<A>::new();
    for step in steps {
        pair.step(step)?;
    }
    pair.check()
}

proptest! {
    #[test]
    fn both_families_behave_like_a_map(steps in prop::collection::vec(step(), 1..300)) {
        play::<Ipv4Addr>(&steps)?;
        play::<Ipv6Addr>(&steps)?;
    }
}
