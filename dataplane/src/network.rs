//! Where Viaduct stands in the network: its interfaces, its own addresses, its routes, and which
//! worker owns which source port. Fixed at start; shared, read-only, by all workers.
//!
//! It never holds services or backends (see [`crate::table`]) or Ethernet addresses of others
//! (see [`crate::neighbor`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::family::Family;
use crate::flow::hash::Seed;
use crate::table::Refusal;
use crate::wire::MacAddr;
use crate::wire::ethernet::VlanId;
use crate::wire::nd;
use crate::wire::tunnel::{GUE_PORT, GueVariant, OuterDscp};
use crate::worker::WorkerId;

/// Index of an interface in [`Network::interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceIndex(pub u8);

/// A subnet by its network address and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet<A> {
    address: A,
    prefix_len: u8,
}

impl<A: Family> Subnet<A> {
    /// The subnet of `prefix_len` bits (at most the family's) that holds `address`.
    #[must_use]
    pub fn of(address: A, prefix_len: u8) -> Self {
        debug_assert!(prefix_len <= A::BITS);
        Self {
            address,
            prefix_len,
        }
    }

    /// True if `address` lies in the subnet.
    #[must_use]
    pub fn contains(&self, address: A) -> bool {
        self.address.common_prefix(address) >= self.prefix_len
    }
}

/// An interface's place in the network of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment<A> {
    /// Its own address.
    pub address: A,
    /// The subnet that is reached directly.
    pub subnet: Subnet<A>,
    /// The router for everything else, if there is one on this interface.
    pub gateway: Option<A>,
}

/// One interface: a port, or a VLAN on it, with its own addresses.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Index of the port for [`crate::frame::Io`].
    pub port: usize,
    /// The tag that its frames carry, if any.
    pub vlan: Option<VlanId>,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Its IPv4 address, if it speaks IPv4.
    pub ipv4: Option<Attachment<Ipv4Addr>>,
    /// Its IPv6 address, if it speaks IPv6, besides its link-local one.
    pub ipv6: Option<Attachment<Ipv6Addr>>,
    /// The port by which the host's own stack shares this interface, if it does.
    pub host_port: Option<usize>,
}

impl Interface {
    /// An untagged interface of a port, without addresses yet.
    #[must_use]
    pub fn new(port: usize, mac: MacAddr) -> Self {
        Self {
            port,
            vlan: None,
            mac,
            mtu: 1500,
            ipv4: None,
            ipv6: None,
            host_port: None,
        }
    }

    /// Its own address of the family of `other`, if it has one.
    #[must_use]
    pub fn address_towards(&self, other: IpAddr) -> Option<IpAddr> {
        match other {
            IpAddr::V4(_) => self.ipv4.map(|own| own.address.into()),
            IpAddr::V6(_) => self.ipv6.map(|own| own.address.into()),
        }
    }

    /// Its link-local IPv6 address (RFC 4291, appendix A).
    #[must_use]
    pub fn link_local(&self) -> Ipv6Addr {
        nd::link_local(self.mac)
    }
}

/// Source ports for NAT: an inclusive range, divided among the workers in equal, contiguous shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port; not below `first`.
    pub last: u16,
}

impl PortRange {
    /// Number of ports, 1 to 65536.
    #[must_use]
    pub const fn count(self) -> u32 {
        (self.last - self.first) as u32 + 1
    }

    /// The share of `worker` among `workers`, which must not be more than there are ports. The
    /// remainder of the division belongs to the last worker.
    #[must_use]
    pub fn share(self, worker: WorkerId, workers: usize) -> Self {
        let size = self.count() / workers as u32;
        let first = u32::from(self.first) + size * u32::from(worker.0);
        let is_last = usize::from(worker.0) + 1 == workers;
        let last = if is_last {
            u32::from(self.last)
        } else {
            first + size - 1
        };
        Self {
            first: first as u16,
            last: last as u16,
        }
    }

    /// The worker whose share holds `port`; `None` outside the range.
    #[must_use]
    pub fn owner(self, port: u16, workers: usize) -> Option<WorkerId> {
        let offset = u32::from(port.checked_sub(self.first)?);
        let size = self.count() / workers as u32;
        (port <= self.last).then(|| WorkerId((offset / size).min(workers as u32 - 1) as u8))
    }
}

