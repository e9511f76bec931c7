//! The language in which operators say which packets they mean: a small part of tcpdump's.
//!
//! ```text
//! filter    = [ term { [ "and" ] term } ]
//! term      = [ "not" ] condition
//! condition = "ip" | "ip6" | "arp" | "tcp" | "udp" | "icmp" | "icmp6"
//!           | [ end ] "host" ADDRESS | [ end ] "net" PREFIX
//!           | [ end ] "port" PORT | [ end ] "portrange" PORT "-" PORT
//!           | "vlan" [ ID ] | "on" NAME
//! end       = "src" | "dst"
//! ```
//! `NAME` is the name of a port of Viaduct's in the configuration. All terms must hold.

use dataplane::inspect::{Condition, End, Matcher, Term};
use dataplane::table::Prefix;
use dataplane::wire::ethernet::{ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, VlanId};

use super::flows::{host, parse_prefix, question};
use super::{InspectError, Inspection};

/// IP protocol numbers by their names.
const PROTOCOLS: [(&str, u8); 4] = [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmp6", 58)];
/// EtherTypes by their names.
const ETHERTYPES: [(&str, u16); 3] = [
    ("ip", ETHERTYPE_IPV4),
    ("ip6", ETHERTYPE_IPV6),
    ("arp", ETHERTYPE_ARP),
];
const WORDS: &str = "ip, ip6, arp, tcp, udp, icmp, icmp6, host, net, port, portrange (after src or dst, if \
                     you like), vlan, on, not and and";

impl Inspection {
    /// The matcher of a filter. Names of ports are those of the configuration.
    ///
    /// # Errors
    /// What is wrong, where, and what would be right.
    pub fn filter(&self, text: &str) -> Result<Matcher, InspectError> {
        parse(text, |name| self.port(name))
    }
}

fn parse(
    text: &str,
    port: impl Fn(&str) -> Result<usize, InspectError>,
) -> Result<Matcher, InspectError> {
    let mut reader = Reader {
        words: text.split_whitespace().peekable(),
    };
    let mut terms = Vec::new();
    while let Some(word) = reader.words.next() {
        if word == "and" {
            if terms.is_empty() || reader.words.peek().is_none() {
                return Err(question("`and` stands between two terms".to_owned()));
            }
            continue;
        }
        let negated = word == "not";
        let word = if negated { reader.next("not")? } else { word };
        let condition = reader.condition(word, &port)?;
        terms.push(Term { condition, negated });
    }
    Matcher::new(&terms).map_err(|error| question(error.to_string()))
}

/// Reads a filter word by word.
struct Reader<'t> {
    words: std::iter::Peekable<std::str::SplitWhitespace<'t>>,
}

impl<'t> Reader<'t> {
    /// The word that must follow another.
    fn next(&mut self, after: &str) -> Result<&'t str, InspectError> {
        let missing = || question(format!("something is missing after `{after}`"));
        self.words.next().ok_or_else(missing)
    }

    fn condition(
        &mut self,
        word: &'t str,
        port: impl Fn(&str) -> Result<usize, InspectError>,
    ) -> Result<Condition, InspectError> {
        if let Some((_, number)) = PROTOCOLS.iter().find(|(name, _)| *name == word) {
            return Ok(Condition::Protocol(*number));
        }
        if let Some((_, ethertype)) = ETHERTYPES.iter().find(|(name, _)| *name == word) {
            return Ok(Condition::EtherType(*ethertype));
        }
        match word {
            "src" => self.end(End::Source, word),
            "dst" => self.end(End::Destination, word),
            "vlan" => self.vlan(),
            "on" => Ok(Condition::Port(port(self.next(word)?)?)),
            _ => self.of_end(End::Either, word),
        }
    }

    fn end(&mut self, end: End, word: &str) -> Result<Condition, InspectError> {
        let what = self.next(word)?;
        self.of_end(end, what)
    }

    fn of_end(&mut self, end: End, word: &str) -> Result<Condition, InspectError> {
        match word {
            "host" => Ok(Condition::Host(end, parse_host(self.next(word)?)?)),
            "net" => Ok(Condition::Host(end, parse_prefix(self.next(word)?)?)),
            "port" => {
                let port = parse_port(self.next(word)?)?;
                Ok(Condition::Ports(end, port, port))
            }
            "portrange" => {
                let text = self.next(word)?;
                let range = text.split_once('-');
                let wrong = || question(format!("`{text}` is no range; give one like 8000-8080"));
                let (first, last) = range.ok_or_else(wrong)?;
                let (first, last) = (parse_port(first)?, parse_port(last)?);
                if first > last {
                    return Err(question(format!("`{text}` ends before it begins")));
                }
                Ok(Condition::Ports(end, first, last))
            }
            _ => Err(question(format!(
                "`{word}` is not a word of filters; they are {WORDS}"
            ))),
        }
    }

    fn vlan(&mut self) -> Result<Condition, InspectError> {
        let number = self.words.peek().and_then(|word| word.parse::<u16>().ok());
        let Some(number) = number else {
            return Ok(Condition::Vlan(None));
        };
        self.words.next();
        let id = VlanId::new(number);
        let id = id.ok_or_else(|| question(format!("VLAN {number} is not between 1 and 4094")))?;
        Ok(Condition::Vlan(Some(id)))
    }
}

