//! The stand-in's own control endpoint, on a listener that no fault touches.
//!
//! `GET /control/fault`, `PUT /control/fault` with a [`Fault`] as JSON, and
//! `GET /control/requests`: requests by path since start.

use std::collections::BTreeMap;

use anyhow::Result;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::fault::Fault;
use super::standin::Standin;

/// Serves the control endpoint until the runtime stops.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, standin: Standin) -> Result<()> {
    let router = Router::new()
        .route("/control/fault", get(fault).put(set_fault))
        .route("/control/requests", get(requests))
        .with_state(standin);
    Ok(axum::serve(listener, router).await?)
}

async fn fault(State(standin): State<Standin>) -> Json<Fault> {
    Json(standin.fault())
}

async fn set_fault(State(standin): State<Standin>, Json(fault): Json<Fault>) -> Json<Fault> {
    standin.set_fault(fault);
    Json(fault)
}

async fn requests(State(standin): State<Standin>) -> Json<BTreeMap<String, u64>> {
    Json(standin.requests())
}
