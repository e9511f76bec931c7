//! Labels that declare VIPs, as Marathon users write them.
//!
//! * On a port: a key that begins with `VIP` or `vip`, with the value `<host>:<port>`. A host
//!   that is an IPv4 or IPv6 address (without brackets) is that address; any other is a name.
//! * On an app or task: `VIP_PORT<n>` in any case, with the value `tcp://<host>:<port>` or
//!   `udp://…`, for the task's n-th port.
//!
//! Where DC/OS would quietly make something else of a mistake, the label is refused or a
//! warning says what it was taken for. Nothing here knows which app a label is on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dataplane::Protocol;

use super::name::{self, NameError};
use crate::desired::Vip;

/// Prefix of a task label's key, in lower case.
const TASK_KEY: &str = "vip_port";

/// Why a label declares no VIP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// No colon, or nothing behind the last one.
    #[error("the port is missing; write `<name>:<port>`, such as `/my-service:80`")]
    MissingPort,
    /// Nothing in front of the port.
    #[error("the name is missing; write `<name>:<port>`, such as `/my-service:80`")]
    MissingHost,
    /// The text behind the last colon is no port.
    #[error("{port:?} is not a port; write a number from 1 to 65535")]
    Port {
        /// The text.
        port: String,
    },
    /// A colon in a host that is not an IPv6 address.
    #[error(
        "{host:?} is neither a name nor an IPv6 address; write `<name>:<port>` with one colon, \
         or `<IPv6 address>:<port>`"
    )]
    StrayColon {
        /// The host.
        host: String,
    },
    /// An address in brackets.
    #[error("{host:?} is in brackets; write the IPv6 address without them, such as `fd01:c::5:80`")]
    Brackets {
        /// The host.
        host: String,
    },
    /// An address with a zone id.
    #[error("{host:?} has a zone id (`%…`), which means nothing outside of one host; leave it out")]
    ZoneId {
        /// The host.
        host: String,
    },
    /// An IPv4 address in IPv6 clothes.
    #[error("{host:?} is an IPv4 address mapped into IPv6; write {address} instead")]
    Mapped {
        /// The host.
        host: String,
        /// The address that is meant.
        address: Ipv4Addr,
    },
    /// An address that no client could send to.
    #[error("{address} is {what}, which cannot be a VIP; use an ordinary unicast address")]
    Unusable {
        /// The address.
        address: IpAddr,
        /// What kind of address it is.
        what: &'static str,
    },
    /// The host is a name that DNS cannot carry.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The key of a task label has no port index.
    #[error("the key must end with the index of a port; write `VIP_PORT0` for the first one")]
    TaskIndex,
    /// The value of a task label has no protocol.
    #[error("the protocol is missing; write `tcp://<name>:<port>` or `udp://<name>:<port>`")]
    TaskProtocol,
}

/// Something that was understood, but perhaps not as it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelWarning {
    /// `/1.2.3.4:80`.
    #[error("taken as the address {address}; write it without the leading slash")]
    SlashedAddress {
        /// The address.
        address: IpAddr,
    },
    /// `1.2.3.400:80` or `01.2.3.4:80`.
    #[error(
        "taken as a name, because it is not a valid IPv4 address; \
         if an address is meant, write four numbers from 0 to 255 without leading zeros"
    )]
    AlmostAddress,
}

/// What a label declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipLabel {
    /// The name or address.
    pub vip: Vip,
    /// The port that clients use; never 0.
    pub port: u16,
    /// What the user should know about it.
    pub warning: Option<LabelWarning>,
}

/// What a task label declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskVipLabel {
    /// Index into the task's ports.
    pub port_index: usize,
    /// The service's protocol.
    pub protocol: Protocol,
    /// The VIP and port.
    pub label: VipLabel,
}

/// Whether a port label with this key declares a VIP.
#[must_use]
pub fn is_vip_key(key: &str) -> bool {
    key.starts_with("VIP") || key.starts_with("vip")
}

/// Reads the value of a port label, `<host>:<port>`; a name belongs to `framework`.
///
/// # Errors
/// If the value declares no VIP; the error says what to write.
pub fn parse(value: &str, framework: &str) -> Result<VipLabel, LabelError> {
    let (host, port) = value.rsplit_once(':').ok_or(LabelError::MissingPort)?;
    let port = parse_port(port)?;
    if host.is_empty() {
        return Err(LabelError::MissingHost);
    }
    if let Some((address, warning)) = parse_host_address(host)? {
        return Ok(VipLabel {
            vip: Vip::Address(address),
            port,
            warning,
        });
    }
    let vip = Vip::Named(name::vip_name(host, framework)?);
    let warning = looks_like_ipv4(host).then_some(LabelWarning::AlmostAddress);
    Ok(VipLabel { vip, port, warning })
}

