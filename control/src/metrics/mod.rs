//! Metrics in Prometheus' text format, computed when they are asked for.
//!
//! Nothing is counted here: collectors read the newest [`Status`](crate::status::Status), the
//! DNS server's counters, and what others [`register`](Metrics::register). Labels are bounded
//! by what is configured: VIPs, backends and sources, never clients or task ids.

mod dns;
mod family;
mod packets;
mod ports;
mod status;
#[cfg(test)]
mod tests;

pub use packets::PacketCollector;
use prometheus::core::Collector;
use prometheus::{Registry, TextEncoder};

use crate::dns::ResponseCounters;
use crate::status::StatusReader;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// All metrics of the process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// The metrics of the control plane.
    #[must_use]
    pub fn new(status: StatusReader, dns: ResponseCounters) -> Self {
        let metrics = Self {
            registry: Registry::new(),
        };
        for collector in [
            Box::new(status::StatusCollector::new(status)) as Box<dyn Collector>,
            Box::new(dns::DnsCollector::new(dns)),
        ] {
            metrics
                .register(collector)
                .expect("the control plane's own metrics have distinct names");
        }
        metrics
    }

    /// Adds a collector, such as the data plane's counters.
    ///
    /// # Errors
    /// If one of its metrics is already registered.
    pub fn register(&self, collector: Box<dyn Collector>) -> Result<(), prometheus::Error> {
        self.registry.register(collector)
    }

    /// All metrics now, in the text exposition format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.registry.gather();
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_else(|error| {
                tracing::error!(%error, "a collector gave a metric that cannot be written");
                String::new()
            })
    }
}
