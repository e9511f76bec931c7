//! Which queue a reply will arrive on, so that new flows can take source ports whose replies come
//! back to the worker that knows them.
//!
//! This is a preference. Who owns a reply is said by its port alone (see
//! [`crate::network::PortRange::owner`]); where the NIC does other than is computed here, replies
//! are handed over, and nothing is lost but time.

use super::key::{Address, Endpoint};
use super::toeplitz::Toeplitz;
use crate::Protocol;
use crate::dpdk::rss::Rss;

/// DPDK's bits for the packet kinds that a NIC hashes (`RTE_ETH_RSS_*` in `rte_ethdev.h`).
mod kind {
    pub(super) const IPV4: u64 = 1 << 2;
    pub(super) const IPV4_TCP: u64 = 1 << 4;
    pub(super) const IPV4_UDP: u64 = 1 << 5;
    pub(super) const IPV6: u64 = 1 << 8;
    pub(super) const IPV6_TCP: u64 = 1 << 10;
    pub(super) const IPV6_UDP: u64 = 1 << 11;
    /// Modifiers: only some of the fields, or only some of their bits, are hashed.
    pub(super) const PARTIAL: u64 = 0xfff << 52;
}

/// The receive-side scaling of one port, as seen by one worker.
#[derive(Clone, Debug)]
pub struct ReturnSteering {
    functions: u64,
    toeplitz: Toeplitz,
    redirection: Box<[u16]>,
    queue: u16,
}

/// Replies from one end of a backend, to any source address and port.
#[derive(Clone, Copy, Debug)]
pub struct Replies<'s> {
    steering: &'s ReturnSteering,
    /// What the backend's address and port add to the hash.
    backend: u32,
    hashes_ports: bool,
}

impl ReturnSteering {
    /// The steering of the port with this RSS, for the worker with this queue of it. `None` if it
    /// cannot be computed: the driver does not show its key or its redirection table, or hashes
    /// only parts of addresses; or if there is nothing to choose: the queue gets all packets or none.
    #[must_use]
    pub fn new(rss: &Rss, queue: u16) -> Option<Self> {
        let toeplitz = Toeplitz::new(&rss.key);
        let ours = rss.redirection.iter().filter(|&&entry| entry == queue);
        let ours = ours.count();
        let has_choice = ours > 0 && ours < rss.redirection.len();
        let is_known = toeplitz.longest() > 0 && rss.functions & kind::PARTIAL == 0;
        (has_choice && is_known).then(|| Self {
            functions: rss.functions,
            toeplitz,
            redirection: rss.redirection.clone().into(),
            queue,
        })
    }

    /// Replies from this backend. `None` if the NIC does not hash such packets, or its key is too
    /// short for them.
    #[must_use]
    pub fn replies<A: Address>(
        &self,
        (address, port): Endpoint<A>,
        protocol: Protocol,
    ) -> Option<Replies<'_>> {
        let len = size_of::<A::Bytes>();
        let hashes_ports = self.hashes_ports(len, protocol)?;
        let input = len * 2 + if hashes_ports { 4 } else { 0 };
        if self.toeplitz.longest() < input {
            return None;
        }
        let mut backend = self.toeplitz.part(0, address.bytes().as_ref());
        if hashes_ports {
            backend ^= self.toeplitz.part(len * 2, &port.to_be_bytes());
        }
        Some(Replies {
            steering: self,
            backend,
            hashes_ports,
        })
    }

    /// Whether ports are hashed besides addresses of this length; `None` if neither are.
    const fn hashes_ports(&self, address_len: usize, protocol: Protocol) -> Option<bool> {
        let (with_ports, without) = match (address_len, protocol) {
            (4, Protocol::Tcp) => (kind::IPV4_TCP, kind::IPV4),
            (4, Protocol::Udp) => (kind::IPV4_UDP, kind::IPV4),
            (_, Protocol::Tcp) => (kind::IPV6_TCP, kind::IPV6),
            (_, Protocol::Udp) => (kind::IPV6_UDP, kind::IPV6),
        };
        if self.functions & with_ports != 0 {
            Some(true)
        } else if self.functions & without != 0 {
            Some(false)
        } else {
            None
        }
    }
}

