//! What of this host decides which services it can serve. Fixed at start.

use std::collections::BTreeSet;
use std::net::IpAddr;

use dataplane::table::Mode;

use super::version::Version;

/// What of this host decides which services it can serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The host's own addresses: no VIP may be one of them.
    pub own: BTreeSet<IpAddr>,
    /// The mode of services that name none.
    pub mode: Mode,
    /// What it has of IPv4.
    pub ipv4: Reach,
    /// What it has of IPv6.
    pub ipv6: Reach,
}

/// What a host has of one IP version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// A port has an address of it.
    pub port: bool,
    /// There is a source address of it for `nat`.
    pub nat: bool,
}

/// Why a host cannot serve a service in one IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No port has an address of it.
    Port,
    /// There is no source address of it for `nat`.
    SourceAddress,
}

impl Site {
    pub(super) fn reach(&self, version: Version) -> Reach {
        match version {
            Version::V4 => self.ipv4,
            Version::V6 => self.ipv6,
        }
    }

    /// What this host lacks to serve services of `mode` at addresses of `version`.
    pub(super) fn missing(&self, mode: Mode, version: Version) -> Option<Missing> {
        let reach = self.reach(version);
        if !reach.port {
            return Some(Missing::Port);
        }
        (mode == Mode::Nat && !reach.nat).then_some(Missing::SourceAddress)
    }
}
