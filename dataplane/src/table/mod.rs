//! The forwarding table: which services exist and which backends they have.
//!
//! A [`Table`] is immutable. Control builds a new one off the packet path, publishes it (see
//! [`publication`]), and frees the old one once every worker has acknowledged. Services are shared
//! between generations, so that a change to one of them rebuilds only its own Maglev table.
//!
//! Services and backends have slots that are stable while they exist, so that flows and counters
//! refer to them across generations. A slot that is used again gets a new epoch: a flow whose
//! epoch is not the slot's belongs to a backend that is gone.

pub mod policy;
pub mod prefixes;
pub mod publication;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

pub use policy::{Limits, Mode, Policy, Refusal, Removal, Timeouts};
pub use prefixes::{Prefix, SourceFilter};

use crate::Protocol;
use crate::flow::hash::KeyHasher;
use crate::maglev::{self, Maglev};

/// Number of a published table; 0 is the empty table that workers start with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Place of a service in the table and in the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceSlot(pub u16);

/// Place of a backend in the table and in the counters. A backend that serves two services has
/// two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendSlot(pub u32);

/// Which backend of those that have had a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoch(pub u16);

/// A backend of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its slot.
    pub slot: BackendSlot,
    /// Its slot's epoch.
    pub epoch: Epoch,
    /// Where it listens.
    pub address: SocketAddr,
    /// Share of new flows; 0 is draining.
    pub weight: u16,
}

/// A service: one VIP, port and protocol.
#[derive(Clone, Debug)]
pub struct Service {
    slot: ServiceSlot,
    vip: SocketAddr,
    protocol: Protocol,
    policy: Policy,
    backends: Vec<Backend>,
    maglev: Option<Arc<Maglev>>,
}

impl Service {
    /// Builds the service and its Maglev table. At most 65,535 backends.
    #[must_use]
    pub fn new(
        slot: ServiceSlot,
        vip: SocketAddr,
        protocol: Protocol,
        policy: Policy,
        backends: Vec<Backend>,
    ) -> Self {
        let weights: Vec<_> = backends.iter().map(|b| (b.address, b.weight)).collect();
        Self {
            slot,
            vip,
            protocol,
            policy,
            maglev: Maglev::build(&weights).map(Arc::new),
            backends,
        }
    }

    /// The same service under another policy. It shares the Maglev table with this one.
    #[must_use]
    pub fn with_policy(&self, policy: Policy) -> Self {
        Self {
            policy,
            ..self.clone()
        }
    }

    /// True if both use the same Maglev table, and not merely equal ones.
    #[must_use]
    pub fn shares_maglev(&self, other: &Self) -> bool {
        match (&self.maglev, &other.maglev) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Its slot.
    #[must_use]
    pub fn slot(&self) -> ServiceSlot {
        self.slot
    }

    /// The address and port that clients use.
    #[must_use]
    pub fn vip(&self) -> SocketAddr {
        self.vip
    }

    /// TCP or UDP.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How it is balanced.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Idle timeouts of its flows.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.policy.timeouts
    }

    /// Its backends, draining ones too.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// The backend that has this slot, if it still takes new flows. Looks at all backends.
    #[must_use]
    pub fn working(&self, slot: BackendSlot, epoch: Epoch) -> Option<&Backend> {
        let mut its = self.backends.iter().filter(|b| b.slot == slot);
        its.find(|b| b.epoch == epoch && b.weight > 0)
    }

    /// The backend for a new flow; `None` if no backend has a weight.
    #[must_use]
    pub fn pick(&self, client: SocketAddr) -> Option<&Backend> {
        let index = self.maglev.as_ref()?.pick(self.hash(client));
        Some(&self.backends[usize::from(index)])
    }

    /// The place of the Maglev table that decides for this client, and the table's size.
    #[must_use]
    pub fn place_of(&self, client: SocketAddr) -> Option<(u32, u32)> {
        let maglev = self.maglev.as_ref()?;
        let size = maglev.slots().len() as u32;
        Some((maglev.place(self.hash(client)) as u32, size))
    }

