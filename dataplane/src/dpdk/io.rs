//! The ports and inboxes as one worker sees them, over DPDK.
//!
//! Each worker has one inbox with many producers, rather than one ring for each pair of workers: the poll
//! loop then looks at a single ring (one foreign call, one cache line) however many workers there are, and contention
//! appears only where two workers hand over to a third at the same instant. Handing over is the exception on NICs,
//! where replies are steered to their owner by RSS.

use dpdk_sys as sys;
use thiserror::Error;

use super::eal::Eal;
use super::mbuf::Mbuf;
use super::mempool::Mempool;
use super::port::Port;
use super::queue::Queue;
use super::ring::{self, Consumer, Producer, RingError, burst_len};
use crate::frame::{Burst, Io};

/// Frames that an inbox holds: 32 bursts, so that a worker may be busy with another port for a while.
pub const INBOX: u32 = 1024;

/// Why workers cannot have their ports.
#[derive(Debug, Error)]
pub enum IoError {
    /// Nobody would poll.
    #[error("no workers: at least one CPU must be given to them")]
    NoWorkers,
    /// A queue without a worker would swallow packets; a worker without a queue could not send.
    #[error(
        "port `{port}` has {queues} free queue pairs for {workers} workers; it must be opened with one for each"
    )]
    Queues {
        /// The port.
        port: String,
        /// Pairs not taken yet.
        queues: usize,
        /// Workers.
        workers: usize,
    },
    /// An inbox could not be made.
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// One worker's queues of all ports, its inbox and its way to the others' inboxes.
///
/// Built on the control thread, moved to the worker's thread, and used there; register that thread
/// ([`super::thread::EalThread`]) for fast buffer caches.
#[derive(Debug)]
pub struct WorkerIo {
    queues: Vec<Queue>,
    inbox: Consumer,
    outboxes: Vec<Producer>,
    pool: Mempool,
}

/// Gives each of `workers` workers one queue pair of every port, in the order of `ports`, and an inbox. New frames
/// come from `pool`.
///
/// # Errors
/// [`IoError`]; the ports keep their queues.
pub fn build(
    eal: &Eal,
    ports: &mut [Port],
    workers: usize,
    pool: &Mempool,
) -> Result<Vec<WorkerIo>, IoError> {
    check_queues(ports, workers)?;
    let (outboxes, inboxes) = inboxes(eal, workers)?;
    let mut built: Vec<WorkerIo> = inboxes
        .into_iter()
        .map(|inbox| WorkerIo {
            queues: Vec::with_capacity(ports.len()),
            inbox,
            outboxes: outboxes.clone(),
            pool: pool.clone(),
        })
        .collect();
    for port in ports {
        for (worker, queue) in built.iter_mut().zip(port.take_queues()) {
            worker.queues.push(queue);
        }
    }
    Ok(built)
}

fn check_queues(ports: &[Port], workers: usize) -> Result<(), IoError> {
    if workers == 0 {
        return Err(IoError::NoWorkers);
    }
    let Some(port) = ports.iter().find(|port| port.free_queues() != workers) else {
        return Ok(());
    };
    Err(IoError::Queues {
        port: port.name().to_owned(),
        queues: port.free_queues(),
        workers,
    })
}

fn inboxes(eal: &Eal, workers: usize) -> Result<(Vec<Producer>, Vec<Consumer>), RingError> {
    let rings = (0..workers).map(|worker| ring::channel(eal, &format!("inbox-{worker}"), INBOX));
    let rings: Vec<_> = rings.collect::<Result<_, _>>()?;
    Ok(rings.into_iter().unzip())
}

impl Io for WorkerIo {
    type Frame = Mbuf;

    fn ports(&self) -> usize {
        self.queues.len()
    }

    fn workers(&self) -> usize {
        self.outboxes.len()
    }

    fn receive(&mut self, port: usize, out: &mut Burst<Mbuf>) {
        self.queues[port].receive(out);
    }

    fn transmit(&mut self, port: usize, frames: &mut Burst<Mbuf>) {
        self.queues[port].transmit(frames);
    }

    fn receive_handoff(&mut self, out: &mut Burst<Mbuf>) {
        self.inbox.receive(out);
    }

    fn hand_off(&mut self, worker: usize, frames: &mut Burst<Mbuf>) {
        self.outboxes[worker].send(frames);
    }

    fn discard(&mut self, frames: &mut Burst<Mbuf>) {
        let (first, count) = (frames.as_mut_ptr().cast(), burst_len(frames));
        // SAFETY: no value is valid beyond length 0, so the buffers, freed below, are not dropped again.
        unsafe { frames.set_len(0) };
        if count > 0 {
            // SAFETY: `first` points to `count` buffers (`Mbuf` is a transparent pointer) that nobody owns since the length is 0.
            unsafe { sys::vd_free_bulk(first, count) };
        }
    }

    fn allocate(&mut self) -> Option<Mbuf> {
        self.pool.allocate()
    }
}
