//! Questions to Viaduct's DNS with dig, from a host's namespace.

use std::net::Ipv4Addr;

use crate::fabric::{FABRIC, Host};

/// Zone of the VIPs' names.
pub const ZONE: &str = "l4lb.thisdcos.directory";

/// What dig was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `NOERROR`, `NXDOMAIN`, `REFUSED`, …
    pub status: String,
    /// Flags of the header: `qr aa rd` …
    pub flags: Vec<String>,
    /// The answer section, one record a line.
    pub records: Vec<String>,
    /// The authority section, one record a line.
    pub authority: Vec<String>,
}

impl Answer {
    /// Addresses of the A records, sorted.
    #[must_use]
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        let mut found: Vec<Ipv4Addr> = self
            .records
            .iter()
            .filter(|record| record.split_whitespace().nth(3) == Some("A"))
            .filter_map(|record| record.split_whitespace().last()?.parse().ok())
            .collect();
        found.sort_unstable();
        found
    }
}

/// Asks for `kind` records of `name`; `options` are dig's, e.g. `+tcp`.
///
/// # Errors
/// No answer, with dig's words.
pub fn ask(host: &Host, name: &str, kind: &str, options: &[&str]) -> Result<Answer, String> {
    let server = format!("@{FABRIC}");
    let mut words = vec!["dig", &server, "+time=2", "+tries=1", "+norecurse"];
    words.extend(options);
    words.extend([name, kind]);
    let output = host.namespace.output(words);
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| format!("no answer about {name} {kind}: {text}"))
}

fn parse(text: &str) -> Option<Answer> {
    let status = text.split_once("status: ")?.1.split(',').next()?.to_owned();
    let flags = text.split_once(";; flags: ")?.1.split(';').next()?;
    Some(Answer {
        status,
        flags: flags.split_whitespace().map(str::to_owned).collect(),
        records: section(text, "ANSWER"),
        authority: section(text, "AUTHORITY"),
    })
}

fn section(text: &str, name: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once(&format!(";; {name} SECTION:\n")) else {
        return Vec::new();
    };
    rest.lines()
        .take_while(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn digs_words_are_understood() {
        let text = ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n\
            ;; flags: qr aa; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1\n\n\
            ;; ANSWER SECTION:\nweb.marathon.l4lb.thisdcos.directory. 5 IN A 11.0.0.37\n\n\
            ;; Query time: 0 msec\n";
        let answer = parse(text).unwrap();
        assert_eq!(answer.status, "NOERROR");
        assert_eq!(answer.flags, ["qr", "aa"]);
        assert_eq!(answer.addresses(), [Ipv4Addr::new(11, 0, 0, 37)]);
        assert!(answer.authority.is_empty());
        assert_eq!(
            parse(";; connection timed out; no servers could be reached"),
            None
        );
    }
}
