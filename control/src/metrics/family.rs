//! Metric families built from plain numbers, for collectors that compute instead of count.

use std::collections::HashMap;

use prometheus::core::Desc;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// What a metric is called and means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
}

impl Spec {
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        let kind = MetricType::COUNTER;
        Self {
            name,
            help,
            kind,
            labels,
        }
    }

    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        let kind = MetricType::GAUGE;
        Self {
            name,
            help,
            kind,
            labels,
        }
    }

    /// For the registry, which checks that names are distinct.
    pub(super) fn desc(&self) -> Desc {
        let labels = self
            .labels
            .iter()
            .map(|label| (*label).to_owned())
            .collect();
        Desc::new(
            self.name.to_owned(),
            self.help.to_owned(),
            labels,
            HashMap::new(),
        )
        .expect("names and labels are legal, which a test checks")
    }

    /// The family of these samples: label values in the order of `labels`, and the number.
    /// `None` if there is no sample, because the format has no empty families.
    pub(super) fn family<'a, I>(&self, samples: I) -> Option<MetricFamily>
    where
        I: IntoIterator<Item = (Vec<&'a str>, u64)>,
    {
        let sample = |(values, number): (Vec<&str>, u64)| self.metric(&values, number);
        let metrics: Vec<Metric> = samples.into_iter().map(sample).collect();
        if metrics.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(metrics);
        Some(family)
    }

    /// Prometheus' numbers are floating point; above 2^53 they lose their last digits.
    #[allow(clippy::cast_precision_loss)]
    fn metric(&self, values: &[&str], number: u64) -> Metric {
        let pairs = self
            .labels
            .iter()
            .zip(values)
            .map(|(label, value)| pair(label, value));
        let mut metric = Metric::from_label(pairs.collect());
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(number as f64);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(number as f64);
            metric.set_gauge(gauge);
        }
        metric
    }
}

fn pair(label: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(label.to_owned());
    pair.set_value(value.to_owned());
    pair
}
