//! How an entry of the services file wants to be balanced.
//!
//! Every value is read on its own, whatever its type, so that a mistake in one costs its service
//! and not the file.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataplane::clock::TickSpan;
use dataplane::table::{Mode, Refusal, Removal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Spanned, Value};

use crate::config::value::{
    Affinity, ModeName, Period, Prefix, RefusalName, RemovalName, segment_size,
};
use crate::desired::{Options, Prefixes, TimeoutOptions};

/// An option's value and its place.
pub(super) type Given = Option<Spanned<Value>>;

/// A value that makes no sense.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The option's key.
    pub(super) key: &'static str,
    /// Where its value begins in the file, in bytes.
    pub(super) at: usize,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// The options that an entry gives.
pub(super) struct GivenOptions<'a> {
    pub(super) mode: &'a Given,
    pub(super) timeouts: &'a Given,
    pub(super) no_backend: &'a Given,
    pub(super) on_removal: &'a Given,
    pub(super) affinity: &'a Given,
    pub(super) max_segment: &'a Given,
    pub(super) new_flows_per_second: &'a Given,
    pub(super) flows: &'a Given,
    pub(super) allow: &'a Given,
    pub(super) deny: &'a Given,
}

impl GivenOptions<'_> {
    /// The options, or everything that is wrong with them.
    pub(super) fn read(&self) -> Result<Options, Vec<Wrong>> {
        let mut reader = Reader { wrong: Vec::new() };
        let options = Options {
            mode: reader.read("mode", self.mode, mode),
            timeouts: reader
                .read("timeouts", self.timeouts, timeouts)
                .unwrap_or_default(),
            no_backend: reader.read("no_backend", self.no_backend, refusal),
            on_removal: reader.read("on_removal", self.on_removal, removal),
            source_affinity: reader.read("affinity", self.affinity, affinity),
            max_segment: reader.read("max_segment", self.max_segment, max_segment),
            new_flows_per_second: reader.read(
                "new_flows_per_second",
                self.new_flows_per_second,
                plain,
            ),
            flows: reader.read("flows", self.flows, plain),
            allow: reader.read("allow", self.allow, prefixes),
            deny: reader.read("deny", self.deny, prefixes),
        };
        match reader.wrong.is_empty() {
            true => Ok(options),
            false => Err(reader.wrong),
        }
    }
}

/// Reads values and keeps what is wrong with them.
struct Reader {
    wrong: Vec<Wrong>,
}

impl Reader {
    fn read<T>(
        &mut self,
        key: &'static str,
        given: &Given,
        read: fn(Value) -> Result<T, String>,
    ) -> Option<T> {
        let given = given.as_ref()?;
        let value = read(given.get_ref().clone());
        let note = |reason| {
            self.wrong.push(Wrong {
                key,
                at: given.span().start,
                reason,
            });
        };
        value.map_err(note).ok()
    }
}

fn plain<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| said(&error))
}

/// What TOML's reader says, without its place: that is in another text.
fn said(error: &toml::de::Error) -> String {
    error.message().to_owned()
}

fn mode(value: Value) -> Result<Mode, String> {
    ModeName::deserialize(value).map_err(|error| said(&error))
}

fn refusal(value: Value) -> Result<Refusal, String> {
    RefusalName::deserialize(value).map_err(|error| said(&error))
}

fn removal(value: Value) -> Result<Removal, String> {
    RemovalName::deserialize(value).map_err(|error| said(&error))
}

fn affinity(value: Value) -> Result<bool, String> {
    plain::<Affinity>(value).map(|affinity| affinity == Affinity::Source)
}

fn max_segment(value: Value) -> Result<u16, String> {
    let bytes = plain(value)?;
    segment_size(bytes).map(|()| bytes)
}

fn prefixes(value: Value) -> Result<Prefixes, String> {
    let list: Vec<Prefix> = plain(value)?;
    let prefixes: BTreeSet<_> = list.into_iter().map(Prefix::get).collect();
    Ok(Arc::new(prefixes))
}

/// The table of timeouts, of which any may be left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timeouts {
    tcp_handshake: Option<Period>,
    tcp_established: Option<Period>,
    tcp_closing: Option<Period>,
    udp: Option<Period>,
}

fn timeouts(value: Value) -> Result<TimeoutOptions, String> {
    let table: Timeouts = plain(value)?;
    Ok(TimeoutOptions {
        tcp_handshake: span("tcp_handshake", table.tcp_handshake)?,
        tcp_established: span("tcp_established", table.tcp_established)?,
        tcp_closing: span("tcp_closing", table.tcp_closing)?,
        udp: span("udp", table.udp)?,
    })
}

fn span(key: &str, period: Option<Period>) -> Result<Option<TickSpan>, String> {
    match period {
        Some(period) if period.get().is_zero() => {
            Err(format!("`{key}` is zero; write a time such as \"30s\""))
        }
        period => Ok(period.map(|period| TickSpan::from_duration(period.get()))),
    }
}
