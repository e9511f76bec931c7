//! Flows, a page at a time.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use dataplane::Protocol;
use dataplane::flow::State;
use dataplane::inspect::{FlowEntry, FlowFilter, FlowPage, PlaceOfFlow, Question};
use dataplane::table::Prefix;
use dataplane::worker::WorkerId;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{InspectError, Inspection, milliseconds};

/// Flows of an answer unless told otherwise.
const PAGE: usize = 1000;
/// Flows of an answer at most.
const LARGEST_PAGE: usize = 10_000;

/// What is asked: the query of `GET /v1/flows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowQuery {
    /// `tcp` or `udp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The VIP: `address`, `address:port`, `:port` or a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The client, in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The backend, in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// How far the conversation is: a name of [`state_name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Flows of an answer: 1 to 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where to go on: `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowList {
    /// The flows of this page, in no order that means anything.
    pub flows: Vec<FlowStatus>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A flow as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// The worker that has it.
    pub worker: u8,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The VIP's address and port.
    pub vip: SocketAddr,
    /// The source that the backend sees, where packets are translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SocketAddr>,
    /// The backend's address and port; absent if it is gone and was reached directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<SocketAddr>,
    /// How packets reach the backend; absent if that is not known any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How far the conversation is.
    pub state: String,
    /// Milliseconds since the last packet.
    pub idle_ms: u64,
    /// Milliseconds until it expires, unless a packet comes.
    pub expires_ms: u64,
}

/// Name of a state.
#[must_use]
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Handshake => "handshake",
        State::Established => "established",
        State::HalfClosed => "half-closed",
        State::Closed => "closed",
        State::Datagram => "datagram",
    }
}

const STATES: [State; 5] = [
    State::Handshake,
    State::Established,
    State::HalfClosed,
    State::Closed,
    State::Datagram,
];

impl FlowStatus {
    /// A flow of this worker.
    #[must_use]
    pub fn of(worker: WorkerId, flow: &FlowEntry) -> Self {
        Self {
            worker: worker.0,
            protocol: flow.protocol.name().to_owned(),
            client: flow.client,
            vip: flow.vip,
            source: flow.source,
            backend: flow.backend,
            mode: flow.mode.map(|mode| mode.name().to_owned()),
            state: state_name(flow.state).to_owned(),
            idle_ms: milliseconds(flow.idle),
            expires_ms: milliseconds(flow.left),
        }
    }
}

impl Inspection {
    /// The flows that are asked for, up to a page of them.
    ///
    /// # Errors
    /// If the query makes no sense, or a worker does not answer.
    pub async fn flows(&self, query: &FlowQuery) -> Result<FlowList, InspectError> {
        let filter = query.filter()?;
        let limit = query.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(question(format!(
                "limit {limit} is not between 1 and {LARGEST_PAGE}"
            )));
        }
        let start = query
            .cursor
            .as_deref()
            .map_or(Ok(Cursor::START), str::parse)?;
        let mut list = FlowList::default();
        let mut place = start.place;
        for worker in self.workers().skip(usize::from(start.worker)) {
            while place != PlaceOfFlow::End {
                let room = limit - list.flows.len();
                if room == 0 {
                    list.next = Some(
                        Cursor {
                            worker: worker.0,
                            place,
                        }
                        .to_string(),
                    );
                    return Ok(list);
                }
                place = self
                    .flow_page(worker, filter, place, room, &mut list.flows)
                    .await?;
            }
            place = PlaceOfFlow::START;
        }
        Ok(list)
    }

    async fn flow_page(
        &self,
        worker: WorkerId,
        filter: FlowFilter,
        place: PlaceOfFlow,
        room: usize,
        flows: &mut Vec<FlowStatus>,
    ) -> Result<PlaceOfFlow, InspectError> {
        let page = Box::new(FlowPage::new(filter, place, room));
        let Question::Flows(page) = self.ask(worker, Question::Flows(page)).await? else {
            return Err(InspectError::Silent(worker));
        };
        flows.extend(page.flows.iter().map(|flow| FlowStatus::of(worker, flow)));
        Ok(page.next)
    }
}

impl FlowQuery {
    fn filter(&self) -> Result<FlowFilter, InspectError> {
        let end = |text: &Option<String>| text.as_deref().map_or(Ok((None, None)), parse_end);
        let (vip, vip_port) = end(&self.service)?;
        let (client, client_port) = end(&self.client)?;
        let (backend, backend_port) = end(&self.backend)?;
        Ok(FlowFilter {
            protocol: self.protocol.as_deref().map(parse_protocol).transpose()?,
            vip,
            vip_port,
            client,
            client_port,
            backend,
            backend_port,
            state: self.state.as_deref().map(parse_state).transpose()?,
        })
    }
}

/// `tcp` or `udp`.
pub(super) fn parse_protocol(text: &str) -> Result<Protocol, InspectError> {
    let all = [Protocol::Tcp, Protocol::Udp];
    let found = all.into_iter().find(|protocol| protocol.name() == text);
    found.ok_or_else(|| question(format!("`{text}` is not a protocol; give tcp or udp")))
}

