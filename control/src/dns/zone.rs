//! The content of the zone at one time: immutable, replaced as a whole.
//!
//! A name *exists* if it has addresses or if a name below it exists (an empty non-terminal,
//! RFC 8020): such a name is answered without records, not with NXDOMAIN.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use hickory_server::proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_server::proto::rr::{Name, RData, Record, RecordType};

/// Lifetime of every record in seconds, as in DC/OS: clients follow a change quickly.
const TTL: u32 = 5;
/// Lifetime of "does not exist" in seconds: a name appears soon after it is asked for too early.
const NEGATIVE_TTL: u32 = 1;
/// Seconds between a secondary's checks, between its retries, and until it gives up. There
/// are no secondaries; the values are DC/OS's.
const SECONDARY: [i32; 3] = [60, 180, 86_400];

/// The addresses of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
}

impl Node {
    fn add(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.v4.push(v4),
            IpAddr::V6(v6) => self.v6.push(v6),
        }
    }
}

/// What the zone says to a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// These records.
    Records(Vec<Record>),
    /// The name exists, without records of that type.
    NoData,
    /// The name does not exist.
    NoName,
    /// The name is not in this zone.
    OtherZone,
}

/// One version of the zone.
#[derive(Debug)]
pub(super) struct Zone {
    origin: Name,
    name_server: Name,
    /// The name server's addresses, which no publication changes.
    own: Node,
    serial: u32,
    /// By lower-case full name.
    nodes: HashMap<Name, Node>,
}

impl Zone {
    /// The zone without names but its own. Its serial is the time, so that it also grows
    /// over a restart (RFC 1982).
    pub(super) fn new(origin: &Name, own: &[IpAddr]) -> Self {
        let mut origin = origin.to_lowercase();
        origin.set_fqdn(true);
        let name_server = origin
            .prepend_label("ns")
            .unwrap_or_else(|_| origin.clone());
        let mut node = Node::default();
        own.iter()
            .filter(|a| !a.is_unspecified())
            .for_each(|a| node.add(*a));
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let zone = Self {
            nodes: HashMap::new(),
            serial: u32::try_from(now.as_secs() & u64::from(u32::MAX)).unwrap_or_default(),
            own: node,
            name_server,
            origin,
        };
        Self {
            nodes: zone.nodes_of(BTreeMap::new()),
            ..zone
        }
    }

    /// The next version, with this content; `None` if it is the content already.
    pub(super) fn with(&self, records: BTreeMap<String, Vec<IpAddr>>) -> Option<Self> {
        let nodes = self.nodes_of(records);
        (nodes != self.nodes).then(|| Self {
            origin: self.origin.clone(),
            name_server: self.name_server.clone(),
            own: self.own.clone(),
            serial: self.serial.wrapping_add(1),
            nodes,
        })
    }

    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// The answer to a question; records carry `name` as it was asked.
    pub(super) fn lookup(&self, name: &Name, kind: RecordType) -> Lookup {
        if !self.origin.zone_of(name) {
            return Lookup::OtherZone;
        }
        let Some(node) = self.nodes.get(&name.to_lowercase()) else {
            return Lookup::NoName;
        };
        let mut records = addresses(name, node, kind);
        if *name == self.origin {
            records.extend(self.apex(name, kind));
        }
        match records.is_empty() {
            true => Lookup::NoData,
            false => Lookup::Records(records),
        }
    }

    /// The record that goes with a negative answer (RFC 2308).
    pub(super) fn negative(&self) -> Record {
        Record::from_rdata(self.origin.clone(), NEGATIVE_TTL, self.soa())
    }

    /// The name server's addresses, if these records name it.
    pub(super) fn glue(&self, records: &[Record]) -> Vec<Record> {
        match records
            .iter()
            .any(|record| record.record_type() == RecordType::NS)
        {
            true => addresses(&self.name_server, &self.own, RecordType::ANY),
            false => Vec::new(),
        }
    }

    fn apex(&self, name: &Name, kind: RecordType) -> Vec<Record> {
        let ns = RData::NS(NS(self.name_server.clone()));
        let record = |rdata| Record::from_rdata(name.clone(), TTL, rdata);
        match kind {
            RecordType::SOA => vec![record(self.soa())],
            RecordType::NS => vec![record(ns)],
            RecordType::ANY => vec![record(self.soa()), record(ns)],
            _ => Vec::new(),
        }
    }

    fn soa(&self) -> RData {
        let [refresh, retry, expire] = SECONDARY;
        let mailbox = self.origin.prepend_label("hostmaster");
        RData::SOA(SOA::new(
            self.name_server.clone(),
            mailbox.unwrap_or_else(|_| self.origin.clone()),
            self.serial,
            refresh,
            retry,
            expire,
            NEGATIVE_TTL,
        ))
    }

    fn nodes_of(&self, records: BTreeMap<String, Vec<IpAddr>>) -> HashMap<Name, Node> {
        let mut nodes = HashMap::with_capacity(records.len() + 2);
        nodes.insert(self.origin.clone(), Node::default());
        nodes.insert(self.name_server.clone(), self.own.clone());
        for (relative, addresses) in records {
            match self.full_name(&relative) {
                Some(name) => self.insert(&mut nodes, name, addresses),
                None => tracing::error!(name = relative, "not a domain name; DNS leaves it out"),
            }
        }
        nodes
    }

    fn full_name(&self, relative: &str) -> Option<Name> {
        let name = Name::from_ascii(relative)
            .ok()
            .filter(|name| !name.is_root())?;
        Some(name.append_domain(&self.origin).ok()?.to_lowercase())
    }

    /// Adds a name, and the names between it and the origin as empty ones.
    fn insert(&self, nodes: &mut HashMap<Name, Node>, name: Name, addresses: Vec<IpAddr>) {
        let mut between = name.base_name();
        while between.num_labels() > self.origin.num_labels() {
            nodes.entry(between.clone()).or_default();
            between = between.base_name();
        }
        let node = nodes.entry(name).or_default();
        addresses.into_iter().for_each(|address| node.add(address));
    }
}

fn addresses(name: &Name, node: &Node, kind: RecordType) -> Vec<Record> {
    let v4 = node.v4.iter().map(|address| RData::A(A(*address)));
    let v6 = node.v6.iter().map(|address| RData::AAAA(AAAA(*address)));
    let wanted = |rdata: &RData| kind == RecordType::ANY || rdata.record_type() == kind;
    v4.chain(v6)
        .filter(wanted)
        .map(|rdata| Record::from_rdata(name.clone(), TTL, rdata))
        .collect()
}
