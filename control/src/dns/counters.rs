//! How many answers were sent, by response code. Written by the request handler, read by metrics.
//!
//! hickory answers what is no well-formed message itself, with FORMERR and without a word to
//! us. Those answers are not counted; FORMERR here counts queries without exactly one question.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hickory_server::proto::op::ResponseCode;

/// The response codes that this server sends, with their names in RFC 6895.
const CODES: [(ResponseCode, &str); 7] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::BADVERS, "BADVERS"),
];

/// Answers to well-formed queries sent since start, by response code. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct ResponseCounters(Arc<[AtomicU64; CODES.len()]>);

impl ResponseCounters {
    /// Every response code's name and count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CODES
            .iter()
            .zip(self.0.iter())
            .map(move |((_, name), counter)| (*name, load(counter)))
    }

    /// Counts one answer.
    pub(super) fn count(&self, code: ResponseCode) {
        if let Some(index) = CODES.iter().position(|(known, _)| *known == code) {
            self.0[index].fetch_add(1, Ordering::Relaxed);
        }
    }
}
