//! A suite's file: setups to run cases in, and the cases.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use dataplane::Protocol;
use dataplane::table::{Mode, Refusal, Removal};
use dataplane::wire::MacAddr;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use super::bytes::Pattern;
use crate::config::value::{AddressRange, Period, PortRange, VlanId};

/// Why a suite cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file or folder cannot be read.
    #[error("{} cannot be read: {source}; name a suite's file or folder", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// It is not TOML, or not a suite.
    #[error("{} is no packet suite:\n{error}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: toml::de::Error,
    },
    /// A case names a setup that the file has not.
    #[error("{}: case \"{case}\" wants the setup \"{setup}\", which the file does not have", path.display())]
    NoSetup {
        /// The file.
        path: PathBuf,
        /// The case.
        case: String,
        /// The setup's name.
        setup: String,
    },
}

/// One file of cases.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file's name without its extension: the subject.
    pub name: String,
    /// What cases run in, by name.
    pub setups: BTreeMap<String, Setup>,
    /// The cases, in the file's order.
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    setup: BTreeMap<String, Setup>,
    case: Vec<Case>,
}

/// Where a case's load balancer stands and what it balances.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Number of workers.
    pub workers: usize,
    /// Flows that each worker has room for.
    pub flows: usize,
    /// Destination port of Generic UDP Encapsulation.
    pub gue_port: u16,
    /// Variant of Generic UDP Encapsulation: 1 without its header, 0 with it.
    #[serde(default = "one")]
    pub gue_variant: u8,
    /// Addresses of named VIPs, whether they are there or not.
    pub pool: Option<AddressRange>,
    /// Source addresses of `nat` mode.
    pub snat: Vec<IpAddr>,
    /// Their ports. With one for each worker, the choice of the source port leaves nothing to
    /// chance.
    pub snat_ports: PortRange,
    /// Ports, each with one interface.
    pub port: Vec<Port>,
    /// Stations that answer ARP and neighbor solicitation, with their Ethernet addresses.
    pub stations: BTreeMap<IpAddr, Mac>,
    /// Services.
    pub service: Vec<Service>,
}

/// A port and its interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its Ethernet address.
    pub mac: Mac,
    /// Its VLAN.
    pub vlan: Option<VlanId>,
    /// Its MTU, in bytes.
    pub mtu: u16,
    /// Its own IPv4 address and subnet.
    pub ipv4: Option<Ipv4Net>,
    /// Router for what is outside that subnet.
    pub ipv4_gateway: Option<Ipv4Addr>,
    /// Its own IPv6 address and subnet.
    pub ipv6: Option<Ipv6Net>,
    /// Router for what is outside that subnet.
    pub ipv6_gateway: Option<Ipv6Addr>,
}

/// A service; what is left out is as [`dataplane::table::Policy::new`] has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Address and port.
    pub vip: SocketAddr,
    /// `tcp` or `udp`.
    #[serde(deserialize_with = "named_protocol")]
    pub protocol: Protocol,
    /// `nat`, `gateway`, `dsr`, `ipip` or `gue`.
    #[serde(deserialize_with = "named_mode")]
    pub mode: Mode,
    /// `reset`, `unreachable` or `drop`.
    #[serde(default, deserialize_with = "named_refusal")]
    pub refusal: Refusal,
    /// `reset` or `keep`.
    #[serde(default, deserialize_with = "named_removal")]
    pub removal: Removal,
    /// All flows of a client go to the same backend.
    #[serde(default)]
    pub source_affinity: bool,
    /// Largest TCP segment that SYNs may announce.
    pub max_segment: Option<u16>,
    /// Bound on new flows.
    pub new_flows_per_second: Option<u32>,
    /// Bound on flows.
    pub max_flows: Option<u32>,
    /// Clients that may use it; all if it is empty.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Clients that may not.
    #[serde(default)]
    pub deny: Vec<IpNet>,
    /// Backends of weight 1.
    pub backends: Vec<SocketAddr>,
    /// Backends of weight 0.
    #[serde(default)]
    pub draining: Vec<SocketAddr>,
}

/// What goes in and what must come out, in order, from a fresh start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Says what is shown.
    pub name: String,
    /// Name of the setup.
    pub setup: String,
    /// What happens.
    pub step: Vec<Step>,
    /// Checksums that come in wrong leave wrong: the judge of outputs skips them.
    #[serde(default)]
    pub wrong_checksums: bool,
}

