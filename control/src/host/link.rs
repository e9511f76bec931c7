//! The kernel side of a TAP port.
//!
//! The kernel gives it the MAC address of the DPDK side. On a bridge that makes the DPDK
//! side's frames look like the bridge's own, and nothing passes: the kernel side gets another
//! address before it joins. This module changes one interface and touches nothing else.

use std::io;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};

/// The error number of "no such device" on Linux.
const ENODEV: i32 = 19;

/// Why the kernel side of a TAP port is not attached.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection to the kernel.
    #[error("cannot talk to the kernel about network interfaces: {0}")]
    Netlink(#[source] io::Error),
    /// There is no such interface.
    #[error("there is no network interface `{0}`; the TAP port did not come up")]
    NoInterface(String),
    /// Somebody has an interface of that name.
    #[error(
        "there is a network interface `{0}` already: is another `viaduct run` using it? Stop that, \
         remove the interface with `ip link del {0}`, or change `interface` of the port"
    )]
    Taken(String),
    /// There is no such bridge.
    #[error(
        "there is no bridge `{bridge}` for `{interface}` to join; create it with \
         `ip link add {bridge} type bridge`, or correct `bridge` of the port"
    )]
    NoBridge {
        /// The interface that was to join it.
        interface: String,
        /// The bridge's name.
        bridge: String,
    },
    /// The interface to join is something else.
    #[error(
        "`{bridge}`, which `{interface}` is to join, is not a bridge; correct `bridge` of the port"
    )]
    NotABridge {
        /// The interface that was to join it.
        interface: String,
        /// The name of what is no bridge.
        bridge: String,
    },
    /// The kernel refused for lack of rights.
    #[error("not allowed to {action} `{interface}`: this needs CAP_NET_ADMIN; run as root")]
    Permission {
        /// What was tried.
        action: &'static str,
        /// On which interface.
        interface: String,
    },
    /// The kernel refused for another reason.
    #[error("cannot {action} `{interface}`: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// On which interface.
        interface: String,
        /// The kernel's reason.
        reason: io::Error,
    },
}

/// Makes sure that no interface has the name that a TAP port is to get. DPDK would join the TAP of
/// another process as a further queue, and take a part of its packets.
///
/// # Errors
/// If there is one, or the kernel does not tell.
pub async fn tap_is_free(interface: &str) -> Result<(), LinkError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(LinkError::Netlink)?;
    let connection = tokio::spawn(connection);
    let found = Links { handle, interface }.find(interface).await;
    connection.abort();
    match found? {
        Some(_) => Err(LinkError::Taken(interface.to_owned())),
        None => Ok(()),
    }
}

/// Gives the interface another MAC address, lets it join `bridge`, and sets it up, without
/// IPv6 of its own (a kernel side that speaks would confuse the segment). The interface must
/// exist: nothing is waited for.
///
/// # Errors
/// If the interface or the bridge is missing, `bridge` is not a bridge, or the kernel refuses.
pub async fn attach_tap(
    interface: &str,
    mac: [u8; 6],
    bridge: Option<&str>,
) -> Result<(), LinkError> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(LinkError::Netlink)?;
    let connection = tokio::spawn(connection);
    let result = Links { handle, interface }.attach(mac, bridge).await;
    connection.abort();
    result
}

/// The kernel's interfaces, on behalf of one.
struct Links<'a> {
    handle: Handle,
    interface: &'a str,
}

impl Links<'_> {
    async fn attach(&self, mac: [u8; 6], bridge: Option<&str>) -> Result<(), LinkError> {
        let missing = || LinkError::NoInterface(self.interface.to_owned());
        let link = self.find(self.interface).await?.ok_or_else(missing)?;
        let index = link.header.index;
        let bridge = match bridge {
            Some(name) => Some(self.bridge(name).await?),
            None => None,
        };
        let change = || LinkUnspec::new_with_index(index);
        self.set("set down", change().down()).await?;
        self.set("set the MAC address of", change().address(mac.to_vec()))
            .await?;
        self.silence()?;
        if let Some(bridge) = bridge {
            self.set("add to its bridge", change().controller(bridge))
                .await?;
        }
        self.set("set up", change().up()).await
    }

    /// The bridge's index.
    async fn bridge(&self, name: &str) -> Result<u32, LinkError> {
        let (interface, bridge) = (self.interface.to_owned(), name.to_owned());
        match self.find(name).await? {
            None => Err(LinkError::NoBridge { interface, bridge }),
            Some(link) if !is_bridge(&link) => Err(LinkError::NotABridge { interface, bridge }),
            Some(link) => Ok(link.header.index),
        }
    }

    async fn find(&self, name: &str) -> Result<Option<LinkMessage>, LinkError> {
        let mut links = self
            .handle
            .link()
            .get()
            .match_name(name.to_owned())
            .execute();
        match links.try_next().await {
            Ok(link) => Ok(link),
            Err(error) if reason(&error).raw_os_error() == Some(ENODEV) => Ok(None),
            Err(error) => Err(self.refused("look up", &error)),
        }
    }

    async fn set(
        &self,
        action: &'static str,
        change: LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), LinkError> {
        let request = self.handle.link().set(change.build());
        request
            .execute()
            .await
            .map_err(|error| self.refused(action, &error))
    }

    /// Switches IPv6 off on the interface; a kernel without IPv6 has nothing to switch off.
    fn silence(&self) -> Result<(), LinkError> {
        let path = format!("/proc/sys/net/ipv6/conf/{}/disable_ipv6", self.interface);
        match std::fs::write(&path, "1") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path, "IPv6 stays on on the kernel side of a TAP port");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn refused(&self, action: &'static str, error: &rtnetlink::Error) -> LinkError {
        let interface = self.interface.to_owned();
        let reason = reason(error);
        match reason.kind() {
            io::ErrorKind::PermissionDenied => LinkError::Permission { action, interface },
            _ => LinkError::Refused {
                action,
                interface,
                reason,
            },
        }
    }
}

/// The kernel's error number, or what else went wrong with the request.
fn reason(error: &rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}

fn is_bridge(link: &LinkMessage) -> bool {
    let is_kind = |info: &LinkInfo| matches!(info, LinkInfo::Kind(InfoKind::Bridge));
    link.attributes.iter().any(|attribute| {
        matches!(attribute, LinkAttribute::LinkInfo(infos) if infos.iter().any(is_kind))
    })
}
