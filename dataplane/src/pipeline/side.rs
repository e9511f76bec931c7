//! The two halves of a worker's memory, one for each address family, and how each family's headers
//! are rewritten.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::FromBytes;

use super::fragments::{Datagrams, Held};
use super::{Admitted, Task};
use crate::Protocol;
use crate::clock::Ticks;
use crate::family::Family;
use crate::flow::FlowTable;
use crate::flow::affinity::Affinity;
use crate::flow::snat::SnatPorts;
use crate::fragments::{FragmentKey, Fragments};
use crate::network::Network;
use crate::verdict::DropReason;
use crate::wire::checksum::{Delta, checksum};
use crate::wire::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::wire::ipv4::Ipv4Header;
use crate::wire::ipv6::Ipv6Header;
use crate::wire::packet::Layout;
use crate::wire::{icmp, icmpv6};
use crate::worker::WorkerId;

/// How much a worker remembers of each family.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Flows.
    pub flows: usize,
    /// How many of them may be half open.
    pub half_open: usize,
}

/// Places in the flow table for each place of a client.
const FLOWS_PER_CLIENT: usize = 4;

/// What a worker remembers of one family.
#[derive(Debug)]
pub struct Memory<A> {
    pub(super) flows: FlowTable<A>,
    /// None if there are no source addresses of this family.
    pub(super) snat: Option<SnatPorts<A>>,
    /// Clients of services with source affinity.
    pub(super) clients: Affinity<A>,
}

impl<A: Side> Memory<A> {
    fn new(network: &Network, worker: WorkerId, room: Room, now: Ticks) -> Self {
        let speaks = network
            .interfaces
            .iter()
            .any(|i| A::attachment(i).is_some());
        let addresses = A::snat(&network.snat);
        let share = network.snat_ports.share(worker, network.workers);
        Self {
            // A family that nobody speaks needs no memory.
            flows: FlowTable::new(if speaks { room.flows } else { 1 }, now)
                .with_half_open_limit(room.half_open),
            snat: (!addresses.is_empty()).then(|| SnatPorts::new(addresses.to_vec(), share)),
            clients: Affinity::new(if speaks {
                room.flows / FLOWS_PER_CLIENT
            } else {
                1
            }),
        }
    }
}

/// What a worker remembers.
#[derive(Debug)]
pub struct Memories {
    pub(super) ipv4: Memory<Ipv4Addr>,
    pub(super) ipv6: Memory<Ipv6Addr>,
}

impl Memories {
    pub(super) fn new(network: &Network, worker: WorkerId, room: Room, now: Ticks) -> Self {
        Self {
            ipv4: Memory::new(network, worker, room, now),
            ipv6: Memory::new(network, worker, room, now),
        }
    }
}

/// A family as the packet path sees it.
pub trait Side: Family {
    /// The family's number in an Ethernet header.
    const ETHERTYPE: u16;
    /// Why a packet from one of our own addresses is dropped.
    const BAD_SOURCE: DropReason;

    /// The task as what is admitted.
    fn admitted(task: Task<Self>) -> Admitted;
    /// This family's half.
    fn memory(memories: &Memories) -> &Memory<Self>;
    /// The same, writable.
    fn memory_mut(memories: &mut Memories) -> &mut Memory<Self>;

    /// Gives the IP header at `ip` new addresses and takes a hop off, which there must be.
    /// `change` is the change of the addresses, for headers that have a checksum.
    fn rewrite_header(bytes: &mut [u8], ip: usize, ends: [Self; 2], change: Delta) -> Option<()>;

    /// Takes a hop off the packet whose IP header is at `ip`.
    fn take_hop(bytes: &mut [u8], ip: usize) -> Option<()>;

    /// Where fragments of this family are.
    fn fragments<F>(datagrams: &mut Datagrams<F>) -> &mut Fragments<Self, F>;
    /// A datagram of this family.
    fn held(key: FragmentKey<Self>) -> Held;
    /// What tells datagrams of one sender apart besides their ID.
    fn fragment_protocol(protocol: Protocol) -> u8;

    /// ICMP types of an echo request and its reply.
    const ECHO: [u8; 2];

    /// Sends a packet back where it came from: swaps the addresses and gives it all its hops again.
    fn turn_around(bytes: &mut [u8], layout: Layout) -> Option<()>;
}

/// Hops that a packet of ours may make (RFC 1700's recommended default).
const HOPS: u8 = 64;

/// One hop less: the word of TTL and protocol shrinks by 0x100, whatever it is.
fn hop() -> Delta {
    Delta::of_word(0x0100, 0)
}

