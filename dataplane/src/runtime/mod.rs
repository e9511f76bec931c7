//! Brings the data plane up and down: DPDK, ports, one pinned thread per worker.
//!
//! [`Dataplane`] is what control holds. It owns the order in which things start and end: EAL,
//! memory, ports, workers, and back. It takes plain settings and gives plain numbers; no frame,
//! queue or pointer of DPDK's leaves this crate.

mod idle;
mod network;
mod ports;
mod settings;
mod thread;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use thiserror::Error;

pub use settings::{
    Device, HostSettings, Hugepages, Idle, InterfaceSettings, PortSettings, Settings,
};

use crate::clock::Ticks;
use crate::counters::{OwnAddressCounters, WorkerCounters};
use crate::dpdk::{
    self, Clock, Eal, EalError, IoError, Link, Memory, MempoolError, Port, PortError, PortStats,
    ThreadError, WorkerIo,
};
use crate::flow::steering::ReturnSteering;
use crate::inspect::{Desk, Inspector, desks};
use crate::neighbor::{StaticError, own_addresses};
use crate::network::Network;
use crate::pipeline::{Parts, Pipeline};
use crate::table::publication::{Publisher, channel};
use crate::table::{Generation, Table};
use crate::wire::MacAddr;
use crate::worker::{Notices, Worker, WorkerId, mailboxes, notices};
use thread::TickClock;

/// Why the data plane does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The control thread could not be bound to its CPU.
    #[error(
        "cannot run on CPU {0} (control.core): it does not exist, is offline, or is not allowed to this process"
    )]
    ControlCore(usize),
    /// A worker thread could not be bound to its CPU.
    #[error(
        "worker {worker} cannot run on CPU {core} (workers.cores): it does not exist, is offline, or is not allowed to this process"
    )]
    WorkerCore {
        /// The worker.
        worker: WorkerId,
        /// Its CPU.
        core: usize,
    },
    /// Hugepages are required and there are too few.
    #[error(
        "memory.hugepages = \"require\", but only {free_mib} MiB of hugepages are free and memory.size asks for {mib} MiB; \
         reserve more (sysctl vm.nr_hugepages={pages}) or set hugepages = \"auto\""
    )]
    Hugepages {
        /// Free hugepages, in MiB.
        free_mib: u64,
        /// Memory asked for, in MiB.
        mib: u32,
        /// Number of 2 MiB pages that would do.
        pages: u32,
    },
    /// DPDK's environment.
    #[error(transparent)]
    Eal(#[from] EalError),
    /// Packet buffers.
    #[error(transparent)]
    Mempool(#[from] MempoolError),
    /// A port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A neighbor with a configured Ethernet address.
    #[error("ports.neighbors: {0}")]
    StaticNeighbor(#[from] StaticError),
    /// Queues and inboxes.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A worker thread and DPDK.
    #[error("worker {worker}: {source}")]
    Register {
        /// The worker.
        worker: WorkerId,
        /// DPDK's word.
        source: ThreadError,
    },
    /// The system has no thread to give.
    #[error("cannot start the thread of worker {worker}: {source}")]
    Spawn {
        /// The worker.
        worker: WorkerId,
        /// The system's word.
        source: std::io::Error,
    },
}

/// A worker thread ended by itself.
#[derive(Debug, Error)]
#[error("worker {0} stopped unexpectedly")]
pub struct WorkerDied(pub WorkerId);

/// An open port, for logs and metrics.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// Name in the configuration.
    pub name: String,
    /// DPDK driver.
    pub driver: String,
    /// Ethernet address.
    pub mac: MacAddr,
}

/// How a port is now, for status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortState {
    /// Its link; `None` if the driver does not tell.
    pub link: Option<Link>,
    /// Its driver's counters; `None` if it has none.
    pub stats: Option<PortStats>,
}

/// One of Viaduct's own addresses, and who else says that it has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// Name of its port.
    pub port: String,
    /// The tag of its VLAN, if it has one.
    pub vlan: Option<u16>,
    /// The address.
    pub address: IpAddr,
    /// How often another station has said that it has the address.
    pub conflicts: u64,
    /// It was another station's when it was probed: it is not answered for.
    pub is_duplicate: bool,
}

