//! The running stand-in: it listens, follows the scenario file and feeds the event streams.
//! Owns the listener and every connection; a fault `down` ends both until it is lifted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

use super::events::{self, Event};
use super::fault::{Fault, Mode};
use super::http::{self, Request};
use super::routes::{self, Answer};
use super::scenario::Scenario;

/// Events that a slow reader may lag behind, as Marathon's default.
const MAX_OUTSTANDING: usize = 1024;

/// How a stand-in is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// The scenario file.
    pub scenario: PathBuf,
    /// Time between two looks at the scenario file.
    pub poll: Duration,
    /// Time between two heartbeats of an event stream.
    pub heartbeat: Duration,
}

/// A running stand-in. It stops when the runtime does.
#[derive(Clone, Debug)]
pub struct Standin {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    heartbeat: Duration,
    scenario: watch::Sender<Arc<Scenario>>,
    fault: watch::Sender<Fault>,
    events: broadcast::Sender<Event>,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl Standin {
    /// Reads the scenario, listens, and serves from tasks of the current runtime.
    ///
    /// # Errors
    /// The scenario cannot be read or the address cannot be bound.
    pub async fn start(options: Options) -> Result<Self> {
        let text = read_scenario(&options.scenario).await?;
        let scenario = Scenario::parse(&text)?;
        let listener = bind(options.listen).await?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            heartbeat: options.heartbeat,
            scenario: watch::Sender::new(Arc::new(scenario)),
            fault: watch::Sender::new(Fault::default()),
            events: broadcast::Sender::new(MAX_OUTSTANDING),
            requests: Mutex::new(BTreeMap::new()),
        });
        tokio::spawn(follow(Arc::clone(&shared), options, text));
        tokio::spawn(listen(Arc::clone(&shared), listener));
        Ok(Self { shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The present fault.
    #[must_use]
    pub fn fault(&self) -> Fault {
        *self.shared.fault.borrow()
    }

    /// Fails in this way from now on.
    pub fn set_fault(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    /// Requests by path since start, counted when they are read.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

async fn read_scenario(path: &Path) -> Result<String> {
    tokio::fs::read_to_string(path)
        .await
        .with_context(|| format!("cannot read the scenario {}", path.display()))
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// Takes over the scenario file when its content changes. A file that is not understood is
/// reported once and the scenario before it stays.
async fn follow(shared: Arc<Shared>, options: Options, mut seen: String) {
    loop {
        tokio::time::sleep(options.poll).await;
        let Ok(text) = read_scenario(&options.scenario).await else {
            continue;
        };
        if text == seen {
            continue;
        }
        match Scenario::parse(&text) {
            Ok(scenario) => shared.replace(scenario),
            Err(error) => log(&format!("{error:#}")),
        }
        seen = text;
    }
}

#[allow(clippy::print_stderr, reason = "the log of this test program")]
fn log(message: &str) {
    eprintln!("{} marathon-standin: {message}", now());
}

impl Shared {
    fn replace(&self, scenario: Scenario) {
        let old = self.scenario.send_replace(Arc::new(scenario));
        let news = events::between(&old, &self.scenario.borrow(), &now());
        log(&format!("the scenario changed: {} events", news.len()));
        for event in news {
            // Without a subscriber nobody needs to know.
            let _ = self.events.send(event);
        }
    }

    fn count(&self, path: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(path.to_owned()).or_default() += 1;
    }

    async fn fault_is(&self, down: bool) {
        let mut fault = self.fault.subscribe();
        // The sender is in `self`, so that waiting can only end by a match.
        let _ = fault
            .wait_for(|fault| (fault.mode == Mode::Down) == down)
            .await;
    }
}

/// Accepts connections while Marathon is up, and does not listen at all while it is down.
async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut listener = Some(listener);
    loop {
        match listener.take() {
            Some(open) => tokio::select! {
                () = shared.fault_is(true) => {}
                () = accept(&shared, &open) => {}
            },
            None => shared.fault_is(false).await,
        }
        if shared.fault.borrow().mode != Mode::Down {
            listener = relisten(&shared).await;
        }
    }
}

async fn relisten(shared: &Shared) -> Option<TcpListener> {
    match bind(shared.address).await {
        Ok(listener) => Some(listener),
        Err(error) => {
            log(&format!("{error:#}"));
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Only returns when accepting fails.
async fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            tokio::select! {
                // A client that goes away is no news.
                _ = serve(&shared, stream) => {}
                () = shared.fault_is(true) => {}
            }
        });
    }
}

async fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = http::read_request(&mut reader).await? {
        shared.count(&request.path);
        match shared.answer(&request) {
            Answer::Body(response, delivery) => {
                let open = http::write_response(&mut writer, &response, delivery).await?;
                if request.close || !open {
                    break;
                }
            }
            Answer::Events(types) => return stream_events(shared, reader, writer, &types).await,
        }
    }
    writer.shutdown().await
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        let (scenario, fault) = (Arc::clone(&self.scenario.borrow()), *self.fault.borrow());
        routes::answer(request, &scenario, fault, &self.address.to_string())
    }
}

/// Marathon's stream: `Connection: close`, not chunked, first `event_stream_attached`, then
/// events and a bare CRLF now and then.
async fn stream_events(
    shared: &Shared,
    reader: BufReader<OwnedReadHalf>,
    mut writer: OwnedWriteHalf,
    types: &[String],
) -> std::io::Result<()> {
    let mut events = shared.events.subscribe();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=UTF-8\r\n\
                Cache-Control: no-cache, no-store\r\nConnection: close\r\n\r\n";
    writer.write_all(head.as_bytes()).await?;
    let wanted = |event: &Event| types.is_empty() || types.iter().any(|kind| kind == event.kind);
    let fields = json!({ "remoteAddress": writer.peer_addr()?.ip().to_string() });
    let attached = Event::new("event_stream_attached", &now(), fields);
    if wanted(&attached) {
        writer.write_all(attached.frame().as_bytes()).await?;
    }
    tokio::select! {
        result = feed(&mut events, &mut writer, wanted, shared.heartbeat) => result,
        () = closed(reader) => Ok(()),
    }
}

async fn feed(
    events: &mut broadcast::Receiver<Event>,
    writer: &mut OwnedWriteHalf,
    wanted: impl Fn(&Event) -> bool,
    heartbeat: Duration,
) -> std::io::Result<()> {
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + heartbeat, heartbeat);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) if wanted(&event) => writer.write_all(event.frame().as_bytes()).await?,
                Ok(_) => {}
                // Marathon closes the stream of a reader that is too slow.
                Err(_) => return writer.shutdown().await,
            },
            _ = beat.tick() => {
                // Two writes, because readers must cope with CR and LF in separate packets.
                writer.write_all(b"\r").await?;
                writer.flush().await?;
                writer.write_all(b"\n").await?;
            }
        }
    }
}

/// Returns when the client has closed its side.
async fn closed(mut reader: BufReader<OwnedReadHalf>) {
    let mut scrap = [0; 64];
    while matches!(reader.read(&mut scrap).await, Ok(1..)) {}
}
