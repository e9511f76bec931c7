//! What the small servers of this crate have in common: their command line and their sockets.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// Command line of a server that says who it is.
#[derive(Debug, Parser)]
pub struct Server {
    /// Where to listen; several times for several addresses. An answer to a datagram comes from
    /// the address that it was sent to only if that address is named here.
    #[arg(long, required = true)]
    listen: Vec<SocketAddr>,
    /// Its id, a word of every answer.
    #[arg(long)]
    id: String,
}

impl Server {
    /// Serves connections: `serve` is run once for each address.
    ///
    /// # Errors
    /// It cannot listen, or `serve` ends with an error.
    pub async fn tcp<F>(self, serve: impl Fn(TcpListener, String) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for address in self.listen {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| cannot_listen(address))?;
            tasks.spawn(serve(listener, self.id.clone()));
        }
        first_to_end(tasks).await
    }

    /// Serves datagrams: `serve` is run once for each address.
    ///
    /// # Errors
    /// It cannot listen, or `serve` ends with an error.
    pub async fn udp<F>(self, serve: impl Fn(UdpSocket, String) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for address in self.listen {
            let socket = UdpSocket::bind(address).await;
            let socket = socket.with_context(|| cannot_listen(address))?;
            tasks.spawn(serve(socket, self.id.clone()));
        }
        first_to_end(tasks).await
    }
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen on {address}: is it an address of this host, and the port free?")
}

async fn first_to_end(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    let first = tasks.join_next().await;
    first.expect("the command line has at least one address")?
}
