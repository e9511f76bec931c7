//! Where Viaduct stands in the network: its interfaces, its own addresses, its routes, and which
//! worker owns which source port. Fixed at start; shared, read-only, by all workers.
//!
//! It never holds services or backends (see [`crate::table`]) or Ethernet addresses of others
//! (see [`crate::neighbor`]).

use std::net::Ipv4Addr;

use crate::wire::MacAddr;
use crate::wire::ethernet::VlanId;
use crate::worker::WorkerId;

/// Index of an interface in [`Network::interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceIndex(pub u8);

/// An IPv4 subnet by its network address and prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    network: u32,
    mask: u32,
}

impl Subnet {
    /// The subnet of `prefix_len` bits (at most 32) that holds `address`.
    #[must_use]
    pub fn of(address: Ipv4Addr, prefix_len: u8) -> Self {
        debug_assert!(prefix_len <= 32);
        let mask = u32::MAX
            .checked_shl(32 - u32::from(prefix_len))
            .unwrap_or(0);
        Self {
            network: address.to_bits() & mask,
            mask,
        }
    }

    /// True if `address` lies in the subnet.
    #[must_use]
    pub const fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.network
    }
}

/// One interface: a port, or a VLAN on it, with its own address.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Index of the port for [`crate::frame::Io`].
    pub port: usize,
    /// The tag that its frames carry, if any.
    pub vlan: Option<VlanId>,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// The subnet that is reached directly.
    pub subnet: Subnet,
    /// The router for everything else, if there is one on this interface.
    pub gateway: Option<Ipv4Addr>,
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

/// Everything that stays the same from start to stop.
#[derive(Clone, Debug)]
pub struct Network {
    /// At least one interface.
    pub interfaces: Vec<Interface>,
    /// Addresses that packets to backends come from in `nat` mode; at least one.
    pub snat_addresses: Vec<Ipv4Addr>,
    /// Their ports, over all workers.
    pub snat_ports: PortRange,
    /// Number of workers.
    pub workers: usize,
}

/// How to reach an address: by which interface, and which neighbor there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Outgoing interface.
    pub interface: InterfaceIndex,
    /// The address to resolve there: the destination itself, or a gateway.
    pub next_hop: Ipv4Addr,
}

impl Network {
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

    /// The route to `destination`: a subnet that holds it, else the first gateway.
    #[must_use]
    pub fn route(&self, destination: Ipv4Addr) -> Option<Route> {
        let direct = self
            .interfaces
            .iter()
            .position(|i| i.subnet.contains(destination));
        let (index, next_hop) = match direct {
            Some(index) => (index, destination),
            None => self
                .interfaces
                .iter()
                .enumerate()
                .find_map(|(n, i)| Some((n, i.gateway?)))?,
        };
        Some(Route {
            interface: InterfaceIndex(index as u8),
            next_hop,
        })
    }

    /// True for the interfaces' own addresses.
    #[must_use]
    pub fn is_own(&self, address: Ipv4Addr) -> bool {
        self.interfaces.iter().any(|i| i.address == address)
    }

    /// True for the source addresses of `nat` mode.
    #[must_use]
    pub fn is_snat(&self, address: Ipv4Addr) -> bool {
        self.snat_addresses.contains(&address)
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
            address,
            subnet: Subnet::of(address, prefix_len),
            gateway: gateway.map(Ipv4Addr::from),
        }
    }

    #[test]
    fn routes_prefer_subnets_over_gateways() {
        let network = Network {
            interfaces: vec![
                interface([10, 0, 0, 2], 24, None),
                interface([10, 1, 0, 2], 16, Some([10, 1, 0, 1])),
            ],
            snat_addresses: vec![],
            snat_ports: PortRange { first: 1, last: 2 },
            workers: 1,
        };
        let to = |address: [u8; 4]| {
            network
                .route(address.into())
                .map(|r| (r.interface.0, r.next_hop.octets()))
        };
        assert_eq!(to([10, 0, 0, 77]), Some((0, [10, 0, 0, 77])));
        assert_eq!(to([10, 1, 9, 9]), Some((1, [10, 1, 9, 9])));
        assert_eq!(to([192, 0, 2, 1]), Some((1, [10, 1, 0, 1])));
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
