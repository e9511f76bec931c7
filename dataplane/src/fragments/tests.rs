//! The table against a model that is a list, and its edges. Frames are numbers.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const PORTS: Ports = (40_000, 53);
const OTHER: Ports = (40_000, 22);

fn key(id: u32) -> FragmentKey<Ipv4Addr> {
    FragmentKey {
        source: Ipv4Addr::new(192, 0, 2, 1),
        destination: Ipv4Addr::new(11, 0, 0, 1),
        protocol: 17,
        id,
    }
}

fn learn<A: Address>(
    table: &mut Fragments<A, u32>,
    key: FragmentKey<A>,
    ports: Ports,
    now: Ticks,
) -> (Result<(), Conflict>, Vec<u32>) {
    let mut given = vec![];
    let learned = table.learn(key, ports, now, |frame| given.push(frame));
    (learned, given)
}

fn tick(table: &mut Fragments<Ipv4Addr, u32>, now: Ticks) -> Vec<u32> {
    let mut dropped = vec![];
    table.tick(now, |frame| dropped.push(frame));
    dropped
}

#[test]
fn early_fragments_come_back_in_order_with_the_first() {
    let mut table = Fragments::new(8, 6);
    for frame in 0..3 {
        assert_eq!(table.hold(key(1), frame, Ticks(5)), Ok(()));
        assert_eq!(table.hold(key(2), 10 + frame, Ticks(5)), Ok(()));
    }
    assert_eq!(table.lookup(&key(1), Ticks(5)), None);
    assert_eq!(
        learn(&mut table, key(1), PORTS, Ticks(6)),
        (Ok(()), vec![0, 1, 2])
    );
    assert_eq!(table.lookup(&key(1), Ticks(6)), Some(PORTS));
    assert_eq!(table.held(), 3);
}

#[test]
fn keys_of_ipv6_differ_in_all_32_bits_of_the_identification() {
    let key = |id| FragmentKey {
        source: Ipv6Addr::LOCALHOST,
        destination: Ipv6Addr::from_bits(9),
        protocol: 0,
        id,
    };
    let mut table = Fragments::<_, u32>::default();
    assert_eq!(
        learn(&mut table, key(7 << 16), PORTS, Ticks(0)),
        (Ok(()), vec![])
    );
    assert_eq!(table.lookup(&key(7 << 16), Ticks(0)), Some(PORTS));
    assert_eq!(table.lookup(&key(0), Ticks(0)), None);
}

#[test]
fn the_first_first_fragment_wins_until_its_time_is_over() {
    let mut table = Fragments::new(8, 4);
    assert!(learn(&mut table, key(1), PORTS, Ticks(0)).0.is_ok());
    assert!(
        learn(&mut table, key(1), PORTS, Ticks(3)).0.is_ok(),
        "a copy"
    );
    assert_eq!(learn(&mut table, key(1), OTHER, Ticks(19)).0, Err(Conflict));
    assert_eq!(table.lookup(&key(1), Ticks(19)), Some(PORTS));
    assert_eq!(
        table.lookup(&key(1), Ticks(20)),
        None,
        "the copy did not prolong it"
    );
    assert!(learn(&mut table, key(1), OTHER, Ticks(20)).0.is_ok());
    assert_eq!(table.lookup(&key(1), Ticks(39)), Some(OTHER));
}

#[test]
fn frames_that_wait_are_bounded_in_each_and_in_all() {
    let mut table = Fragments::new(80, 70);
    for frame in 0..HELD_EACH as u32 {
        assert_eq!(table.hold(key(1), frame, Ticks(0)), Ok(()));
    }
    assert_eq!(table.hold(key(1), 99, Ticks(0)), Err(99), "enough for one");
    for id in 2..40 {
        assert_eq!(table.hold(key(id), id, Ticks(0)), Ok(()));
    }
    assert_eq!(table.hold(key(40), 99, Ticks(0)), Err(99), "enough in all");
    assert_eq!(table.held(), 70);
    assert_eq!(
        learn(&mut table, key(1), PORTS, Ticks(0)).1.len(),
        HELD_EACH
    );
    assert_eq!(table.hold(key(40), 99, Ticks(0)), Ok(()));
    assert_eq!(table.hold(key(1), 98, Ticks(0)), Err(98), "known by now");
}

#[test]
fn frames_that_waited_in_vain_are_given_up_a_burst_at_a_time() {
    let mut table = Fragments::new(80, 70);
    for frame in 0..40 {
        assert_eq!(table.hold(key(frame / 25), frame, Ticks(0)), Ok(()));
    }
    assert_eq!(table.hold(key(7), 77, Ticks(1)), Ok(()));
    assert_eq!(tick(&mut table, Ticks(9)), []);
    assert_eq!(tick(&mut table, Ticks(10)), (0..32).collect::<Vec<_>>());
    assert_eq!(tick(&mut table, Ticks(10)), (32..40).collect::<Vec<_>>());
    assert_eq!(tick(&mut table, Ticks(10)), []);
    assert_eq!(table.held(), 1);
    let mut dropped = vec![];
    table.drain(|frame| dropped.push(frame));
    assert_eq!((dropped, table.held()), (vec![77], 0));
}