fn parse_host(text: &str) -> Result<Prefix, InspectError> {
    let wrong = |_| {
        question(format!(
            "`{text}` is no IP address; for a prefix write `net`"
        ))
    };
    text.parse().map(host).map_err(wrong)
}

fn parse_port(text: &str) -> Result<u16, InspectError> {
    let wrong = |_| {
        question(format!(
            "`{text}` is no port; give a number from 0 to 65535"
        ))
    };
    text.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Matcher, InspectError> {
        parse(text, |name| match name {
            "fabric" => Ok(3),
            _ => Err(question(format!("no port `{name}`"))),
        })
    }

    fn matcher(terms: &[(Condition, bool)]) -> Matcher {
        let term = |&(condition, negated)| Term { condition, negated };
        let terms: Vec<_> = terms.iter().map(term).collect();
        Matcher::new(&terms).expect("few terms")
    }

    #[test]
    fn every_word_has_its_meaning() {
        use Condition::{EtherType, Host, Port, Ports, Protocol, Vlan};
        let host4 = host([10, 0, 0, 1].into());
        let net = Prefix {
            address: "fd00::".parse().expect("an address"),
            len: 16,
        };
        for (text, expected) in [
            ("ip", EtherType(0x0800)),
            ("ip6", EtherType(0x86dd)),
            ("arp", EtherType(0x0806)),
            ("tcp", Protocol(6)),
            ("udp", Protocol(17)),
            ("icmp", Protocol(1)),
            ("icmp6", Protocol(58)),
            ("host 10.0.0.1", Host(End::Either, host4)),
            ("src host 10.0.0.1", Host(End::Source, host4)),
            ("dst net fd00::/16", Host(End::Destination, net)),
            ("port 80", Ports(End::Either, 80, 80)),
            ("dst port 80", Ports(End::Destination, 80, 80)),
            ("src portrange 1-9", Ports(End::Source, 1, 9)),
            ("vlan", Vlan(None)),
            ("vlan 7", Vlan(VlanId::new(7))),
            ("on fabric", Port(3)),
        ] {
            assert_eq!(read(text), Ok(matcher(&[(expected, false)])), "{text}");
            assert_eq!(
                read(&format!("not {text}")),
                Ok(matcher(&[(expected, true)])),
                "{text}"
            );
        }
    }

    #[test]
    fn terms_follow_each_other_with_and_without_and() {
        let expected = matcher(&[
            (Condition::Protocol(6), false),
            (Condition::Ports(End::Either, 80, 80), true),
            (Condition::Vlan(None), false),
        ]);
        assert_eq!(read("tcp and not port 80 and vlan"), Ok(expected.clone()));
        assert_eq!(read("  tcp not port 80\tvlan "), Ok(expected));
        assert_eq!(read(""), Ok(Matcher::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("tpc", "`tpc` is not a word"),
            ("host", "missing after `host`"),
            ("host 10.0.0.0/8", "write `net`"),
            ("net web", "`web` is no address"),
            ("port http", "`http` is no port"),
            ("port 70000", "`70000` is no port"),
            ("portrange 9-1", "ends before"),
            ("portrange 80", "is no range"),
            ("vlan 4095", "between 1 and 4094"),
            ("on eth9", "no port `eth9`"),
            ("src", "missing after `src`"),
            ("src tcp", "`tcp` is not a word"),
            ("not", "missing after `not`"),
            ("and tcp", "between two terms"),
            ("tcp and", "between two terms"),
            (&"tcp ".repeat(17), "16 terms"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