/// The running data plane.
#[derive(Debug)]
pub struct Dataplane {
    tables: Publisher<Table>,
    counters: Vec<Arc<WorkerCounters>>,
    own: Vec<OwnAddress>,
    notices: Vec<Notices>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ports: Vec<Port>,
    arguments: Vec<String>,
    memory: Memory,
    network: Arc<Network>,
    inspector: Option<Inspector>,
    _eal: Eal,
}

/// A worker and what its thread needs.
struct Ready {
    id: WorkerId,
    core: usize,
    worker: Worker<WorkerIo>,
    counters: Arc<WorkerCounters>,
    notices: Notices,
}

impl Ready {
    fn with_desk(self, desk: Desk) -> Self {
        Self {
            worker: self.worker.with_desk(desk),
            ..self
        }
    }
}

impl Dataplane {
    /// Starts everything. Must be called on the control thread, which it binds to its CPU, so that
    /// EAL's helper threads inherit that. Workers run with an empty table until one is published.
    ///
    /// # Errors
    /// [`StartError`]. What was started is ended again.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        if !core_affinity::set_for_current(core_affinity::CoreId {
            id: settings.control_core,
        }) {
            return Err(StartError::ControlCore(settings.control_core));
        }
        let memory = choose_memory(
            settings.hugepages,
            settings.memory_mib,
            dpdk::hugepages::free_bytes(),
        )?;
        let options = settings.eal_options(memory);
        let eal = Eal::init(&options)?;
        let clock = TickClock::new(Clock::new(&eal));
        let pool = ports::open_pool(&eal, settings)?;
        let mut ports = ports::open(&eal, settings, &pool)?;
        let macs: Vec<MacAddr> = ports.iter().map(|port| MacAddr(port.mac())).collect();
        let network = Arc::new(network::network(settings, &macs));
        network::check_static_neighbors(&network)?;
        let ios = dpdk::build(&eal, &mut ports, settings.worker_cores.len(), &pool)?;
        let (tables, workers) = workers(settings, &network, &ports, ios, clock.now());
        let (inspector, desks) = desks(workers.len());
        let workers = workers.into_iter().zip(desks);
        let workers: Vec<_> = workers.map(|(ready, desk)| ready.with_desk(desk)).collect();
        let counters = workers
            .iter()
            .map(|ready| Arc::clone(&ready.counters))
            .collect();
        let notices = workers.iter().map(|w| Arc::clone(&w.notices)).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let threads = thread::start_all(workers, &eal, clock, settings.idle, &stop)?;
        Ok(Self {
            tables,
            counters,
            own: network::own(settings, &network),
            notices,
            stop,
            threads,
            ports,
            arguments: options.arguments(),
            memory,
            network,
            inspector: Some(inspector),
            _eal: eal,
        })
    }

    /// Hands workers a new table, and returns its generation.
    pub fn publish(&mut self, table: Table) -> Generation {
        self.tables.publish(table)
    }

    /// The newest generation that every worker uses. Frees tables that no worker does.
    pub fn acknowledged(&mut self) -> Generation {
        self.tables.free_acknowledged();
        self.tables.acknowledged()
    }

    /// Counters by worker.
    #[must_use]
    pub fn counters(&self) -> &[Arc<WorkerCounters>] {
        &self.counters
    }

    /// The open ports, in the order of the settings; after them the exception ports, under the names
    /// of their interfaces.
    #[must_use]
    pub fn ports(&self) -> Vec<PortInfo> {
        let info = |port: &Port| PortInfo {
            name: port.name().to_owned(),
            driver: port.driver().to_owned(),
            mac: MacAddr(port.mac()),
        };
        self.ports.iter().map(info).collect()
    }

    /// Links and drivers' counters, in the order of [`Self::ports`]. Makes system calls; meant for about once a second.
    #[must_use]
    pub fn links(&self) -> Vec<PortState> {
        let state = |port: &Port| PortState {
            link: port.link().ok(),
            stats: port.stats().ok(),
        };
        self.ports.iter().map(state).collect()
    }

    /// Viaduct's own addresses and NAT's, on each interface where they are.
    #[must_use]
    pub fn own_addresses(&self) -> Vec<OwnAddress> {
        // The first worker probes for all.
        let counters = self.counters.first().into_iter();
        let counters = counters.flat_map(|worker| &worker.own_addresses);
        let with_counts = |(own, counters): (&OwnAddress, &OwnAddressCounters)| OwnAddress {
            conflicts: counters.conflicts.get(),
            is_duplicate: counters.duplicate.get() != 0,
            ..own.clone()
        };
        self.own.iter().zip(counters).map(with_counts).collect()
    }

    /// Tells the workers that the link of a port, by its place in [`Self::ports`], came up: its
    /// addresses are probed for and announced again.
    pub fn link_came_up(&self, port: usize) {
        for notices in &self.notices {
            // A worker that does not read its notices has other troubles.
            let _ = notices.push(port);
        }
    }

    /// EAL's arguments as they were given to it.
    #[must_use]
    pub fn eal_arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Where Viaduct stands in the network.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The one way to look inside the workers; `None` if somebody has it already.
    pub fn take_inspector(&mut self) -> Option<Inspector> {
        self.inspector.take()
    }

    /// Where DPDK's memory came from.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// The first worker whose thread has ended, which none does by itself.
    ///
    /// # Errors
    /// [`WorkerDied`].
    pub fn check(&self) -> Result<(), WorkerDied> {
        match self.threads.iter().position(JoinHandle::is_finished) {
            Some(number) => Err(WorkerDied(WorkerId(number as u8))),
            None => Ok(()),
        }
    }
}

