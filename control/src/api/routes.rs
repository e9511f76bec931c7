//! The routes and their answers.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};

use super::health::Readiness;
use crate::metrics::{self, Metrics};
use crate::status::{Status, StatusReader};

/// What the answers are made of.
#[derive(Clone, Debug)]
struct Shown {
    status: StatusReader,
    metrics: Metrics,
}

impl Shown {
    fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.borrow())
    }
}

/// All routes.
pub(super) fn router(status: StatusReader, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(all_metrics))
        .route(
            "/v1/vips",
            get(async |State(s): State<Shown>| Json(s.status().services.clone())),
        )
        .route(
            "/v1/problems",
            get(async |State(s): State<Shown>| Json(s.status().problems.clone())),
        )
        .route(
            "/v1/sources",
            get(async |State(s): State<Shown>| Json(s.status().sources.clone())),
        )
        .route(
            "/v1/status",
            get(async |State(s): State<Shown>| Json(Status::clone(&s.status()))),
        )
        .with_state(Shown { status, metrics })
}

/// `?verbose`, with or without a value, asks for every check.
async fn readyz(State(shown): State<Shown>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let readiness = Readiness::of(&shown.status());
    let code = match readiness.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let query = query.unwrap_or_default();
    let mut names = query.split('&').map(|pair| pair.split('=').next());
    match names.any(|name| name == Some("verbose")) {
        true => (code, readiness.verbose()),
        false => (code, readiness.summary()),
    }
}

async fn all_metrics(State(shown): State<Shown>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (kind, shown.metrics.render())
}
