//! The running process: starts everything in order, waits for the end, and ends it in reverse.
//!
//! Sockets are opened first, because what can fail should fail before a packet moves; sources are
//! started last. On SIGTERM or SIGINT names and API go first, then the workers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dataplane::dpdk::Memory;
use dataplane::runtime::Dataplane;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Config, Driver};
use crate::inspect::Inspection;
use crate::metrics::{Metrics, PacketCollector};
use crate::plan::Planner;
use crate::reconcile::{Parts, Reconciler};
use crate::sources::{self, Source};
use crate::{api, dns, host, settings};

/// How long servers may take to end what they are doing.
const GRACE: Duration = Duration::from_secs(1);

/// Runs until it is told to stop. `eal_arguments` are further arguments for DPDK's EAL.
///
/// # Errors
/// If something cannot be started, or fails for good while running.
pub async fn run(config: Config, eal_arguments: Vec<String>) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    let api = api::bind(&config.api.socket, config.api.http).await?;
    let dns = dns::bind(&config.dns.listen, config.vips.zone.as_str()).await?;
    check_taps(&config).await?;
    let mut dataplane = Dataplane::start(&settings::dataplane(&config, eal_arguments))?;
    log_start(&dataplane);
    attach_taps(&config, &dataplane).await?;

    let shutdown = CancellationToken::new();
    let dns_counters = dns.counters();
    let (names, dns) = dns.serve(shutdown.clone());
    let api = with_inspection(api, &mut dataplane, &shutdown);
    let packets = PacketCollector::new(dataplane.ports(), dataplane.counters().to_vec());
    let parts = Parts {
        sources: start_sources(&config, &shutdown)?,
        site: settings::site(&config),
        allocators: settings::allocators(&config.vips),
        planner: Planner::new(settings::defaults(&config), settings::BACKEND_SLOTS),
        dataplane,
        names,
        zone: config.vips.zone.as_str().to_owned(),
    };
    let (reconciler, status) = Reconciler::new(parts);
    let metrics = Metrics::new(status.clone(), dns_counters);
    metrics
        .register(Box::new(packets))
        .context("cannot register the packet metrics")?;
    let api = api.serve(status, metrics, shutdown.clone());
    // Kept beyond the end of the wait: with it go the workers, and names and API go before them.
    let mut running = Box::pin(reconciler.run());
    let result = tokio::select! {
        died = &mut running => died.map_err(anyhow::Error::from),
        name = signals.stop() => {
            info!("{name} received: stopping");
            Ok(())
        }
    };
    shutdown.cancel();
    finish(dns, "DNS").await;
    finish(api, "API").await;
    drop(running);
    result
}

/// Lets clients of the API look inside the workers.
fn with_inspection(
    api: api::Bound,
    dataplane: &mut Dataplane,
    shutdown: &CancellationToken,
) -> api::Bound {
    let Some(inspector) = dataplane.take_inspector() else {
        return api;
    };
    let ports = dataplane.ports().into_iter().map(|port| port.name);
    let network = Arc::clone(dataplane.network());
    api.with_inspection(Inspection::new(
        inspector,
        network,
        ports.collect(),
        shutdown.clone(),
    ))
}

async fn finish(task: JoinHandle<()>, what: &str) {
    if timeout(GRACE / 2, task).await.is_err() {
        warn!("{what} requests were still open and have been cut off");
    }
}

fn log_start(dataplane: &Dataplane) {
    info!("EAL arguments: {}", dataplane.eal_arguments().join(" "));
    match dataplane.memory() {
        Memory::Hugepages { mib } => info!("packet memory: {mib} MiB of hugepages"),
        Memory::Anonymous { mib } => {
            info!(
                "packet memory: {mib} MiB without hugepages (--no-huge); for speed, reserve hugepages with vm.nr_hugepages"
            );
        }
    }
    for port in dataplane.ports() {
        info!(port = port.name, driver = port.driver, mac = %port.mac, "port is up");
    }
}

/// Makes sure that the names of TAP ports are free.
async fn check_taps(config: &Config) -> anyhow::Result<()> {
    for port in &config.ports {
        if let (Driver::Tap, Some(interface)) = (port.driver, &port.interface) {
            let free = host::tap_is_free(interface).await;
            free.with_context(|| format!("port `{}`", port.name))?;
        }
    }
    Ok(())
}

/// Joins the kernel sides of TAP ports to their bridges.
async fn attach_taps(config: &Config, dataplane: &Dataplane) -> anyhow::Result<()> {
    for (port, info) in config.ports.iter().zip(dataplane.ports()) {
        if let (Driver::Tap, Some(interface)) = (port.driver, &port.interface) {
            let mac = kernel_side(info.mac.0);
            host::attach_tap(interface, mac, port.bridge.as_deref())
                .await
                .with_context(|| format!("port `{}`", port.name))?;
        }
    }
    Ok(())
}

/// A locally administered address that differs from the DPDK side's. With the same one, a bridge
/// would take the DPDK side's frames for its own.
fn kernel_side(mut mac: [u8; 6]) -> [u8; 6] {
    mac[0] = (mac[0] | 0x02) & !0x01;
    mac[1] ^= 0xff;
    mac
}

fn start_sources(config: &Config, shutdown: &CancellationToken) -> anyhow::Result<Vec<Source>> {
    let mut started = Vec::new();
    if let Some(marathon) = &config.sources.marathon {
        let options = settings::marathon(marathon);
        let source = sources::marathon::spawn(options, shutdown.clone());
        started.push(source.context("sources.marathon")?);
    }
    if let Some(file) = &config.sources.file {
        started.push(sources::file::spawn(settings::file(file), shutdown.clone()));
    }
    Ok(started)
}

/// The signals that Viaduct knows.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop, and returns its name.
    async fn stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => {
                    warn!("SIGHUP received: the configuration is read at start only; restart to change it (services files are watched)");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_side_has_another_unicast_address() {
        for mac in [[2, 0, 0, 0, 0, 1], [0xff; 6], [0; 6]] {
            let other = kernel_side(mac);
            assert!(other != mac && other[0] & 3 == 2, "{mac:?} {other:?}");
        }
    }
}
