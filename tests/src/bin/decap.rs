//! The receiving end of `ipip` and `gue` tunnels: takes packets off the wire as they are, checks
//! and removes the outer header, gives the inner packet to the kernel through a TUN device, and
//! prints one JSON line for each (see `tunnel::decap::Received`).
//!
//! Packet sockets see the headers as they came. The kernel gets the same packets too, and would
//! answer that it knows no such protocol or port; sockets that nobody reads keep it quiet.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use anyhow::{Context, Result};
use clap::Parser;
use socket2::{Domain, Protocol, Socket, Type};
use tun_rs::{DeviceBuilder, SyncDevice};
use viaduct_tests::tunnel::GUE_PORT;
use viaduct_tests::tunnel::decap::{READY, Received};
use viaduct_tests::tunnel::outer::open;

/// Ethernet types of IPv4 and IPv6.
const ETHER_TYPES: [u16; 2] = [0x0800, 0x86dd];
/// Protocol numbers of IPv4 and IPv6 packets inside.
const INSIDE: [i32; 2] = [4, 41];
/// Room for bursts that come faster than they are printed.
const BUFFER: usize = 4 << 20;

/// The receiving end of tunnels.
#[derive(Debug, Parser)]
struct Arguments {
    /// Name of the TUN device that is made.
    #[arg(long)]
    tun: String,
    /// Addresses at which tunnels end.
    #[arg(long, required = true)]
    at: Vec<IpAddr>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let tun = DeviceBuilder::new().name(&arguments.tun).build_sync();
    let tun = tun.with_context(|| format!("cannot make the TUN device {}", arguments.tun))?;
    tun.enabled(true).context("cannot set the TUN device up")?;
    let _quiet = quieten_kernel()?;
    let end = Arc::new(End {
        tun,
        at: arguments.at,
    });
    let (lines, printer) = mpsc::sync_channel(65536);
    for ether_type in ETHER_TYPES {
        let protocol = Protocol::from(i32::from(ether_type.to_be()));
        let wire = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol));
        let wire = wire.context("cannot open a packet socket")?;
        wire.set_recv_buffer_size(BUFFER)?;
        let (end, lines) = (Arc::clone(&end), lines.clone());
        thread::spawn(move || end.take(&wire, &lines));
    }
    drop(lines);
    print(&printer)
}

/// Sockets that claim the tunnels' protocols and port; their queues fill up and drop in silence.
fn quieten_kernel() -> Result<(Vec<Socket>, Vec<UdpSocket>)> {
    let mut raw = Vec::new();
    let mut udp = vec![UdpSocket::bind((Ipv4Addr::UNSPECIFIED, GUE_PORT))?];
    for protocol in INSIDE {
        let protocol = Some(Protocol::from(protocol));
        raw.push(Socket::new(Domain::IPV4, Type::RAW, protocol)?);
        raw.push(Socket::new(Domain::IPV6, Type::RAW, protocol)?);
    }
    let v6 = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
    v6.set_only_v6(true)?;
    v6.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, GUE_PORT)).into())?;
    udp.push(v6.into());
    Ok((raw, udp))
}

struct End {
    tun: SyncDevice,
    at: Vec<IpAddr>,
}

impl End {
    fn take(&self, mut wire: &Socket, lines: &SyncSender<Received>) -> Result<()> {
        let mut buffer = vec![0; 65536];
        loop {
            let length = wire.read(&mut buffer).context("cannot read packets")?;
            if let Some(received) = self.judge(&buffer[..length]) {
                lines.send(received)?;
            }
        }
    }

    /// `None` for packets that are no tunnel's, or that end elsewhere.
    fn judge(&self, bytes: &[u8]) -> Option<Received> {
        let opened = match open(bytes)? {
            Ok(opened) => opened,
            Err(fault) => {
                let fault = fault.to_string();
                return Some(Received::Refused { fault });
            }
        };
        if !self.at.contains(&opened.outer.destination) {
            return None;
        }
        Some(match self.tun.send(opened.packet) {
            Ok(_) => Received::Delivered {
                outer: opened.outer,
                carrier: opened.carrier,
                udp: opened.udp,
                inner: opened.inner,
            },
            Err(error) => Received::Refused {
                fault: format!("the kernel does not take it: {error}"),
            },
        })
    }
}

fn print(received: &Receiver<Received>) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{READY}")?;
    for packet in received {
        writeln!(output, "{}", serde_json::to_string(&packet)?)?;
    }
    anyhow::bail!("no packets can be read any more")
}
