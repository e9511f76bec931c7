//! The state machine of one neighbor (RFC 4861, sections 7.2.5 and 7.3.2). Pure: it asks nobody
//! and holds no packets.

use super::{Claim, NeighborState};
use crate::clock::{TickSpan, Ticks};
use crate::wire::MacAddr;

/// Time between requests for the same neighbor: RETRANS_TIMER of RFC 4861, section 10.
pub(super) const RETRY: TickSpan = TickSpan(10);
/// Requests for an unknown address: MAX_MULTICAST_SOLICIT.
pub(super) const ATTEMPTS: u8 = 3;
/// The first requests for a known address are unicast: MAX_UNICAST_SOLICIT.
const UNICAST_PROBES: u8 = 3;
/// Requests for a known address. The later ones find a neighbor that has another Ethernet address
/// now, or that answers only the question to all.
pub(super) const PROBES: u8 = UNICAST_PROBES + ATTEMPTS;
/// Age at which a known neighbor is asked again: REACHABLE_TIME.
pub(super) const REFRESH: TickSpan = TickSpan(300);
/// Packets wait no longer, even if the questions could not be sent.
pub(super) const PATIENCE: TickSpan = TickSpan(60);

/// What is known of a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    New,
    Incomplete {
        since: Ticks,
        asked: Ticks,
        attempts: u8,
    },
    /// Stale too, once `confirmed` is long ago: that is noticed when it is used.
    Reachable {
        mac: MacAddr,
        confirmed: Ticks,
    },
    Stale {
        mac: MacAddr,
        since: Ticks,
    },
    Probe {
        mac: MacAddr,
        since: Ticks,
        asked: Ticks,
        attempts: u8,
    },
    Failed {
        since: Ticks,
    },
    Static {
        mac: MacAddr,
    },
}

/// What time demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing, and nothing will be until it is used.
    Never,
    /// Nothing yet.
    Later,
    /// Another request.
    Ask,
    /// It has not answered.
    Fail,
}

impl State {
    /// The address to send to, if one is known.
    #[inline]
    pub(super) const fn mac(&self) -> Option<MacAddr> {
        match self {
            Self::Reachable { mac, .. }
            | Self::Stale { mac, .. }
            | Self::Probe { mac, .. }
            | Self::Static { mac } => Some(*mac),
            Self::New | Self::Incomplete { .. } | Self::Failed { .. } => None,
        }
    }

    /// The state in which it starts to be asked because a packet needs it; `None` if there is no
    /// cause to ask, or it is being asked.
    #[inline]
    pub(super) fn on_use(&self, now: Ticks) -> Option<Self> {
        let probe = |mac, since| Self::Probe {
            mac,
            since,
            asked: now,
            attempts: 0,
        };
        let incomplete = Self::Incomplete {
            since: now,
            asked: now,
            attempts: 0,
        };
        match *self {
            Self::Reachable { mac, confirmed } => {
                (now.since(confirmed) >= REFRESH).then(|| probe(mac, confirmed))
            }
            Self::Stale { mac, since } => Some(probe(mac, since)),
            Self::Failed { since } => (now.since(since) >= RETRY).then_some(incomplete),
            Self::New => Some(incomplete),
            Self::Incomplete { .. } | Self::Probe { .. } | Self::Static { .. } => None,
        }
    }

    /// What the passing of time demands.
    pub(super) fn due(&self, now: Ticks) -> Due {
        let (asked, attempts, limit) = match *self {
            Self::Incomplete { since, .. } if now.since(since) >= PATIENCE => return Due::Fail,
            Self::Incomplete {
                asked, attempts, ..
            } => (asked, attempts, ATTEMPTS),
            // No packet waits, and one that was not asked is not given up.
            Self::Probe {
                asked, attempts, ..
            } => (asked, attempts, PROBES),
            _ => return Due::Never,
        };
        if attempts == 0 {
            Due::Ask
        } else if now.since(asked) < RETRY {
            Due::Later
        } else if attempts < limit {
            Due::Ask
        } else {
            Due::Fail
        }
    }

    /// Notes that a request leaves now. Returns whom to ask: a station, or everybody (`None`
    /// inside); `None` if there is no question any more.
    pub(super) fn ask(&mut self, now: Ticks) -> Option<Option<MacAddr>> {
        match self {
            Self::Incomplete {
                asked, attempts, ..
            } => {
                (*asked, *attempts) = (now, attempts.saturating_add(1));
                Some(None)
            }
            Self::Probe {
                mac,
                asked,
                attempts,
                ..
            } => {
                let unicast = (*attempts < UNICAST_PROBES).then_some(*mac);
                (*asked, *attempts) = (now, attempts.saturating_add(1));
                Some(unicast)
            }
            _ => None,
        }
    }

    /// The state after the neighbor was heard to have this address. The address is one that may
    /// be learned, or zero in an advertisement without one.
    pub(super) fn on_claim(self, mac: MacAddr, claim: Claim, now: Ticks) -> Self {
        let reachable = |mac| Self::Reachable {
            mac,
            confirmed: now,
        };
        let stale = |mac| Self::Stale { mac, since: now };
        let solicited = matches!(
            claim,
            Claim::Arp
                | Claim::Advertisement {
                    solicited: true,
                    ..
                }
        );
        match (self, self.mac()) {
            (Self::Static { .. }, _) => self,
            (_, None) if mac == MacAddr::ZERO => self,
            (_, None) if solicited => reachable(mac),
            (_, None) => stale(mac),
            (_, Some(known)) if mac == known || mac == MacAddr::ZERO => {
                // More than the RFC says: a station that asks us is there, as with ARP.
                let confirms = solicited || claim == Claim::Solicitation;
                if confirms { reachable(known) } else { self }
            }
            (_, Some(known)) if !claim.replaces() => match self {
                // Somebody disagrees: find out.
                Self::Reachable { .. } => stale(known),
                other => other,
            },
            _ if solicited => reachable(mac),
            _ => stale(mac),
        }
    }

