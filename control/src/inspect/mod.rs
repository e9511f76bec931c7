//! Looking inside the running data plane, for operators: flows, neighbors, what would become of a
//! packet, and what becomes of packets that match.
//!
//! [`Inspection`] is the one holder of the data plane's [`Inspector`]: it asks workers, waits for
//! their answers on the control thread, and gives them their names. Values here serialise as the
//! API's JSON. Nothing here changes what runs.

pub mod capture;
pub mod filter;
pub mod flows;
pub mod neighbors;
mod pcapng;
pub mod record;
pub mod step;
pub mod trace;

use std::sync::Arc;
use std::time::Duration;

use dataplane::inspect::{Inspector, Question};
use dataplane::network::{Interface, InterfaceIndex, Network};
use dataplane::worker::WorkerId;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often a worker's answer is looked for.
const POLL: Duration = Duration::from_millis(1);
/// How long a worker may take. It answers in its next turns.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// What was asked makes no sense.
    #[error("{0}")]
    Question(String),
    /// Packets are watched for somebody else.
    #[error(
        "another capture or trace is running, and there can be one at a time; \
         wait for its end, or end it"
    )]
    Watched,
    /// A worker does not answer.
    #[error("worker {0} has not answered for {PATIENCE:?}; its CPU may be overloaded")]
    Silent(WorkerId),
}

/// Looks into the workers. Clones share the way to them.
#[derive(Clone, Debug)]
pub struct Inspection {
    inspector: Arc<Mutex<Inspector>>,
    workers: u8,
    watch: Arc<Semaphore>,
    network: Arc<Network>,
    ports: Arc<[String]>,
    shutdown: CancellationToken,
}

impl Inspection {
    /// A way to the workers behind `inspector`. `ports` are the ports' names in the order of their
    /// indices; captures end at `shutdown`.
    #[must_use]
    pub fn new(
        inspector: Inspector,
        network: Arc<Network>,
        ports: Vec<String>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            workers: u8::try_from(inspector.workers()).unwrap_or(u8::MAX),
            inspector: Arc::new(Mutex::new(inspector)),
            watch: Arc::new(Semaphore::new(1)),
            network,
            ports: ports.into(),
            shutdown,
        }
    }

    /// All workers.
    fn workers(&self) -> impl Iterator<Item = WorkerId> + use<> {
        (0..self.workers).map(WorkerId)
    }

    /// Name of a port.
    fn port_name(&self, port: usize) -> &str {
        self.ports.get(port).map_or("?", String::as_str)
    }

    /// Index of the port with this name.
    fn port(&self, name: &str) -> Result<usize, InspectError> {
        self.ports
            .iter()
            .position(|port| port == name)
            .ok_or_else(|| {
                let known = self.ports.join(", ");
                InspectError::Question(format!("there is no port `{name}`; the ports are {known}"))
            })
    }

    fn interface(&self, index: InterfaceIndex) -> &Interface {
        self.network.interface(index)
    }

    /// Asks a worker and waits for its answer.
    async fn ask(&self, worker: WorkerId, question: Question) -> Result<Question, InspectError> {
        let exchange = async {
            let mut inspector = self.inspector.lock().await;
            make_room(&mut inspector, worker).await;
            let Ok(ticket) = inspector.ask(worker, question) else {
                return None;
            };
            loop {
                match inspector.answer(worker) {
                    Some((answered, answer)) if answered == ticket => return Some(answer),
                    // Somebody has gone without waiting for it.
                    Some(_) => {}
                    None => sleep(POLL).await,
                }
            }
        };
        let answer = timeout(PATIENCE, exchange).await.ok().flatten();
        answer.ok_or(InspectError::Silent(worker))
    }

    /// Asks a worker for something that goes on for a while.
    async fn post(&self, worker: WorkerId, question: Question) -> Result<(), InspectError> {
        let exchange = async {
            let mut inspector = self.inspector.lock().await;
            make_room(&mut inspector, worker).await;
            inspector.ask(worker, question).ok()
        };
        let posted = timeout(PATIENCE, exchange).await.ok().flatten();
        posted.map(drop).ok_or(InspectError::Silent(worker))
    }

    /// The right to watch packets, which one at a time has.
    fn begin_watch(&self) -> Result<OwnedSemaphorePermit, InspectError> {
        let watch = Arc::clone(&self.watch).try_acquire_owned();
        watch.map_err(|_| InspectError::Watched)
    }
}

/// Waits until a worker can be asked, and frees answers that nobody waits for.
async fn make_room(inspector: &mut Inspector, worker: WorkerId) {
    while inspector.answer(worker).is_some() {}
    while !inspector.has_room(worker) {
        sleep(POLL).await;
        while inspector.answer(worker).is_some() {}
    }
}

/// Milliseconds of a span of the data plane's clock.
fn milliseconds(span: dataplane::clock::TickSpan) -> u64 {
    u64::from(span.0) * dataplane::clock::TICK.as_millis() as u64
}
