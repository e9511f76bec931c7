//! When to tell the segment where Viaduct's addresses are: by gratuitous ARP (RFC 5227, section
//! 2.3) or unsolicited neighbor advertisement (RFC 4861, section 7.2.6).
//!
//! It only keeps the schedule. Everything is announced after a start or a take-over, one
//! interface's addresses after its link came up, and new VIPs after a change of the table; each
//! [`ROUNDS`] times, a second or more apart. A pass over all addresses is a cursor over the
//! table's sorted list of VIPs: nothing is allocated after start, and no table is kept alive. What
//! has been announced is a copy of that list, so that after the next change only what is new is
//! announced.

use std::net::IpAddr;

use crate::clock::{TickSpan, Ticks};
use crate::family::Family;
use crate::network::{Interface, InterfaceIndex, Network};

/// Announcements of each address: ANNOUNCE_NUM is 2, MAX_NEIGHBOR_ADVERTISEMENT is 3.
const ROUNDS: u8 = 3;
/// Time between the beginnings of two rounds, at least: RETRANS_TIMER.
const INTERVAL: TickSpan = TickSpan(10);
/// Announcements in a tick. 10,000 VIPs take two seconds.
const PER_TICK: usize = 512;
/// Addresses that are looked at in one call for one to announce.
const SCAN: usize = 64;
/// VIPs that are remembered as announced. Of more, the last are announced after each change.
const REMEMBERED: usize = 16_384;

/// What comes next in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    /// This one of the fixed addresses.
    Fixed(usize),
    /// The VIP after this one (before all: `None`), from the first interface.
    After(Option<IpAddr>),
    /// This VIP on this interface.
    Vip(IpAddr, usize),
}

/// The schedule of announcements. One worker has it; the others announce nothing.
#[derive(Debug)]
pub struct Announcements {
    interfaces: Vec<Interface>,
    /// Own and source addresses, where they are announced.
    fixed: Vec<(InterfaceIndex, IpAddr)>,
    /// By interface: all its addresses are due, not only new VIPs.
    everything: Vec<bool>,
    /// Sorted.
    announced: Vec<IpAddr>,
    /// Passes to come, with the current one.
    rounds: u8,
    cursor: Cursor,
    /// When the last round began.
    began: Ticks,
    budget: usize,
    ticked: Ticks,
}

impl Announcements {
    /// A schedule on which everything is due.
    ///
    /// Allocates all memory that it will ever use.
    #[must_use]
    pub fn new(network: &Network, now: Ticks) -> Self {
        Self {
            fixed: own_addresses(network),
            everything: vec![true; network.interfaces.len()],
            interfaces: network.interfaces.clone(),
            announced: Vec::with_capacity(REMEMBERED),
            rounds: ROUNDS,
            cursor: Cursor::Fixed(0),
            began: Ticks(now.0.wrapping_sub(INTERVAL.0)),
            budget: PER_TICK,
            ticked: now,
        }
    }

    /// Everything is due: this host has taken over.
    pub fn take_over(&mut self) {
        self.everything.fill(true);
        self.schedule();
    }

    /// The link of `interface` came up: whoever is there now may know nothing.
    pub fn link_up(&mut self, interface: InterfaceIndex) {
        self.everything[usize::from(interface.0)] = true;
        self.schedule();
    }

    /// There is a new table: its new VIPs are due.
    pub fn table_changed(&mut self) {
        self.schedule();
    }

    /// All passes are to come. One that has begun is finished first, and not counted, so that
    /// frequent changes cannot keep it from its end.
    fn schedule(&mut self) {
        let begun = self.cursor != Cursor::Fixed(0);
        self.rounds = ROUNDS + u8::from(begun);
    }

    /// The next address to announce, and where; `None` if there is nothing to announce now, or the
    /// look for it is continued in the next turn. `vips` is the current table's list, sorted, each
    /// once.
    ///
    /// Call it in each turn until it returns `None`, or as often as frames fit into a burst.
    pub fn next_announcement(
        &mut self,
        vips: &[IpAddr],
        now: Ticks,
    ) -> Option<(InterfaceIndex, IpAddr)> {
        if std::mem::replace(&mut self.ticked, now) != now {
            self.budget = PER_TICK;
        }
        if self.budget == 0 {
            return None;
        }
        for _ in 0..SCAN {
            if self.rounds == 0 || !self.may_go_on(now) {
                return None;
            }
            let due = self.step(vips);
            if due.is_some() {
                self.budget -= 1;
                return due;
            }
        }
        None
    }