/// Reads a task or app label. `None` if the key is not one of `VIP_PORT<n>`.
#[must_use]
pub fn parse_task_label(
    key: &str,
    value: &str,
    framework: &str,
) -> Option<Result<TaskVipLabel, LabelError>> {
    let index = key.get(TASK_KEY.len()..)?;
    let is_task_key = key[..TASK_KEY.len()].eq_ignore_ascii_case(TASK_KEY);
    is_task_key.then(|| parse_task_parts(index, value, framework))
}

fn parse_task_parts(index: &str, value: &str, framework: &str) -> Result<TaskVipLabel, LabelError> {
    let port_index = parse_decimal(index).ok_or(LabelError::TaskIndex)?;
    let (scheme, rest) = value.split_once("://").ok_or(LabelError::TaskProtocol)?;
    let protocol = parse_protocol(scheme).ok_or(LabelError::TaskProtocol)?;
    Ok(TaskVipLabel {
        port_index,
        protocol,
        label: parse(rest, framework)?,
    })
}

/// Reads `tcp` or `udp` in any case.
#[must_use]
pub fn parse_protocol(text: &str) -> Option<Protocol> {
    let name = text.trim();
    [Protocol::Tcp, Protocol::Udp]
        .into_iter()
        .find(|protocol| name.eq_ignore_ascii_case(protocol.name()))
}

/// Reads an IP VIP as strictly as a label does; `Ok(None)` if the text is a name.
///
/// # Errors
/// If the text is an address that cannot be a VIP, or is written in a way that is refused.
pub fn parse_address(host: &str) -> Result<Option<IpAddr>, LabelError> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return usable(address.into()).map(Some);
    }
    if !host.contains(':') {
        return Ok(None);
    }
    let address = host.parse::<Ipv6Addr>().map_err(|_| not_ipv6(host))?;
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Err(LabelError::Mapped {
            host: host.to_owned(),
            address: mapped,
        });
    }
    usable(address.into()).map(Some)
}

/// The address that a host means, with or without the slash of a name in front.
fn parse_host_address(host: &str) -> Result<Option<(IpAddr, Option<LabelWarning>)>, LabelError> {
    let bare = host.strip_prefix('/').unwrap_or(host);
    let slashed = bare.len() != host.len();
    let warn = |address| {
        (
            address,
            slashed.then_some(LabelWarning::SlashedAddress { address }),
        )
    };
    Ok(parse_address(bare)?.map(warn))
}

/// Says why a host with a colon is no IPv6 address.
fn not_ipv6(host: &str) -> LabelError {
    let owned = host.to_owned();
    if host.starts_with('[') {
        return LabelError::Brackets { host: owned };
    }
    match host.split_once('%') {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => {
            LabelError::ZoneId { host: owned }
        }
        _ => LabelError::StrayColon { host: owned },
    }
}

/// Refuses addresses to which no client can send through a load balancer.
fn usable(address: IpAddr) -> Result<IpAddr, LabelError> {
    let what = match address {
        a if a.is_unspecified() => "the unspecified address",
        a if a.is_loopback() => "a loopback address",
        a if a.is_multicast() => "a multicast address",
        IpAddr::V4(a) if a.is_broadcast() => "the broadcast address",
        IpAddr::V4(a) if a.octets()[0] == 0 => "an address of the network 0.0.0.0/8",
        IpAddr::V4(a) if a.is_link_local() => "a link-local address",
        IpAddr::V6(a) if a.is_unicast_link_local() => "a link-local address",
        _ => return Ok(address),
    };
    Err(LabelError::Unusable { address, what })
}

/// Whether a host is four numbers with dots in between, as an address is.
fn looks_like_ipv4(host: &str) -> bool {
    let parts: Vec<&str> = host.trim_start_matches('/').split('.').collect();
    parts.len() == 4
        && parts
            .iter()
            .all(|part| parse_decimal::<u64>(part).is_some())
}

fn parse_port(text: &str) -> Result<u16, LabelError> {
    if text.is_empty() {
        return Err(LabelError::MissingPort);
    }
    let port = parse_decimal::<u16>(text).filter(|port| *port != 0);
    port.ok_or_else(|| LabelError::Port {
        port: text.to_owned(),
    })
}

/// A number of decimal digits only: no sign, no space.
fn parse_decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