#[derive(Clone, Debug)]
enum Step {
    Learn(u32, bool),
    Hold(u32),
    Wait(u32),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..12, any::<bool>()).prop_map(|(id, other)| Step::Learn(id, other)),
        6 => (0u32..12).prop_map(Step::Hold),
        2 => (1u32..8).prop_map(Step::Wait),
        2 => Just(Step::Tick),
    ]
}

const ROOM: usize = 6;
const HELD: usize = 5;

#[derive(Debug)]
enum Entry {
    Known(Ports),
    Waiting(Vec<u32>),
}

/// Datagrams in the order in which they came to be as they are.
#[derive(Debug, Default)]
struct Model(Vec<(u32, Entry, Ticks)>);

impl Model {
    fn ports(&self, id: u32, now: Ticks) -> Option<Ports> {
        self.0.iter().find_map(|(n, entry, since)| match entry {
            Entry::Known(ports) if *n == id && now.since(*since) < KNOWN_FOR => Some(*ports),
            _ => None,
        })
    }

    fn held(&self) -> usize {
        let frames = |entry: &Entry| match entry {
            Entry::Known(_) => 0,
            Entry::Waiting(frames) => frames.len(),
        };
        self.0.iter().map(|(_, entry, _)| frames(entry)).sum()
    }

    /// Removes this datagram, and returns the frames that waited for it.
    fn take(&mut self, id: u32) -> Vec<u32> {
        let found = self.0.iter().position(|(n, ..)| *n == id);
        match found.map(|at| self.0.remove(at).1) {
            Some(Entry::Waiting(frames)) => frames,
            _ => vec![],
        }
    }

    fn add(&mut self, id: u32, entry: Entry, now: Ticks) {
        if self.0.len() == ROOM {
            let is_known = |(_, entry, _): &_| matches!(entry, Entry::Known(_));
            let oldest = self.0.iter().position(is_known);
            self.0.remove(oldest.expect("not all wait"));
        }
        self.0.push((id, entry, now));
    }

    fn learn(&mut self, id: u32, ports: Ports, now: Ticks) -> (Result<(), Conflict>, Vec<u32>) {
        match self.ports(id, now) {
            Some(before) if before == ports => (Ok(()), vec![]),
            Some(_) => (Err(Conflict), vec![]),
            None => {
                let frames = self.take(id);
                self.add(id, Entry::Known(ports), now);
                (Ok(()), frames)
            }
        }
    }

    fn hold(&mut self, id: u32, frame: u32, now: Ticks) -> Result<(), u32> {
        if self.ports(id, now).is_some() || self.held() == HELD {
            return Err(frame);
        }
        let waits = self.0.iter_mut().find_map(|(n, entry, _)| match entry {
            Entry::Waiting(frames) if *n == id => Some(frames),
            _ => None,
        });
        if let Some(frames) = waits {
            frames.push(frame);
        } else {
            self.take(id);
            self.add(id, Entry::Waiting(vec![frame]), now);
        }
        Ok(())
    }

    fn tick(&mut self, now: Ticks) -> Vec<u32> {
        let mut dropped = vec![];
        self.0.retain(|(_, entry, since)| match entry {
            Entry::Known(_) => now.since(*since) < KNOWN_FOR,
            Entry::Waiting(frames) => {
                let stays = now.since(*since) < HELD_FOR;
                dropped.extend(frames.iter().filter(|_| !stays));
                stays
            }
        });
        dropped
    }
}

proptest! {
    #[test]
    fn behaves_like_a_list(
        start in prop_oneof![Just(0), Just(u32::MAX - 20)], steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut now = Ticks(start);
        let (mut table, mut model) = (Fragments::new(ROOM, HELD), Model::default());
        for (frame, step) in (0..).zip(steps) {
            match step {
                Step::Learn(id, other) => {
                    let ports = if other { OTHER } else { PORTS };
                    let learned = learn(&mut table, key(id), ports, now);
                    prop_assert_eq!(learned, model.learn(id, ports, now));
                }
                Step::Hold(id) => {
                    prop_assert_eq!(table.hold(key(id), frame, now), model.hold(id, frame, now));
                }
                Step::Wait(ticks) => now = now.after(TickSpan(ticks)),
                Step::Tick => prop_assert_eq!(tick(&mut table, now), model.tick(now)),
            }
            prop_assert_eq!(table.held(), model.held());
            for id in 0..12 {
                prop_assert_eq!(table.lookup(&key(id), now), model.ports(id, now), "datagram {}", id);
            }
        }
        let mut left = 0;
        table.drain(|_| left += 1);
        prop_assert_eq!(left, model.held());
        prop_assert!((0..12).all(|id| table.lookup(&key(id), now).is_none()));
        prop_assert_eq!(table.held(), 0);
    }
}
