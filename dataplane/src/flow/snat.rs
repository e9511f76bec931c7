//! Source addresses and ports for new flows.
//!
//! A worker owns a share of the ports of every source address (see
//! [`crate::network::PortRange`]). One port serves many flows at once, as long as they go to
//! different backends: what must be unique is the key of the replies. So an address has room for
//! as many flows as it has ports, towards each backend.
//!
//! ```text
//! place:     0    1    2    3  …            every address with every port of the share
//!            ▲ in turn ──▶                  a port comes back only after all others: backends
//!                                           remember closed connections for a while
//!       ▲ spread ─ ─ ─ ─▶ ▲ ─ ─ ─ ─▶       long steps: connections that were opened together and
//!                                           stay leave long runs of ports in use
//! ```
//! Ports whose replies the NIC brings to this worker (see [`ReturnSteering`]) are looked for first,
//! then any. Both searches are bounded, and go on where the last one stopped, so that every place
//! has its turn, whatever is in use.

use arrayvec::ArrayVec;

use super::hash::Seed;
use super::key::{Address, Endpoint, FlowKey};
use super::steering::ReturnSteering;
use super::table::{FlowTable, Probe};
use crate::Protocol;
use crate::network::PortRange;

/// Places whose keys are looked up together, so that the memory accesses overlap.
const BATCH: usize = 8;

/// Places that are looked at in turn, before the others are spread.
const IN_TURN: u32 = 64;

/// The golden ratio's fraction of 2^32: steps of this part of a whole never cluster.
const GOLDEN: u64 = 0x9e37_79b9;

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Places that are looked at.
    places: u32,
    /// Places among them whose use is looked up.
    lookups: u32,
}

/// For ports whose replies come home. Of 16 workers, each finds 4 in turn and 32 spread.
const HOME: Limits = Limits {
    places: 512,
    lookups: 128,
};

/// For any port. With a part `f` of the ports in use towards one backend, a flow finds none with
/// probability `f^264`: at 95 % in use, one flow in 750,000; at 98 %, one in 200; at 99 %, 7 in 100. A share of 256 places is searched completely.
const ANY: Limits = Limits {
    places: 256,
    lookups: 256,
};

/// The source addresses and ports of one worker.
#[derive(Clone, Debug)]
pub struct SnatPorts<A> {
    addresses: Vec<A>,
    share: PortRange,
    /// The place whose turn it is.
    next: u32,
    /// The place that the spread search comes to next.
    spread: u32,
    /// Its step: has no divisor in common with the number of places, so that it comes to all.
    step: u32,
}

/// The places whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    next: u32,
    spread: u32,
}

/// What a place must be free for.
struct Wanted<'t, A> {
    flows: &'t FlowTable<A>,
    backend: Endpoint<A>,
    protocol: Protocol,
}

impl<A: Address> Wanted<'_, A> {
    fn probe(&self, (snat, port): Endpoint<A>) -> Probe<A> {
        self.flows.probe(FlowKey {
            source: self.backend.0,
            destination: snat,
            source_port: self.backend.1,
            destination_port: port,
            protocol: self.protocol,
        })
    }
}

/// Places to be looked up together.
type Batch = ArrayVec<u32, BATCH>;

impl<A: Address> SnatPorts<A> {
    /// The worker's share of the ports of each of these addresses (at least one).
    ///
    /// The first port is drawn by chance: backends still have connections from before a restart,
    /// and one that sees a SYN on such a connection's ports does not accept it.
    #[must_use]
    pub fn new(addresses: Vec<A>, share: PortRange) -> Self {
        debug_assert!(!addresses.is_empty());
        let places = share.count().saturating_mul(addresses.len() as u32);
        let drawn = |word: u64| (word % u64::from(places)) as u32;
        let Seed([next, spread]) = Seed::random();
        Self {
            addresses,
            share,
            next: drawn(next),
            spread: drawn(spread),
            step: step(places),
        }
    }

