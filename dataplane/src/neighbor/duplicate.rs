//! Does anybody else have our addresses? Duplicate address detection for IPv6 (RFC 4862, section
//! 5.4) and address conflict detection for IPv4 (RFC 5227).
//!
//! ```text
//!             probes unanswered
//! Tentative ─────────────────────▶ Preferred ──▶ a conflict is reported, and answered with an
//!      │ conflict                                announcement every DEFEND_INTERVAL at most
//!      ▼
//!  Duplicate   (probed again every RETRY_INTERVAL, and when the interface starts again)
//! ```
//! It only says what to send and what is so. An address in use is kept and defended (RFC 5227,
//! section 2.4, choice c): flows depend on it.

use std::net::IpAddr;

use crate::clock::{TickSpan, Ticks};
use crate::network::InterfaceIndex;

/// Time between probes: PROBE_MIN, RETRANS_TIMER.
const PROBE_INTERVAL: TickSpan = TickSpan(10);
/// ARP probes: PROBE_NUM.
const ARP_PROBES: u8 = 3;
/// Silence after the last ARP probe that makes an address ours: ANNOUNCE_WAIT.
const ARP_WAIT: TickSpan = TickSpan(20);
/// Neighbor solicitations: DupAddrDetectTransmits.
const ND_PROBES: u8 = 1;
/// Silence after the last solicitation: RETRANS_TIMER.
const ND_WAIT: TickSpan = TickSpan(10);
/// Time after which an address that was somebody else's is probed again: RATE_LIMIT_INTERVAL.
const RETRY_INTERVAL: TickSpan = TickSpan(600);
/// Time between two defences of an address: DEFEND_INTERVAL.
const DEFEND_INTERVAL: TickSpan = TickSpan(100);

/// What is known of one of our own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Being probed.
    Tentative,
    /// Ours.
    Preferred,
    /// Somebody else's: not to be answered for.
    Duplicate,
}

/// What a conflict means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The address was being probed, and is somebody else's.
    Duplicate,
    /// It is in use: announce it now.
    Defend,
    /// It is in use and has just been defended, or is known to be a duplicate: only report it.
    Report,
}

/// One of our own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// Where it is.
    pub interface: InterfaceIndex,
    /// The address.
    pub address: IpAddr,
    /// Whose it is.
    pub state: AddressState,
    /// How often somebody else has claimed it.
    pub conflicts: u64,
    /// Probes still to send.
    probes: u8,
    /// When the next probe, or the end of the wait, is due.
    due: Ticks,
    defended: Option<Ticks>,
}

impl OwnAddress {
    fn restart(&mut self, now: Ticks) {
        self.state = AddressState::Tentative;
        self.probes = match self.address {
            IpAddr::V4(_) => ARP_PROBES,
            IpAddr::V6(_) => ND_PROBES,
        };
        (self.due, self.defended) = (now, None);
    }

    /// True if a probe leaves now. An address whose wait is over becomes preferred; one that was
    /// somebody else's for long enough is probed again.
    fn step(&mut self, now: Ticks) -> bool {
        let is_due = now.since(self.due).0 < u32::MAX / 2;
        if self.state == AddressState::Preferred || !is_due {
            return false;
        }
        if self.state == AddressState::Duplicate {
            self.restart(now);
        }
        if self.probes == 0 {
            self.state = AddressState::Preferred;
            return false;
        }
        self.probes -= 1;
        let wait = match (self.probes, self.address) {
            (1.., _) => PROBE_INTERVAL,
            (0, IpAddr::V4(_)) => ARP_WAIT,
            (0, IpAddr::V6(_)) => ND_WAIT,
        };
        self.due = now.after(wait);
        true
    }

    fn conflict(&mut self, now: Ticks) -> Conflict {
        self.conflicts += 1;
        match self.state {
            AddressState::Tentative => {
                (self.state, self.due) = (AddressState::Duplicate, now.after(RETRY_INTERVAL));
                Conflict::Duplicate
            }
            AddressState::Preferred
                if self
                    .defended
                    .is_none_or(|at| now.since(at) >= DEFEND_INTERVAL) =>
            {
                self.defended = Some(now);
                Conflict::Defend
            }
            AddressState::Preferred | AddressState::Duplicate => Conflict::Report,
        }
    }
}

/// The own addresses of all interfaces. One worker has it.
#[derive(Debug, Default)]
pub struct DuplicateDetection {
    addresses: Vec<OwnAddress>,
}

impl DuplicateDetection {
    /// Begins to probe `addresses` at `start`: now, or up to a second later, chosen at random, so
    /// that hosts that start together do not probe together (PROBE_WAIT).
    pub fn new(
        addresses: impl IntoIterator<Item = (InterfaceIndex, IpAddr)>,
        start: Ticks,
    ) -> Self {
        let begin = |(interface, address)| {
            let mut own = OwnAddress {
                interface,
                address,
                state: AddressState::Tentative,
                conflicts: 0,
                probes: 0,
                due: start,
                defended: None,
            };
            own.restart(start);
            own
        };
        Self {
            addresses: addresses.into_iter().map(begin).collect(),
        }
    }

