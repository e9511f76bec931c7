//! The API over real sockets.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

use super::*;
use crate::dns::ResponseCounters;
use crate::status::{PolicyStatus, PortStatus, ProblemStatus, ServiceStatus, SourceStatus, Status};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Server {
    directory: TempDir,
    http: SocketAddr,
    status: watch::Sender<Arc<Status>>,
    shutdown: CancellationToken,
    handle: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let directory = TempDir::new().expect("a directory");
        let bound = bind(&path(&directory), ANY).await.expect("binds");
        let (status, reader) = watch::channel(Arc::new(Status::default()));
        let metrics = Metrics::new(reader.clone(), ResponseCounters::default());
        let shutdown = CancellationToken::new();
        let http = bound.http_address().expect("bound");
        let handle = bound.serve(reader, metrics, shutdown.clone());
        Self {
            directory,
            http,
            status,
            shutdown,
            handle,
        }
    }

    /// Status line and body, which are the same on both sockets.
    async fn get(&self, target: &str) -> (u16, String) {
        let local = UnixStream::connect(path(&self.directory))
            .await
            .expect("connects");
        let local = request(local, target).await;
        let http = TcpStream::connect(self.http).await.expect("connects");
        assert_eq!(local, request(http, target).await);
        local
    }
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("new/dir/api.sock")
}

