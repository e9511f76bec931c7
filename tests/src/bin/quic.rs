//! QUIC, as real clients and servers speak it: the server answers each stream with its id, a
//! space and what it read; the client asks again and again on one connection, prints one
//! answer a line, and ends with an error when the connection does.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use quinn::{ClientConfig, Connection, Endpoint, Incoming, ServerConfig};
use rcgen::generate_simple_self_signed;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::task::JoinSet;

/// The name in the certificate.
const NAME: &str = "quic.test";
/// Longest message.
const MESSAGE: usize = 4096;

/// A QUIC client or server.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Makes a certificate, writes it, and serves.
    Server {
        /// Where to listen; several times for several addresses.
        #[arg(long, required = true)]
        listen: Vec<SocketAddr>,
        /// First word of every answer.
        #[arg(long)]
        id: String,
        /// Where to write the certificate (DER) for clients.
        #[arg(long)]
        certificate: PathBuf,
    },
    /// Asks on one connection until it is ended.
    Client {
        /// Address and port of the server.
        #[arg(long)]
        target: SocketAddr,
        /// The server's certificate (DER); several times for several servers.
        #[arg(long, required = true)]
        certificate: Vec<PathBuf>,
        /// Pause between two questions.
        #[arg(long, default_value = "20ms", value_parser = humantime::parse_duration)]
        interval: Duration,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::Server {
            listen,
            id,
            certificate,
        } => serve(&listen, &id, &certificate).await,
        Role::Client {
            target,
            certificate,
            interval,
        } => ask(target, &certificate, interval).await,
    }
}

async fn serve(listen: &[SocketAddr], id: &str, certificate: &PathBuf) -> Result<()> {
    let made = generate_simple_self_signed(vec![NAME.to_owned()])?;
    std::fs::write(certificate, made.cert.der())
        .with_context(|| format!("cannot write {}", certificate.display()))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::with_single_cert(vec![made.cert.der().clone()], key.into())?;
    let mut tasks = JoinSet::new();
    for &address in listen {
        let endpoint = Endpoint::server(config.clone(), address)
            .with_context(|| format!("cannot listen on {address}"))?;
        tasks.spawn(accept(endpoint, Arc::from(id)));
    }
    tasks.join_next().await.context("there is no address")??;
    Ok(())
}

async fn accept(endpoint: Endpoint, id: Arc<str>) {
    while let Some(incoming) = endpoint.accept().await {
        let id = Arc::clone(&id);
        // A client that goes away is no news.
        tokio::spawn(async move { answer(incoming, &id).await });
    }
}

async fn answer(incoming: Incoming, id: &str) -> Result<()> {
    let connection = incoming.await?;
    loop {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let question = receive.read_to_end(MESSAGE).await?;
        send.write_all(format!("{id} ").as_bytes()).await?;
        send.write_all(&question).await?;
        send.finish()?;
    }
}

async fn ask(target: SocketAddr, certificates: &[PathBuf], interval: Duration) -> Result<()> {
    let mut trusted = RootCertStore::empty();
    for path in certificates {
        trusted.add(CertificateDer::from(std::fs::read(path)?))?;
    }
    let any = match target {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let mut endpoint = Endpoint::client((any, 0).into())?;
    endpoint.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(trusted))?);
    let connection = endpoint.connect(target, NAME)?.await?;
    for number in 0_u64.. {
        let answer = exchange(&connection, number).await?;
        writeln!(std::io::stdout(), "{answer}")?;
        tokio::time::sleep(interval).await;
    }
    Ok(())
}

/// One question on a stream of its own.
async fn exchange(connection: &Connection, number: u64) -> Result<String> {
    let question = number.to_string();
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(question.as_bytes()).await?;
    send.finish()?;
    let answer = String::from_utf8(receive.read_to_end(MESSAGE).await?)?;
    let echoed = answer.split_once(' ').map(|(_, echoed)| echoed);
    ensure!(
        echoed == Some(&question),
        "'{answer}' does not echo '{question}'"
    );
    Ok(answer)
}
