//! The HTTP API: status for tools, metrics for Prometheus, health for probes. The same routes
//! are served on a Unix socket and on a TCP address; those that look inside the data plane on the
//! socket alone.
//!
//! [`bind`] opens both, so that what is in the way is an error at start; [`Bound::serve`]
//! answers from the newest status. The API only reads: nothing here changes what runs.

mod health;
mod inspect;
mod routes;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::inspect::Inspection;
use crate::metrics::Metrics;
use crate::status::StatusReader;
pub use inspect::Refused;
use socket::Socket;

/// How long open requests may go on after shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Why the API cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another process answers on the socket.
    #[error(
        "another process serves the API socket {}: is `viaduct run` already running? \
         Stop it, or change api.socket", path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket has the socket's name.
    #[error("{} exists and is not a socket: remove it, or change api.socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The socket could not be made.
    #[error(
        "cannot make the API socket {}: {source}; check that its directory can be written to, \
         or change api.socket", path.display()
    )]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The TCP address cannot be listened on.
    #[error("cannot listen for the API on {address}: {source}; change api.http")]
    Http {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Open sockets that nobody answers on yet.
#[derive(Debug)]
pub struct Bound {
    socket: Socket,
    http: TcpListener,
    inspection: Option<Inspection>,
}

/// Opens the Unix socket, with mode 0660 and its directory if that is missing, and the TCP
/// address. A socket that a dead process left is replaced.
///
/// # Errors
/// If either cannot be opened; neither is then.
pub async fn bind(socket: &Path, http: SocketAddr) -> Result<Bound, ApiError> {
    let error = |source| ApiError::Http {
        address: http,
        source,
    };
    let listener = TcpListener::bind(http).await.map_err(error)?;
    Ok(Bound {
        socket: Socket::bind(socket)?,
        http: listener,
        inspection: None,
    })
}

impl Bound {
    /// The TCP address that is listened on.
    ///
    /// # Errors
    /// If the operating system does not tell.
    pub fn http_address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Lets clients of the Unix socket look inside the data plane, too.
    #[must_use]
    pub fn with_inspection(self, inspection: Inspection) -> Self {
        Self {
            inspection: Some(inspection),
            ..self
        }
    }

    /// Answers until `shutdown` is cancelled; the handle completes when the sockets are closed
    /// and the Unix socket's file is gone.
    #[must_use]
    pub fn serve(
        self,
        status: StatusReader,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> JoinHandle<()> {
        let routes = routes::router(status, metrics);
        let done = || shutdown.clone().cancelled_owned();
        let local = match self.inspection {
            Some(inspection) => routes.clone().merge(inspect::router(inspection)),
            None => routes.clone(),
        };
        let local = axum::serve(self.socket.listener, local).with_graceful_shutdown(done());
        let http = axum::serve(self.http, routes).with_graceful_shutdown(done());
        let file = self.socket.file;
        tokio::spawn(async move {
            let served = async { tokio::join!(local, http) };
            tokio::select! {
                _ = served => {}
                () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => {}
            }
            drop(file);
        })
    }
}
