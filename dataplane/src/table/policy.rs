//! How a service is balanced: its forwarding mode, and what it allows and answers.
//!
//! A policy is plain, immutable data that workers read when a flow is made or refused, never for a
//! packet of an established `nat` flow.

use std::net::IpAddr;
use std::sync::Arc;

use super::prefixes::SourceFilter;
use crate::clock::TickSpan;

/// How packets reach the backend, and how its answers come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Source and destination are translated. Backends need nothing; they see a source address of
    /// Viaduct's.
    #[default]
    Nat,
    /// The destination is translated. Backends see the client, and route their answers through
    /// Viaduct.
    Gateway,
    /// The frame goes to the backend's Ethernet address unchanged. Backends are on the same segment
    /// and have the VIP on a loopback interface; they answer the client directly.
    Dsr,
    /// IP in IP (RFC 2003, RFC 2473). Backends decapsulate, have the VIP on a loopback interface and
    /// answer the client directly.
    Ipip,
    /// Generic UDP Encapsulation, as `Ipip`; routers spread its flows by the UDP source port.
    Gue,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 5] = [Self::Nat, Self::Gateway, Self::Dsr, Self::Ipip, Self::Gue];

    /// Its name in configuration, labels and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Gateway => "gateway",
            Self::Dsr => "dsr",
            Self::Ipip => "ipip",
            Self::Gue => "gue",
        }
    }

    /// True if the backend's answers pass through Viaduct.
    #[must_use]
    pub const fn returns_through_us(self) -> bool {
        matches!(self, Self::Nat | Self::Gateway)
    }

    /// True if packets are wrapped in another IP header.
    #[must_use]
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Self::Ipip | Self::Gue)
    }

    /// True if the backend may be of another address family than the VIP.
    #[must_use]
    pub const fn mixes_families(self) -> bool {
        self.is_tunnel()
    }
}

/// What is sent to a client whose packet no backend can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A TCP RST; for UDP, ICMP port unreachable.
    #[default]
    Reset,
    /// ICMP port unreachable.
    Unreachable,
    /// Nothing.
    Drop,
}

impl Refusal {
    /// All refusals.
    pub const ALL: [Self; 3] = [Self::Reset, Self::Unreachable, Self::Drop];

    /// Its name in configuration and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::Drop => "drop",
        }
    }
}

/// What becomes of the connections of a backend that is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Removal {
    /// Both sides get a RST.
    #[default]
    Reset,
    /// They go on until they are idle.
    Keep,
}

impl Removal {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reset, Self::Keep];

    /// Its name in configuration and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Keep => "keep",
        }
    }
}

/// How long a flow may be idle, by its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, until both sides have been heard.
    pub tcp_handshake: TickSpan,
    /// TCP, both sides heard.
    pub tcp_established: TickSpan,
    /// TCP, after the first FIN; also how long a closed connection's ports stay reserved.
    pub tcp_closing: TickSpan,
    /// UDP.
    pub udp: TickSpan,
}

/// Bounds on one service, over all workers; each worker has an equal share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// New flows in a second; a burst of one second's worth is allowed.
    pub new_flows_per_second: Option<u32>,
    /// Flows at a time.
    pub flows: Option<u32>,
}

/// How a service is balanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How packets reach the backend.
    pub mode: Mode,
    /// Idle timeouts.
    pub timeouts: Timeouts,
    /// What is sent when there is no live backend.
    pub refusal: Refusal,
    /// What becomes of a removed backend's connections.
    pub removal: Removal,
    /// All flows of a source address go to the same backend.
    pub source_affinity: bool,
    /// Largest TCP segment that SYNs may announce, in bytes.
    pub max_segment: Option<u16>,
    /// Bounds.
    pub limits: Limits,
    /// Clients that may use it. `None`: all.
    pub sources: Option<Arc<SourceFilter>>,
}

impl Policy {
    /// `nat` with these timeouts and nothing out of the ordinary.
    #[must_use]
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            mode: Mode::default(),
            timeouts,
            refusal: Refusal::default(),
            removal: Removal::default(),
            source_affinity: false,
            max_segment: None,
            limits: Limits::default(),
            sources: None,
        }
    }

    /// True if this client may use the service.
    #[inline]
    #[must_use]
    pub fn permits(&self, client: IpAddr) -> bool {
        let sources = self.sources.as_deref();
        sources.is_none_or(|sources| sources.permits(client))
    }
}
