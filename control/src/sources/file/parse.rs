//! The services file's format, and what its entries mean.
//!
//! What is no valid TOML, an unknown key and a value of the wrong type are errors of the whole
//! file, shown with line and caret. A value that is of the right type but makes no sense (no
//! address, a weight above 65535, a name that DNS cannot carry, the same service twice) is a
//! [`Problem`]: a bad backend costs that backend, anything else the one service. So is any mistake in
//! how a service is to be balanced (see [`options`]): with half of what it says, it might be open to
//! those whom it should keep out.

mod backend;
mod options;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use dataplane::Protocol;
use serde::Deserialize;
use toml::Spanned;

use super::NAME;
use crate::desired::{Backends, Problem, Service, ServiceKey, Snapshot, Vip};
use crate::vip::label::{LabelError, parse_address, parse_protocol};
use crate::vip::name::{NameError, vip_name};
use backend::{BackendEntry, BackendError};
use options::{Given, GivenOptions, Wrong};

/// Framework of services that name none.
const FRAMEWORK: &str = "static";

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    service: Vec<Spanned<Entry>>,
}

/// One `[[service]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    framework: Option<String>,
    address: Option<String>,
    port: i64,
    protocol: Option<String>,
    #[serde(default)]
    backends: Vec<BackendEntry>,
    mode: Given,
    timeouts: Given,
    no_backend: Given,
    on_removal: Given,
    affinity: Given,
    max_segment: Given,
    new_flows_per_second: Given,
    flows: Given,
    allow: Given,
    deny: Given,
}

/// Why an entry, or a part of it, is skipped.
#[derive(Debug, thiserror::Error)]
enum EntryError {
    #[error("a service needs `name` (a named VIP) or `address` (an IP VIP); write one of them")]
    NoVip,
    #[error("a service has either a `name` or an `address`; leave one of them out")]
    TwoVips,
    #[error(
        "{text:?} is not an IPv4 or IPv6 address; write one without port or brackets, such as \"192.0.2.10\""
    )]
    VipAddress { text: String },
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{port} is not a port; write a number from 1 to 65535")]
    Port { port: i64 },
    #[error("{text:?} is not a protocol; write \"tcp\", \"udp\" or \"udp,tcp\"")]
    Protocol { text: String },
    #[error(
        "{key} is declared by an earlier entry already, whose backends are used; merge the two"
    )]
    DuplicateService { key: ServiceKey },
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error("`framework` means nothing for an `address`, which has no name; leave it out")]
    UselessFramework,
    #[error("{reason}; the service is left out until this is corrected")]
    Option { reason: String },
}

/// What the file's text asks for; `path` is only named in origins.
pub(super) fn snapshot(text: &str, path: &Path) -> Result<Snapshot, toml::de::Error> {
    let document: Document = toml::from_str(text)?;
    let mut reader = Reader {
        text,
        path,
        services: BTreeMap::new(),
        problems: Vec::new(),
    };
    for entry in &document.service {
        reader.service(entry.get_ref(), &entry.span());
    }
    reader.problems.sort();
    Ok(Snapshot {
        services: reader.services,
        problems: reader.problems,
    })
}

/// Whether a valid file has a list of services, if only an empty one.
pub(super) fn has_list(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok_and(|document| document.contains_key("service"))
}

