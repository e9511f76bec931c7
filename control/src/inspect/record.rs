//! A packet at one point of its way, as JSON and as the comment of a captured packet.

use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use dataplane::flow::Direction;
use dataplane::inspect::{Event, Facts, Passage, Sample};
use dataplane::verdict::{DropReason, Verdict};
use serde::{Deserialize, Serialize};

use super::Inspection;

/// A packet at one point of its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Microseconds since 1970, of its burst.
    pub time_us: u64,
    /// The worker that saw it.
    pub worker: u8,
    /// Number of the packet among those of its worker, from 1: equal at all its points.
    pub packet: u64,
    /// `rx`, `tx`, `drop` or `punt`.
    pub point: String,
    /// The port; absent for what another worker has handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// What it came to.
    pub verdict: String,
    /// Why it was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What that means and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The VIP of its flow, as `address:port/protocol`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The backend of its flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<SocketAddr>,
    /// How packets reach the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `to-backend` or `to-client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// What it is at this point, as in `tcp 10.0.0.1:4000 > 11.0.0.1:80`.
    pub summary: String,
    /// Its length, in bytes.
    pub length: usize,
}

/// Name of a verdict.
#[must_use]
pub const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Forward(_) => "forward",
        Verdict::Reply(_) => "reply",
        Verdict::Handoff(_) => "handoff",
        Verdict::Hold => "hold",
        Verdict::HoldFragment => "hold-fragment",
        Verdict::Absorb => "absorb",
        Verdict::Refuse(..) => "refuse",
        Verdict::Punt(_) => "punt",
        Verdict::FromHost(_) => "from-host",
        Verdict::Drop(_) => "drop",
    }
}

/// Why a packet with this verdict is dropped, if it is.
#[must_use]
pub const fn drop_reason(verdict: Verdict) -> Option<DropReason> {
    match verdict {
        Verdict::Drop(reason) | Verdict::Refuse(reason, _) => Some(reason),
        _ => None,
    }
}

impl Inspection {
    /// The record of a sample.
    #[must_use]
    pub fn record(&self, sample: &Sample) -> Record {
        let (verdict, reason) = match sample.event {
            Event::Verdict(verdict) => (verdict_name(verdict), drop_reason(verdict)),
            Event::Released => ("released", None),
            Event::Originated => ("originated", None),
        };
        let time = sample.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = Record {
            time_us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            worker: sample.worker.0,
            packet: sample.packet,
            point: sample.point.name().to_owned(),
            port: sample.port.map(|port| self.port_name(port).to_owned()),
            verdict: verdict.to_owned(),
            reason: reason.map(|reason| reason.label().to_owned()),
            explanation: reason.map(|reason| reason.explanation().to_owned()),
            summary: summary(&sample.bytes),
            length: sample.len,
            ..Record::default()
        };
        match sample.passage {
            Some(passage) => record.of_flow(&passage),
            None => record,
        }
    }
}

impl Record {
    fn of_flow(self, passage: &Passage) -> Self {
        let flow = &passage.flow;
        Self {
            service: Some(format!("{}/{}", flow.vip, flow.protocol)),
            backend: flow.backend,
            mode: flow.mode.map(|mode| mode.name().to_owned()),
            direction: Some(direction_name(passage.direction).to_owned()),
            ..self
        }
    }

    /// The record as `key=value` pairs, and for a dropped packet what its reason means.
    #[must_use]
    pub fn comment(&self) -> String {
        let backend = self.backend.map(|backend| backend.to_string());
        let pairs = [
            ("point", Some(&self.point)),
            ("verdict", Some(&self.verdict)),
            ("reason", self.reason.as_ref()),
            ("port", self.port.as_ref()),
            ("service", self.service.as_ref()),
            ("backend", backend.as_ref()),
            ("mode", self.mode.as_ref()),
            ("direction", self.direction.as_ref()),
        ];
        let mut text = format!("worker={} packet={}", self.worker, self.packet);
        for (key, value) in pairs {
            if let Some(value) = value {
                text.push_str(&format!(" {key}={value}"));
            }
        }
        if let Some(explanation) = &self.explanation {
            text.push_str(": ");
            text.push_str(explanation);
        }
        text
    }
}

/// Name of a direction.
pub(super) const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "to-backend",
        Direction::Reverse => "to-client",
    }
}

/// A frame in a few words.
pub(super) fn summary(frame: &[u8]) -> String {
    let facts = Facts::read(frame, None);
    let Some(ip) = facts.ip else {
        return format!("ethertype {:#06x}", facts.ethertype);
    };
    let protocol = match ip.protocol {
        None => "arp".to_owned(),
        Some(1) => "icmp".to_owned(),
        Some(4 | 41) => "ip-in-ip".to_owned(),
        Some(6) => "tcp".to_owned(),
        Some(17) => "udp".to_owned(),
        Some(58) => "icmp6".to_owned(),
        Some(other) => format!("protocol {other}"),
    };
    match ip.ports {
        Some((source, destination)) => {
            let source = SocketAddr::new(ip.source, source);
            let destination = SocketAddr::new(ip.destination, destination);
            format!("{protocol} {source} > {destination}")
        }
        None => format!("{protocol} {} > {}", ip.source, ip.destination),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_has_what_is_known_and_why_it_was_dropped() {
        let record = Record {
            worker: 1,
            packet: 7,
            point: "drop".to_owned(),
            port: Some("fabric".to_owned()),
            verdict: "refuse".to_owned(),
            reason: Some("no_service".to_owned()),
            explanation: Some("Nobody listens.".to_owned()),
            ..Record::default()
        };
        assert_eq!(
            record.comment(),
            "worker=1 packet=7 point=drop verdict=refuse reason=no_service port=fabric: Nobody listens."
        );
        let record = Record {
            point: "tx".to_owned(),
            verdict: "forward".to_owned(),
            service: Some("11.0.0.1:80/tcp".to_owned()),
            backend: Some(([10, 0, 0, 1], 8080).into()),
            mode: Some("nat".to_owned()),
            direction: Some("to-backend".to_owned()),
            ..Record::default()
        };
        assert_eq!(
            record.comment(),
            "worker=0 packet=0 point=tx verdict=forward service=11.0.0.1:80/tcp backend=10.0.0.1:8080 \
             mode=nat direction=to-backend"
        );
    }

    #[test]
    fn any_bytes_have_a_summary() {
        assert_eq!(summary(&[]), "ethertype 0x0000");
        let lldp = [&[0; 12][..], &[0x88, 0xcc, 0]].concat();
        assert_eq!(summary(&lldp), "ethertype 0x88cc");
    }
}
