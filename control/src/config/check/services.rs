//! Checks of where services come from and where their names and status are served.

use std::net::SocketAddr;

use super::Notes;
use crate::config::{Config, Marathon};

pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    if config.sources.names().is_empty() {
        notes.error(
            "sources",
            "no source of services is configured".to_owned(),
            "expected [sources.marathon] or [sources.file]",
            "add a [sources.marathon] table with urls, or a [sources.file] table with path",
        );
    }
    if let Some(marathon) = &config.sources.marathon {
        check_marathon(marathon, notes);
    }
    dns(config, notes);
    sockets(config, notes);
}

fn check_marathon(marathon: &Marathon, notes: &mut Notes<'_>) {
    if marathon.urls.is_empty() {
        notes.error(
            "sources.marathon.urls",
            "the list of Marathon URLs is empty".to_owned(),
            "expected at least one URL",
            "add the URL of a Marathon host, such as \"http://10.99.0.1:8080\"",
        );
    }
    if marathon.framework.as_deref().is_some_and(str::is_empty) {
        notes.error(
            "sources.marathon.framework",
            "the framework's name is empty".to_owned(),
            "expected a name",
            "use \"marathon\", or remove the key to ask Marathon itself",
        );
    }
}

fn dns(config: &Config, notes: &mut Notes<'_>) {
    let listen = &config.dns.listen;
    if listen.is_empty() {
        notes.warning(
            "dns.listen",
            "no DNS server is configured: clients cannot resolve named VIPs".to_owned(),
            "expected an address to listen on",
            "add a [dns] table with listen = [\"10.99.0.1:53\"]",
        );
    }
    for (index, address) in listen.iter().enumerate() {
        if listen[..index].contains(address) {
            twice(&format!("dns.listen.{index}"), *address, notes);
        }
        if address.ip().is_unspecified() {
            notes.warning(
                &format!("dns.listen.{index}"),
                format!("on {address}, answers may leave from another address than was asked"),
                "expected one interface's address",
                "list the addresses that clients ask, one by one",
            );
        }
    }
}

fn twice(path: &str, address: SocketAddr, notes: &mut Notes<'_>) {
    notes.error(
        path,
        format!("{address} is used twice"),
        "expected another address or port",
        "remove one of the two",
    );
}

fn sockets(config: &Config, notes: &mut Notes<'_>) {
    if config.dns.listen.contains(&config.api.http) {
        twice("api.http", config.api.http, notes);
    }
    if !config.api.socket.is_absolute() {
        notes.error(
            "api.socket",
            format!("`{}` is not an absolute path", config.api.socket.display()),
            "expected a path that begins with /",
            "use \"/run/viaduct/api.sock\"",
        );
    }
    if config.api.socket.as_os_str().len() > 107 {
        notes.error(
            "api.socket",
            "the path is too long for a Unix socket".to_owned(),
            "expected at most 107 bytes",
            "use a shorter path",
        );
    }
}