    fn hash(&self, client: SocketAddr) -> u64 {
        let port = if self.policy.source_affinity {
            0
        } else {
            client.port()
        };
        let client = SocketAddr::new(client.ip(), port);
        maglev::flow_hash(client, self.vip, self.protocol as u8)
    }
}

/// The lookup key of a service.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Listener {
    vip: SocketAddr,
    protocol: Protocol,
}

/// One generation of the forwarding table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    services: Vec<Option<Arc<Service>>>,
    by_listener: HashMap<Listener, ServiceSlot, KeyHasher>,
    vips: HashSet<IpAddr, KeyHasher>,
    /// The VIPs in order.
    vip_list: Vec<IpAddr>,
    occupants: Vec<Option<Occupant>>,
    has_gateways: bool,
}

/// The backend that has a slot.
#[derive(Clone, Copy, Debug)]
pub struct Occupant {
    /// Which of the slot's backends it is.
    pub epoch: Epoch,
    /// It takes no new flows.
    pub draining: bool,
    /// How packets reach it.
    pub mode: Mode,
    /// Where it is.
    pub address: IpAddr,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.vip, self.protocol)
    }
}

impl Table {
    /// A table of these services. Slots and listeners must be unique; `extra_vips` are addresses
    /// that are answered for (ARP, echo) though no service uses them now.
    #[must_use]
    pub fn new(services: &[Arc<Service>], extra_vips: &BTreeSet<IpAddr>) -> Self {
        let mut table = Self {
            vips: extra_vips.iter().copied().collect(),
            ..Self::default()
        };
        for service in services {
            table.insert(Arc::clone(service));
        }
        table.vip_list = table.vips.iter().copied().collect();
        table.vip_list.sort_unstable();
        table
    }

    fn insert(&mut self, service: Arc<Service>) {
        for backend in &service.backends {
            let occupant = Occupant {
                epoch: backend.epoch,
                draining: backend.weight == 0,
                mode: service.policy.mode,
                address: backend.address.ip(),
            };
            put(&mut self.occupants, backend.slot.0 as usize, occupant);
        }
        self.has_gateways |= service.policy.mode == Mode::Gateway;
        self.vips.insert(service.vip.ip());
        let listener = Listener {
            vip: service.vip,
            protocol: service.protocol,
        };
        self.by_listener.insert(listener, service.slot);
        put(&mut self.services, usize::from(service.slot.0), service);
    }

    /// True if any service is in `gateway` mode.
    #[inline]
    #[must_use]
    pub fn has_gateways(&self) -> bool {
        self.has_gateways
    }

    /// The service that listens at this address.
    #[must_use]
    pub fn lookup(&self, vip: SocketAddr, protocol: Protocol) -> Option<&Service> {
        let slot = self.by_listener.get(&Listener { vip, protocol })?;
        self.service(*slot)
    }

    /// The service in this slot.
    #[must_use]
    pub fn service(&self, slot: ServiceSlot) -> Option<&Service> {
        self.services.get(usize::from(slot.0))?.as_deref()
    }

    /// What becomes of connections whose backend is removed from the service in this slot; as most
    /// do, if the service is gone too.
    #[must_use]
    pub fn removal_of(&self, slot: ServiceSlot) -> Removal {
        let service = self.service(slot);
        service.map_or_else(Removal::default, |service| service.policy.removal)
    }

    /// True if the backend that had this slot at this epoch is still in the table.
    #[must_use]
    pub fn has_backend(&self, slot: BackendSlot, epoch: Epoch) -> bool {
        self.occupant(slot, epoch).is_some()
    }

    /// True if that backend is still there and takes new flows.
    #[must_use]
    pub fn takes_new(&self, slot: BackendSlot, epoch: Epoch) -> bool {
        self.occupant(slot, epoch).is_some_and(|o| !o.draining)
    }

    /// The backend that had this slot at this epoch, if it is still in the table.
    #[inline]
    #[must_use]
    pub fn occupant(&self, slot: BackendSlot, epoch: Epoch) -> Option<&Occupant> {
        let occupant = self.occupants.get(slot.0 as usize)?.as_ref()?;
        (occupant.epoch == epoch).then_some(occupant)
    }

