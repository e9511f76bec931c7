//! The one loop that turns what sources say into what workers and DNS do.
//!
//! ```text
//! a source changed ─▶ merge ─▶ plan ─▶ withdraw names ─▶ publish table ─▶ wait for every worker ─▶ show names
//! ```
//! A name is shown only when every worker balances it, and withdrawn before its service goes.
//! Nothing is published until every source has had its first say, good or bad, so that a restart
//! does not start with half of the services. It owns the data plane and the zone, and is the only
//! one that changes them; it never asks a source for anything.

mod addresses;
mod links;
mod observe;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataplane::runtime::{Dataplane, WorkerDied};
use dataplane::table::Generation;
use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::desired::Snapshot;
use crate::dns::ZonePublisher;
use crate::plan::{Plan, Planner, Site, merge, resolve};
use crate::sources::{Source, SourceState};
use crate::status::{Status, StatusReader};
use crate::vip::allocator::Allocators;
use addresses::Addresses;
use links::Links;
use observe::Observer;

/// How often the status is made anew when nothing changes.
const OBSERVE: Duration = Duration::from_millis(250);
/// Share of the control thread's time that observing may take, as a divisor.
const OBSERVE_SHARE: u32 = 20;
/// How often the workers are looked at while they adopt a table.
const POLL: Duration = Duration::from_millis(1);
/// Time after which a worker that has not adopted a table is worth a warning.
const SLOW: Duration = Duration::from_secs(1);

/// What the loop works with.
#[derive(Debug)]
pub struct Parts {
    /// Where services come from.
    pub sources: Vec<Source>,
    /// What of this host decides which services it can serve.
    pub site: Site,
    /// Give names their addresses.
    pub allocators: Allocators,
    /// Gives services their slots.
    pub planner: Planner,
    /// The workers.
    pub dataplane: Dataplane,
    /// DNS.
    pub names: ZonePublisher,
    /// Zone of the names, for display.
    pub zone: String,
}

/// The loop.
#[derive(Debug)]
pub struct Reconciler {
    parts: Parts,
    desired: Option<Snapshot>,
    plan: Plan,
    shown: BTreeMap<String, Vec<IpAddr>>,
    acknowledged: Generation,
    observer: Observer,
    links: Links,
    addresses: Addresses,
    status: watch::Sender<Arc<Status>>,
}

