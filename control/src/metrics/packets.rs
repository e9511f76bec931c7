//! The data plane's counters, as metrics.

use std::sync::Arc;

use dataplane::counters::{Counter, WorkerCounters};
use dataplane::runtime::PortInfo;
use dataplane::verdict::DropReason;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::family::Spec;

/// Labels of what is counted for each port by each worker.
const PORT: &[&str] = &["port", "worker"];
const WORKER: &[&str] = &["worker"];

const PORT_INFO: Spec = Spec::gauge(
    "viaduct_port_info",
    &["port", "driver", "mac"],
    "Always 1; the labels describe the port.",
);
const DROPS: Spec = Spec::counter(
    "viaduct_drops_total",
    &["reason"],
    "Packets dropped, by reason. docs/drop-reasons.md says what to do.",
);

type OfPort = fn(&WorkerCounters, usize) -> u64;
type OfWorker = fn(&WorkerCounters) -> &Counter;

const OF_PORT: [(Spec, OfPort); 4] = [
    (
        Spec::counter("viaduct_packets_received_total", PORT, "Packets received."),
        |worker, port| worker.ports[port].received.packets.get(),
    ),
    (
        Spec::counter(
            "viaduct_bytes_received_total",
            PORT,
            "Bytes received, with Ethernet headers.",
        ),
        |worker, port| worker.ports[port].received.bytes.get(),
    ),
    (
        Spec::counter("viaduct_packets_sent_total", PORT, "Packets sent."),
        |worker, port| worker.ports[port].sent.packets.get(),
    ),
    (
        Spec::counter(
            "viaduct_bytes_sent_total",
            PORT,
            "Bytes sent, with Ethernet headers.",
        ),
        |worker, port| worker.ports[port].sent.bytes.get(),
    ),
];

const OF_WORKER: [(Spec, OfWorker); 4] = [
    (
        Spec::counter(
            "viaduct_busy_turns_total",
            WORKER,
            "Turns of the poll loop that found packets.",
        ),
        |worker| &worker.busy_turns,
    ),
    (
        Spec::counter(
            "viaduct_idle_turns_total",
            WORKER,
            "Turns of the poll loop that found none.",
        ),
        |worker| &worker.idle_turns,
    ),
    (
        Spec::counter("viaduct_flows_created_total", WORKER, "Flows made."),
        |worker| &worker.flows_created,
    ),
    (
        Spec::counter(
            "viaduct_flows_ended_total",
            WORKER,
            "Flows ended by a reset or by being idle for too long.",
        ),
        |worker| &worker.flows_ended,
    ),
];

const IN_ALL: [(Spec, OfWorker); 6] = [
    (
        Spec::counter(
            "viaduct_forwarded_total",
            &[],
            "Packets rewritten and sent on.",
        ),
        |worker| &worker.verdicts.forward,
    ),
    (
        Spec::counter(
            "viaduct_replies_total",
            &[],
            "Packets answered by Viaduct itself: ARP and ICMP echo.",
        ),
        |worker| &worker.verdicts.reply,
    ),
    (
        Spec::counter(
            "viaduct_handoffs_total",
            &[],
            "Packets handed to the worker that owns their flow.",
        ),
        |worker| &worker.verdicts.handoff,
    ),
    (
        Spec::counter(
            "viaduct_absorbed_total",
            &[],
            "ARP packets that needed no answer.",
        ),
        |worker| &worker.verdicts.absorb,
    ),
    (
        Spec::counter(
            "viaduct_originated_total",
            &[],
            "Packets that Viaduct started itself: ARP requests.",
        ),
        |worker| &worker.originated,
    ),
    (
        Spec::gauge(
            "viaduct_held_packets",
            &[],
            "Packets that wait for their next hop's Ethernet address.",
        ),
        |worker| &worker.holding,
    ),
];

const FLOWS: Spec = Spec::gauge("viaduct_flows", &[], "Flows that exist now.");

/// Reads the counters of all workers.
#[derive(Debug)]
pub struct PacketCollector {
    ports: Vec<PortInfo>,
    workers: Vec<Arc<WorkerCounters>>,
    descs: Vec<Desc>,
}

