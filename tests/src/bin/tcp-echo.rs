//! Answers each line on each connection with its id, a space and the line.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A line echo server that says who it is.
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
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        let id = arguments.id.clone();
        // A client that goes away is no news.
        tokio::spawn(async move { echo(stream, &id).await });
    }
}

async fn echo(stream: TcpStream, id: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer = format!("{id} {line}");
        stream.write_all(answer.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
