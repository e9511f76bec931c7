//! Answers each datagram with its id, a space and the datagram.

use anyhow::Result;
use clap::Parser;
use tokio::net::UdpSocket;
use viaduct_tests::server::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    Server::parse().udp(serve).await
}

async fn serve(socket: UdpSocket, id: String) -> Result<()> {
    let prefix = format!("{id} ");
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