    /// Probes an interface's addresses again from `start`: its link was down, and may lead
    /// elsewhere now.
    pub fn restart(&mut self, interface: InterfaceIndex, start: Ticks) {
        let here = self
            .addresses
            .iter_mut()
            .filter(|own| own.interface == interface);
        here.for_each(|own| own.restart(start));
    }

    /// The next probe to send: ARP with sender 0.0.0.0, or a neighbor solicitation from `::`. Call
    /// it in each turn until it returns `None`.
    pub fn next_probe(&mut self, now: Ticks) -> Option<(InterfaceIndex, IpAddr)> {
        let own = self.addresses.iter_mut().find_map(|own| {
            let leaves = own.step(now);
            leaves.then_some(own)
        })?;
        Some((own.interface, own.address))
    }

    /// Notes that another station on `interface` says that it has `address`, or probes for it.
    /// `None` if the address is not ours.
    pub fn conflict(
        &mut self,
        interface: InterfaceIndex,
        address: IpAddr,
        now: Ticks,
    ) -> Option<Conflict> {
        let own = self
            .addresses
            .iter_mut()
            .find(|own| (own.interface, own.address) == (interface, address))?;
        Some(own.conflict(now))
    }

    /// What is known of an address; `None` if it is not ours.
    #[must_use]
    pub fn state(&self, interface: InterfaceIndex, address: IpAddr) -> Option<AddressState> {
        let own = self
            .addresses
            .iter()
            .find(|own| (own.interface, own.address) == (interface, address))?;
        Some(own.state)
    }

    /// All of them, for operators.
    #[must_use]
    pub fn addresses(&self) -> &[OwnAddress] {
        &self.addresses
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HERE: InterfaceIndex = InterfaceIndex(0);
    const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn detection() -> DuplicateDetection {
        DuplicateDetection::new([(HERE, IPV4), (HERE, IPV6)], Ticks(5))
    }

    fn run(detection: &mut DuplicateDetection, ticks: std::ops::Range<u32>) -> Vec<(u32, IpAddr)> {
        let mut probes = vec![];
        for tick in ticks {
            while let Some((_, address)) = detection.next_probe(Ticks(tick)) {
                probes.push((tick, address));
            }
        }
        probes
    }

    #[test]
    fn silence_makes_an_address_ours() {
        let mut detection = detection();
        let probes = run(&mut detection, 0..15);
        assert_eq!(probes, [(5, IPV4), (5, IPV6)]);
        assert_eq!(detection.state(HERE, IPV6), Some(AddressState::Tentative));
        assert_eq!(run(&mut detection, 15..45), [(15, IPV4), (25, IPV4)]);
        assert_eq!(detection.state(HERE, IPV6), Some(AddressState::Preferred));
        assert_eq!(detection.state(HERE, IPV4), Some(AddressState::Tentative));
        assert_eq!(run(&mut detection, 45..200), []);
        assert_eq!(detection.state(HERE, IPV4), Some(AddressState::Preferred));
    }

    #[test]
    fn a_conflict_while_probing_gives_the_address_up_until_a_restart() {
        let mut detection = detection();
        run(&mut detection, 0..10);
        let conflict = detection.conflict(HERE, IPV4, Ticks(10));
        assert_eq!(conflict, Some(Conflict::Duplicate));
        assert_eq!(run(&mut detection, 10..600), []);
        assert_eq!(detection.state(HERE, IPV4), Some(AddressState::Duplicate));
        let again = detection.conflict(HERE, IPV4, Ticks(600));
        assert_eq!(again, Some(Conflict::Report));
        detection.restart(HERE, Ticks(600));
        run(&mut detection, 600..700);
        assert_eq!(detection.state(HERE, IPV4), Some(AddressState::Preferred));
        assert_eq!(detection.addresses()[0].conflicts, 2);
    }

    #[test]
    fn an_address_that_was_taken_is_probed_again_a_minute_later() {
        let mut detection = detection();
        run(&mut detection, 0..10);
        detection.conflict(HERE, IPV4, Ticks(10));
        let probes = run(&mut detection, 10..700);
        assert_eq!(probes, [(610, IPV4), (620, IPV4), (630, IPV4)]);
        assert_eq!(detection.state(HERE, IPV4), Some(AddressState::Preferred));
    }

    #[test]
    fn an_address_in_use_is_defended_now_and_then() {
        let mut detection = detection();
        run(&mut detection, 0..100);
        let mut conflict = |tick| detection.conflict(HERE, IPV4, Ticks(tick));
        assert_eq!(conflict(100), Some(Conflict::Defend));
        assert_eq!(conflict(199), Some(Conflict::Report));
        assert_eq!(conflict(200), Some(Conflict::Defend));
        assert_eq!(detection.state(HERE, IPV4), Some(AddressState::Preferred));
        assert_eq!(detection.conflict(InterfaceIndex(1), IPV4, Ticks(0)), None);
        assert_eq!(
            detection.conflict(HERE, Ipv4Addr::BROADCAST.into(), Ticks(0)),
            None
        );
    }
}
