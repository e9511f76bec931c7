//! A sending end of a tunnel that is not Viaduct: the harness tests the receiving end with it.

use std::net::IpAddr;

use clap::ValueEnum;

use super::decap::READY;
use super::outer::Carrier;
use crate::addressing::Family;
use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::process::Background;
use crate::programs;

const TUN: &str = "encap0";

/// A running sender. It ends when it is dropped.
#[derive(Debug)]
pub struct Encap {
    /// The process.
    pub process: Background,
}

impl Encap {
    /// Sends what `client` has for `vip` through a tunnel to `to`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(
        fabric: &Fabric,
        client: &Host,
        carrier: Carrier,
        vip: IpAddr,
        to: IpAddr,
    ) -> Self {
        let name = format!("encap-{}", client.name);
        let from = client.at(Family::of(to));
        let carrier = carrier.to_possible_value().expect("every carrier has one");
        let mut command = client.namespace.command(programs::own("encap"));
        command.args(["--tun", TUN, "--carrier", carrier.get_name()]);
        command.args(["--from", &from.to_string(), "--to", &to.to_string()]);
        let mut process = Background::start(&name, command, &fabric.logs());
        eventually(&name, || {
            process.check_alive()?;
            expect(process.log().contains(READY), || "not ready".into())
        });
        if client.address6.is_some() {
            client.namespace.enable_ipv6(TUN);
        }
        let source = client.at(Family::of(vip));
        client
            .namespace
            .ip(&format!("route replace {vip} dev {TUN} src {source}"));
        Self { process }
    }
}