    /// True for the address of a VIP.
    #[must_use]
    pub fn is_vip(&self, address: impl Into<IpAddr>) -> bool {
        self.vips.contains(&address.into())
    }

    /// All VIPs, sorted.
    #[must_use]
    pub fn vips(&self) -> &[IpAddr] {
        &self.vip_list
    }

    /// Number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_listener.len()
    }

    /// True if there are no services.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_listener.is_empty()
    }
}

/// Puts `value` at `index`, growing the vector by empty places as needed.
fn put<T: Clone>(places: &mut Vec<Option<T>>, index: usize, value: T) {
    if places.len() <= index {
        places.resize(index + 1, None);
    }
    places[index] = Some(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::clock::TickSpan;

    const TIMEOUTS: Timeouts = Timeouts {
        tcp_handshake: TickSpan(1),
        tcp_established: TickSpan(1),
        tcp_closing: TickSpan(1),
        udp: TickSpan(1),
    };

    fn service(slot: u16, vip: &str, protocol: Protocol, backend: (u32, u16)) -> Arc<Service> {
        let backends = vec![Backend {
            slot: BackendSlot(backend.0),
            epoch: Epoch(backend.1),
            address: SocketAddr::from(([10, 0, 0, 1], 80)),
            weight: 1,
        }];
        let vip = vip.parse().expect("a socket address");
        Arc::new(Service::new(
            ServiceSlot(slot),
            vip,
            protocol,
            Policy::new(TIMEOUTS),
            backends,
        ))
    }

    #[test]
    fn services_are_found_by_address_port_and_protocol() {
        let services = [
            service(0, "11.0.0.1:80", Protocol::Tcp, (0, 0)),
            service(7, "11.0.0.1:80", Protocol::Udp, (1, 0)),
        ];
        let table = Table::new(&services, &BTreeSet::new());
        let at = |address: &str, protocol| {
            let vip = address.parse().expect("a socket address");
            table.lookup(vip, protocol).map(|s| s.slot().0)
        };
        assert_eq!(at("11.0.0.1:80", Protocol::Tcp), Some(0));
        assert_eq!(at("11.0.0.1:80", Protocol::Udp), Some(7));
        assert_eq!(at("11.0.0.1:81", Protocol::Tcp), None);
        assert_eq!(at("11.0.0.2:80", Protocol::Tcp), None);
        assert!(table.is_vip([11, 0, 0, 1]) && !table.is_vip([11, 0, 0, 2]));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn a_backend_is_there_only_at_its_epoch() {
        let table = Table::new(
            &[service(0, "11.0.0.1:80", Protocol::Tcp, (3, 5))],
            &BTreeSet::new(),
        );
        assert!(table.has_backend(BackendSlot(3), Epoch(5)));
        assert!(!table.has_backend(BackendSlot(3), Epoch(4)));
        assert!(!table.has_backend(BackendSlot(2), Epoch(0)));
        assert!(!table.has_backend(BackendSlot(9), Epoch(0)));
    }

    #[test]
    fn vips_without_a_service_are_answered_for() {
        let vip = IpAddr::from([11, 0, 0, 9]);
        let table = Table::new(&[], &BTreeSet::from([vip]));
        assert!(table.is_vip([11, 0, 0, 9]) && table.is_empty());
    }

    #[test]
    fn a_service_under_another_policy_shares_its_maglev_table() {
        let before = service(3, "11.0.0.1:80", Protocol::Tcp, (0, 0));
        let mut policy = before.policy().clone();
        policy.mode = Mode::Ipip;
        let after = before.with_policy(policy);
        assert_eq!(
            (after.policy().mode, after.slot()),
            (Mode::Ipip, before.slot())
        );
        assert!(after.shares_maglev(&before));
        let equal = service(3, "11.0.0.1:80", Protocol::Tcp, (0, 0));
        assert!(!after.shares_maglev(&equal));
    }
}
