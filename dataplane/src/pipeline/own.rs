//! Whose Viaduct's addresses are: probes for them, notes who else claims them, defends them.
//!
//! Addresses are used from the start, while they are probed, because a load balancer that comes back
//! must not keep its clients waiting (as RFC 4429 has it for IPv6). One that turns out to be
//! somebody else's is neither announced nor answered for until a later probe finds it free; one that
//! somebody claims later is defended (RFC 5227, section 2.4, choice c). Every worker follows the same
//! events and comes to the same state; the one that announces also probes, defends and counts.

use std::net::{IpAddr, Ipv6Addr};

use super::Pipeline;
use super::arp::write_arp;
use super::side::Side;
use crate::clock::Ticks;
use crate::frame::Frame;
use crate::neighbor::{AddressState, Conflict, Heard};
use crate::network::{Interface, InterfaceIndex};
use crate::verdict::DropReason;
use crate::wire::MacAddr;
use crate::wire::arp::ArpPacket;
use crate::wire::nd::{self, Link};

impl<F: Frame> Pipeline<F> {
    /// Notes that `station` says that it has `address`, which is ours. `None` if the station is ours
    /// too: the segment has sent our own frame back.
    pub(super) fn claimed(
        &mut self,
        interface: InterfaceIndex,
        address: IpAddr,
        station: MacAddr,
    ) -> Option<DropReason> {
        let is_ours = self.network.interfaces.iter().any(|i| i.mac == station);
        if is_ours {
            return None;
        }
        self.hear(Heard::Conflict(interface, address));
        Some(DropReason::AddressConflict)
    }

    /// Keeps what was heard for all workers. More than a burst can teach is not kept.
    pub(super) fn hear(&mut self, heard: Heard) {
        if !self.learned.is_full() {
            self.learned.push(heard);
        }
    }

    /// True if `address` is ours on this interface, and nobody else's.
    pub(super) fn answers_for<A: Side>(&self, interface: InterfaceIndex, address: A) -> bool {
        self.is_local(address) && !self.is_duplicate(interface, address.into())
    }

    pub(super) fn is_duplicate(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.own.state(interface, address) == Some(AddressState::Duplicate)
    }

    /// Takes note of a conflict that some worker has heard of.
    pub fn note_conflict(&mut self, interface: InterfaceIndex, address: IpAddr, now: Ticks) {
        let conflict = self.own.conflict(interface, address, now);
        if self.announcements.is_none() {
            return;
        }
        if conflict == Some(Conflict::Defend) && !self.defences.is_full() {
            self.defences.push((interface, address));
        }
        self.count_own();
    }

    /// The link of `port` came up: it may lead elsewhere now.
    pub fn link_came_up(&mut self, port: usize, now: Ticks) {
        let interfaces = (0..).zip(&self.network.interfaces);
        for (index, _) in interfaces.filter(|(_, interface)| interface.port == port) {
            self.own.restart(InterfaceIndex(index), now);
            if let Some(announcements) = &mut self.announcements {
                announcements.link_up(InterfaceIndex(index));
            }
        }
    }

    /// The next address to probe for, and where.
    pub fn next_probe(&mut self, now: Ticks) -> Option<(InterfaceIndex, IpAddr)> {
        let mut probes = std::iter::from_fn(|| self.own.next_probe(now));
        if self.announcements.is_some() {
            let next = probes.next();
            self.count_own();
            return next;
        }
        // The probes of others, whose time passes here too.
        probes.for_each(drop);
        None
    }

    fn count_own(&self) {
        for (own, counters) in self
            .own
            .addresses()
            .iter()
            .zip(&self.counters.own_addresses)
        {
            counters.conflicts.set(own.conflicts);
            let is_duplicate = own.state == AddressState::Duplicate;
            counters.duplicate.set(u64::from(is_duplicate));
        }
    }

    /// Makes `frame` the probe. False if it does not fit.
    #[must_use]
    pub fn write_probe(&self, frame: &mut F, interface: InterfaceIndex, address: IpAddr) -> bool {
        let own = self.network.interface(interface);
        match address {
            IpAddr::V4(address) => {
                let packet = ArpPacket::probe(own.mac, address);
                write_arp(frame, own, MacAddr::BROADCAST, packet)
            }
            IpAddr::V6(address) => write_nd_probe(frame, own, address),
        }
    }
}

fn write_nd_probe<F: Frame>(frame: &mut F, own: &Interface, address: Ipv6Addr) -> bool {
    let link = Link {
        mac: own.mac,
        vlan: own.vlan,
    };
    let mut bytes = [0; nd::MAX_FRAME_LEN];
    let len = nd::write_probe(&mut bytes, link, address);
    len.is_some_and(|len| frame.assign(&bytes[..len]))
}