    /// An address and port that no flow to this backend uses, if possible one whose replies come to
    /// this worker's queue of the port that `steering` describes. `None` if a bounded search finds
    /// none: (nearly) all are in use.
    pub fn choose(
        &mut self,
        flows: &FlowTable<A>,
        backend: Endpoint<A>,
        protocol: Protocol,
        steering: Option<&ReturnSteering>,
    ) -> Option<Endpoint<A>> {
        let wanted = Wanted {
            flows,
            backend,
            protocol,
        };
        let home = steering.and_then(|steering| steering.replies(backend, protocol));
        let at_home = home.and_then(|home| self.search(&wanted, HOME, |at| home.come_home(at)));
        at_home.or_else(|| self.search(&wanted, ANY, |_| true))
    }

    /// Whose turn it is.
    #[must_use]
    pub const fn turns(&self) -> Turns {
        Turns {
            next: self.next,
            spread: self.spread,
        }
    }

    /// Makes it the turn of those whose turn it was then: for a choice that is not carried out.
    pub const fn restore(&mut self, turns: Turns) {
        self.next = turns.next;
        self.spread = turns.spread;
    }

    fn search(
        &mut self,
        wanted: &Wanted<'_, A>,
        limits: Limits,
        accepts: impl Fn(Endpoint<A>) -> bool,
    ) -> Option<Endpoint<A>> {
        let found = self.in_turn(wanted, &accepts);
        let found = found.or_else(|| self.spread(wanted, limits, &accepts));
        found.map(|place| self.at(place))
    }

    /// The first free place of a batch of those whose turn it is.
    fn in_turn(
        &mut self,
        wanted: &Wanted<'_, A>,
        accepts: impl Fn(Endpoint<A>) -> bool,
    ) -> Option<u32> {
        let places = self.places();
        let turns = (0..IN_TURN.min(places)).map(|n| advance(self.next, n, places));
        let accepted = turns.filter(|&place| accepts(self.at(place)));
        let batch: Batch = accepted.take(BATCH).collect();
        let found = self.first_free(wanted, &batch);
        let last = found.or(batch.last().copied());
        self.next = match last {
            Some(last) => advance(last, 1, places),
            None => advance(self.next, IN_TURN, places),
        };
        found
    }

    /// The first free place of those that the long steps come to.
    fn spread(
        &mut self,
        wanted: &Wanted<'_, A>,
        limits: Limits,
        accepts: impl Fn(Endpoint<A>) -> bool,
    ) -> Option<u32> {
        let places = self.places();
        let (mut looked_at, mut looked_up) = (0, 0);
        while looked_at < limits.places.min(places) && looked_up < limits.lookups {
            let mut batch = Batch::new();
            while looked_at < limits.places.min(places) && !batch.is_full() {
                looked_at += 1;
                if accepts(self.at(self.spread)) {
                    batch.push(self.spread);
                }
                self.spread = advance(self.spread, self.step, places);
            }
            looked_up += batch.len() as u32;
            let found = self.first_free(wanted, &batch);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Most often the first is free; the others' lookups overlap.
    fn first_free(&self, wanted: &Wanted<'_, A>, batch: &[u32]) -> Option<u32> {
        let flows = wanted.flows;
        let (&first, rest) = batch.split_first()?;
        if flows.find(&wanted.probe(self.at(first))).is_none() {
            return Some(first);
        }
        let probes = rest.iter().map(|&place| wanted.probe(self.at(place)));
        let probes: ArrayVec<_, BATCH> = probes.collect();
        for probe in &probes {
            flows.prefetch_flow(probe);
        }
        let free = probes.iter().position(|probe| flows.find(probe).is_none());
        free.map(|n| rest[n])
    }

    fn places(&self) -> u32 {
        self.share
            .count()
            .saturating_mul(self.addresses.len() as u32)
    }

    fn at(&self, place: u32) -> Endpoint<A> {
        let addresses = self.addresses.len() as u32;
        let address = self.addresses[(place % addresses) as usize];
        let port = u32::from(self.share.first) + place / addresses;
        (address, port as u16)
    }
}

/// The place `n` after `place`; after the last comes the first.
const fn advance(place: u32, n: u32, places: u32) -> u32 {
    ((place as u64 + n as u64) % places as u64) as u32
}

/// A step of about the golden ratio's part of all places that comes to each of them.
fn step(places: u32) -> u32 {
    let golden = ((u64::from(places) * GOLDEN) >> 32) as u32;
    (golden.max(1)..)
        .find(|&step| are_coprime(step, places))
        .expect("1 or a larger prime has no divisor in common with any number")
}

const fn are_coprime(a: u32, b: u32) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests;
