//! A small load client: a number of concurrent connections, each asking again and again for
//! a bounded count or time, and a report of what they saw. It measures what is answered and
//! by whom, not how fast the path could go.

mod exchange;
mod report;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tokio::sync::Barrier;
use tokio::task::LocalSet;
use tokio::time::timeout;

use exchange::Connection;
pub use report::{Failure, Report, Sums};

/// What is spoken to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// GET of a path whose body is the responder's id.
    Http,
    /// Lines to a `tcp-echo`.
    Tcp,
    /// Datagrams to a `udp-echo`.
    Udp,
}

/// How a run is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is spoken.
    pub protocol: Protocol,
    /// To whom.
    pub target: SocketAddr,
    /// Path of HTTP requests.
    pub path: String,
    /// Concurrent connections.
    pub connections: usize,
    /// Requests of each connection.
    pub requests: u64,
    /// No request starts after this time.
    pub duration: Option<Duration>,
    /// A new connection for each request.
    pub one_shot: bool,
    /// Pause between two requests of a connection.
    pub interval: Duration,
    /// Longest wait for a connection and for an answer.
    pub timeout: Duration,
    /// Nobody asks a second time before everybody has asked once.
    pub together: bool,
    /// Lines and datagrams are made at least this long.
    pub size: usize,
}

/// Runs the load on the current thread and says what was seen.
pub async fn run(options: Options) -> Report {
    let everybody = Barrier::new(options.connections);
    let run = Rc::new(Run {
        everybody,
        options,
        started: Instant::now(),
        report: RefCell::new(Report::default()),
        open: Rc::default(),
    });
    let clients = LocalSet::new();
    for client in 0..run.options.connections {
        let run = Rc::clone(&run);
        clients.spawn_local(async move { run.client(client).await });
    }
    clients.await;
    let mut report = run.report.take();
    report.elapsed_ms = u64::try_from(run.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

struct Run {
    options: Options,
    everybody: Barrier,
    started: Instant,
    report: RefCell<Report>,
    /// Connections that are open now.
    open: Rc<Cell<u64>>,
}

/// Counts as an open connection while it lives.
struct Open(Rc<Cell<u64>>);

impl Open {
    fn new(count: &Rc<Cell<u64>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A connection and who answered on it last.
struct Lane {
    _open: Open,
    connection: Connection,
    responder: Option<String>,
    moved: bool,
}

impl Run {
    async fn client(&self, client: usize) {
        let mut lane = None;
        for request in 0..self.options.requests {
            if self.is_over() {
                break;
            }
            if request > 0 && !self.options.interval.is_zero() {
                tokio::time::sleep(self.options.interval).await;
            }
            if request == 1 && self.options.together {
                self.everybody.wait().await;
            }
            let token = self.token(client, request);
            let result = self.request(&mut lane, &token).await;
            self.report
                .borrow_mut()
                .add(self.started.elapsed().as_secs(), &result);
            if result.is_err() || self.options.one_shot {
                lane = None;
            }
            self.breathe(&result).await;
        }
    }

    fn token(&self, client: usize, request: u64) -> String {
        let token = format!("{client}-{request}-");
        let padding = self.options.size.saturating_sub(token.len());
        token + &"x".repeat(padding)
    }

    fn is_over(&self) -> bool {
        self.options
            .duration
            .is_some_and(|duration| self.started.elapsed() >= duration)
    }

    /// A target that refuses at once must not turn a timed run into a busy loop.
    async fn breathe(&self, result: &Result<String, Failure>) {
        if result.is_err() && self.options.interval.is_zero() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn request(&self, lane: &mut Option<Lane>, token: &str) -> Result<String, Failure> {
        let mut open = match lane.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let host = self.options.target.to_string();
        let asked = open.connection.ask(&host, &self.options.path, token);
        let responder = match timeout(self.options.timeout, asked).await {
            Err(_) => return Err(Failure::Timeout),
            Ok(Err(error)) => return Err(Failure::from(&error)),
            Ok(Ok(responder)) => responder,
        };
        self.note_move(&mut open, &responder);
        *lane = Some(open);
        Ok(responder)
    }

    async fn open(&self) -> Result<Lane, Failure> {
        let opened = Connection::open(self.options.protocol, self.options.target);
        match timeout(self.options.timeout, opened).await {
            Err(_) => Err(Failure::ConnectTimeout),
            Ok(Err(error)) => Err(Failure::from(&error)),
            Ok(Ok(connection)) => {
                self.report.borrow_mut().connections += 1;
                let open = Open::new(&self.open);
                self.note_peak();
                Ok(Lane {
                    _open: open,
                    connection,
                    responder: None,
                    moved: false,
                })
            }
        }
    }

    fn note_peak(&self) {
        let mut report = self.report.borrow_mut();
        report.peak = report.peak.max(self.open.get());
    }

    fn note_move(&self, lane: &mut Lane, responder: &str) {
        let before = lane.responder.replace(responder.to_owned());
        if before.is_some_and(|before| before != responder) && !lane.moved {
            lane.moved = true;
            self.report.borrow_mut().moved += 1;
        }
    }
}