/// Entries on their way to a snapshot.
struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    services: BTreeMap<ServiceKey, Service>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn service(&mut self, entry: &Entry, span: &Range<usize>) {
        let subject = Subject {
            name: entry.title(),
            line: line(self.text, span.start),
        };
        match entry.keys() {
            Ok(keys) => self.add(entry, keys, &subject),
            Err((key, error)) => self.report(&subject, key.to_owned(), &error),
        }
    }

    fn add(&mut self, entry: &Entry, keys: Vec<ServiceKey>, subject: &Subject) {
        if entry.address.is_some() && entry.framework.is_some() {
            self.report(
                subject,
                "framework".to_owned(),
                &EntryError::UselessFramework,
            );
        }
        if let Some(key) = keys.iter().find(|key| self.services.contains_key(key)) {
            let error = EntryError::DuplicateService { key: key.clone() };
            return self.report(subject, "service".to_owned(), &error);
        }
        let backends = self.backends(entry, subject);
        match entry.options().read() {
            Ok(options) => {
                let service = Service { backends, options };
                let services = keys.into_iter().map(|key| (key, service.clone()));
                self.services.extend(services);
            }
            Err(wrong) => wrong.into_iter().for_each(|one| self.option(subject, one)),
        }
    }

    fn option(&mut self, subject: &Subject, wrong: Wrong) {
        let subject = Subject {
            name: subject.name.clone(),
            line: line(self.text, wrong.at),
        };
        let reason = wrong.reason;
        self.report(
            &subject,
            wrong.key.to_owned(),
            &EntryError::Option { reason },
        );
    }

    fn backends(&mut self, entry: &Entry, subject: &Subject) -> Backends {
        let origin = format!("{}: {}", self.path.display(), subject.name);
        let mut backends = Backends::new();
        for (index, backend) in entry.backends.iter().enumerate() {
            if let Err(error) = backend.add_to(&mut backends, &origin) {
                self.report(subject, format!("backends[{index}]"), &error.into());
            }
        }
        backends
    }

    fn report(&mut self, subject: &Subject, label: String, error: &EntryError) {
        self.problems.push(Problem {
            source: NAME.to_owned(),
            subject: subject.name.clone(),
            port_index: None,
            label,
            reason: format!("{error} ({} line {})", self.path.display(), subject.line),
        });
    }
}

/// What a problem is about.
struct Subject {
    name: String,
    line: usize,
}

impl Entry {
    /// How people know the entry.
    fn title(&self) -> String {
        let title = self.name.as_ref().or(self.address.as_ref());
        title.map_or_else(|| "(no name)".to_owned(), Clone::clone)
    }

    /// The services that the entry declares; or the key that is wrong, and why.
    fn keys(&self) -> Result<Vec<ServiceKey>, (&'static str, EntryError)> {
        let vip = self.vip()?;
        let port = u16::try_from(self.port).ok().filter(|port| *port != 0);
        let port = port.ok_or(("port", EntryError::Port { port: self.port }))?;
        let protocols = self.protocols().map_err(|error| ("protocol", error))?;
        Ok(protocols
            .into_iter()
            .map(|protocol| ServiceKey {
                vip: vip.clone(),
                port,
                protocol,
            })
            .collect())
    }

    fn options(&self) -> GivenOptions<'_> {
        GivenOptions {
            mode: &self.mode,
            timeouts: &self.timeouts,
            no_backend: &self.no_backend,
            on_removal: &self.on_removal,
            affinity: &self.affinity,
            max_segment: &self.max_segment,
            new_flows_per_second: &self.new_flows_per_second,
            flows: &self.flows,
            allow: &self.allow,
            deny: &self.deny,
        }
    }

    fn vip(&self) -> Result<Vip, (&'static str, EntryError)> {
        match (&self.name, &self.address) {
            (Some(name), None) => {
                let framework = self.framework.as_deref().unwrap_or(FRAMEWORK);
                let name = vip_name(name, framework).map_err(|error| match error {
                    NameError::EmptyFramework { .. } => ("framework", error.into()),
                    _ => ("name", error.into()),
                })?;
                Ok(Vip::Named(name))
            }
            (None, Some(text)) => vip_address(text).map_err(|error| ("address", error)),
            (None, None) => Err(("name", EntryError::NoVip)),
            (Some(_), Some(_)) => Err(("address", EntryError::TwoVips)),
        }
    }

    fn protocols(&self) -> Result<Vec<Protocol>, EntryError> {
        let text = self.protocol.as_deref().unwrap_or("tcp");
        let all: Option<Vec<Protocol>> = text.split(',').map(parse_protocol).collect();
        let mut all = all.ok_or_else(|| EntryError::Protocol {
            text: text.to_owned(),
        })?;
        all.sort();
        all.dedup();
        Ok(all)
    }
}

fn vip_address(text: &str) -> Result<Vip, EntryError> {
    let address = parse_address(text)?.map(Vip::Address);
    address.ok_or_else(|| EntryError::VipAddress {
        text: text.to_owned(),
    })
}

/// The line, from 1, that has the byte at `offset`.
fn line(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests;
