//! A bounded SYN flood from made-up sources, for the tests' namespaces only. It stops after so many
//! packets or so many seconds, whichever is first, and prints one JSON line.
//!
//! It refuses to run anywhere but in a namespace that the harness has named, and towards addresses
//! that are not private or for documentation. Sources are of 198.18.0.0/15 (RFC 2544), which is routed nowhere.

use std::fs::{DirEntry, Metadata};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::MetadataExt;
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
    ensure!(
        is_in_namespace_of_tests()?,
        "this is no network namespace of the tests: a flood runs only in one of those"
    );
    ensure!(
        target.is_private() || target.is_documentation() || target.octets()[0] == 11,
        "{target} is no address of the tests: a flood goes to private or documentation addresses"
    );
    Ok(())
}

/// Whether this process's namespace is one that `ip netns` lists under a name of the tests.
fn is_in_namespace_of_tests() -> Result<bool> {
    let own = std::fs::metadata("/proc/self/ns/net")?;
    let is_own = |file: &DirEntry| {
        let of_tests = file.file_name().to_string_lossy().starts_with("vd-");
        let same = |it: Metadata| (it.dev(), it.ino()) == (own.dev(), own.ino());
        of_tests && file.metadata().is_ok_and(same)
    };
    let names = std::fs::read_dir("/run/netns").context("there are no named namespaces")?;
    Ok(names.flatten().any(|file| is_own(&file)))
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
