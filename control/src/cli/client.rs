//! Asks the running process, over its Unix socket.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::exit::Exit;

/// Longest wait for an answer. The API answers from memory.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Nobody listens on the socket.
    #[error(
        "cannot reach the API socket {}: {reason}; is `viaduct run` running? \
         If its api.socket is another, name it with --socket", socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why, in the operating system's words.
        reason: String,
    },
    /// Somebody answered, but not as the API does.
    #[error("unexpected answer from the API socket {} to {path}: {reason}", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What was asked for.
        path: String,
        /// What was wrong.
        reason: String,
    },
}

impl ClientError {
    /// The exit code that tells the two apart.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::ApiUnreachable,
            Self::Answer { .. } => Exit::Failure,
        }
    }
}

/// Gets and decodes `path`.
pub(super) fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    let answer = |reason: String| ClientError::Answer {
        socket: socket.to_owned(),
        path: path.to_owned(),
        reason,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| answer(error.to_string()))?;
    runtime.block_on(async {
        let response = send(socket, path)
            .await
            .map_err(|error| match error.is_connect() {
                true => ClientError::Unreachable {
                    socket: socket.to_owned(),
                    reason: root_cause(&error),
                },
                false => answer(root_cause(&error)),
            })?;
        let response = response.error_for_status();
        let response = response.map_err(|error| answer(error.to_string()))?;
        response
            .json()
            .await
            .map_err(|error| answer(root_cause(&error)))
    })
}

async fn send(socket: &Path, path: &str) -> reqwest::Result<reqwest::Response> {
    // The client wants a TLS provider although the socket has no TLS; a second one is refused,
    // which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .unix_socket(socket)
        .tls_certs_only([])
        .timeout(TIMEOUT)
        .build()?;
    client.get(format!("http://viaduct{path}")).send().await
}

/// The innermost error: the operating system's or the decoder's.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
