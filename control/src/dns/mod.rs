//! The authoritative DNS server of the VIP zone.
//!
//! [`bind`] opens the sockets, so that a taken port is an error at start; [`Bound::serve`]
//! answers on them from one immutable `Zone`, which [`ZonePublisher::publish`] replaces as
//! a whole. hickory's server owns the sockets and the wire format (`server`); ours is what it
//! asks for every answer: a pure function of the zone and the query (`answer`).
//!
//! This module never recurses, forwards, caches, or accepts updates and zone transfers.

mod answer;
mod counters;
mod server;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_server::proto::rr::Name;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use counters::ResponseCounters;
use zone::Zone;

/// Why the DNS server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The zone is not a domain name.
    #[error("the DNS zone `{zone}` is not a domain name: {reason}; correct vips.zone")]
    Zone {
        /// The zone as configured.
        zone: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A socket could not be opened.
    #[error(
        "cannot listen for DNS on {address} ({protocol}): {source}; {}",
        advice(source)
    )]
    Bind {
        /// The address as configured.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What the operator can do about a socket that could not be opened.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the other DNS server there, or change dns.listen",
        io::ErrorKind::AddrNotAvailable => "give this host the address, or change dns.listen",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "check dns.listen",
    }
}

/// The sockets on one address.
#[derive(Debug)]
struct Listener {
    udp: UdpSocket,
    tcp: TcpListener,
}

/// Open sockets that nobody answers on yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<Listener>,
    zone: Zone,
    counters: ResponseCounters,
}

/// Opens UDP and TCP on every address of `listen`, for the zone `zone`, which has no names yet.
/// The zone's name server is `ns.<zone>`, with the addresses of `listen`.
///
/// # Errors
/// If the zone is not a domain name or a socket cannot be opened; none is open then.
pub async fn bind(listen: &[SocketAddr], zone: &str) -> Result<Bound, DnsError> {
    let origin = Name::from_ascii(zone).map_err(|error| DnsError::Zone {
        zone: zone.to_owned(),
        reason: error.to_string(),
    })?;
    let mut listeners = Vec::with_capacity(listen.len());
    for address in listen {
        listeners.push(bind_one(*address).await?);
    }
    let own: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
    Ok(Bound {
        listeners,
        zone: Zone::new(&origin, &own),
        counters: ResponseCounters::default(),
    })
}

async fn bind_one(address: SocketAddr) -> Result<Listener, DnsError> {
    let error = |protocol| {
        move |source| DnsError::Bind {
            address,
            protocol,
            source,
        }
    };
    let udp = UdpSocket::bind(address).await.map_err(error("UDP"))?;
    let tcp = TcpListener::bind(address).await.map_err(error("TCP"))?;
    Ok(Listener { udp, tcp })
}

impl Bound {
    /// The counters of the answers to come.
    #[must_use]
    pub fn counters(&self) -> ResponseCounters {
        self.counters.clone()
    }

    /// The addresses that are listened on, UDP and TCP of each entry of `listen`.
    ///
    /// # Errors
    /// If the operating system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<(SocketAddr, SocketAddr)>> {
        let of = |l: &Listener| Ok((l.udp.local_addr()?, l.tcp.local_addr()?));
        self.listeners.iter().map(of).collect()
    }

    /// Answers until `shutdown` is cancelled; the handle completes when all sockets are closed.
    #[must_use]
    pub fn serve(self, shutdown: CancellationToken) -> (ZonePublisher, JoinHandle<()>) {
        let (sender, receiver) = watch::channel(Arc::new(self.zone));
        let handler = server::Handler {
            zone: receiver,
            counters: self.counters,
        };
        let handle = tokio::spawn(server::run(self.listeners, handler, shutdown));
        (ZonePublisher { zone: sender }, handle)
    }
}

/// Replaces the content of the zone that is being served.
#[derive(Debug)]
pub struct ZonePublisher {
    zone: watch::Sender<Arc<Zone>>,
}

impl ZonePublisher {
    /// Makes `records` the whole content of the zone: addresses by name relative to the zone,
    /// e.g. `my-service.marathon`. When this returns, every later query is answered from it.
    /// The serial grows if the content changes.
    pub fn publish(&self, records: BTreeMap<String, Vec<IpAddr>>) {
        self.zone.send_if_modified(|zone| match zone.with(records) {
            Some(next) => {
                tracing::debug!(serial = next.serial(), "published the DNS zone");
                *zone = Arc::new(next);
                true
            }
            None => false,
        });
    }
}
