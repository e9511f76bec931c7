//! What the newest status says, as metrics.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::Spec;
use super::ports;
use crate::status::{BackendStatus, ServiceStatus, SourceStatus, Status, StatusReader};

/// Labels that name a service.
const SERVICE: &[&str] = &["vip", "port", "protocol"];
/// Labels that name a backend of a service.
const BACKEND: &[&str] = &["vip", "port", "protocol", "backend"];
/// Label that names a source.
const SOURCE: &[&str] = &["source"];

const BUILD_INFO: Spec = Spec::gauge(
    "viaduct_build_info",
    &["version"],
    "Always 1; the label says which version runs.",
);
const GENERATION: Spec = Spec::gauge(
    "viaduct_table_generation",
    &[],
    "Generation of the forwarding table that all workers have acknowledged; 0 before the first.",
);
const SERVICES: Spec = Spec::gauge("viaduct_services", &[], "Services in the forwarding table.");
const BACKENDS: Spec = Spec::gauge("viaduct_backends", SERVICE, "Backends of the service.");
const SERVICE_FLOWS: Spec = Spec::counter(
    "viaduct_service_flows_total",
    SERVICE,
    "Flows made, over all backends of the service.",
);

type OfSource = fn(&SourceStatus) -> Option<u64>;
type OfBackend = fn(&BackendStatus) -> u64;

const OF_SOURCE: [(Spec, OfSource); 4] = [
    (
        Spec::gauge(
            "viaduct_source_up",
            SOURCE,
            "1 if the source's last read was good, 0 if there was none or it failed.",
        ),
        |source| Some(u64::from(source.synced && source.fault.is_none())),
    ),
    (
        Spec::counter(
            "viaduct_source_reads_total",
            SOURCE,
            "Good reads of the source.",
        ),
        |source| Some(source.reads_total),
    ),
    (
        Spec::counter(
            "viaduct_source_failures_total",
            SOURCE,
            "Failed or refused reads of the source.",
        ),
        |source| Some(source.failures_total),
    ),
    (
        Spec::gauge(
            "viaduct_source_last_good_age_seconds",
            SOURCE,
            "Time since the source's last good read; absent before the first.",
        ),
        |source| source.last_good_seconds,
    ),
];

const LABEL_PROBLEMS: Spec = Spec::gauge(
    "viaduct_label_problems",
    SOURCE,
    "Labels or entries of the source that are skipped at present.",
);

const OF_BACKEND: [(Spec, OfBackend); 4] = [
    (
        Spec::counter(
            "viaduct_backend_flows_total",
            BACKEND,
            "Flows made to the backend.",
        ),
        |backend| backend.flows_total,
    ),
    (
        Spec::gauge(
            "viaduct_backend_flows_active",
            BACKEND,
            "Flows to the backend that exist now.",
        ),
        |backend| backend.flows_active,
    ),
    (
        Spec::counter(
            "viaduct_backend_packets_total",
            BACKEND,
            "Packets sent to the backend.",
        ),
        |backend| backend.packets_total,
    ),
    (
        Spec::counter(
            "viaduct_backend_bytes_total",
            BACKEND,
            "Bytes sent to the backend, without Ethernet headers.",
        ),
        |backend| backend.bytes_total,
    ),
];

/// Reads the newest status.
#[derive(Debug)]
pub(super) struct StatusCollector {
    status: StatusReader,
    descs: Vec<Desc>,
}

impl StatusCollector {
    pub(super) fn new(status: StatusReader) -> Self {
        let single = [
            BUILD_INFO,
            GENERATION,
            SERVICES,
            BACKENDS,
            SERVICE_FLOWS,
            LABEL_PROBLEMS,
        ];
        let sources = OF_SOURCE.iter().map(|(spec, _)| *spec);
        let backends = OF_BACKEND.iter().map(|(spec, _)| *spec);
        let all = single.into_iter().chain(sources).chain(backends);
        let descs = all.map(|spec| spec.desc()).chain(ports::descs()).collect();
        Self { status, descs }
    }
}

impl Collector for StatusCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = Arc::clone(&self.status.borrow());
        let mut families = process(&status);
        families.extend(services(&status.services));
        families.extend(sources(&status));
        families.extend(ports::families(&status.ports));
        families.extend(ports::address_families(&status.addresses));
        families
    }
}

fn process(status: &Status) -> Vec<MetricFamily> {
    let one = |spec: Spec, number| spec.family([(vec![], number)]);
    let version = env!("CARGO_PKG_VERSION");
    [
        BUILD_INFO.family([(vec![version], 1)]),
        one(GENERATION, status.generation),
        one(SERVICES, status.services.len() as u64),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sources(status: &Status) -> Vec<MetricFamily> {
    let of = |(spec, value): &(Spec, OfSource)| {
        let sample = |source| Some((vec![name_of(source)], value(source)?));
        spec.family(status.sources.iter().filter_map(sample))
    };
    let problems = status.sources.iter().map(|source| {
        let of_source = status.problems.iter().filter(|p| p.source == source.name);
        (vec![name_of(source)], of_source.count() as u64)
    });
    let problems = LABEL_PROBLEMS.family(problems);
    OF_SOURCE.iter().filter_map(of).chain(problems).collect()
}

fn name_of(source: &SourceStatus) -> &str {
    &source.name
}

fn services(services: &[ServiceStatus]) -> Vec<MetricFamily> {
    let ports: Vec<String> = services.iter().map(|s| s.port.to_string()).collect();
    let named: Vec<(Vec<&str>, &ServiceStatus)> = services
        .iter()
        .zip(&ports)
        .map(|(s, port)| {
            (
                vec![s.address.as_str(), port.as_str(), s.protocol.as_str()],
                s,
            )
        })
        .collect();
    let of_service = |value: fn(&ServiceStatus) -> u64| {
        named
            .iter()
            .map(move |(labels, service)| (labels.clone(), value(service)))
    };
    let of_backend = |(spec, value): &(Spec, OfBackend)| {
        spec.family(named.iter().flat_map(|(labels, service)| {
            service.backends.iter().map(|backend| {
                let mut labels = labels.clone();
                labels.push(&backend.address);
                (labels, value(backend))
            })
        }))
    };
    [
        BACKENDS.family(of_service(|service| service.backends.len() as u64)),
        SERVICE_FLOWS.family(of_service(|service| service.flows_total)),
    ]
    .into_iter()
    .chain(OF_BACKEND.iter().map(of_backend))
    .flatten()
    .collect()
}
