//! Routes that look inside the data plane. They show packets, and so are served on the Unix socket
//! alone: whoever may open it may see them.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::{Deserialize, Serialize};

use crate::inspect::capture::{Capture, CaptureRequest, Format};
use crate::inspect::flows::FlowQuery;
use crate::inspect::trace::TraceRequest;
use crate::inspect::{InspectError, Inspection};

/// Why there is no answer: the body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// In words.
    pub error: String,
}

/// The routes.
pub(super) fn router(inspection: Inspection) -> Router {
    Router::new()
        .route("/v1/flows", get(flows))
        .route("/v1/neighbors", get(neighbors))
        .route("/v1/trace", post(trace))
        .route("/v1/capture", post(capture))
        .with_state(inspection)
}

impl IntoResponse for InspectError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Question(_) => StatusCode::BAD_REQUEST,
            Self::Watched => StatusCode::CONFLICT,
            Self::Silent(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let error = self.to_string();
        (status, Json(Refused { error })).into_response()
    }
}

/// A body or a query that cannot be read.
fn unreadable(error: impl std::fmt::Display) -> InspectError {
    InspectError::Question(error.to_string())
}

async fn flows(
    State(inspection): State<Inspection>,
    query: Result<Query<FlowQuery>, QueryRejection>,
) -> Result<Response, InspectError> {
    let Query(query) = query.map_err(|error| unreadable(error.body_text()))?;
    Ok(Json(inspection.flows(&query).await?).into_response())
}

async fn neighbors(State(inspection): State<Inspection>) -> Result<Response, InspectError> {
    Ok(Json(inspection.neighbors().await?).into_response())
}

async fn trace(
    State(inspection): State<Inspection>,
    request: Result<Json<TraceRequest>, JsonRejection>,
) -> Result<Response, InspectError> {
    let Json(request) = request.map_err(|error| unreadable(error.body_text()))?;
    Ok(Json(inspection.trace(&request).await?).into_response())
}

async fn capture(
    State(inspection): State<Inspection>,
    request: Result<Json<CaptureRequest>, JsonRejection>,
) -> Result<Response, InspectError> {
    let Json(request) = request.map_err(|error| unreadable(error.body_text()))?;
    let capture = inspection.capture(&request).await?;
    let kind = match request.format {
        Format::Pcapng => "application/x-pcapng",
        Format::Json => "application/x-ndjson",
    };
    let body = Body::from_stream(stream::unfold(capture, next_piece));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// A client that goes drops the stream, and with it the capture.
async fn next_piece(mut capture: Capture) -> Option<(std::io::Result<Bytes>, Capture)> {
    let piece = capture.next().await?;
    Some((Ok(Bytes::from(piece)), capture))
}
