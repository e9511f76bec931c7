//! A Marathon for tests: an HTTP server on a loopback socket that answers what it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Status, content type and body.
    Body(u16, &'static str, String),
    /// A redirection to a URL.
    Redirect(String),
    /// Promises more bytes than it sends.
    CutOff(String),
    /// Sends nothing and keeps the connection.
    Stall,
    /// Begins an event stream; see [`Server::emit`] and [`Server::cut`].
    Events,
}

/// A request as the server saw it: the path with its query, and the whole head.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) head: String,
}

#[derive(Default)]
struct Script {
    answers: BTreeMap<&'static str, Answer>,
    requests: Vec<Request>,
}

/// What event streams have been sent so far.
#[derive(Clone, Default)]
struct Wire {
    sent: Vec<String>,
    cuts: usize,
}

/// A running server; it ends when dropped.
pub(super) struct Server {
    pub(super) url: Url,
    script: Arc<Mutex<Script>>,
    wire: watch::Sender<Wire>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// A server that knows its framework's name, streams events, and has no apps path yet.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let script = Arc::new(Mutex::new(Script::default()));
        let (wire, _) = watch::channel(Wire::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, script.clone(), wire.clone()));
        let url = format!("http://{address}").parse().expect("a URL");
        let server = Self {
            url,
            script,
            wire,
            _tasks: tasks,
        };
        server.set("/v2/events", Answer::Events);
        let info = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/fixtures/marathon/v2-info.json"
        ));
        server.set("/v2/info", json(info));
        server
    }

    /// Sets the answer to requests for `path`, whatever their query.
    pub(super) fn set(&self, path: &'static str, answer: Answer) {
        self.script
            .lock()
            .expect("no panic")
            .answers
            .insert(path, answer);
    }

    /// The requests for `path` so far.
    pub(super) fn requests(&self, path: &str) -> Vec<Request> {
        let script = self.script.lock().expect("no panic");
        script
            .requests
            .iter()
            .filter(|request| without_query(&request.path) == path)
            .cloned()
            .collect()
    }

    /// Sends text on every event stream.
    pub(super) fn emit(&self, text: &str) {
        self.wire
            .send_modify(|wire| wire.sent.push(text.to_owned()));
    }

    /// Closes every event stream.
    pub(super) fn cut(&self) {
        self.wire.send_modify(|wire| wire.cuts += 1);
    }

    /// Number of event streams that are open.
    pub(super) fn streams(&self) -> usize {
        self.wire.receiver_count()
    }
}

/// A good JSON answer.
pub(super) fn json(body: &str) -> Answer {
    Answer::Body(200, "application/json", body.to_owned())
}

async fn serve(listener: TcpListener, script: Arc<Mutex<Script>>, wire: watch::Sender<Wire>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, script.clone(), wire.clone()));
    }
}

async fn connection(mut stream: TcpStream, script: Arc<Mutex<Script>>, wire: watch::Sender<Wire>) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    let answer = {
        let mut script = script.lock().expect("no panic");
        let answer = script.answers.get(without_query(&request.path)).cloned();
        script.requests.push(request);
        answer.unwrap_or(Answer::Body(404, "text/plain", "not found".to_owned()))
    };
    match answer {
        Answer::Body(status, kind, body) => {
            send(&mut stream, status, kind, "", &body, body.len()).await;
        }
        Answer::Redirect(to) => {
            let location = format!("Location: {to}\r\n");
            send(&mut stream, 302, "text/plain", &location, "", 0).await;
        }
        Answer::CutOff(body) => {
            let promised = body.len() + 100;
            send(&mut stream, 200, "application/json", "", &body, promised).await;
        }
        Answer::Stall => std::future::pending().await,
        Answer::Events => events(&mut stream, wire.subscribe()).await,
    }
}

async fn request(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Request { path, head })
}

async fn send(
    stream: &mut TcpStream,
    status: u16,
    kind: &str,
    headers: &str,
    body: &str,
    length: usize,
) {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    let _ = stream.write_all((head + body).as_bytes()).await;
}

/// As Marathon does it: neither a length nor chunks, to the end of the connection.
async fn events(stream: &mut TcpStream, mut wire: watch::Receiver<Wire>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\nConnection: close\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
    let begun = wire.borrow_and_update().clone();
    let mut sent = begun.sent.len();
    while wire.changed().await.is_ok() {
        let now = wire.borrow_and_update().clone();
        if now.cuts != begun.cuts {
            return;
        }
        for text in &now.sent[sent..] {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        sent = now.sent.len();
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
