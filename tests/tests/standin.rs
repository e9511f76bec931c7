//! The stand-in over real connections: what a client of Marathon's API sees, in each mode.
//!
//! ```text
//!   client ── 127.0.0.1 ── stand-in ── scenario file
//! ```
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use viaduct_tests::marathon::standin::{Options, Standin};
use viaduct_tests::marathon::{App, Fault, Mode, Scenario};

const AGENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 11);

fn web() -> App {
    App::bridge("/web").vip("tcp", "/web:80").task(AGENT, 31001)
}

async fn start() -> (TempDir, Standin) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.toml");
    Scenario::of(vec![web()]).save(&scenario).unwrap();
    let standin = Standin::start(Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        scenario,
        poll: Duration::from_millis(10),
        heartbeat: Duration::from_millis(20),
    });
    (folder, standin.await.unwrap())
}

async fn ask(standin: &Standin, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(standin.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: marathon\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn get(standin: &Standin, path: &str) -> String {
    let mut text = String::new();
    let mut stream = ask(standin, path, "Connection: close\r\n").await;
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn read_until(stream: &mut TcpStream, seen: &mut String, wanted: &str) {
    let mut buffer = [0; 4096];
    while !seen.contains(wanted) {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the stream ended without {wanted:?}: {seen}");
        seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
}

#[tokio::test]
async fn a_stream_starts_attached_beats_and_tells_of_changes() {
    let (folder, standin) = start().await;
    let mut stream = ask(&standin, "/v2/events", "Accept: text/event-stream\r\n").await;
    let mut seen = String::new();
    read_until(
        &mut stream,
        &mut seen,
        "event: event_stream_attached\r\ndata: {",
    )
    .await;
    assert!(
        seen.contains("Connection: close\r\n") && !seen.contains("chunked"),
        "{seen}"
    );
    read_until(&mut stream, &mut seen, "\r\n\r\n\r\n").await;
    let file = folder.path().join("scenario.toml");
    Scenario::of(vec![web().task(AGENT, 31002)])
        .save(&file)
        .unwrap();
    read_until(&mut stream, &mut seen, "event: deployment_success\r\n").await;
    assert!(
        seen.contains("event: status_update_event\r\ndata: {"),
        "{seen}"
    );
    let apps = get(&standin, "/v2/apps?embed=apps.tasks").await;
    assert!(apps.contains("web.instance-11-31002"), "{apps}");
}

#[tokio::test]
async fn a_scenario_that_is_not_understood_changes_nothing() {
    let (folder, standin) = start().await;
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, "apps = 'nonsense'").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(get(&standin, "/v2/apps").await.contains("\"/web\""));
}

#[tokio::test]
async fn down_refuses_ends_streams_and_comes_back() {
    let (_folder, standin) = start().await;
    let mut stream = ask(&standin, "/v2/events", "Accept: text/event-stream\r\n").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "event_stream_attached").await;
    standin.set_fault(Fault::of(Mode::Down));
    // The end of the stream, orderly or by a reset.
    let _ = stream.read_to_string(&mut seen).await;
    while TcpStream::connect(standin.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    standin.set_fault(Fault::of(Mode::Ok));
    while TcpStream::connect(standin.address()).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(get(&standin, "/ping").await.ends_with("pong"));
}

#[tokio::test]
async fn a_truncated_body_is_shorter_than_it_says() {
    let (_folder, standin) = start().await;
    let whole = get(&standin, "/v2/apps").await;
    standin.set_fault(Fault::of(Mode::Truncated));
    let half = get(&standin, "/v2/apps").await;
    assert!(
        half.len() < whole.len() && whole.starts_with(&half),
        "{half}"
    );
    standin.set_fault(Fault {
        mode: Mode::Slow,
        drop_every_ms: 1,
    });
    assert_eq!(get(&standin, "/v2/apps").await, whole);
    assert_eq!(standin.requests()["/v2/apps"], 3);
}

#[tokio::test]
async fn one_connection_takes_several_requests() {
    let (_folder, standin) = start().await;
    let mut stream = ask(&standin, "/ping", "").await;
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "pong").await;
    stream
        .write_all(b"GET /v2/leader HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, &mut seen, "{\"leader\":\"127.0.0.1:").await;
}
