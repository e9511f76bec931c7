//! Flows as operators see them, a page at a time.

use std::net::SocketAddr;

use crate::Protocol;
use crate::clock::TickSpan;
use crate::flow::{Direction, State};
use crate::table::{Mode, Prefix};

/// A flow as operators see it, whatever its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEntry {
    /// Transport protocol.
    pub protocol: Protocol,
    /// The client.
    pub client: SocketAddr,
    /// The VIP that it talks to.
    pub vip: SocketAddr,
    /// The source that the backend sees, where packets are translated.
    pub source: Option<SocketAddr>,
    /// The backend; `None` if it is not in the table any more and packets do not say.
    pub backend: Option<SocketAddr>,
    /// How packets reach the backend; `None` if it is not in the table any more.
    pub mode: Option<Mode>,
    /// How far the conversation is.
    pub state: State,
    /// Time since the last packet.
    pub idle: TickSpan,
    /// Time until it expires, unless a packet comes.
    pub left: TickSpan,
}

/// A flow and the direction in which a packet passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The flow, as the packet left it.
    pub flow: FlowEntry,
    /// Client to backend, or back.
    pub direction: Direction,
}

/// Which flows are wanted. What is `None` is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    /// TCP or UDP.
    pub protocol: Option<Protocol>,
    /// Prefix of the VIP.
    pub vip: Option<Prefix>,
    /// Port of the VIP.
    pub vip_port: Option<u16>,
    /// Prefix of the client.
    pub client: Option<Prefix>,
    /// Port of the client.
    pub client_port: Option<u16>,
    /// Prefix of the backend.
    pub backend: Option<Prefix>,
    /// Port of the backend.
    pub backend_port: Option<u16>,
    /// How far the conversation is.
    pub state: Option<State>,
}

impl FlowFilter {
    /// True if the flow is wanted.
    #[must_use]
    pub fn accepts(&self, flow: &FlowEntry) -> bool {
        let is = |prefix: Option<Prefix>, port: Option<u16>, end: SocketAddr| {
            prefix.is_none_or(|prefix| prefix.contains(end.ip()))
                && port.is_none_or(|port| port == end.port())
        };
        let anywhere = self.backend.is_none() && self.backend_port.is_none();
        let backend = |end| is(self.backend, self.backend_port, end);
        self.protocol.is_none_or(|wanted| wanted == flow.protocol)
            && self.state.is_none_or(|wanted| wanted == flow.state)
            && is(self.vip, self.vip_port, flow.vip)
            && is(self.client, self.client_port, flow.client)
            && flow.backend.map_or(anywhere, backend)
    }
}

/// A place in the flow tables of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlaceOfFlow {
    /// A place of the IPv4 table.
    Ipv4(usize),
    /// A place of the IPv6 table.
    Ipv6(usize),
    /// All have been seen.
    #[default]
    End,
}

impl PlaceOfFlow {
    /// The first.
    pub const START: Self = Self::Ipv4(0);
}

/// A page of a worker's flows. A flow that is there all the time is on exactly one page; what
/// comes and goes meanwhile may be on one or not.
#[derive(Debug)]
pub struct FlowPage {
    /// Which flows are wanted.
    pub filter: FlowFilter,
    /// Where to go on.
    pub next: PlaceOfFlow,
    /// The flows of this page. Its capacity is the size of the page.
    pub flows: Vec<FlowEntry>,
}

impl FlowPage {
    /// An empty page for up to `size` flows, from `next` on.
    #[must_use]
    pub fn new(filter: FlowFilter, next: PlaceOfFlow, size: usize) -> Self {
        Self {
            filter,
            next,
            flows: Vec::with_capacity(size.max(1)),
        }
    }

    /// Entries that it still has room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.flows.capacity() - self.flows.len()
    }

    /// True if nothing is left to do: it is full, or the tables have been seen.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.room() == 0 || self.next == PlaceOfFlow::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> FlowEntry {
        FlowEntry {
            protocol: Protocol::Tcp,
            client: "10.1.2.3:40000".parse().expect("an address"),
            vip: "11.0.0.1:80".parse().expect("an address"),
            source: None,
            backend: Some("10.0.0.1:8080".parse().expect("an address")),
            mode: Some(Mode::Dsr),
            state: State::Established,
            idle: TickSpan(0),
            left: TickSpan(10),
        }
    }

    fn prefix(address: &str, len: u8) -> Option<Prefix> {
        let address = address.parse().expect("an address");
        Some(Prefix { address, len })
    }

    #[test]
    fn every_field_of_a_filter_counts() {
        let any = FlowFilter::default();
        assert!(any.accepts(&flow()));
        let accepted = FlowFilter {
            protocol: Some(Protocol::Tcp),
            vip: prefix("11.0.0.1", 32),
            vip_port: Some(80),
            client: prefix("10.1.0.0", 16),
            client_port: Some(40000),
            backend: prefix("10.0.0.1", 32),
            backend_port: Some(8080),
            state: Some(State::Established),
        };
        assert!(accepted.accepts(&flow()));
        for refused in [
            FlowFilter {
                protocol: Some(Protocol::Udp),
                ..any
            },
            FlowFilter {
                vip: prefix("11.0.0.2", 32),
                ..any
            },
            FlowFilter {
                vip: prefix("::", 0),
                ..any
            },
            FlowFilter {
                vip_port: Some(81),
                ..any
            },
            FlowFilter {
                client: prefix("10.2.0.0", 16),
                ..any
            },
            FlowFilter {
                client_port: Some(1),
                ..any
            },
            FlowFilter {
                backend: prefix("10.0.0.2", 32),
                ..any
            },
            FlowFilter {
                backend_port: Some(80),
                ..any
            },
            FlowFilter {
                state: Some(State::Closed),
                ..any
            },
        ] {
            assert!(!refused.accepts(&flow()), "{refused:?}");
        }
    }

    #[test]
    fn a_flow_without_a_known_backend_has_none_of_the_wanted() {
        let gone = FlowEntry {
            backend: None,
            ..flow()
        };
        assert!(FlowFilter::default().accepts(&gone));
        let wanted = FlowFilter {
            backend_port: Some(8080),
            ..FlowFilter::default()
        };
        assert!(!wanted.accepts(&gone));
    }
}