    /// The state's name now, and for how long nothing has confirmed it.
    pub(super) fn describe(&self, now: Ticks) -> (NeighborState, TickSpan) {
        match *self {
            Self::New => (NeighborState::New, TickSpan(0)),
            Self::Incomplete { since, .. } => (NeighborState::Incomplete, now.since(since)),
            Self::Reachable { confirmed, .. } => match now.since(confirmed) {
                age if age < REFRESH => (NeighborState::Reachable, age),
                age => (NeighborState::Stale, age),
            },
            Self::Stale { since, .. } => (NeighborState::Stale, now.since(since)),
            Self::Probe { since, .. } => (NeighborState::Probe, now.since(since)),
            Self::Failed { since } => (NeighborState::Failed, now.since(since)),
            Self::Static { .. } => (NeighborState::Static, TickSpan(0)),
        }
    }
}

impl Claim {
    /// True if it may replace a known address.
    const fn replaces(self) -> bool {
        match self {
            Self::Arp | Self::Solicitation => true,
            Self::Advertisement { overrides, .. } => overrides,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
    const NOW: Ticks = Ticks(1000);

    fn advertisement(solicited: bool, overrides: bool) -> Claim {
        Claim::Advertisement {
            solicited,
            overrides,
        }
    }

    fn probe() -> State {
        State::Stale {
            mac: KNOWN,
            since: Ticks(0),
        }
        .on_use(Ticks(990))
        .expect("a stale neighbor is probed")
    }

    /// The table of RFC 4861, appendix C, and our additions for ARP and solicitations.
    #[test]
    fn claims_change_what_they_may() {
        let reachable = |mac, confirmed| State::Reachable { mac, confirmed };
        let stale = |mac, since| State::Stale { mac, since };
        let old = reachable(KNOWN, Ticks(900));
        let incomplete = State::New.on_use(NOW).expect("it is asked");
        let (fresh, changed) = (reachable(KNOWN, NOW), reachable(OTHER, NOW));
        let solicitation = Claim::Solicitation;
        for (state, mac, claim, expected) in [
            (incomplete, OTHER, advertisement(true, false), changed),
            (
                incomplete,
                OTHER,
                advertisement(false, true),
                stale(OTHER, NOW),
            ),
            (
                incomplete,
                MacAddr::ZERO,
                advertisement(true, true),
                incomplete,
            ),
            (incomplete, OTHER, Claim::Arp, changed),
            (incomplete, OTHER, solicitation, stale(OTHER, NOW)),
            (old, OTHER, advertisement(true, false), stale(KNOWN, NOW)),
            (probe(), OTHER, advertisement(true, false), probe()),
            (probe(), KNOWN, advertisement(true, false), fresh),
            (probe(), MacAddr::ZERO, advertisement(true, false), fresh),
            (probe(), KNOWN, advertisement(false, true), probe()),
            (old, OTHER, advertisement(true, true), changed),
            (old, OTHER, advertisement(false, true), stale(OTHER, NOW)),
            (old, OTHER, solicitation, stale(OTHER, NOW)),
            (old, KNOWN, solicitation, fresh),
            (old, OTHER, Claim::Arp, changed),
            (probe(), KNOWN, Claim::Arp, fresh),
            (State::Failed { since: NOW }, OTHER, Claim::Arp, changed),
            (
                State::Static { mac: KNOWN },
                OTHER,
                Claim::Arp,
                State::Static { mac: KNOWN },
            ),
        ] {
            assert_eq!(
                state.on_claim(mac, claim, NOW),
                expected,
                "{state:?}, {mac}, {claim:?}"
            );
        }
    }

    #[test]
    fn probes_go_to_the_station_first_and_then_to_all() {
        let mut state = probe();
        let mut asked = vec![];
        let mut now = Ticks(990);
        while state.due(now) != Due::Fail {
            assert_eq!(state.mac(), Some(KNOWN), "used while it is probed");
            if state.due(now) == Due::Ask {
                asked.push((now.0, state.ask(now).expect("a question")));
            }
            now = now.after(TickSpan(1));
        }
        let station = |n: u32| (990 + 10 * n, Some(KNOWN));
        let all = |n: u32| (990 + 10 * n, None);
        assert_eq!(
            asked,
            [station(0), station(1), station(2), all(3), all(4), all(5)]
        );
        assert_eq!(now, Ticks(1050));
    }

    #[test]
    fn one_that_could_not_be_asked_is_kept_if_known_and_given_up_if_not() {
        assert_eq!(probe().due(Ticks(100_000)), Due::Ask);
        let incomplete = State::New.on_use(Ticks(0)).expect("it is asked");
        assert_eq!(incomplete.due(Ticks(PATIENCE.0 - 1)), Due::Ask);
        assert_eq!(incomplete.due(Ticks(PATIENCE.0)), Due::Fail);
    }
}
