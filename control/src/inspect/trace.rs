//! What would become of a packet: it is described, made, and shown to the workers.

use std::net::SocketAddr;

use dataplane::inspect::{Explanation, Probe, Question, Step};
use dataplane::network::{Interface, Network};
use dataplane::pipeline::Origin;
use dataplane::verdict::Verdict;
use dataplane::wire::tcp::TcpFlags;
use dataplane::worker::WorkerId;
use serde::{Deserialize, Serialize};

use super::flows::{parse_protocol, question};
use super::record::summary;
use super::step::StepStatus;
use super::{InspectError, Inspection};

/// Workers that a packet passes through at most.
const HOPS: usize = 4;
/// Bytes of a frame that is asked about.
const SHORTEST: usize = 14;
const LONGEST: usize = 9216;

/// What is asked: the body of `POST /v1/trace`. Either `frame`, or `protocol`, `source` and
/// `destination`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceRequest {
    /// A whole Ethernet frame, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// `tcp` or `udp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SocketAddr>,
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<SocketAddr>,
    /// TCP's control bits, of the letters S A F R P; `S` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// Hops that it may make; 64 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// Bytes of payload; none if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<u16>,
    /// The port that it would come by; if not given, the one that leads to its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The VLAN that it would have; if not given, that of the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The worker that it would come to; if not given, the one that knows most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<u8>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The port that it would come by.
    pub port: String,
    /// The packet in a few words.
    pub packet: String,
    /// What each worker on its way would do.
    pub workers: Vec<WorkerTrace>,
    /// The packet as it would leave, in a few words, if it or an answer to it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<String>,
    /// The same as hexadecimal digits. An Ethernet destination of zeros is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
}

/// What one worker would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerTrace {
    /// The worker.
    pub worker: u8,
    /// The steps; the last is the verdict.
    pub steps: Vec<StepStatus>,
}

impl Inspection {
    /// What would become of a packet. Nothing is changed by asking.
    ///
    /// # Errors
    /// If the packet cannot be made, or a worker does not answer.
    pub async fn trace(&self, request: &TraceRequest) -> Result<Trace, InspectError> {
        let (port, frame) = self.arriving(request)?;
        let origin = Origin::Port(port);
        let packet = summary(&frame);
        let (mut worker, mut answer) = match request.worker {
            Some(worker) if worker < self.workers => {
                let worker = WorkerId(worker);
                (
                    worker,
                    self.explain(worker, Explanation::new(origin, frame))
                        .await?,
                )
            }
            Some(worker) => {
                let last = self.workers - 1;
                return Err(question(format!(
                    "there is no worker {worker}; the last is {last}"
                )));
            }
            None => self.best_answer(origin, frame).await?,
        };
        let mut workers = vec![self.worker_trace(worker, &answer)];
        while let (Some(Verdict::Handoff(next)), true) = (answer.verdict(), workers.len() < HOPS) {
            let mut question = Explanation::new(Origin::Worker, std::mem::take(&mut answer.frame));
            question.note = answer.note;
            (worker, answer) = (next, self.explain(next, question).await?);
            workers.push(self.worker_trace(worker, &answer));
        }
        let leaves = answer
            .verdict()
            .is_some_and(leaves)
            .then_some(&answer.frame);
        Ok(Trace {
            port: self.port_name(port).to_owned(),
            packet,
            workers,
            leaves: leaves.map(|frame| summary(frame)),
            frame: leaves.map(|frame| to_hex(frame)),
        })
    }

    fn worker_trace(&self, worker: WorkerId, answer: &Explanation) -> WorkerTrace {
        let steps = answer.steps.iter().map(|step| self.step(worker, step));
        WorkerTrace {
            worker: worker.0,
            steps: steps.collect(),
        }
    }

    /// The answer of the worker that has the packet's flow, or owns it; any, if none does.
    async fn best_answer(
        &self,
        origin: Origin,
        frame: Vec<u8>,
    ) -> Result<(WorkerId, Explanation), InspectError> {
        let mut best: Option<(u8, WorkerId, Explanation)> = None;
        for worker in self.workers() {
            let answer = self
                .explain(worker, Explanation::new(origin, frame.clone()))
                .await?;
            let rank = rank(&answer);
            if best.as_ref().is_none_or(|(other, ..)| rank < *other) {
                best = Some((rank, worker, answer));
            }
        }
        let found = best.map(|(_, worker, answer)| (worker, answer));
        found.ok_or(InspectError::Silent(WorkerId(0)))
    }

    async fn explain(
        &self,
        worker: WorkerId,
        explanation: Explanation,
    ) -> Result<Explanation, InspectError> {
        let answer = self
            .ask(worker, Question::Explain(Box::new(explanation)))
            .await?;
        let Question::Explain(answer) = answer else {
            return Err(InspectError::Silent(worker));
        };
        if answer.steps.is_empty() {
            return Err(question(format!(
                "worker {worker} has no packet buffer for a frame of {} bytes; give a shorter one, or try again",
                answer.frame.len()
            )));
        }
        Ok(*answer)
    }

