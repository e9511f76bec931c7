//! Random use of the table against a simple model of it.
//!
//! The model knows nothing of places, queues' bounds or requests: only what has been heard last,
//! which frames are inside, and what a caller may conclude from that.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{route, table, update};
use super::*;
use crate::clock::{TickSpan, Ticks};

#[derive(Clone, Debug)]
enum Step {
    /// A flow begins.
    Refer(u32, Role),
    /// One of the flows ends.
    Unrefer(prop::sample::Index),
    /// A packet of one of the flows.
    Packet(prop::sample::Index),
    /// A neighbor is heard.
    Hear(u32, u8, Claim),
    /// Time passes, and requests are sent; those of answering neighbors are answered.
    Pass(u32),
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![
        3 => Just(Claim::Arp),
        1 => Just(Claim::Solicitation),
        2 => any::<(bool, bool)>().prop_map(|(solicited, overrides)| Claim::Advertisement { solicited, overrides }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let role = prop_oneof![Just(Role::Infrastructure), Just(Role::Client)];
    prop_oneof![
        2 => (0u32..24, role).prop_map(|(n, role)| Step::Refer(n, role)),
        1 => any::<prop::sample::Index>().prop_map(Step::Unrefer),
        6 => any::<prop::sample::Index>().prop_map(Step::Packet),
        1 => (0u32..24, 0u8..3, claim()).prop_map(|(n, mac, claim)| Step::Hear(n, mac, claim)),
        2 => prop_oneof![0u32..12, 100u32..400].prop_map(Step::Pass),
    ]
}

/// A neighbor with an even number answers whoever asks it, as the last station that it was.
const fn answers(n: u32) -> bool {
    n.is_multiple_of(2)
}

fn mac(number: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 9, number])
}

#[derive(Default)]
struct Heard {
    /// The last address that the neighbor certainly has, in the table's eyes.
    mac: Option<MacAddr>,
    confirmed: Option<Ticks>,
    /// It had been confirmed before somebody contradicted.
    once: bool,
}

struct Rig {
    table: Neighbors<u32>,
    now: Ticks,
    flows: Vec<(u32, NeighborRef)>,
    heard: BTreeMap<u32, Heard>,
    /// Frames that wait, in order, by neighbor.
    inside: BTreeMap<u32, Vec<u32>>,
    frames: u32,
    ended: BTreeSet<u32>,
}

impl Rig {
    fn new() -> Self {
        Self {
            table: table(),
            now: Ticks(1),
            flows: vec![],
            heard: BTreeMap::new(),
            inside: BTreeMap::new(),
            frames: 0,
            ended: BTreeSet::new(),
        }
    }

    fn end(&mut self, frame: u32) {
        assert!(self.ended.insert(frame), "frame {frame} ended twice");
    }

