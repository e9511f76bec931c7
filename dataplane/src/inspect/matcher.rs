//! Which packets are wanted: terms that must all hold.

use arrayvec::ArrayVec;

use super::facts::Facts;
use crate::table::Prefix;
use crate::wire::ethernet::VlanId;

/// Terms that a matcher can have.
pub const TERMS: usize = 16;

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
    /// Either.
    Either,
}

/// Something that is true of a frame or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has this EtherType.
    EtherType(u16),
    /// It carries this IP protocol.
    Protocol(u8),
    /// This end's address has this prefix.
    Host(End, Prefix),
    /// This end's port is one of these, from the first to the last.
    Ports(End, u16, u16),
    /// It carries this tag; `None`: any.
    Vlan(Option<VlanId>),
    /// It came by, or leaves by, the port of this index.
    Port(usize),
}

/// A condition, or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// What is to be true.
    pub condition: Condition,
    /// Or false, if this is set.
    pub negated: bool,
}

/// More terms than a matcher can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a filter can have {TERMS} terms at most")]
pub struct TooManyTerms;

/// Says which frames are wanted: those for which all terms hold. Without terms, all are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    terms: ArrayVec<Term, TERMS>,
}

impl Matcher {
    /// A matcher of these terms.
    ///
    /// # Errors
    /// [`TooManyTerms`].
    pub fn new(terms: &[Term]) -> Result<Self, TooManyTerms> {
        let terms = ArrayVec::try_from(terms).map_err(|_| TooManyTerms)?;
        Ok(Self { terms })
    }

    /// True if a frame with these facts is wanted.
    #[must_use]
    pub fn accepts(&self, facts: &Facts) -> bool {
        let holds = |term: &Term| term.condition.holds(facts) != term.negated;
        self.terms.iter().all(holds)
    }
}

impl Condition {
    /// A frame that does not say is not what is asked for: a later fragment has no ports.
    fn holds(&self, facts: &Facts) -> bool {
        let ip = facts.ip.as_ref();
        match *self {
            Self::EtherType(ethertype) => facts.ethertype == ethertype,
            Self::Protocol(number) => ip.and_then(|ip| ip.protocol) == Some(number),
            Self::Host(end, prefix) => ip.is_some_and(|ip| {
                end.any(ip.source, ip.destination, |address| {
                    prefix.contains(address)
                })
            }),
            Self::Ports(end, first, last) => {
                let ports = ip.and_then(|ip| ip.ports);
                ports.is_some_and(|(source, destination)| {
                    end.any(source, destination, |port| (first..=last).contains(&port))
                })
            }
            Self::Vlan(Some(vlan)) => facts.vlan == Some(vlan),
            Self::Vlan(None) => facts.vlan.is_some(),
            Self::Port(port) => facts.port == Some(port),
        }
    }
}

impl End {
    fn any<T>(self, source: T, destination: T, is: impl Fn(T) -> bool) -> bool {
        match self {
            Self::Source => is(source),
            Self::Destination => is(destination),
            Self::Either => is(source) || is(destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::wire::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};

    fn frame() -> Vec<u8> {
        let mut bytes = vec![];
        let vlan = 7.try_into().expect("a VLAN id");
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .single_vlan(vlan)
            .ipv4([10, 0, 0, 1], [11, 0, 0, 1], 64)
            .udp(4000, 53)
            .write(&mut bytes, b"?")
            .expect("a vector takes all");
        bytes
    }

    fn prefix(address: [u8; 4], len: u8) -> Prefix {
        let address = address.into();
        Prefix { address, len }
    }

    fn accepts(condition: Condition) -> bool {
        let facts = Facts::read(&frame(), Some(3));
        let matcher = |negated| Matcher::new(&[Term { condition, negated }]).expect("one term");
        let [plain, opposite] = [false, true].map(|negated| matcher(negated).accepts(&facts));
        assert_ne!(plain, opposite);
        plain
    }

    #[test]
    fn conditions_hold_or_not() {
        use Condition::{EtherType, Host, Port, Ports, Protocol, Vlan};
        let vlan = |id| Vlan(VlanId::new(id));
        for wanted in [
            EtherType(ETHERTYPE_IPV4),
            Protocol(17),
            Host(End::Source, prefix([10, 0, 0, 0], 8)),
            Host(End::Destination, prefix([11, 0, 0, 1], 32)),
            Host(End::Either, prefix([11, 0, 0, 1], 32)),
            Ports(End::Source, 4000, 4000),
            Ports(End::Destination, 50, 60),
            Ports(End::Either, 53, 53),
            vlan(7),
            Vlan(None),
            Port(3),
        ] {
            assert!(accepts(wanted), "{wanted:?}");
        }
        for unwanted in [
            EtherType(ETHERTYPE_IPV6),
            Protocol(6),
            Host(End::Destination, prefix([10, 0, 0, 0], 8)),
            Host(End::Source, prefix([11, 0, 0, 1], 32)),
            Ports(End::Source, 53, 53),
            Ports(End::Either, 54, 3999),
            vlan(8),
            Port(2),
        ] {
            assert!(!accepts(unwanted), "{unwanted:?}");
        }
    }

    #[test]
    fn all_terms_must_hold_and_none_is_all() {
        let facts = Facts::read(&frame(), None);
        assert!(Matcher::default().accepts(&facts));
        let term = |condition| Term {
            condition,
            negated: false,
        };
        let [udp, tcp] = [17, 6].map(|number| term(Condition::Protocol(number)));
        assert!(Matcher::new(&[udp, udp]).expect("two").accepts(&facts));
        assert!(!Matcher::new(&[udp, tcp]).expect("two").accepts(&facts));
        assert_eq!(Matcher::new(&[udp; TERMS + 1]), Err(TooManyTerms));
    }

    #[test]
    fn frames_are_read_as_far_as_they_go() {
        let whole = frame();
        for len in 0..whole.len() {
            let facts = Facts::read(&whole[..len], None);
            let ports = facts.ip.and_then(|ip| ip.ports);
            assert_eq!(ports.is_some(), len >= 18 + 20 + 4, "{len}");
            assert_eq!(facts.vlan.is_some(), len >= 18, "{len}");
        }
    }
}
