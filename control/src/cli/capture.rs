//! `viaduct capture`: packets and what became of them, into a pcapng file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::client::{self, ClientError};
use super::{SocketArg, fail};
use crate::exit::Exit;
use crate::inspect::capture::{CaptureRequest, Format};

/// `viaduct capture`.
#[derive(Debug, clap::Args)]
pub(super) struct CaptureArgs {
    /// Which packets, as in `tcp and dst port 80 and not src host 10.0.0.1`; all, if not given.
    /// docs/inspect.md has the words.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// File to write, `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    write: PathBuf,
    /// Where on their way: some of rx, tx, drop and punt; all, if not given.
    #[arg(long, value_name = "POINTS", value_delimiter = ',')]
    points: Vec<String>,
    #[command(flatten)]
    bounds: Bounds,
    /// End when this many bytes have been written.
    #[arg(long, value_name = "BYTES", default_value_t = CaptureRequest::default().bytes)]
    bytes: u64,
    /// Keep this many bytes of each packet.
    #[arg(short, long, value_name = "BYTES", default_value_t = CaptureRequest::default().snaplen)]
    snaplen: usize,
    #[command(flatten)]
    api: SocketArg,
}

/// When watching packets ends by itself.
#[derive(Debug, clap::Args)]
pub(super) struct Bounds {
    /// End after this many packets.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = CaptureRequest::default().packets)]
    pub(super) packets: u64,
    /// End after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = CaptureRequest::default().seconds)]
    pub(super) seconds: u64,
}

/// Captures until enough has come, or it is interrupted.
pub(super) fn capture(
    args: &CaptureArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let request = CaptureRequest {
        filter: args.filter.join(" "),
        points: args.points.clone(),
        packets: args.bounds.packets,
        seconds: args.bounds.seconds,
        bytes: args.bytes,
        snaplen: args.snaplen,
        format: Format::Pcapng,
    };
    let mut target = Target {
        path: &args.write,
        file: None,
        out,
    };
    let captured = client::stream(&args.api.socket, "/v1/capture", &request, |piece| {
        target.write(piece).map(|()| true)
    });
    match captured {
        Ok(()) => Ok(Exit::Success),
        Err(error) => fail(&error, err),
    }
}

/// Where a capture goes. A file is made with its first bytes, so that a refused capture does not
/// destroy an earlier one.
struct Target<'a> {
    path: &'a Path,
    file: Option<File>,
    out: &'a mut dyn Write,
}

impl Target<'_> {
    /// Every piece is written at once: another program may be reading.
    fn write(&mut self, piece: &[u8]) -> Result<(), ClientError> {
        self.try_write(piece).map_err(|error| ClientError::Output {
            what: self.path.display().to_string(),
            reason: error.to_string(),
        })
    }

    fn try_write(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.path == Path::new("-") {
            self.out.write_all(piece)?;
            return self.out.flush();
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::create(self.path)?),
        };
        file.write_all(piece)
    }
}
