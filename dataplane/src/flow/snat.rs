//! Source ports for new flows.
//!
//! A worker owns a share of the ports of every source address (see
//! [`crate::network::PortRange`]). One port serves many flows at once, as long as they go to
//! different backends: what must be unique is the key of the replies. Ports are tried in turn, so
//! that one comes back only after all others: backends remember closed connections for a while.

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
    #[must_use]
    pub fn new(addresses: Vec<A>, share: PortRange) -> Self {
        debug_assert!(!addresses.is_empty());
        Self {
            addresses,
            share,
            next: 0,
        }
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
