//! What the DNS server answered.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::Spec;
use crate::dns::ResponseCounters;

const RESPONSES: Spec = Spec::counter(
    "viaduct_dns_responses_total",
    &["rcode"],
    "DNS responses sent to well-formed queries, by response code.",
);

/// Reads the DNS server's counters.
#[derive(Debug)]
pub(super) struct DnsCollector {
    counters: ResponseCounters,
    desc: Desc,
}

impl DnsCollector {
    pub(super) fn new(counters: ResponseCounters) -> Self {
        let desc = RESPONSES.desc();
        Self { counters, desc }
    }
}

impl Collector for DnsCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sample = |(code, count)| (vec![code], count);
        let samples = self.counters.counts().map(sample);
        RESPONSES.family(samples).into_iter().collect()
    }
}
