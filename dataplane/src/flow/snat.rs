//! Source ports for new flows.
//!
//! A worker owns a share of the ports of every source address (see
//! [`crate::network::PortRange`]). One port serves many flows at once, as long as they go to
//! different backends: what must be unique is the key of the replies. Ports are tried in turn, so
//! that one comes back only after all others: backends remember closed connections for a while.
//! Connections that were opened together and stay leave long runs of ports in use. When some ports
//! in turn are taken, the remaining tries are spread evenly over all.

use super::hash::Seed;
use super::key::{Address, FlowKey};
use super::table::FlowTable;
use crate::Protocol;
use crate::network::PortRange;

/// Ports that are tried for one flow. At nine ports of ten in use towards one backend, one flow in
/// 800 finds none.
const TRIES: u32 = 64;

/// Tries in turn before the others are spread.
const IN_TURN: u32 = 8;

/// The golden ratio's fraction of 2^32: steps of this part of a whole never cluster.
const GOLDEN: u64 = 0x9e37_79b9;

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

    /// An address and port that no flow to this backend uses; `None` after `TRIES` tries.
    pub fn choose(
        &mut self,
        flows: &FlowTable<A>,
        backend: (A, u16),
        protocol: Protocol,
    ) -> Option<(A, u16)> {
        let tries = TRIES.min(self.places());
        let spreads = self.places() > TRIES;
        let try_number = |n| match spreads && n >= IN_TURN {
            true => self.leap(n),
            false => self.advance(),
        };
        (0..tries).map(try_number).find(|&(address, port)| {
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
        self.at(place)
    }

    /// The place `n` long steps after the next one, which stays the next.
    fn leap(&self, n: u32) -> (A, u16) {
        let places = u64::from(self.places());
        let step = (places * GOLDEN) >> 32;
        let place = (u64::from(self.next) + u64::from(n) * step) % places;
        self.at(place as u32)
    }

    fn at(&self, place: u32) -> (A, u16) {
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
        let client = [(Ipv4Addr::UNSPECIFIED, client), (Ipv4Addr::UNSPECIFIED, 0)];
        let flow = Flow::through_us(
            Protocol::Tcp,
            client,
            [(snat, snat_port), backend],
            Ticks(0),
        );
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
    fn a_long_run_of_ports_in_use_is_leapt_over() {
        let addresses = vec![Ipv4Addr::new(10, 0, 0, 3)];
        let (first, last) = (2000, 11_999);
        let mut ports = SnatPorts::new(addresses, PortRange { first, last });
        let mut flows = FlowTable::new(10_000, Ticks(0));
        let start = ports.next;
        // Connections that were opened one after another and stay.
        for client in 0..5000 {
            assert!(take(&mut ports, &mut flows, BACKENDS[0], client).is_some());
        }
        ports.next = start;
        for client in 5000..8000 {
            let port = take(&mut ports, &mut flows, BACKENDS[0], client);
            assert!(port.is_some(), "flow {client}");
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
