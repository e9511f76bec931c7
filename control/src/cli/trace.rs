//! `viaduct trace`: what would become of a packet, and what becomes of the next ones.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::capture::Bounds;
use super::client::{self, ClientError};
use super::{Output, SocketArg, fail, pcap};
use crate::exit::Exit;
use crate::inspect::capture::{CaptureRequest, Format, Summary};
use crate::inspect::record::Record;
use crate::inspect::trace::{Trace, TraceRequest};

/// `viaduct trace`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum TraceCommand {
    /// What would become of a TCP or UDP packet between two ends. Changes nothing.
    Packet(PacketArgs),
    /// What would become of an Ethernet frame. Changes nothing.
    Frame(FrameArgs),
    /// What becomes of the next packets that match.
    Next(NextArgs),
}

/// `viaduct trace packet`.
#[derive(Debug, clap::Args)]
pub(super) struct PacketArgs {
    /// `tcp` or `udp`.
    #[arg(value_name = "PROTOCOL")]
    protocol: String,
    /// Where it comes from: ADDRESS:PORT or [ADDRESS]:PORT.
    #[arg(value_name = "SOURCE")]
    source: SocketAddr,
    /// Where it goes.
    #[arg(value_name = "DESTINATION")]
    destination: SocketAddr,
    /// TCP's control bits: letters of S, A, F, R and P.
    #[arg(long, value_name = "LETTERS", default_value = "S")]
    flags: String,
    /// Hops that it may make.
    #[arg(long, value_name = "NUMBER", default_value_t = 64)]
    hops: u8,
    /// Bytes of payload.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    payload: u16,
    /// VLAN that it has; that of the port, if not given.
    #[arg(long, value_name = "ID")]
    vlan: Option<u16>,
    #[command(flatten)]
    arrival: Arrival,
}

/// `viaduct trace frame`.
#[derive(Debug, clap::Args)]
pub(super) struct FrameArgs {
    /// The frame from its Ethernet destination on, in hexadecimal digits; blanks and colons may be
    /// between them.
    #[arg(
        value_name = "HEX",
        required_unless_present = "pcap",
        conflicts_with = "pcap"
    )]
    frame: Vec<String>,
    /// Take the frame from this pcap or pcapng file.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Which packet of the file, from 1.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "pcap")]
    number: usize,
    #[command(flatten)]
    arrival: Arrival,
}

/// Where the packet comes in, and how the answer is written.
#[derive(Debug, clap::Args)]
struct Arrival {
    /// Port that it comes by; if not given, the one that leads to its source, or the first.
    #[arg(long, value_name = "NAME")]
    port: Option<String>,
    /// Worker that it comes to; if not given, the one that knows most of it.
    #[arg(long, value_name = "NUMBER")]
    worker: Option<u8>,
    /// How to write the answer.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    api: SocketArg,
}

/// `viaduct trace next`.
#[derive(Debug, clap::Args)]
pub(super) struct NextArgs {
    /// Which packets, as in `tcp and dst port 80`; all, if not given. docs/inspect.md has the words.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    #[command(flatten)]
    bounds: Bounds,
    /// How to write it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    api: SocketArg,
}

/// Traces.
pub(super) fn trace(
    command: &TraceCommand,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    match command {
        TraceCommand::Packet(args) => {
            let request = TraceRequest {
                protocol: Some(args.protocol.clone()),
                source: Some(args.source),
                destination: Some(args.destination),
                flags: Some(args.flags.clone()),
                hops: Some(args.hops),
                payload: Some(args.payload),
                vlan: args.vlan,
                ..args.arrival.request()
            };
            would(&request, &args.arrival, out, err)
        }
        TraceCommand::Frame(args) => {
            let frame = match &args.pcap {
                None => args.frame.concat(),
                Some(file) => match pcap::frame(file, args.number) {
                    Ok(frame) => frame,
                    Err(error) => {
                        writeln!(err, "viaduct: {error}")?;
                        return Ok(Exit::Usage);
                    }
                },
            };
            let request = TraceRequest {
                frame: Some(frame),
                ..args.arrival.request()
            };
            would(&request, &args.arrival, out, err)
        }
        TraceCommand::Next(args) => next(args, out, err),
    }
}