impl Replies<'_> {
    /// True if a reply to this source address and port will arrive on the worker's queue.
    #[inline]
    #[must_use]
    pub fn come_home<A: Address>(&self, (address, port): Endpoint<A>) -> bool {
        let (steering, len) = (self.steering, size_of::<A::Bytes>());
        let mut hash = self.backend ^ steering.toeplitz.part(len, address.bytes().as_ref());
        if self.hashes_ports {
            hash ^= steering.toeplitz.part(len * 2 + 2, &port.to_be_bytes());
        }
        let entry = hash as usize % steering.redirection.len();
        steering.redirection[entry] == steering.queue
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use dpdk_sys as sys;

    use super::*;

    const V4: (Ipv4Addr, u16) = (Ipv4Addr::new(66, 9, 149, 187), 2794);

    fn rss(functions: u64) -> Rss {
        Rss {
            functions,
            key: (0..40).map(|n: u8| n.wrapping_mul(0x9d) ^ 0x6d).collect(),
            redirection: (0..128).map(|entry| entry % 4).collect(),
        }
    }

    fn steering(functions: u64) -> ReturnSteering {
        ReturnSteering::new(&rss(functions), 1).expect("there is a choice")
    }

    /// The queue by the definition: all of the input, bit by bit.
    fn queue_of(input: &[u8], rss: &Rss) -> u16 {
        let bit = |bytes: &[u8], n: usize| bytes[n / 8] >> (7 - n % 8) & 1 == 1;
        let hash = (0..input.len() * 8).fold(0u32, |hash, n| {
            let window = (n..n + 32).fold(0, |w, k| w << 1 | u32::from(bit(&rss.key, k)));
            hash ^ if bit(input, n) { window } else { 0 }
        });
        rss.redirection[hash as usize % rss.redirection.len()]
    }

    #[test]
    fn the_bits_are_dpdks() {
        let (ip, tcp, udp) = (sys::VD_RSS_IP, sys::VD_RSS_TCP, sys::VD_RSS_UDP);
        for (bits, bit) in [
            (ip, kind::IPV4),
            (ip, kind::IPV6),
            (tcp, kind::IPV4_TCP),
            (tcp, kind::IPV6_TCP),
            (udp, kind::IPV4_UDP),
            (udp, kind::IPV6_UDP),
        ] {
            assert_eq!(bits & bit, bit, "{bit:#x}");
        }
        assert_eq!((ip | tcp | udp) & kind::PARTIAL, 0);
    }

    #[test]
    fn replies_come_where_the_nic_will_send_them() {
        let all = sys::VD_RSS_IP | sys::VD_RSS_TCP | sys::VD_RSS_UDP;
        let (rss, steering) = (rss(all), steering(all));
        let snat = Ipv4Addr::new(10, 0, 0, 3);
        let replies = steering.replies(V4, Protocol::Tcp).expect("hashed");
        for port in 1000..2000u16 {
            let input = [V4.0.octets(), snat.octets()].concat();
            let input = [input, V4.1.to_be_bytes().into(), port.to_be_bytes().into()].concat();
            assert_eq!(replies.come_home((snat, port)), queue_of(&input, &rss) == 1);
        }
        let (backend, snat) = (
            Ipv6Addr::from_bits(7 << 80 | 9),
            Ipv6Addr::from_bits(0xfd << 120 | 5),
        );
        let replies = steering
            .replies((backend, 53), Protocol::Udp)
            .expect("hashed");
        for port in 1000..2000u16 {
            let input = [backend.octets(), snat.octets()].concat();
            let input = [input, vec![0, 53], port.to_be_bytes().into()].concat();
            assert_eq!(replies.come_home((snat, port)), queue_of(&input, &rss) == 1);
        }
    }

    #[test]
    fn without_ports_in_the_hash_the_address_decides() {
        let (rss, steering) = (rss(kind::IPV4), steering(kind::IPV4));
        let replies = steering.replies(V4, Protocol::Udp).expect("hashed");
        for host in 0..=255 {
            let snat = Ipv4Addr::new(10, 0, 0, host);
            let input = [V4.0.octets(), snat.octets()].concat();
            let expected = queue_of(&input, &rss) == 1;
            assert!((1..9).all(|port| replies.come_home((snat, port)) == expected));
        }
        let ipv6 = (Ipv6Addr::LOCALHOST, 80);
        assert!(steering.replies(ipv6, Protocol::Udp).is_none());
    }

    #[test]
    fn what_cannot_be_known_is_not_steered() {
        let good = rss(kind::IPV4_TCP);
        let with = |change: fn(&mut Rss)| {
            let mut rss = good.clone();
            change(&mut rss);
            ReturnSteering::new(&rss, 1)
        };
        assert!(with(|_| ()).is_some());
        assert!(with(|rss| rss.key.clear()).is_none());
        assert!(with(|rss| rss.redirection.clear()).is_none());
        assert!(with(|rss| rss.redirection.fill(0)).is_none(), "no packets");
        assert!(with(|rss| rss.redirection.fill(1)).is_none(), "all packets");
        assert!(
            with(|rss| rss.functions |= 1 << 62).is_none(),
            "destination only"
        );
        let short = with(|rss| rss.key.truncate(15)).expect("long enough for addresses");
        assert!(short.replies(V4, Protocol::Tcp).is_none());
    }
}
