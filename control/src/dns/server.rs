//! The loops that read messages from sockets and write answers.
//!
//! What a client can take up is bounded: an answer over UDP is computed before the next query
//! is read, the number of TCP connections is limited, and each has to send a whole message
//! and take a whole answer in time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::answer::{Transport, answer};
use super::zone::Zone;
use super::{Listener, ResponseCounters};

/// TCP connections at a time, on each address. Further ones wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long a TCP client may take for one message, and for taking its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a socket's error, such as too many open files, so that it cannot spin.
const PAUSE: Duration = Duration::from_millis(50);

/// What every loop needs.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) zone: watch::Receiver<Arc<Zone>>,
    pub(super) counters: ResponseCounters,
}

impl Service {
    fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let zone = Arc::clone(&self.zone.borrow());
        let answer = answer(&zone, query, transport)?;
        self.counters.count(answer.code);
        Some(answer.bytes)
    }
}

/// Serves all listeners until shutdown.
pub(super) async fn run(listeners: Vec<Listener>, service: Service, shutdown: CancellationToken) {
    let mut loops = JoinSet::new();
    for Listener { udp, tcp } in listeners {
        loops.spawn(serve_udp(udp, service.clone()));
        loops.spawn(serve_tcp(tcp, service.clone()));
    }
    shutdown.cancelled().await;
    loops.shutdown().await;
}

async fn serve_udp(socket: UdpSocket, service: Service) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => reply(&socket, &service, &buffer[..length], from).await,
            Err(error) => {
                tracing::debug!(%error, "DNS over UDP");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn reply(socket: &UdpSocket, service: &Service, query: &[u8], from: SocketAddr) {
    // Port 0 cannot be answered.
    if from.port() != 0
        && let Some(bytes) = service.answer(query, Transport::Udp)
        && let Err(error) = socket.send_to(&bytes, from).await
    {
        // One client's route is no reason to keep the others waiting.
        tracing::debug!(%error, %from, "DNS answer not sent");
    }
}

async fn serve_tcp(listener: TcpListener, service: Service) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = service.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    converse(stream, &service).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "DNS over TCP");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Answers one connection's messages until it ends, errs, takes too long, or talks nonsense.
async fn converse(mut stream: TcpStream, service: &Service) {
    while let Ok(Ok(query)) = timeout(PATIENCE, read_message(&mut stream)).await {
        let Some(bytes) = service.answer(&query, Transport::Tcp) else {
            return;
        };
        if !matches!(
            timeout(PATIENCE, write_message(&mut stream, &bytes)).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
}

/// A message over TCP has its length in front (RFC 1035, section 4.2.2).
async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), message].concat();
    stream.write_all(&framed).await
}
