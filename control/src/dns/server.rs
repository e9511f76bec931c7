//! hickory's server on our sockets, and the handler that it asks for every answer.
//!
//! hickory reads and writes the messages, and answers itself what it cannot read (FORMERR). That
//! includes malformed responses, which cannot start an endless exchange: the answer is a
//! well-formed response, and those nobody answers. Well-formed responses and what is shorter
//! than a header are met with silence.
//!
//! hickory has no bound on the number of TCP connections and no hook to set one. What bounds
//! them is `PATIENCE` and the process's limit of open files; when that is reached, TCP clients
//! wait and UDP goes on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::answer::answer;
use super::zone::Zone;
use super::{Listener, ResponseCounters};

/// How long a TCP client may take for one message, or for taking its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that wait on a TCP connection: it is read again only when its answer is written.
const WAITING: usize = 1;

/// Answers from the zone that is published at the time.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    pub(super) zone: watch::Receiver<Arc<Zone>>,
    pub(super) counters: ResponseCounters,
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut client: R,
    ) -> ResponseInfo {
        let zone = Arc::clone(&self.zone.borrow());
        let answer = answer(&zone, request);
        match client.send_response(answer.response()).await {
            Ok(sent) => {
                self.counters.count(sent.response_code);
                sent
            }
            Err(error) => {
                tracing::debug!(%error, client = %request.src(), "DNS answer not sent");
                unsent(answer.metadata())
            }
        }
    }
}

fn unsent(metadata: Metadata) -> ResponseInfo {
    let counts = HeaderCounts::default();
    Header { metadata, counts }.into()
}

/// Serves all listeners until shutdown. Each socket has a server of its own, because a server
/// tells that it has lost a socket only when it has lost them all.
pub(super) async fn run(listeners: Vec<Listener>, handler: Handler, shutdown: CancellationToken) {
    let mut servers = JoinSet::new();
    for Listener { udp, tcp } in listeners {
        let mut server = Server::new(handler.clone());
        server.register_socket(udp);
        servers.spawn(serve(server, "UDP", shutdown.clone()));
        let mut server = Server::new(handler.clone());
        server.register_listener(tcp, PATIENCE, WAITING);
        servers.spawn(serve(server, "TCP", shutdown.clone()));
    }
    servers.join_all().await;
}

async fn serve(mut server: Server<Handler>, protocol: &str, shutdown: CancellationToken) {
    let lost = shutdown
        .run_until_cancelled(server.block_until_done())
        .await;
    let result = match lost {
        Some(result) => result,
        None => server.shutdown_gracefully().await,
    };
    if let Err(error) = result {
        tracing::error!(%error, protocol, "a DNS socket is lost; restart to serve on it again");
    }
}