fn parse_state(text: &str) -> Result<State, InspectError> {
    let found = STATES.into_iter().find(|&state| state_name(state) == text);
    found.ok_or_else(|| {
        let names = STATES.map(state_name).join(", ");
        question(format!(
            "`{text}` is not the state of a flow; the states are {names}"
        ))
    })
}

/// `address`, `address:port`, `[address]:port`, `:port` or `prefix`.
fn parse_end(text: &str) -> Result<(Option<Prefix>, Option<u16>), InspectError> {
    if let Ok(end) = text.parse::<SocketAddr>() {
        return Ok((Some(host(end.ip())), Some(end.port())));
    }
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse().ok()) {
        return Ok((None, Some(port)));
    }
    Ok((Some(parse_prefix(text)?), None))
}

/// An address or a prefix.
pub(super) fn parse_prefix(text: &str) -> Result<Prefix, InspectError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(host(address));
    }
    let net = text.parse::<IpNet>().map_err(|_| {
        question(format!(
            "`{text}` is no address; give one like 10.0.0.1, 10.0.0.0/8, 10.0.0.1:80 or :80"
        ))
    })?;
    Ok(Prefix {
        address: net.network(),
        len: net.prefix_len(),
    })
}

pub(super) fn host(address: IpAddr) -> Prefix {
    let len = if address.is_ipv4() { 32 } else { 128 };
    Prefix { address, len }
}

pub(super) fn question(text: String) -> InspectError {
    InspectError::Question(text)
}

/// Where a list goes on, as text: `worker.family.place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    worker: u8,
    place: PlaceOfFlow,
}

impl Cursor {
    const START: Self = Self {
        worker: 0,
        place: PlaceOfFlow::START,
    };
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let worker = self.worker;
        match self.place {
            PlaceOfFlow::Ipv4(place) => write!(f, "{worker}.4.{place}"),
            PlaceOfFlow::Ipv6(place) => write!(f, "{worker}.6.{place}"),
            PlaceOfFlow::End => write!(f, "{}.4.0", u16::from(worker) + 1),
        }
    }
}

impl FromStr for Cursor {
    type Err = InspectError;

    fn from_str(text: &str) -> Result<Self, InspectError> {
        let read = || {
            let mut parts = text.split('.');
            let worker = parts.next()?.parse().ok()?;
            let family = parts.next()?;
            let place = parts.next()?.parse().ok()?;
            let place = match (family, parts.next()) {
                ("4", None) => PlaceOfFlow::Ipv4(place),
                ("6", None) => PlaceOfFlow::Ipv6(place),
                _ => return None,
            };
            Some(Self { worker, place })
        };
        let wrong = || {
            question(format!(
                "`{text}` is no cursor; give `next` of the answer before"
            ))
        };
        read().ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_addresses_ports_and_prefixes() {
        let prefix = |address: &str, len| {
            let address = address.parse().expect("an address");
            Some(Prefix { address, len })
        };
        for (text, expected) in [
            ("10.0.0.1", (prefix("10.0.0.1", 32), None)),
            ("10.0.0.1:80", (prefix("10.0.0.1", 32), Some(80))),
            ("10.1.2.3/8", (prefix("10.0.0.0", 8), None)),
            (":443", (None, Some(443))),
            ("fd00::1", (prefix("fd00::1", 128), None)),
            ("[fd00::1]:80", (prefix("fd00::1", 128), Some(80))),
            ("fd00::/16", (prefix("fd00::", 16), None)),
        ] {
            assert_eq!(parse_end(text).expect(text), expected, "{text}");
        }
        for wrong in ["", ":", ":99999", "web", "10.0.0.1:", "10.0.0.0/33"] {
            let error = parse_end(wrong).expect_err(wrong).to_string();
            assert!(error.contains("is no address"), "{error}");
        }
    }

    #[test]
    fn names_that_are_wrong_are_answered_with_those_that_are_right() {
        let query = |state: &str, protocol: &str| FlowQuery {
            state: Some(state.to_owned()),
            protocol: Some(protocol.to_owned()),
            ..FlowQuery::default()
        };
        for state in STATES {
            let filter = query(state_name(state), "udp").filter().expect("right");
            assert_eq!(
                (filter.state, filter.protocol),
                (Some(state), Some(Protocol::Udp))
            );
        }
        let error = query("open", "tcp")
            .filter()
            .expect_err("no state")
            .to_string();
        assert!(
            error.contains("`open`") && error.contains("half-closed"),
            "{error}"
        );
        let error = query("closed", "sctp")
            .filter()
            .expect_err("no protocol")
            .to_string();
        assert!(
            error.contains("`sctp`") && error.contains("tcp or udp"),
            "{error}"
        );
    }

    #[test]
    fn cursors_are_read_as_they_are_written() {
        for place in [
            PlaceOfFlow::START,
            PlaceOfFlow::Ipv4(99),
            PlaceOfFlow::Ipv6(7),
        ] {
            let cursor = Cursor { worker: 3, place };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in ["", "1", "1.4", "1.5.0", "1.4.x", "1.4.0.0", "300.4.0"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
