//! Addresses of agents. Marathon names an agent by what it was told on its command line: an
//! address, or a name that this host must resolve.
//!
//! An address that was found once stays until another is found: a resolver that is down for a
//! moment must not cost any backend.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

use super::backends::Hosts;

/// How long one name may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How long an address is believed without asking again.
const FRESH: Duration = Duration::from_secs(60);
/// Names that are looked up at the same time.
const PARALLEL: usize = 16;

/// Finds addresses of agents and remembers them.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    known: BTreeMap<String, (IpAddr, Instant)>,
}

impl Resolver {
    /// The addresses of `names`, as far as they can be found; all other names are forgotten.
    pub(super) async fn resolve(&mut self, names: BTreeSet<String>) -> Hosts {
        self.known.retain(|name, _| names.contains(name));
        let stale: Vec<String> = names
            .into_iter()
            .filter(|name| !self.is_fresh(name))
            .collect();
        let mut lookups = stream::iter(stale).map(lookup).buffer_unordered(PARALLEL);
        while let Some((name, address)) = lookups.next().await {
            if let Some(address) = address {
                self.known.insert(name, (address, Instant::now()));
            }
        }
        self.known
            .iter()
            .map(|(name, (address, _))| (name.clone(), *address))
            .collect()
    }

    fn is_fresh(&self, name: &str) -> bool {
        self.known
            .get(name)
            .is_some_and(|(_, at)| at.elapsed() < FRESH)
    }
}

/// The address of one name: of several, the lowest, IPv4 before IPv6, so that the answer does
/// not change with the order in which the resolver gives them.
async fn lookup(name: String) -> (String, Option<IpAddr>) {
    let answer = timeout(LOOKUP, lookup_host((name.as_str(), 0))).await;
    let found = answer.ok().and_then(Result::ok).into_iter().flatten();
    let address = found.map(|socket| socket.ip()).min();
    (name, address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_resolved_and_what_cannot_be_is_left_out() {
        let mut resolver = Resolver::default();
        let names = ["localhost", "no..name"].map(str::to_owned);
        let hosts = resolver.resolve(BTreeSet::from(names)).await;
        assert!(hosts["localhost"].is_loopback());
        assert!(!hosts.contains_key("no..name"));
    }

    #[tokio::test]
    async fn an_address_found_once_stays_while_its_name_is_asked_for() {
        let mut resolver = Resolver::default();
        let name = "no..name".to_owned();
        let address = IpAddr::from([10, 0, 0, 1]);
        let long_ago = Instant::now()
            .checked_sub(FRESH)
            .expect("the clock began earlier");
        resolver.known.insert(name.clone(), (address, long_ago));
        assert_eq!(
            resolver.resolve(BTreeSet::from([name.clone()])).await[&name],
            address
        );
        assert!(resolver.resolve(BTreeSet::new()).await.is_empty());
        assert!(resolver.resolve(BTreeSet::from([name])).await.is_empty());
    }
}
