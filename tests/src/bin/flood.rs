//! A bounded SYN flood from made-up sources, for the tests' namespaces only. It stops after so many
//! packets or so many seconds, whichever is first, and prints one JSON line.
//!
//! It refuses to run in the machine's own network namespace, and towards addresses that are not
//! private or for documentation. Sources are of 198.18.0.0/15 (RFC 2544), which is routed nowhere.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use etherparse::PacketBuilder;
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

/// `IPPROTO_RAW`: what is sent begins with its IP header.
const RAW: i32 = 255;
/// 198.18.0.0/15.
const SOURCES: u32 = 0xc612_0000;
/// Packets between two looks at the clock.
const BATCH: u64 = 32;

/// A bounded SYN flood.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address and port of the service.
    #[arg(long)]
    target: SocketAddrV4,
    /// Packets at most.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    packets: u64,
    /// Seconds at most.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Packets per second at most.
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    refuse_outside_of_tests(*arguments.target.ip())?;
    let wire = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW)))
        .context("cannot open a raw socket: run as root")?;
    wire.set_header_included_v4(true)?;
    let start = Instant::now();
    let sent = flood(&arguments, &wire, start)?;
    let elapsed = start.elapsed().as_secs_f64();
    writeln!(
        std::io::stdout(),
        "{}",
        json!({ "sent": sent, "seconds": elapsed })
    )?;
    Ok(())
}

fn refuse_outside_of_tests(target: Ipv4Addr) -> Result<()> {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net"));
    ensure!(
        namespace("self")? != namespace("1")?,
        "this is the machine's own network: a flood runs only in a namespace of its own"
    );
    ensure!(
        target.is_private() || target.is_documentation() || target.octets()[0] == 11,
        "{target} is no address of the tests: a flood goes to private or documentation addresses"
    );
    Ok(())
}

fn flood(arguments: &Arguments, wire: &Socket, start: Instant) -> Result<u64> {
    let end = Duration::from_secs(arguments.seconds);
    let target = SocketAddr::from(arguments.target).into();
    let mut sent = 0;
    for number in 0..arguments.packets {
        if number % BATCH == 0 {
            let due = Duration::from_secs_f64(number as f64 / arguments.rate as f64);
            if due.max(start.elapsed()) >= end {
                break;
            }
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        // A full queue drops packets, here as anywhere.
        if wire
            .send_to(&syn(number, arguments.target)?, &target)
            .is_ok()
        {
            sent += 1;
        }
    }
    Ok(sent)
}

/// The SYN of this number: no two of a run have the same source address and port.
fn syn(number: u64, target: SocketAddrV4) -> Result<Vec<u8>> {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let host = u32::try_from(number % (1 << 17))?;
    let port = 1024 + u16::try_from(number >> 17)?;
    let source = Ipv4Addr::from_bits(SOURCES | host).octets();
    let sequence = u32::try_from(mixed >> 32)?;
    let builder = PacketBuilder::ipv4(source, target.ip().octets(), 64)
        .tcp(port, target.port(), sequence, 64_240)
        .syn();
    let mut packet = Vec::with_capacity(40);
    builder.write(&mut packet, &[])?;
    Ok(packet)
}