impl Drop for Dataplane {
    /// Ends the workers; ports, memory and EAL follow.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn choose_memory(wish: Hugepages, mib: u32, free_bytes: u64) -> Result<Memory, StartError> {
    let enough = free_bytes >= u64::from(mib) << 20;
    match wish {
        Hugepages::Never => Ok(Memory::Anonymous { mib }),
        Hugepages::Auto if !enough => Ok(Memory::Anonymous { mib }),
        Hugepages::Require if !enough => Err(StartError::Hugepages {
            free_mib: free_bytes >> 20,
            mib,
            pages: mib.div_ceil(2),
        }),
        Hugepages::Auto | Hugepages::Require => Ok(Memory::Hugepages { mib }),
    }
}

fn workers(
    settings: &Settings,
    network: &Arc<Network>,
    ports: &[Port],
    ios: Vec<WorkerIo>,
    now: Ticks,
) -> (Publisher<Table>, Vec<Ready>) {
    let (tables, readers) = channel(Table::default(), ios.len());
    let mailboxes = mailboxes(ios.len());
    let make = |(number, (io, reader)): (usize, (WorkerIo, _))| {
        let id = WorkerId(number as u8);
        let counters = WorkerCounters::new(ports.len(), settings.backend_slots);
        let counters = Arc::new(counters.with_own_addresses(own_addresses(network).len()));
        let (network, shared) = (Arc::clone(network), Arc::clone(&counters));
        let pipeline = Pipeline::new(
            Parts {
                worker: id,
                network,
                tables: reader,
                counters: shared,
                flows: settings.flows,
                half_open: settings.half_open,
                announces: number == 0,
                steering: ports.iter().map(|port| steering(port, id)).collect(),
            },
            now,
        );
        let notices = notices();
        let worker = Worker::new(id, io, pipeline, mailboxes.clone());
        let worker = worker.with_notices(Arc::clone(&notices));
        Ready {
            id,
            core: settings.worker_cores[number],
            worker,
            counters,
            notices,
        }
    };
    (
        tables,
        ios.into_iter().zip(readers).enumerate().map(make).collect(),
    )
}

/// Where the replies to a worker's source ports arrive at a port. A worker polls the queue that has
/// its number.
fn steering(port: &Port, worker: WorkerId) -> Option<ReturnSteering> {
    ReturnSteering::new(port.rss()?, worker.0.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugepages_are_used_when_there_are_enough() {
        let choose = |wish, free_mib: u64| choose_memory(wish, 512, free_mib << 20);
        let (huge, ordinary) = (
            Memory::Hugepages { mib: 512 },
            Memory::Anonymous { mib: 512 },
        );
        assert_eq!(choose(Hugepages::Auto, 512).expect("enough"), huge);
        assert_eq!(choose(Hugepages::Auto, 511).expect("falls back"), ordinary);
        assert_eq!(
            choose(Hugepages::Never, 4096).expect("not wanted"),
            ordinary
        );
        assert_eq!(choose(Hugepages::Require, 512).expect("enough"), huge);
        let error = choose(Hugepages::Require, 10)
            .expect_err("too few")
            .to_string();
        assert!(
            error.contains("only 10 MiB") && error.contains("vm.nr_hugepages=256"),
            "{error}"
        );
    }
}