    fn users(&self, n: u32) -> usize {
        self.flows.iter().filter(|flow| flow.0 == n).count()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Refer(n, role) => {
                let neighbor = self.table.refer(route(*n), *role).expect("there is room");
                self.flows.push((*n, neighbor));
                self.heard.entry(*n).or_default();
            }
            Step::Unrefer(which) if !self.flows.is_empty() => {
                let (_, neighbor) = self.flows.swap_remove(which.index(self.flows.len()));
                self.table.unrefer(neighbor);
            }
            Step::Packet(which) if !self.flows.is_empty() => {
                let (n, neighbor) = self.flows[which.index(self.flows.len())];
                self.packet(n, neighbor);
            }
            Step::Hear(n, number, claim) => self.hear(*n, mac(*number), *claim),
            Step::Pass(ticks) => self.pass(*ticks),
            Step::Unrefer(_) | Step::Packet(_) => {}
        }
    }

    fn packet(&mut self, n: u32, neighbor: NeighborRef) {
        let frame = self.frames;
        self.frames += 1;
        let heard = &self.heard[&n];
        let confirmed = |at: Ticks| self.now.since(at) < TickSpan(300);
        match self.table.lookup(neighbor, self.now) {
            Lookup::Known(found) => {
                assert_eq!(Some(found), heard.mac, "neighbor {n}");
                self.end(frame);
            }
            Lookup::Unresolved => {
                let recent = heard.confirmed.is_some_and(confirmed);
                assert!(!recent, "neighbor {n} was heard lately and is not used");
                let once = heard.confirmed.is_some();
                assert!(
                    !(once && answers(n)),
                    "neighbor {n} answers and is not used"
                );
                match self.table.wait(neighbor, frame) {
                    Ok(()) => self.inside.entry(n).or_default().push(frame),
                    Err(QueueFull(same)) => {
                        assert_eq!(same, frame);
                        self.end(frame);
                    }
                }
            }
        }
    }

    /// RFC 4861, section 7.2.5, as far as a user of the address can tell.
    fn hear(&mut self, n: u32, mac: MacAddr, claim: Claim) {
        if let Some(heard) = self.heard.get_mut(&n) {
            let known = heard.mac.is_some() && !self.has_failed(n);
            let heard = self.heard.get_mut(&n).expect("it was there");
            let keeps = matches!(
                claim,
                Claim::Advertisement {
                    overrides: false,
                    ..
                }
            );
            let differs = heard.mac != Some(mac);
            if !(known && differs && keeps) {
                let doubtful = match claim {
                    Claim::Arp => false,
                    Claim::Solicitation => !known || differs,
                    Claim::Advertisement { solicited, .. } => !solicited,
                };
                heard.mac = Some(mac);
                if !doubtful {
                    (heard.confirmed, heard.once) = (Some(self.now), true);
                } else if differs {
                    heard.confirmed = None;
                }
            } else {
                heard.confirmed = None;
            }
        }
        let mut sent = vec![];
        let update = NeighborUpdate {
            claim,
            ..update(route(n), mac)
        };
        self.table.learn(update, self.now, |interface, to, frame| {
            assert_eq!((interface, to), (route(n).interface, mac));
            sent.push(frame);
        });
        assert_eq!(sent, self.inside.remove(&n).unwrap_or_default(), "order");
        sent.into_iter().for_each(|frame| self.end(frame));
    }

    /// The one thing that the model asks the table: silence is its business.
    fn has_failed(&self, n: u32) -> bool {
        let mut entries = self.table.entries(0, self.now);
        entries.any(|entry| entry.route == route(n) && entry.mac.is_none())
    }

    fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.now = self.now.after(TickSpan(1));
            let mut failed = vec![];
            self.table.tick(self.now, |frame| failed.push(frame));
            for frame in failed {
                let queues = self.inside.values_mut();
                let from = queues
                    .filter_map(|q| q.iter().position(|&f| f == frame).map(|at| q.remove(at)));
                assert_eq!(from.count(), 1, "frame {frame} was inside");
                self.end(frame);
            }
            while let Some(request) = self.table.next_request(self.now) {
                self.answer(request);
            }
        }
    }

    fn answer(&mut self, request: Request) {
        let n = (0..24)
            .find(|&n| route(n) == request.route)
            .expect("one of ours");
        let station = self.heard[&n].mac.unwrap_or(mac(0));
        assert!(request.unicast.is_none_or(|asked| asked == station));
        if answers(n) {
            let claim = Claim::Advertisement {
                solicited: true,
                overrides: true,
            };
            self.hear(n, station, claim);
        }
    }

    fn check(&self) {
        let inside: usize = self.inside.values().map(Vec::len).sum();
        assert_eq!(self.table.waiting(), inside);
        assert_eq!(self.ended.len() + inside, self.frames as usize);
        for entry in self.table.entries(1, self.now) {
            let n = (0..24)
                .find(|&n| route(n) == entry.route)
                .expect("one of ours");
            let waiting = self.inside.get(&n).map_or(0, Vec::len);
            assert_eq!(usize::from(entry.waiting), waiting);
            assert_eq!(entry.users as usize, self.users(n));
        }
    }
}

proptest! {
    #[test]
    fn no_frame_is_lost_or_doubled_and_no_neighbor_that_answers_is_given_up(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut rig = Rig::new();
        for step in &steps {
            rig.step(step);
            rig.check();
        }
        let mut left = vec![];
        rig.table.drain(|frame| left.push(frame));
        left.into_iter().for_each(|frame| rig.end(frame));
        prop_assert_eq!(rig.ended.len(), rig.frames as usize);
        prop_assert_eq!(rig.table.waiting(), 0);
    }
}
