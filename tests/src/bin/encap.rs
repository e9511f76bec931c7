//! A sending end of a tunnel: what is routed into its TUN device leaves in an outer header.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use clap::Parser;
use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::DeviceBuilder;
use viaduct_tests::tunnel::decap::READY;
use viaduct_tests::tunnel::outer::Carrier;
use viaduct_tests::tunnel::wrap::wrap;

/// `IPPROTO_RAW`: what is sent begins with its IP header.
const RAW: i32 = 255;
/// Leaves room for every outer header in a 1500-byte packet.
const MTU: u16 = 1400;

/// A sending end of a tunnel.
#[derive(Debug, Parser)]
struct Arguments {
    /// Name of the TUN device that is made.
    #[arg(long)]
    tun: String,
    /// What is put before each packet.
    #[arg(long, value_enum)]
    carrier: Carrier,
    /// Source of the outer header.
    #[arg(long)]
    from: IpAddr,
    /// Destination of the outer header.
    #[arg(long)]
    to: IpAddr,
}

fn main() -> Result<()> {
    let Arguments {
        tun,
        carrier,
        from,
        to,
    } = Arguments::parse();
    let device = DeviceBuilder::new().name(&tun).mtu(MTU).build_sync();
    let device = device.with_context(|| format!("cannot make the TUN device {tun}"))?;
    device.enabled(true)?;
    let domain = Domain::for_address(SocketAddr::from((to, 0)));
    let wire = Socket::new(domain, Type::RAW, Some(Protocol::from(RAW)))?;
    let target = SocketAddr::from((to, 0)).into();
    writeln!(std::io::stdout(), "{READY}")?;
    let mut buffer = vec![0; 65536];
    loop {
        let length = device.recv(&mut buffer)?;
        // The kernel's own packets to all routers and the like are not worth an end.
        if let Ok(packet) = wrap(&buffer[..length], carrier, from, to) {
            let _ = wire.send_to(&packet, &target);
        }
    }
}