impl PacketCollector {
    /// A collector of these workers' counters. `ports` are in the order of the counters.
    #[must_use]
    pub fn new(ports: Vec<PortInfo>, workers: Vec<Arc<WorkerCounters>>) -> Self {
        let tables = OF_WORKER.iter().chain(&IN_ALL).map(|(spec, _)| *spec);
        let all = OF_PORT.iter().map(|(spec, _)| *spec).chain(tables);
        let descs = all
            .chain([PORT_INFO, DROPS, FLOWS])
            .map(|spec| spec.desc())
            .collect();
        Self {
            ports,
            workers,
            descs,
        }
    }

    fn sum(&self, of: impl Fn(&WorkerCounters) -> u64) -> u64 {
        self.workers.iter().map(|worker| of(worker)).sum()
    }

    fn by_port(&self) -> Vec<MetricFamily> {
        let numbers: Vec<_> = (0..self.workers.len()).map(|n| n.to_string()).collect();
        let family = |(spec, value): &(Spec, OfPort)| {
            let of_worker = self.workers.iter().zip(&numbers);
            spec.family(of_worker.flat_map(|(worker, number)| {
                let ports = self.ports.iter().enumerate();
                ports.map(move |(n, port)| {
                    (vec![port.name.as_str(), number.as_str()], value(worker, n))
                })
            }))
        };
        OF_PORT.iter().filter_map(family).collect()
    }

    fn by_worker(&self) -> Vec<MetricFamily> {
        let numbers: Vec<_> = (0..self.workers.len()).map(|n| n.to_string()).collect();
        let family = |(spec, value): &(Spec, OfWorker)| {
            let of_worker = self.workers.iter().zip(&numbers);
            spec.family(
                of_worker.map(|(worker, number)| (vec![number.as_str()], value(worker).get())),
            )
        };
        OF_WORKER.iter().filter_map(family).collect()
    }

    fn in_all(&self) -> Vec<MetricFamily> {
        let family = |(spec, value): &(Spec, OfWorker)| {
            spec.family([(vec![], self.sum(|w| value(w).get()))])
        };
        let created = self.sum(|worker| worker.flows_created.get());
        let ended = self.sum(|worker| worker.flows_ended.get());
        let flows = FLOWS.family([(vec![], created.saturating_sub(ended))]);
        IN_ALL.iter().filter_map(family).chain(flows).collect()
    }

    fn drops(&self) -> Option<MetricFamily> {
        let dropped = |reason: &DropReason| {
            (
                vec![reason.label()],
                self.sum(|worker| worker.verdicts.dropped(*reason).get()),
            )
        };
        DROPS.family(DropReason::ALL.iter().map(dropped))
    }

    fn port_info(&self) -> Option<MetricFamily> {
        let macs: Vec<_> = self.ports.iter().map(|port| port.mac.to_string()).collect();
        let labels = self.ports.iter().zip(&macs);
        PORT_INFO.family(labels.map(|(port, mac)| {
            (
                vec![port.name.as_str(), port.driver.as_str(), mac.as_str()],
                1,
            )
        }))
    }
}

impl Collector for PacketCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.by_port();
        families.extend(self.by_worker());
        families.extend(self.in_all());
        families.extend(self.drops());
        families.extend(self.port_info());
        families
    }
}

#[cfg(test)]
mod tests {
    use dataplane::verdict::Verdict;
    use dataplane::wire::MacAddr;

    use super::*;

    #[test]
    fn counters_of_all_workers_are_rendered() {
        let workers: Vec<_> = (0..2)
            .map(|_| Arc::new(WorkerCounters::new(1, 1)))
            .collect();
        for worker in &workers {
            worker.ports[0].received.count(60);
            worker.verdicts.count(Verdict::Drop(DropReason::NoService));
        }
        let port = PortInfo {
            name: "fabric".into(),
            driver: "net_tap".into(),
            mac: MacAddr([2; 6]),
        };
        let registry = prometheus::Registry::new();
        let collector = PacketCollector::new(vec![port], workers);
        registry
            .register(Box::new(collector))
            .expect("the names are distinct");
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .expect("it can be written");
        for line in [
            "viaduct_packets_received_total{port=\"fabric\",worker=\"1\"} 1",
            "viaduct_bytes_received_total{port=\"fabric\",worker=\"0\"} 60",
            "viaduct_drops_total{reason=\"no_service\"} 2",
            "viaduct_drops_total{reason=\"truncated\"} 0",
            "viaduct_flows 0",
            "viaduct_port_info{port=\"fabric\",driver=\"net_tap\",mac=\"02:02:02:02:02:02\"} 1",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "no line `{line}` in\n{text}"
            );
        }
    }
}