    /// False between two rounds.
    fn may_go_on(&mut self, now: Ticks) -> bool {
        if self.cursor != Cursor::Fixed(0) {
            return true;
        }
        let is_time = now.since(self.began) >= INTERVAL;
        if is_time {
            self.began = now;
        }
        is_time
    }

    /// Looks at one address.
    fn step(&mut self, vips: &[IpAddr]) -> Option<(InterfaceIndex, IpAddr)> {
        match self.cursor {
            Cursor::Fixed(index) => {
                let Some(&(interface, address)) = self.fixed.get(index) else {
                    self.cursor = Cursor::After(None);
                    return None;
                };
                self.cursor = Cursor::Fixed(index + 1);
                self.everything[usize::from(interface.0)].then_some((interface, address))
            }
            Cursor::After(last) => {
                let next = last.map_or(0, |last| vips.partition_point(|&vip| vip <= last));
                match vips.get(next) {
                    Some(&vip) => self.cursor = Cursor::Vip(vip, 0),
                    None => self.finish_round(vips),
                }
                None
            }
            Cursor::Vip(vip, index) => {
                if index == self.interfaces.len() || vips.binary_search(&vip).is_err() {
                    self.cursor = Cursor::After(Some(vip));
                    return None;
                }
                self.cursor = Cursor::Vip(vip, index + 1);
                let due = self.everything[index] || self.announced.binary_search(&vip).is_err();
                let here = due && is_placed(&self.interfaces, index, vip);
                here.then_some((InterfaceIndex(index as u8), vip))
            }
        }
    }

    fn finish_round(&mut self, vips: &[IpAddr]) {
        self.cursor = Cursor::Fixed(0);
        self.rounds -= 1;
        if self.rounds == 0 {
            self.everything.fill(false);
            self.announced.clear();
            self.announced.extend(vips.iter().take(REMEMBERED));
        }
    }
}

/// Own and source addresses, by interface. A source address outside all subnets is on each interface
/// that speaks its family.
#[must_use]
pub fn own_addresses(network: &Network) -> Vec<(InterfaceIndex, IpAddr)> {
    let interfaces = &network.interfaces;
    let own = (0..).zip(interfaces).flat_map(|(index, interface)| {
        let ipv4 = interface.ipv4.map(|at| at.address.into());
        let link_local = interface.ipv6.map(|_| interface.link_local().into());
        let ipv6 = interface.ipv6.map(|at| at.address.into());
        let addresses = [ipv4, link_local, ipv6].into_iter().flatten();
        addresses.map(move |address| (InterfaceIndex(index), address))
    });
    let snat = &network.snat;
    let ipv4 = snat.ipv4.iter().copied().map(IpAddr::from);
    let sources = ipv4.chain(snat.ipv6.iter().copied().map(IpAddr::from));
    let placed = sources.flat_map(|address| {
        let here = (0..interfaces.len()).filter(move |&i| is_placed(interfaces, i, address));
        here.map(move |index| (InterfaceIndex(index as u8), address))
    });
    own.chain(placed).collect()
}

/// True if `address` is announced on this interface: the first whose subnet holds it or, if there
/// is none, each that speaks its family.
fn is_placed(interfaces: &[Interface], index: usize, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_placed_in(interfaces, index, address),
        IpAddr::V6(address) => is_placed_in(interfaces, index, address),
    }
}

