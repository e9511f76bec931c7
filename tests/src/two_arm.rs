//! A second bridge in the fabric's namespace, for Viaduct's second port and agents behind it. The
//! fabric does not route between its bridges: packets get across by Viaduct or not at all.
//!
//! ```text
//!   clients ── br0 10.99.0.0/24 ── Viaduct ── br1 10.99.1.0/24 ── agents 10.99.1.11+
//! ```

use crate::addressing::Subnet;
use crate::fabric::{Fabric, Host, Segment, VIADUCT_NUMBER, make_bridge};

/// Name of the second bridge.
pub const BRIDGE: &str = "br1";
/// Kernel side of Viaduct's port on it.
pub const TAP: &str = "dtap1";

/// Adds the second bridge with this many agents, whose default route is Viaduct's port there.
///
/// # Panics
/// A command fails.
#[must_use]
pub fn agents(fabric: &Fabric, count: u8) -> Vec<Host> {
    make_bridge(&fabric.namespace, BRIDGE);
    let segment = Segment {
        namespace: &fabric.namespace,
        bridge: BRIDGE,
        subnet: Subnet::SECOND,
        families: fabric.families(),
    };
    (1..=count)
        .map(|n| {
            let host = segment.attach(fabric.prefix(), format!("inner{n}"), 10 + n);
            for &family in fabric.families() {
                let gateway = Subnet::SECOND.at(family, VIADUCT_NUMBER);
                host.namespace
                    .ip(&format!("route replace default via {gateway}"));
            }
            host
        })
        .collect()
}
