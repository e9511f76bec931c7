//! A stream of server-sent events that says nothing unless it is told to: `GET /events` begins
//! with `hello`, `POST /emit` sends its body to all streams and answers how many there are.

use std::convert::Infallible;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use clap::Parser;
use futures_util::stream::unfold;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use viaduct_tests::server::Server;

/// Events that a slow stream may lag behind.
const BACKLOG: usize = 64;

type Events = broadcast::Sender<String>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    Server::parse().tcp(serve).await
}

async fn serve(listener: TcpListener, _id: String) -> Result<()> {
    let router = Router::new()
        .route("/events", get(events))
        .route("/emit", post(emit))
        .with_state(broadcast::channel(BACKLOG).0);
    Ok(axum::serve(listener, router).await?)
}

async fn emit(State(events): State<Events>, word: String) -> String {
    let streams = events.send(word).unwrap_or(0);
    format!("{streams}\n")
}

async fn events(State(events): State<Events>) -> impl IntoResponse {
    let hello = Some("hello".to_owned());
    let stream = unfold((hello, events.subscribe()), next);
    let headers = [(CONTENT_TYPE, "text/event-stream")];
    (headers, Body::from_stream(stream))
}

type Words = (Option<String>, broadcast::Receiver<String>);

/// The next event: the first word, and then what is emitted.
async fn next((first, mut words): Words) -> Option<(Result<String, Infallible>, Words)> {
    let word = match first {
        Some(word) => word,
        None => words.recv().await.ok()?,
    };
    Some((Ok(format!("data: {word}\n\n")), (None, words)))
}
