//! Answers each datagram with its id, a space and the datagram.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::UdpSocket;

/// A datagram echo server that says who it is.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Its id, the first word of every answer.
    #[arg(long)]
    id: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let socket = UdpSocket::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let prefix = format!("{} ", arguments.id);
    let mut buffer = vec![0; 65536];
    loop {
        // An ICMP error for an earlier answer surfaces here and is no reason to stop.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let answer = [prefix.as_bytes(), &buffer[..length]].concat();
        // A lost answer is the client's to notice.
        let _ = socket.send_to(&answer, client).await;
    }
}
