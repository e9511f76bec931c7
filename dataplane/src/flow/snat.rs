//! Source ports for new flows.
//!
//! A worker owns a share of the ports of every source address (see
//! [`crate::network::PortRange`]). One port serves many flows at once, as long as they go to
//! different backends: what must be unique is the key of the replies. Ports are tried in turn, so
//! that one comes back only after all others: backends remember closed connections for a while.

use super::hash::Seed;
use super::key::{Address, FlowKey};
use super::table::FlowTable;
use crate::Protocol;
use crate::network::PortRange;

/// Ports that are tried for one flow. At nine ports of ten in use towards one backend, one flow in
/// 800 finds none.
const TRIES: u32 = 64;

/// The source addresses and ports of one worker.
#[derive(Clone, Debug)]
pub struct SnatPorts<A> {
    addresses: Vec<A>,
    share: PortRange,
    next: u32,
}

impl<A: Address> SnatPorts<A> {
    /// The worker's share of the ports of each of these addresses (at least one).
    ///
    /// The first port is drawn by chance: backends still have connections from before a restart,
    /// and one that sees a SYN on such a connection's ports does not accept it.
    #[must_use]
    pub fn new(addresses: Vec<A>, share: PortRange) -> Self {
        debug_assert!(!addresses.is_empty());
        let mut ports = Self {
            addresses,
            share,
            next: 0,
        };
        ports.next = (Seed::random().0[0] % u64::from(ports.places())) as u32;
        ports
    }

    /// An address and port that no flow to this backend uses; `None` after [`TRIES`] tries.
    pub fn choose(
        &mut self,
        flows: &FlowTable<A>,
        backend: (A, u16),
        protocol: Protocol,
    ) -> Option<(A, u16)> {
        let tries = TRIES.min(self.places());
        (0..tries).map(|_| self.advance()).find(|&(address, port)| {
            !flows.has(FlowKey {
                source: backend.0,
                destination: address,
                source_port: backend.1,
                destination_port: port,
                protocol,
            })
        })
    }

    fn places(&self) -> u32 {
        self.share
            .count()
            .saturating_mul(self.addresses.len() as u32)
    }

    fn advance(&mut self) -> (A, u16) {
        let place = self.next;
        self.next = if place + 1 == self.places() {
            0
        } else {
            place + 1
        };
        let addresses = self.addresses.len() as u32;
        let address = self.addresses[(place % addresses) as usize];
        let port = u32::from(self.share.first) + place / addresses;
        (address, port as u16)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::{TickSpan, Ticks};
    use crate::flow::Flow;

    const BACKENDS: [(Ipv4Addr, u16); 2] = [
        (Ipv4Addr::new(10, 0, 0, 11), 80),
        (Ipv4Addr::new(10, 0, 0, 12), 80),
    ];

    fn ports() -> SnatPorts<Ipv4Addr> {
        let addresses = vec![Ipv4Addr::new(10, 0, 0, 3), Ipv4Addr::new(10, 0, 0, 4)];
        let (first, last) = (2000, 2009);
        SnatPorts::new(addresses, PortRange { first, last })
    }

    /// Takes a port for a flow of client number `client`.
    fn take(
        ports: &mut SnatPorts<Ipv4Addr>,
        flows: &mut FlowTable<Ipv4Addr>,
        backend: (Ipv4Addr, u16),
        client: u16,
    ) -> Option<(Ipv4Addr, u16)> {
        let (snat, snat_port) = ports.choose(flows, backend, Protocol::Tcp)?;
        let flow = Flow {
            client_port: client,
            snat,
            snat_port,
            backend: backend.0,
            backend_port: backend.1,
            ..Flow::new(Protocol::Tcp, Ticks(0))
        };
        flows
            .insert(flow, TickSpan(10))
            .expect("the table has room");
        Some((snat, snat_port))
    }

    #[test]
    fn every_port_serves_every_backend_once() {
        let (mut ports, mut flows) = (ports(), FlowTable::new(64, Ticks(0)));
        for (number, backend) in (0..).zip(BACKENDS) {
            let taken: HashSet<_> = (0..20)
                .filter_map(|n| take(&mut ports, &mut flows, backend, number * 100 + n))
                .collect();
            assert_eq!(taken.len(), 20);
            assert!(taken.iter().all(|(_, port)| (2000..=2009).contains(port)));
            assert_eq!(
                take(&mut ports, &mut flows, backend, 99),
                None,
                "all in use"
            );
        }
    }

    #[test]
    fn a_port_comes_back_after_all_others() {
        let (mut ports, flows) = (ports(), FlowTable::new(4, Ticks(0)));
        let mut next = || ports.choose(&flows, BACKENDS[0], Protocol::Udp);
        let first = next();
        let others: HashSet<_> = (0..19).map(|_| next()).collect();
        assert!(others.len() == 19 && !others.contains(&first));
        assert_eq!(next(), first);
    }
}
