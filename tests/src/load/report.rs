//! What a load run saw.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

/// Sums over a run, or over one second of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Requests that got the answer they should.
    pub ok: u64,
    /// Requests that did not, by kind.
    pub errors: BTreeMap<Failure, u64>,
    /// Answers by the id of who answered.
    pub responders: BTreeMap<String, u64>,
}

/// A whole run, as it is printed (JSON).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The whole run.
    #[serde(flatten)]
    pub sums: Sums,
    /// Connections that were opened, or UDP sockets.
    pub connections: u64,
    /// Largest number of connections that were open at once.
    pub peak: u64,
    /// Connections on which the responder changed.
    pub moved: u64,
    /// Length of the run.
    pub elapsed_ms: u64,
    /// The run by the second in which requests ended.
    pub timeline: BTreeMap<u64, Sums>,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// RST to the SYN, or port unreachable.
    Refused,
    /// No answer to the SYN in time.
    ConnectTimeout,
    /// RST on an open connection.
    Reset,
    /// The connection was closed in the middle of an exchange.
    Closed,
    /// No answer in time.
    Timeout,
    /// Host or network unreachable.
    Unreachable,
    /// An answer, but not the expected one.
    Answer,
    /// Anything else.
    Other,
}

impl From<&std::io::Error> for Failure {
    fn from(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset => Self::Reset,
            ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => Self::Closed,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::Unreachable,
            ErrorKind::InvalidData => Self::Answer,
            ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ok, errors {:?}, ", self.sums.ok, self.sums.errors)?;
        write!(
            f,
            "{} connections, {} moved, ",
            self.connections, self.moved
        )?;
        write!(f, "responders {:?}", self.sums.responders)
    }
}

impl Sums {
    fn add(&mut self, result: &Result<String, Failure>) {
        match result {
            Ok(responder) => {
                self.ok += 1;
                *self.responders.entry(responder.clone()).or_default() += 1;
            }
            Err(failure) => *self.errors.entry(*failure).or_default() += 1,
        }
    }

    /// Errors of every kind.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

impl Report {
    /// Counts a request that ended in `second` of the run.
    pub(crate) fn add(&mut self, second: u64, result: &Result<String, Failure>) {
        self.sums.add(result);
        self.timeline.entry(second).or_default().add(result);
    }

    /// Answers of this responder.
    #[must_use]
    pub fn answers_of(&self, responder: &str) -> u64 {
        self.sums.responders.get(responder).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_report_counts_by_kind_responder_and_second_and_reads_back() {
        let mut report = Report::default();
        report.add(0, &Ok("a".into()));
        report.add(1, &Ok("a".into()));
        report.add(1, &Err(Failure::ConnectTimeout));
        assert_eq!(report.sums.ok, 2);
        assert_eq!(report.answers_of("a"), 2);
        assert_eq!(report.answers_of("b"), 0);
        assert_eq!(report.timeline[&1].failed(), 1);
        let text = serde_json::to_string(&report).unwrap();
        assert!(
            text.starts_with(r#"{"ok":2,"errors":{"connect_timeout":1}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
