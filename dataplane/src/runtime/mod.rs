//! Brings the data plane up and down: DPDK, ports, one pinned thread per worker.
//!
//! [`Dataplane`] is what control holds. It owns the order in which things start and end: EAL,
//! memory, ports, workers, and back. It takes plain settings and gives plain numbers; no frame,
//! queue or pointer of DPDK's leaves this crate.

mod idle;
mod settings;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use thiserror::Error;

pub use settings::{Device, Hugepages, Idle, InterfaceSettings, PortSettings, Settings};

use crate::clock::Ticks;
use crate::counters::WorkerCounters;
use crate::dpdk::{
    self, Clock, Eal, EalError, IoError, Memory, Mempool, MempoolError, Port, PortError, PortSpec,
    ThreadError, WorkerIo,
};
use crate::flow::hash::Seed;
use crate::inspect::{Desk, Inspector, desks};
use crate::network::{Attachment, Interface, Network, Subnet, Tunnels};
use crate::pipeline::{Parts, Pipeline};
use crate::table::publication::{Publisher, channel};
use crate::table::{Generation, Table};
use crate::wire::MacAddr;
use crate::worker::{Worker, WorkerId, mailboxes};
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

/// The running data plane.
#[derive(Debug)]
pub struct Dataplane {
    tables: Publisher<Table>,
    counters: Vec<Arc<WorkerCounters>>,
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
        let pool = open_pool(&eal, settings)?;
        let mut ports = open_ports(&eal, settings, &pool)?;
        let ios = dpdk::build(&eal, &mut ports, settings.worker_cores.len(), &pool)?;
        let network = Arc::new(network(settings, &ports));
        let (tables, workers) = workers(settings, &network, ios, clock.now());
        let (inspector, desks) = desks(workers.len());
        let workers = workers.into_iter().zip(desks);
        let workers: Vec<_> = workers.map(|(ready, desk)| ready.with_desk(desk)).collect();
        let counters = workers
            .iter()
            .map(|ready| Arc::clone(&ready.counters))
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let threads = thread::start_all(workers, &eal, clock, settings.idle, &stop)?;
        Ok(Self {
            tables,
            counters,
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

    /// The open ports, in the order of the settings.
    #[must_use]
    pub fn ports(&self) -> Vec<PortInfo> {
        let info = |port: &Port| PortInfo {
            name: port.name().to_owned(),
            driver: port.driver().to_owned(),
            mac: MacAddr(port.mac()),
        };
        self.ports.iter().map(info).collect()
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

/// Buffers that a thread keeps for itself.
const CACHE: u32 = 256;

fn open_pool(eal: &Eal, settings: &Settings) -> Result<Mempool, MempoolError> {
    let mtu = settings
        .ports
        .iter()
        .map(|port| port.mtu)
        .max()
        .unwrap_or(0);
    // Ethernet with two tags.
    let frame = mtu + 22;
    let room = dpdk::mempool::DEFAULT_DATA_ROOM.max(frame + dpdk::mempool::HEADROOM);
    let cache = CACHE.min(settings.mbufs / 8);
    Mempool::new(eal, "packets", settings.mbufs, cache, room, None)
}

fn open_ports(eal: &Eal, settings: &Settings, pool: &Mempool) -> Result<Vec<Port>, PortError> {
    let queues = settings.worker_cores.len() as u16;
    let open = |port: &PortSettings| {
        let spec = PortSpec {
            rx_queues: queues,
            tx_queues: queues,
            rx_descriptors: settings.descriptors(),
            tx_descriptors: settings.descriptors(),
            mtu: port.mtu,
            ..PortSpec::new(&port.name, port.device.name())
        };
        Port::open(eal, &spec, pool)
    };
    settings.ports.iter().map(open).collect()
}

fn network(settings: &Settings, ports: &[Port]) -> Network {
    let interface = |(port, settings): (usize, &PortSettings)| {
        let InterfaceSettings {
            address,
            prefix_len,
            gateway,
            vlan,
        } = settings.interface;
        let mac = MacAddr(ports[port].mac());
        Interface {
            port,
            vlan,
            mac,
            mtu: settings.mtu,
            ipv4: Some(Attachment {
                address,
                subnet: Subnet::of(address, prefix_len),
                gateway,
            }),
            ipv6: None,
            host_port: None,
        }
    };
    Network {
        interfaces: settings.ports.iter().enumerate().map(interface).collect(),
        snat: settings.snat.clone(),
        tunnels: Tunnels {
            gue_port: settings.gue_port,
            ..Tunnels::default()
        },
        static_neighbors: Vec::new(),
        snat_ports: settings.snat_ports,
        workers: settings.worker_cores.len(),
        seed: Seed::random(),
    }
}

fn workers(
    settings: &Settings,
    network: &Arc<Network>,
    ios: Vec<WorkerIo>,
    now: Ticks,
) -> (Publisher<Table>, Vec<Ready>) {
    let (tables, readers) = channel(Table::default(), ios.len());
    let mailboxes = mailboxes(ios.len());
    let make = |(number, (io, reader)): (usize, (WorkerIo, _))| {
        let id = WorkerId(number as u8);
        let counters = Arc::new(WorkerCounters::new(
            settings.ports.len(),
            settings.backend_slots,
        ));
        let (network, shared) = (Arc::clone(network), Arc::clone(&counters));
        let pipeline = Pipeline::new(
            Parts {
                worker: id,
                network,
                tables: reader,
                counters: shared,
                flows: settings.flows,
                steering: Vec::new(),
            },
            now,
        );
        let worker = Worker::new(id, io, pipeline, mailboxes.clone());
        Ready {
            id,
            core: settings.worker_cores[number],
            worker,
            counters,
        }
    };
    (
        tables,
        ios.into_iter().zip(readers).enumerate().map(make).collect(),
    )
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