impl Reconciler {
    /// A loop that has not planned anything yet, and the status that it keeps.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, StatusReader) {
        let (status, reader) = watch::channel(Arc::default());
        let observer = Observer::new(parts.dataplane.counters().to_vec(), parts.zone.clone());
        let reconciler = Self {
            parts,
            desired: None,
            plan: Plan::default(),
            shown: BTreeMap::new(),
            acknowledged: Generation::default(),
            observer,
            links: Links::default(),
            addresses: Addresses::default(),
            status,
        };
        (reconciler, reader)
    }

    /// Runs until it is dropped.
    ///
    /// # Errors
    /// If a worker has died: the process must end, and be started again.
    pub async fn run(mut self) -> Result<(), WorkerDied> {
        loop {
            self.reconcile().await?;
            let rest = self.observe();
            tokio::select! {
                () = any_change(&mut self.parts.sources) => {}
                () = sleep(rest) => {}
            }
            self.parts.dataplane.check()?;
        }
    }

    /// Makes the status anew, and returns how long it is good for.
    fn observe(&mut self) -> Duration {
        let started = Instant::now();
        let states: Vec<_> = self.states().collect();
        let mut status = self.observer.status(self.acknowledged, &self.plan, &states);
        status.ports = self.links.now(&self.parts.dataplane).to_vec();
        status.addresses = self.addresses.adopt(self.parts.dataplane.own_addresses());
        self.status.send_replace(Arc::new(status));
        OBSERVE.max(started.elapsed() * OBSERVE_SHARE)
    }

    fn states(&self) -> impl Iterator<Item = (&str, SourceState)> {
        let sources = self.parts.sources.iter();
        sources.map(|source| (source.name.as_str(), source.state.borrow().clone()))
    }

    /// Brings workers and DNS to what the sources want now.
    async fn reconcile(&mut self) -> Result<(), WorkerDied> {
        let Some(desired) = self.desired_now() else {
            return Ok(());
        };
        if self.desired.as_ref() == Some(&desired) {
            return Ok(());
        }
        let Parts {
            site,
            allocators,
            planner,
            ..
        } = &mut self.parts;
        let resolved = resolve(&desired, site, allocators);
        let plan = planner.plan(resolved, &self.plan);
        self.desired = Some(desired);
        self.apply(plan).await
    }

    /// What the sources want, once each has had its say and one has had a good read.
    fn desired_now(&self) -> Option<Snapshot> {
        let states: Vec<_> = self.states().collect();
        let silent = |state: &SourceState| state.snapshot.is_none() && state.fault.is_none();
        if states.iter().any(|(_, state)| silent(state)) {
            return None;
        }
        let snapshots: Vec<_> = states
            .into_iter()
            .filter_map(|(name, state)| Some((name, state.snapshot?)))
            .collect();
        (!snapshots.is_empty()).then(|| merge(&snapshots))
    }

    async fn apply(&mut self, plan: Plan) -> Result<(), WorkerDied> {
        self.show(remaining(&self.shown, &plan.names));
        self.observer.adopt(&self.plan, &plan);
        let generation = self.parts.dataplane.publish(plan.table());
        self.plan = plan;
        self.wait_for_workers(generation).await?;
        self.acknowledged = generation;
        self.show(self.plan.names.clone());
        info!(
            generation = generation.0,
            services = self.plan.services.len(),
            names = self.plan.names.len(),
            problems = self.plan.problems.len(),
            "forwarding table in use by all workers"
        );
        Ok(())
    }

    async fn wait_for_workers(&mut self, generation: Generation) -> Result<(), WorkerDied> {
        let started = Instant::now();
        let mut warned = false;
        while self.parts.dataplane.acknowledged() < generation {
            self.parts.dataplane.check()?;
            if !warned && started.elapsed() > SLOW {
                warn!(
                    generation = generation.0,
                    "a worker has not adopted the forwarding table for {SLOW:?}; its CPU may be overloaded"
                );
                warned = true;
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    fn show(&mut self, names: BTreeMap<String, Vec<IpAddr>>) {
        if names != self.shown {
            self.parts.names.publish(names.clone());
            self.shown = names;
        }
    }
}

/// The addresses that names have now and will have, too. A name that gets a further address keeps
/// those that it has while the workers learn of the new one.
fn remaining(
    shown: &BTreeMap<String, Vec<IpAddr>>,
    next: &BTreeMap<String, Vec<IpAddr>>,
) -> BTreeMap<String, Vec<IpAddr>> {
    let stay = |(name, addresses): (&String, &Vec<IpAddr>)| {
        let next = next.get(name)?;
        let stay = addresses.iter().filter(|address| next.contains(address));
        let stay: Vec<_> = stay.copied().collect();
        (!stay.is_empty()).then(|| (name.clone(), stay))
    };
    shown.iter().filter_map(stay).collect()
}

/// Waits until a source has something new.
async fn any_change(sources: &mut [Source]) {
    let changes = sources.iter_mut().map(|source| {
        Box::pin(async {
            if source.state.changed().await.is_err() {
                // Its task has ended, as it does at shutdown: nothing new will come.
                std::future::pending::<()>().await;
            }
        })
    });
    select_all(changes).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[(&str, u8)]) -> BTreeMap<String, Vec<IpAddr>> {
        let entry =
            |&(name, last): &(&str, u8)| (name.to_owned(), vec![IpAddr::from([11, 0, 0, last])]);
        list.iter().map(entry).collect()
    }

    #[test]
    fn names_that_go_or_move_are_withdrawn_first() {
        let shown = names(&[("stays", 1), ("goes", 2), ("moves", 3)]);
        let next = names(&[("stays", 1), ("moves", 4), ("comes", 5)]);
        assert_eq!(remaining(&shown, &next), names(&[("stays", 1)]));
    }

    #[test]
    fn a_name_keeps_the_addresses_that_it_will_have_too() {
        let [v4, v6, other]: [IpAddr; 3] =
            ["11.0.0.1", "fd01:c::1", "fd01:c::2"].map(|a| a.parse().expect("an address"));
        let name = |addresses: &[IpAddr]| BTreeMap::from([("a.m".to_owned(), addresses.to_vec())]);
        assert_eq!(remaining(&name(&[v4]), &name(&[v4, v6])), name(&[v4]));
        assert_eq!(remaining(&name(&[v4, v6]), &name(&[v6])), name(&[v6]));
        assert_eq!(
            remaining(&name(&[v4, v6]), &name(&[v4, other])),
            name(&[v4])
        );
    }
}