/// A moment of a case. First what changes, then time, then packets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The services of this setup are published.
    pub publish: Option<String>,
    /// Frames that ports take from now on in a burst.
    pub transmit_limit: Option<usize>,
    /// Frames that inboxes of workers hold from now on.
    pub inbox_limit: Option<usize>,
    /// So much time passes, tick by tick.
    pub advance: Option<Period>,
    /// A frame that arrives.
    pub frame: Option<Pattern>,
    /// By this port.
    #[serde(default)]
    pub port: usize,
    /// On the queue of this worker.
    #[serde(default)]
    pub worker: usize,
    /// So many times.
    #[serde(default = "once")]
    pub repeat: u32,
    /// What differs from one time to the next.
    #[serde(default)]
    pub vary: Vec<Vary>,
    /// Room in front of the frame, if not as usual.
    pub headroom: Option<usize>,
    /// The frame is spread over several buffers.
    #[serde(default)]
    pub segmented: bool,
    /// The workers stop.
    #[serde(default)]
    pub stop: bool,
    /// How many packets came to which verdict: `forward`, `reply`, `handoff`, `absorb`, `hold`, or
    /// `drop` and a reason.
    #[serde(default)]
    pub verdicts: BTreeMap<String, i64>,
    /// Flows made.
    #[serde(default)]
    pub flows_made: i64,
    /// Flows ended.
    #[serde(default)]
    pub flows_ended: i64,
    /// What leaves, by port and in order; without what only resolves the stations' addresses.
    #[serde(default)]
    pub out: Vec<Out>,
    /// Only the number of frames that leave is compared.
    pub out_count: Option<usize>,
}

/// A frame that leaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Out {
    /// By this port.
    #[serde(default)]
    pub port: usize,
    /// Its bytes.
    pub frame: Pattern,
}

/// A 16-bit word that grows from one repetition to the next. Two words that change by opposite
/// amounts leave a checksum over both as it is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vary {
    /// Offset in the frame.
    pub at: usize,
    /// What is added each time, modulo 2^16.
    pub by: i32,
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mac(pub MacAddr);

const fn one() -> u8 {
    1
}

const fn once() -> u32 {
    1
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes: Result<Vec<u8>, _> = text
            .split(':')
            .map(|part| u8::from_str_radix(part, 16))
            .collect();
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| {
            format!("`{text}` is no Ethernet address, expected \"02:00:00:00:00:01\"")
        })?;
        Ok(Self(MacAddr(bytes)))
    }
}

impl Suite {
    /// Reads a suite's file.
    ///
    /// # Errors
    /// It cannot be read, is no suite, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, SuiteError> {
        let text = std::fs::read_to_string(path).map_err(|source| SuiteError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let document: Document = toml::from_str(&text).map_err(|error| SuiteError::Syntax {
            path: path.to_owned(),
            error,
        })?;
        let suite = Self {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            setups: document.setup,
            cases: document.case,
        };
        suite.check_setups(path)?;
        Ok(suite)
    }

    fn check_setups(&self, path: &Path) -> Result<(), SuiteError> {
        for case in &self.cases {
            let published = case.step.iter().filter_map(|step| step.publish.as_ref());
            let mut wanted = std::iter::once(&case.setup).chain(published);
            if let Some(setup) = wanted.find(|name| !self.setups.contains_key(*name)) {
                return Err(SuiteError::NoSetup {
                    path: path.to_owned(),
                    case: case.name.clone(),
                    setup: setup.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Reads one of several values by its name.
fn named<'de, D, T>(deserializer: D, all: &[(&'static str, T)]) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Copy,
{
    let name = String::deserialize(deserializer)?;
    let found = all.iter().find(|(known, _)| *known == name);
    let names = || {
        all.iter()
            .map(|(known, _)| *known)
            .collect::<Vec<_>>()
            .join(", ")
    };
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| serde::de::Error::custom(format_args!("`{name}` is none of {}", names())))
}

fn named_protocol<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Protocol, D::Error> {
    named(text, &[Protocol::Tcp, Protocol::Udp].map(|p| (p.name(), p)))
}

fn named_mode<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Mode, D::Error> {
    named(text, &Mode::ALL.map(|mode| (mode.name(), mode)))
}

fn named_refusal<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Refusal, D::Error> {
    let all = [
        ("reset", Refusal::Reset),
        ("unreachable", Refusal::Unreachable),
        ("drop", Refusal::Drop),
    ];
    named(text, &all)
}

fn named_removal<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Removal, D::Error> {
    named(text, &[("reset", Removal::Reset), ("keep", Removal::Keep)])
}
