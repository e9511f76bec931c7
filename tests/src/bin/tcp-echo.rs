//! Answers each line on each connection with its id, a space and the line.

use anyhow::{Context, Result};
use clap::Parser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use viaduct_tests::server::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    Server::parse().tcp(serve).await
}

async fn serve(listener: TcpListener, id: String) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        let id = id.clone();
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