fn is_placed_in<A: Family>(interfaces: &[Interface], index: usize, address: A) -> bool {
    let holds = |at: &Interface| A::attachment(at).is_some_and(|at| at.subnet.contains(address));
    match interfaces.iter().position(holds) {
        Some(home) => home == index,
        None => A::attachment(&interfaces[index]).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::neighbor::tests::network;

    fn vip(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0b00_0000 + n).into()
    }

    /// All that is announced in a number of ticks, with the ticks at which it is.
    fn run(
        announcements: &mut Announcements,
        vips: &[IpAddr],
        ticks: std::ops::Range<u32>,
    ) -> BTreeMap<(u8, IpAddr), Vec<u32>> {
        let mut seen = BTreeMap::<_, Vec<u32>>::new();
        for tick in ticks {
            let mut count = 0;
            for _ in 0..1000 {
                if let Some((on, address)) = announcements.next_announcement(vips, Ticks(tick)) {
                    seen.entry((on.0, address)).or_default().push(tick);
                    count += 1;
                }
            }
            assert!(count <= PER_TICK, "{count} in a tick");
        }
        seen
    }

    #[test]
    fn everything_is_announced_three_times_a_second_apart() {
        for count in [10, 10_000] {
            let mut announcements = Announcements::new(&network(), Ticks(0));
            let vips: Vec<_> = (0..count).map(vip).collect();
            let seen = run(&mut announcements, &vips, 0..200);
            let fixed = announcements.fixed.len();
            assert_eq!(seen.len(), fixed + 2 * vips.len(), "on both interfaces");
            for (what, ticks) in &seen {
                assert_eq!(ticks.len(), 3, "{what:?}");
                let apart = ticks.windows(2).all(|t| t[1] - t[0] >= 10);
                assert!(apart, "{what:?}: {ticks:?}");
            }
            assert!(run(&mut announcements, &vips, 200..300).is_empty());
        }
    }

    #[test]
    fn own_and_source_addresses_are_announced_where_they_are() {
        let mut announcements = Announcements::new(&network(), Ticks(0));
        let seen: BTreeSet<_> = run(&mut announcements, &[], 0..50).into_keys().collect();
        let on = |n, address: &str| (n, address.parse::<IpAddr>().expect("an address"));
        let expected = [
            on(0, "10.0.0.2"),
            on(0, "10.0.0.3"),
            on(0, "2001:db8::2"),
            on(0, "fe80::ff:fe00:2"),
            on(1, "10.1.0.2"),
        ];
        assert_eq!(seen, BTreeSet::from(expected));
    }

    #[test]
    fn after_a_change_only_new_vips_are_announced() {
        let mut announcements = Announcements::new(&network(), Ticks(0));
        let mut vips: Vec<_> = (0..1000).map(|n| vip(2 * n)).collect();
        run(&mut announcements, &vips, 0..100);
        vips.remove(3);
        vips.insert(500, vip(999));
        vips.sort_unstable();
        announcements.table_changed();
        let seen = run(&mut announcements, &vips, 100..200);
        let expected = [((0, vip(999)), 3), ((1, vip(999)), 3)];
        let counts: Vec<_> = seen
            .iter()
            .map(|(&key, ticks)| (key, ticks.len()))
            .collect();
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_link_that_comes_up_is_told_everything_alone() {
        let mut announcements = Announcements::new(&network(), Ticks(0));
        let vips: Vec<_> = (0..5).map(vip).collect();
        run(&mut announcements, &vips, 0..100);
        announcements.link_up(InterfaceIndex(1));
        let seen = run(&mut announcements, &vips, 100..200);
        assert_eq!(seen.len(), 1 + vips.len());
        assert!(
            seen.iter()
                .all(|(key, ticks)| key.0 == 1 && ticks.len() == 3)
        );
        announcements.take_over();
        let all = run(&mut announcements, &vips, 200..300);
        assert_eq!(all.len(), 5 + 2 * vips.len());
    }

    proptest! {
        /// However often the table changes, each VIP that stays is announced three times.
        #[test]
        fn frequent_changes_starve_nobody(
            changes in prop::collection::vec((1u32..15, prop::collection::btree_set(0u32..3000, 0..300)), 1..12),
        ) {
            let mut announcements = Announcements::new(&network(), Ticks(0));
            let mut seen = BTreeMap::<_, Vec<u32>>::new();
            let mut tick = 0;
            let last = changes.len() - 1;
            for (n, (span, vips)) in changes.iter().enumerate() {
                let vips: Vec<_> = vips.iter().copied().map(vip).collect();
                announcements.table_changed();
                let span = if n == last { 100 } else { *span };
                for (key, ticks) in run(&mut announcements, &vips, tick..tick + span) {
                    prop_assert!(key.1.is_ipv6() || vips.contains(&key.1) || key.1 < vip(0));
                    seen.entry(key).or_default().extend(ticks);
                }
                tick += span;
            }
            for &n in &changes[last].1 {
                let count = seen.get(&(0, vip(n))).map_or(0, Vec::len);
                prop_assert!(count >= 3, "VIP {n}: {count}");
            }
        }
    }
}
