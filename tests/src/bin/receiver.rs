//! Takes uploads of any size (`PUT /upload`) and answers `<sha256> <bytes> <id>`.

use std::fmt::Write;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use clap::Parser;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use viaduct_tests::server::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    Server::parse().tcp(serve).await
}

async fn serve(listener: TcpListener, id: String) -> Result<()> {
    let router = Router::new().route("/upload", put(upload)).with_state(id);
    Ok(axum::serve(listener, router).await?)
}

async fn upload(State(id): State<String>, body: Body) -> Result<String, StatusCode> {
    let (digest, bytes) = digest(body).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(format!("{digest} {bytes} {id}\n"))
}

async fn digest(mut body: Body) -> Result<(String, u64), axum::Error> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        if let Ok(data) = frame?.into_data() {
            hash.update(&data);
            bytes += data.len() as u64;
        }
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok((text, bytes))
}