impl Side for Ipv4Addr {
    const ETHERTYPE: u16 = ETHERTYPE_IPV4;
    const BAD_SOURCE: DropReason = DropReason::Ipv4Source;

    fn admitted(task: Task<Self>) -> Admitted {
        Admitted::Ipv4(task)
    }

    fn memory(memories: &Memories) -> &Memory<Self> {
        &memories.ipv4
    }

    fn memory_mut(memories: &mut Memories) -> &mut Memory<Self> {
        &mut memories.ipv4
    }

    #[inline]
    fn rewrite_header(bytes: &mut [u8], ip: usize, ends: [Self; 2], change: Delta) -> Option<()> {
        let (header, _) = Ipv4Header::mut_from_prefix(bytes.get_mut(ip..)?).ok()?;
        header.source = ends[0].octets();
        header.destination = ends[1].octets();
        header.ttl -= 1;
        header.checksum = change.and(hop()).apply(header.checksum.get()).into();
        Some(())
    }

    fn take_hop(bytes: &mut [u8], ip: usize) -> Option<()> {
        let (header, _) = Ipv4Header::mut_from_prefix(bytes.get_mut(ip..)?).ok()?;
        header.ttl -= 1;
        header.checksum = hop().apply(header.checksum.get()).into();
        Some(())
    }

    fn fragments<F>(datagrams: &mut Datagrams<F>) -> &mut Fragments<Self, F> {
        &mut datagrams.ipv4
    }

    fn held(key: FragmentKey<Self>) -> Held {
        Held::Ipv4(key)
    }

    fn fragment_protocol(protocol: Protocol) -> u8 {
        protocol as u8
    }

    const ECHO: [u8; 2] = [icmp::ECHO_REQUEST, icmp::ECHO_REPLY];

    /// The checksum is made anew, for the hops start over.
    fn turn_around(bytes: &mut [u8], layout: Layout) -> Option<()> {
        let header = bytes.get_mut(usize::from(layout.ip)..usize::from(layout.transport))?;
        let (ip, _) = Ipv4Header::mut_from_prefix(header).ok()?;
        std::mem::swap(&mut ip.source, &mut ip.destination);
        ip.ttl = HOPS;
        ip.checksum = 0.into();
        let sum = checksum(header);
        let (ip, _) = Ipv4Header::mut_from_prefix(header).ok()?;
        ip.checksum = sum.into();
        Some(())
    }
}

impl Side for Ipv6Addr {
    const ETHERTYPE: u16 = ETHERTYPE_IPV6;
    const BAD_SOURCE: DropReason = DropReason::Ipv6Source;

    fn admitted(task: Task<Self>) -> Admitted {
        Admitted::Ipv6(task)
    }

    fn memory(memories: &Memories) -> &Memory<Self> {
        &memories.ipv6
    }

    fn memory_mut(memories: &mut Memories) -> &mut Memory<Self> {
        &mut memories.ipv6
    }

    #[inline]
    fn rewrite_header(bytes: &mut [u8], ip: usize, ends: [Self; 2], _: Delta) -> Option<()> {
        let (header, _) = Ipv6Header::mut_from_prefix(bytes.get_mut(ip..)?).ok()?;
        header.source = ends[0].octets();
        header.destination = ends[1].octets();
        header.hop_limit -= 1;
        Some(())
    }

    fn take_hop(bytes: &mut [u8], ip: usize) -> Option<()> {
        let (header, _) = Ipv6Header::mut_from_prefix(bytes.get_mut(ip..)?).ok()?;
        header.hop_limit -= 1;
        Some(())
    }

    fn fragments<F>(datagrams: &mut Datagrams<F>) -> &mut Fragments<Self, F> {
        &mut datagrams.ipv6
    }

    fn held(key: FragmentKey<Self>) -> Held {
        Held::Ipv6(key)
    }

    fn fragment_protocol(_: Protocol) -> u8 {
        0
    }

    const ECHO: [u8; 2] = [icmpv6::ECHO_REQUEST, icmpv6::ECHO_REPLY];

    /// The reply's checksum sees the same addresses, only the other way round.
    fn turn_around(bytes: &mut [u8], layout: Layout) -> Option<()> {
        let (ip, _) = Ipv6Header::mut_from_prefix(bytes.get_mut(usize::from(layout.ip)..)?).ok()?;
        std::mem::swap(&mut ip.source, &mut ip.destination);
        ip.hop_limit = HOPS;
        Some(())
    }
}