/// Addresses that packets to backends come from in `nat` mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnatAddresses {
    /// Towards IPv4 backends.
    pub ipv4: Vec<Ipv4Addr>,
    /// Towards IPv6 backends.
    pub ipv6: Vec<Ipv6Addr>,
}

/// Where named VIPs have their addresses: all of it is Viaduct's to answer for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    /// Of IPv4.
    pub ipv4: Option<RangeInclusive<Ipv4Addr>>,
    /// Of IPv6.
    pub ipv6: Option<RangeInclusive<Ipv6Addr>>,
}

/// What all tunnels have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnels {
    /// UDP destination port of Generic UDP Encapsulation.
    pub gue_port: u16,
    /// Its variant.
    pub gue_variant: GueVariant,
    /// DSCP of outer headers.
    pub dscp: OuterDscp,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self {
            gue_port: GUE_PORT,
            gue_variant: GueVariant::Direct,
            dscp: OuterDscp::Copy,
        }
    }
}

/// Everything that stays the same from start to stop.
#[derive(Clone, Debug)]
pub struct Network {
    /// At least one interface.
    pub interfaces: Vec<Interface>,
    /// Source addresses of `nat` mode; services of a family without any cannot have it.
    pub snat: SnatAddresses,
    /// Their ports, over all workers.
    pub snat_ports: PortRange,
    /// Addresses of VIPs that may not be there now.
    pub pools: Pools,
    /// How clients are told that a VIP, or an address of the pools, has no such service.
    pub refusal: Refusal,
    /// How tunnels are made.
    pub tunnels: Tunnels,
    /// Neighbors whose Ethernet addresses are configured.
    pub static_neighbors: Vec<(InterfaceIndex, IpAddr, MacAddr)>,
    /// Number of workers.
    pub workers: usize,
    /// By which workers agree on who does what; secret, so that nobody can send all to one.
    pub seed: Seed,
}

/// How to reach an address: by which interface, and which neighbor there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Outgoing interface.
    pub interface: InterfaceIndex,
    /// The address to resolve there: the destination itself, or a gateway.
    pub next_hop: IpAddr,
}

impl Default for Network {
    /// One worker, no interfaces, all unprivileged ports.
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            snat: SnatAddresses::default(),
            snat_ports: PortRange {
                first: 1024,
                last: 65535,
            },
            pools: Pools::default(),
            refusal: Refusal::default(),
            tunnels: Tunnels::default(),
            static_neighbors: Vec::new(),
            workers: 1,
            seed: Seed::random(),
        }
    }
}

impl Network {
    /// The worker that a hash falls to.
    #[inline]
    #[must_use]
    pub fn worker_of(&self, hash: u64) -> WorkerId {
        // The upper half of the product: no division.
        WorkerId(((u128::from(hash) * self.workers as u128) >> 64) as u8)
    }

    /// The interface with this index.
    ///
    /// # Panics
    /// If the index is not one of this network's.
    #[must_use]
    pub fn interface(&self, index: InterfaceIndex) -> &Interface {
        &self.interfaces[usize::from(index.0)]
    }

    /// The interface that receives frames of `port` with this tag.
    #[must_use]
    pub fn interface_of(&self, port: usize, vlan: Option<VlanId>) -> Option<InterfaceIndex> {
        let index = self
            .interfaces
            .iter()
            .position(|i| i.port == port && i.vlan == vlan)?;
        Some(InterfaceIndex(index as u8))
    }

    /// The interface that the host's stack uses by this port, if the port is for that.
    #[inline]
    #[must_use]
    pub fn host_port(&self, port: usize) -> Option<InterfaceIndex> {
        let index = self
            .interfaces
            .iter()
            .position(|i| i.host_port == Some(port))?;
        Some(InterfaceIndex(index as u8))
    }