    /// The port and the frame that are asked about.
    fn arriving(&self, request: &TraceRequest) -> Result<(usize, Vec<u8>), InspectError> {
        let port = request
            .port
            .as_deref()
            .map(|name| self.port(name))
            .transpose()?;
        if let Some(hex) = &request.frame {
            return Ok((port.unwrap_or(0), from_hex(hex)?));
        }
        let probe = request.probe()?;
        let interface = self.arrival(&probe, port, request.vlan)?;
        let frame = probe.frame(interface);
        Ok((
            interface.port,
            frame.map_err(|error| question(error.to_string()))?,
        ))
    }

    fn arrival(
        &self,
        probe: &Probe,
        port: Option<usize>,
        vlan: Option<u16>,
    ) -> Result<&Interface, InspectError> {
        let network: &Network = &self.network;
        if port.is_none() && vlan.is_none() {
            let route = network.route_to(probe.source.ip());
            let found = route.map(|route| network.interface(route.interface));
            let found = found.or_else(|| network.interfaces.first());
            return found.ok_or_else(|| question("there are no ports".to_owned()));
        }
        let is_it = |interface: &&Interface| {
            let tag = interface.vlan.map(|vlan| vlan.get());
            port.is_none_or(|port| interface.port == port) && (vlan.is_none() || vlan == tag)
        };
        let found = network.interfaces.iter().find(is_it);
        found.ok_or_else(|| question("no port has this VLAN".to_owned()))
    }
}

impl TraceRequest {
    fn probe(&self) -> Result<Probe, InspectError> {
        let missing = |what: &str| question(format!("`{what}` is missing: give it, or `frame`"));
        let protocol = self
            .protocol
            .as_deref()
            .ok_or_else(|| missing("protocol"))?;
        Ok(Probe {
            protocol: parse_protocol(protocol)?,
            source: self.source.ok_or_else(|| missing("source"))?,
            destination: self.destination.ok_or_else(|| missing("destination"))?,
            flags: parse_flags(self.flags.as_deref().unwrap_or("S"))?,
            hops: self.hops.unwrap_or(64),
            payload: self.payload.unwrap_or(0),
        })
    }
}

/// Lower is better.
fn rank(answer: &Explanation) -> u8 {
    let has_flow = answer
        .steps
        .iter()
        .any(|step| matches!(step, Step::Flow(_) | Step::Restart(_)));
    match answer.verdict() {
        _ if has_flow => 0,
        Some(Verdict::Handoff(_)) | None => 2,
        Some(_) => 1,
    }
}

const fn leaves(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Forward(_)
            | Verdict::Hold
            | Verdict::Reply(_)
            | Verdict::Refuse(..)
            | Verdict::FromHost(_)
            | Verdict::Punt(_)
    )
}

fn parse_flags(text: &str) -> Result<TcpFlags, InspectError> {
    let mut bits = 0;
    for letter in text.chars() {
        bits |= match letter {
            'S' => TcpFlags::SYN,
            'A' => TcpFlags::ACK,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            'P' => 0x08,
            _ => {
                return Err(question(format!(
                    "`{letter}` is no control bit of TCP; give letters of S, A, F, R and P"
                )));
            }
        };
    }
    Ok(TcpFlags(bits))
}

fn from_hex(text: &str) -> Result<Vec<u8>, InspectError> {
    let digits: Vec<char> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    let value = |digit: char| digit.to_digit(16).map(|value| value as u8);
    let byte = |pair: &[char]| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    let bytes = bytes
        .ok_or_else(|| question("`frame` is not made of pairs of hexadecimal digits".to_owned()))?;
    if !(SHORTEST..=LONGEST).contains(&bytes.len()) {
        let len = bytes.len();
        return Err(question(format!(
            "`frame` has {len} bytes; an Ethernet frame has {SHORTEST} to {LONGEST}"
        )));
    }
    Ok(bytes)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written() {
        let frame: Vec<u8> = (0..60).collect();
        assert_eq!(from_hex(&to_hex(&frame)), Ok(frame.clone()));
        let spaced: Vec<String> = frame.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(from_hex(&spaced.join(" : ")), Ok(frame));
        for (wrong, said) in [
            ("0g", "pairs of hex"),
            ("012", "pairs of hex"),
            ("00", "has 1 bytes"),
        ] {
            let error = from_hex(wrong).expect_err(wrong).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut request = TraceRequest::default();
        let error = |request: &TraceRequest| request.probe().expect_err("incomplete").to_string();
        assert!(error(&request).contains("`protocol` is missing"));
        request.protocol = Some("tcp".to_owned());
        assert!(error(&request).contains("`source` is missing"));
        request.source = "10.0.0.1:1".parse().ok();
        assert!(error(&request).contains("`destination` is missing"));
        request.destination = "11.0.0.1:80".parse().ok();
        assert_eq!(
            request.probe().map(|probe| probe.flags),
            Ok(TcpFlags(TcpFlags::SYN))
        );
        request.flags = Some("SX".to_owned());
        assert!(error(&request).contains("`X` is no control bit"));
    }
}
