//! Asks the running process, over its Unix socket.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Refused;
use crate::exit::Exit;

/// Longest wait for an answer. The API answers from memory.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the end of a stream, which ends by bounds of its own: a day and a bit.
const FOREVER: Duration = Duration::from_secs(100_000);

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
    /// The API has said why not.
    #[error("{reason}")]
    Refused {
        /// Whether the question was wrong, rather than the time.
        is_usage: bool,
        /// The API's words.
        reason: String,
    },
    /// What was received cannot be written.
    #[error("cannot write {what}: {reason}")]
    Output {
        /// Where to.
        what: String,
        /// Why, in the operating system's words.
        reason: String,
    },
}

impl ClientError {
    /// The exit code that tells them apart.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::ApiUnreachable,
            Self::Refused { is_usage: true, .. } => Exit::Usage,
            Self::Answer { .. } | Self::Refused { .. } | Self::Output { .. } => Exit::Failure,
        }
    }
}

/// Gets and decodes `path`.
pub(super) fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, ClientError> {
    let api = Api { socket, path };
    api.run(async {
        api.decode(api.send(|client, url| client.get(url)).await?)
            .await
    })
}

/// Gets and decodes `path` with a query.
pub(super) fn query<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    query: &impl Serialize,
) -> Result<T, ClientError> {
    let api = Api { socket, path };
    let send = |client: &Client, url: String| client.get(url).query(query);
    api.run(async { api.decode(api.send(send).await?).await })
}

/// Posts a question to `path` and decodes the answer.
pub(super) fn post<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    question: &impl Serialize,
) -> Result<T, ClientError> {
    let api = Api { socket, path };
    let send = |client: &Client, url: String| client.post(url).json(question);
    api.run(async { api.decode(api.send(send).await?).await })
}

/// Posts a question to `path`, and gives the answer to `take` as it comes, until that wants no
/// more.
pub(super) fn stream(
    socket: &Path,
    path: &str,
    question: &impl Serialize,
    mut take: impl FnMut(&[u8]) -> Result<bool, ClientError>,
) -> Result<(), ClientError> {
    let api = Api { socket, path };
    let send = |client: &Client, url: String| client.post(url).json(question).timeout(FOREVER);
    api.run(async {
        let mut response = api.send(send).await?;
        loop {
            let piece = response.chunk().await;
            match piece.map_err(|error| api.answer(root_cause(&error)))? {
                Some(piece) if take(&piece)? => {}
                _ => return Ok(()),
            }
        }
    })
}

/// The API as one request sees it.
#[derive(Clone, Copy)]
struct Api<'a> {
    socket: &'a Path,
    path: &'a str,
}

impl Api<'_> {
    fn answer(&self, reason: String) -> ClientError {
        ClientError::Answer {
            socket: self.socket.to_owned(),
            path: self.path.to_owned(),
            reason,
        }
    }

    fn run<T>(&self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| self.answer(error.to_string()))?;
        runtime.block_on(work)
    }

    async fn send(
        &self,
        request: impl FnOnce(&Client, String) -> RequestBuilder,
    ) -> Result<Response, ClientError> {
        let response = self.try_send(request).await;
        let response = response.map_err(|error| match error.is_connect() {
            true => ClientError::Unreachable {
                socket: self.socket.to_owned(),
                reason: root_cause(&error),
            },
            false => self.answer(root_cause(&error)),
        })?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(self.refused(status, response).await),
        }
    }

    async fn try_send(
        &self,
        request: impl FnOnce(&Client, String) -> RequestBuilder,
    ) -> reqwest::Result<Response> {
        // The client wants a TLS provider although the socket has no TLS; a second one is refused,
        // which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .unix_socket(self.socket)
            .tls_certs_only([])
            .timeout(TIMEOUT)
            .build()?;
        request(&client, format!("http://viaduct{}", self.path))
            .send()
            .await
    }

    /// What the API says of why it does not answer, if it says anything.
    async fn refused(&self, status: StatusCode, response: Response) -> ClientError {
        match response.json::<Refused>().await {
            Ok(Refused { error: reason }) => ClientError::Refused {
                is_usage: status == StatusCode::BAD_REQUEST,
                reason,
            },
            Err(_) => self.answer(format!("HTTP status {status}")),
        }
    }

    async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        let decoded = response.json().await;
        decoded.map_err(|error| self.answer(root_cause(&error)))
    }
}

/// The innermost error: the operating system's or the decoder's.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