impl Arrival {
    fn request(&self) -> TraceRequest {
        TraceRequest {
            port: self.port.clone(),
            worker: self.worker,
            ..TraceRequest::default()
        }
    }
}

fn would(
    request: &TraceRequest,
    arrival: &Arrival,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let trace: Trace = match client::post(&arrival.api.socket, "/v1/trace", request) {
        Ok(trace) => trace,
        Err(error) => return fail(&error, err),
    };
    let text = match arrival.output {
        Output::Table => describe(&trace),
        Output::Json => serde_json::to_string_pretty(&trace).map_err(io::Error::other)?,
    };
    writeln!(out, "{}", text.trim_end())?;
    Ok(Exit::Success)
}

/// A line for each step.
fn describe(trace: &Trace) -> String {
    let mut text = format!("{} by port {}\n", trace.packet, trace.port);
    for worker in &trace.workers {
        text.push_str(&format!("worker {}\n", worker.worker));
        for step in &worker.steps {
            let (name, what) = step.describe();
            text.push_str(&format!("  {name:<9} {what}\n"));
        }
    }
    if let Some(leaves) = &trace.leaves {
        text.push_str(&format!("leaves as {leaves}\n"));
    }
    text
}

/// A line of the API's answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Record(Box<Record>),
    Summary(Summary),
}

fn next(args: &NextArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let request = CaptureRequest {
        filter: args.filter.join(" "),
        packets: args.bounds.packets,
        seconds: args.bounds.seconds,
        format: Format::Json,
        snaplen: HEADERS,
        ..CaptureRequest::default()
    };
    let mut lines = Lines {
        output: args.output,
        rest: Vec::new(),
        out,
    };
    let traced = client::stream(&args.api.socket, "/v1/capture", &request, |piece| {
        lines.take(piece).map_err(|error| ClientError::Output {
            what: "standard output".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(true)
    });
    match traced {
        Ok(()) => Ok(Exit::Success),
        Err(error) => fail(&error, err),
    }
}

/// Bytes of a packet that its description needs: all headers, with extensions and a tunnel's.
const HEADERS: usize = 256;

/// Writes lines as they are complete.
struct Lines<'a> {
    output: Output,
    rest: Vec<u8>,
    out: &'a mut dyn Write,
}

impl Lines<'_> {
    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            match self.output {
                Output::Json => self.out.write_all(&line)?,
                Output::Table => self.describe(&line)?,
            }
        }
        self.out.flush()
    }

    fn describe(&mut self, line: &[u8]) -> io::Result<()> {
        match serde_json::from_slice(line).map_err(io::Error::other)? {
            Line::Record(record) => writeln!(self.out, "{}", describe_record(&record)),
            Line::Summary(Summary { packets, lost }) => {
                writeln!(self.out, "{packets} packets, {lost} records lost")
            }
        }
    }
}

/// What a packet was at a point, and what it came to.
fn describe_record(record: &Record) -> String {
    let Record {
        worker,
        packet,
        point,
        summary,
        verdict,
        ..
    } = record;
    let port = record.port.as_deref().unwrap_or("inbox");
    let mut text = format!("{worker}.{packet} {point:<4} {port}: {summary}: {verdict}");
    if let Some(reason) = &record.reason {
        text.push_str(&format!(" {reason}"));
    }
    if let (Some(service), Some(backend)) = (&record.service, &record.backend) {
        text.push_str(&format!(", {service} backend {backend}"));
    }
    if let Some(explanation) = &record.explanation {
        text.push_str(&format!(": {explanation}"));
    }
    text
}