async fn request(mut stream: impl AsyncRead + AsyncWrite + Unpin, target: &str) -> (u16, String) {
    let text = format!("GET {target} HTTP/1.1\r\nHost: viaduct\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head
        .split(' ')
        .nth(1)
        .expect("a code")
        .parse()
        .expect("a number");
    (code, body.to_owned())
}

fn source(name: &str, synced: bool, fault: Option<&str>) -> SourceStatus {
    SourceStatus {
        name: name.to_owned(),
        synced,
        reads_total: 4,
        failures_total: 1,
        last_good_seconds: synced.then_some(2),
        fault: fault.map(str::to_owned),
    }
}

fn status() -> Status {
    Status {
        generation: 3,
        services: vec![ServiceStatus {
            name: None,
            address: "192.0.2.1".to_owned(),
            port: 53,
            protocol: "udp".to_owned(),
            policy: PolicyStatus::default(),
            flows_total: 0,
            backends: Vec::new(),
        }],
        problems: vec![ProblemStatus {
            source: "file".to_owned(),
            subject: "web".to_owned(),
            port_index: None,
            label: "port".to_owned(),
            reason: "is 0".to_owned(),
        }],
        sources: vec![
            source("file", true, None),
            source("marathon", true, Some("refused")),
        ],
        ports: Vec::new(),
        addresses: Vec::new(),
    }
}

#[tokio::test]
async fn readiness_waits_for_the_first_table_only() {
    let server = Server::start().await;
    assert_eq!(server.get("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(server.get("/readyz").await, (503, "not ready\n".to_owned()));
    let (code, text) = server.get("/readyz?verbose").await;
    assert_eq!(code, 503);
    assert_eq!(
        text,
        "[-] table: none acknowledged by all workers yet\nnot ready\n"
    );

    server.status.send_replace(Arc::new(status()));
    assert_eq!(server.get("/readyz").await, (200, "ready\n".to_owned()));
    let (code, text) = server.get("/readyz?verbose=1").await;
    assert_eq!(code, 200);
    assert_eq!(
        text,
        "[+] table: generation 3 acknowledged by all workers\n\
         [+] source file: last good read 2 s ago\n\
         [-] source marathon: refused\n\
         ready\n"
    );
}

#[tokio::test]
async fn a_host_without_any_link_is_not_ready() {
    let server = Server::start().await;
    let port = |name: &str, up| PortStatus {
        name: name.to_owned(),
        up: Some(up),
        fault: (!up).then(|| "no carrier".to_owned()),
        ..PortStatus::default()
    };
    for (right, code, summary) in [(true, 200, "ready"), (false, 503, "not ready")] {
        server.status.send_replace(Arc::new(Status {
            generation: 1,
            ports: vec![port("left", false), port("right", right)],
            ..Status::default()
        }));
        assert_eq!(server.get("/readyz").await, (code, format!("{summary}\n")));
    }
    let (_, text) = server.get("/readyz?verbose").await;
    assert!(
        text.contains("[-] port left: link is down: no carrier\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_source_that_never_read_is_told() {
    let server = Server::start().await;
    let sources = vec![source("file", false, None)];
    server.status.send_replace(Arc::new(Status {
        generation: 1,
        sources,
        ..Status::default()
    }));
    let (code, text) = server.get("/readyz?verbose").await;
    assert_eq!(code, 200);
    assert!(
        text.contains("[-] source file: no good read yet\n"),
        "{text}"
    );
}

#[tokio::test]
async fn the_status_is_served_whole_and_in_parts() {
    let server = Server::start().await;
    let status = status();
    server.status.send_replace(Arc::new(status.clone()));
    let json = async |target: &str| {
        let (code, text) = server.get(target).await;
        assert_eq!(code, 200, "{target}");
        text
    };
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let whole: Status = serde_json::from_str(&json("/v1/status").await).expect("a status");
    assert_eq!(whole, status);
    let vips: Vec<ServiceStatus> = serde_json::from_str(&json("/v1/vips").await).expect("services");
    assert_eq!(vips, status.services);
    assert_eq!(parse(&json("/v1/problems").await)[0]["reason"], "is 0");
    assert_eq!(parse(&json("/v1/sources").await)[1]["fault"], "refused");
}

#[tokio::test]
async fn metrics_are_served() {
    let server = Server::start().await;
    let (code, text) = server.get("/metrics").await;
    assert_eq!(code, 200);
    assert!(text.contains("\nviaduct_table_generation 0\n"), "{text}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let server = Server::start().await;
    assert_eq!(server.get("/nothing").await.0, 404);
    let mut stream = TcpStream::connect(server.http).await.expect("connects");
    let text = b"DELETE /v1/vips HTTP/1.1\r\nHost: viaduct\r\nConnection: close\r\n\r\n";
    stream.write_all(text).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_with_the_process() {
    let server = Server::start().await;
    let path = path(&server.directory);
    let mode = std::fs::metadata(&path)
        .expect("exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    server.shutdown.cancel();
    server.handle.await.expect("no panic");
    assert!(!path.exists());
    TcpStream::connect(server.http).await.expect_err("closed");
}

#[tokio::test]
async fn a_live_socket_is_refused() {
    let server = Server::start().await;
    let path = path(&server.directory);
    let error = bind(&path, ANY).await.expect_err("in use");
    assert!(matches!(error, ApiError::InUse { .. }), "{error}");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error}"
    );
    assert_eq!(server.get("/livez").await.0, 200, "the live one goes on");
}

#[tokio::test]
async fn a_dead_process_socket_is_replaced() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("api.sock");
    drop(UnixListener::bind(&path).expect("binds"));
    assert!(path.exists());
    bind(&path, ANY).await.expect("replaces it");
}

#[tokio::test]
async fn other_files_are_not_touched() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("api.sock");
    std::fs::write(&path, "precious").expect("writes");
    let error = bind(&path, ANY).await.expect_err("not a socket");
    assert!(matches!(error, ApiError::NotASocket { .. }), "{error}");
    assert_eq!(
        std::fs::read_to_string(&path).expect("still there"),
        "precious"
    );
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let server = Server::start().await;
    let other = server.directory.path().join("other.sock");
    let error = bind(&other, server.http).await.expect_err("taken");
    assert!(
        error.to_string().contains(&server.http.to_string()),
        "{error}"
    );
    assert!(!other.exists(), "nothing is left behind");
}