    /// The route to `destination`: a subnet that holds it, else the first gateway of its family.
    #[must_use]
    pub fn route<A: Family>(&self, destination: A) -> Option<Route> {
        let attached = || {
            let interfaces = (0..).zip(&self.interfaces);
            interfaces.filter_map(|(n, i)| Some((InterfaceIndex(n), A::attachment(i)?)))
        };
        let direct = attached().find(|(_, at)| at.subnet.contains(destination));
        let (interface, next_hop) = match direct {
            Some((interface, _)) => (interface, destination),
            None => attached().find_map(|(n, at)| Some((n, at.gateway?)))?,
        };
        Some(Route {
            interface,
            next_hop: next_hop.into(),
        })
    }

    /// [`Self::route`] for an address of either family.
    #[must_use]
    pub fn route_to(&self, destination: IpAddr) -> Option<Route> {
        match destination {
            IpAddr::V4(destination) => self.route(destination),
            IpAddr::V6(destination) => self.route(destination),
        }
    }

    /// True for the interfaces' own addresses.
    #[must_use]
    pub fn is_own<A: Family>(&self, address: A) -> bool {
        self.interfaces.iter().any(|i| A::is_own(i, address))
    }

    /// True for addresses of the pools, whether or not they are VIPs now.
    #[must_use]
    pub fn is_in_pool<A: Family>(&self, address: A) -> bool {
        A::pool(&self.pools).is_some_and(|pool| pool.contains(&address))
    }

    /// True for the source addresses of `nat` mode.
    #[must_use]
    pub fn is_snat<A: Family>(&self, address: A) -> bool {
        A::snat(&self.snat).contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interface(address: [u8; 4], prefix_len: u8, gateway: Option<[u8; 4]>) -> Interface {
        let address = Ipv4Addr::from(address);
        Interface {
            port: 0,
            vlan: None,
            mac: MacAddr([2; 6]),
            mtu: 1500,
            ipv4: Some(Attachment {
                address,
                subnet: Subnet::of(address, prefix_len),
                gateway: gateway.map(Ipv4Addr::from),
            }),
            ipv6: None,
            host_port: None,
        }
    }

    #[test]
    fn routes_prefer_subnets_over_gateways() {
        let network = Network {
            interfaces: vec![
                interface([10, 0, 0, 2], 24, None),
                interface([10, 1, 0, 2], 16, Some([10, 1, 0, 1])),
            ],
            snat: SnatAddresses::default(),
            snat_ports: PortRange { first: 1, last: 2 },
            ..Network::default()
        };
        let to = |address: [u8; 4]| {
            network
                .route(Ipv4Addr::from(address))
                .map(|r| (r.interface.0, r.next_hop))
        };
        let via = |interface, next_hop: [u8; 4]| Some((interface, IpAddr::from(next_hop)));
        assert_eq!(to([10, 0, 0, 77]), via(0, [10, 0, 0, 77]));
        assert_eq!(to([10, 1, 9, 9]), via(1, [10, 1, 9, 9]));
        assert_eq!(to([192, 0, 2, 1]), via(1, [10, 1, 0, 1]));
    }

    #[test]
    fn subnets_of_all_lengths() {
        let any = Subnet::of(Ipv4Addr::new(10, 0, 0, 1), 0);
        assert!(any.contains(Ipv4Addr::BROADCAST));
        let host = Subnet::of(Ipv4Addr::new(10, 0, 0, 1), 32);
        assert!(
            host.contains(Ipv4Addr::new(10, 0, 0, 1)) && !host.contains(Ipv4Addr::new(10, 0, 0, 0))
        );
    }

    proptest! {
        #[test]
        fn every_port_has_exactly_one_owner(first in any::<u16>(), len in 0u16.., workers in 1usize..17) {
            let range = PortRange { first, last: first.saturating_add(len.max(17)) };
            prop_assume!(range.count() >= workers as u32);
            for port in [range.first, range.last, range.first / 2 + range.last / 2] {
                let owner = range.owner(port, workers).expect("the port is in the range");
                let holders = (0..workers as u8)
                    .map(|w| range.share(WorkerId(w), workers))
                    .filter(|s| (s.first..=s.last).contains(&port));
                prop_assert_eq!(holders.count(), 1);
                let share = range.share(owner, workers);
                prop_assert!((share.first..=share.last).contains(&port));
            }
        }
    }
}
