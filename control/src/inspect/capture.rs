//! Captures: packets that match, from all workers, until enough have come.

use std::time::Duration;

use dataplane::clock::TickSpan;
use dataplane::inspect::{Point, Points, Question, Recording, Sample, Tap, TapOrder};
use dataplane::worker::WorkerId;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

use super::flows::question;
use super::pcapng::Pcapng;
use super::record::Record;
use super::{InspectError, Inspection, PATIENCE, POLL};

/// How often samples are looked for while there are none.
const REST: Duration = Duration::from_millis(5);
/// Bytes that are sent on at once, about.
const CHUNK: usize = 64 << 10;
/// After their time, workers have this long to say that they have stopped.
const GRACE: Duration = Duration::from_secs(1);

const MOST_SECONDS: u64 = 86_400;
const MOST_SNAPLEN: usize = 65_535;

/// What is to be captured: the body of `POST /v1/capture`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaptureRequest {
    /// Which packets: see [`super::filter`].
    pub filter: String,
    /// Where: names of points; none means all.
    pub points: Vec<String>,
    /// Packets at most.
    pub packets: u64,
    /// Seconds at most.
    pub seconds: u64,
    /// The capture ends when this many bytes have come.
    pub bytes: u64,
    /// Bytes that are kept of each packet.
    pub snaplen: usize,
    /// How it is written.
    pub format: Format,
}

/// How a capture is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For tcpdump, Wireshark and others.
    #[default]
    Pcapng,
    /// A line of JSON for each packet and point: see [`super::record::Record`].
    Json,
}

impl Default for CaptureRequest {
    fn default() -> Self {
        Self {
            filter: String::new(),
            points: Vec::new(),
            packets: 1000,
            seconds: 60,
            bytes: 64 << 20,
            snaplen: 2048,
            format: Format::default(),
        }
    }
}

/// What a capture of JSON ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Packets that were captured.
    pub packets: u64,
    /// Samples for which the workers had no memory.
    pub lost: u64,
}

/// A running capture. It ends when it is dropped.
#[derive(Debug)]
pub struct Capture {
    inspection: Inspection,
    recordings: Vec<Watched>,
    output: Output,
    limit: Limit,
    until: Instant,
    packets: u64,
    ended: bool,
    _only: OwnedSemaphorePermit,
}

/// What one worker records.
#[derive(Debug)]
struct Watched {
    recording: Recording,
    /// The highest number of a packet that was read.
    packet: u64,
}

/// How much may be captured.
#[derive(Debug)]
struct Limit {
    packets: u64,
    /// What is left of it.
    bytes: u64,
}

enum Output {
    Pcapng(Pcapng),
    Json(Vec<u8>),
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pcapng(_) => "Pcapng",
            Self::Json(_) => "Json",
        })
    }
}

impl Output {
    fn add(&mut self, sample: &Sample, record: &Record) {
        match self {
            Self::Pcapng(pcapng) => pcapng.add(sample, record),
            Self::Json(bytes) => add_line(bytes, record),
        }
    }

    /// Ends the capture.
    fn end(&mut self, summary: Summary) {
        match self {
            Self::Pcapng(pcapng) => pcapng.end(summary.lost),
            Self::Json(bytes) => add_line(bytes, &summary),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Pcapng(pcapng) => pcapng.len(),
            Self::Json(bytes) => bytes.len(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Pcapng(pcapng) => pcapng.take(),
            Self::Json(bytes) => std::mem::take(bytes),
        }
    }
}

fn add_line(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *bytes, value).expect("numbers and text fit into memory as JSON");
    bytes.push(b'\n');
}

impl CaptureRequest {
    fn check(&self) -> Result<Points, InspectError> {
        let bound = |name: &str, value: u64, most: u64| {
            let inside = (1..=most).contains(&value);
            let wrong = || question(format!("{name} {value} is not between 1 and {most}"));
            inside.then_some(()).ok_or_else(wrong)
        };
        bound("seconds", self.seconds, MOST_SECONDS)?;
        bound("snaplen", self.snaplen as u64, MOST_SNAPLEN as u64)?;
        bound("packets", self.packets, u64::MAX)?;
        bound("bytes", self.bytes, u64::MAX)?;
        if self.points.is_empty() {
            return Ok(Points::of(&Point::ALL));
        }
        let points: Result<Vec<_>, _> = self.points.iter().map(|name| point(name)).collect();
        points.map(|points| Points::of(&points))
    }
}

fn point(name: &str) -> Result<Point, InspectError> {
    let found = Point::ALL.into_iter().find(|point| point.name() == name);
    found.ok_or_else(|| {
        let names = Point::ALL.map(Point::name).join(", ");
        question(format!("`{name}` is no point; the points are {names}"))
    })
}

impl Inspection {
    /// Starts a capture on all workers.
    ///
    /// # Errors
    /// If the request makes no sense, another capture is running, or a worker does not answer.
    pub async fn capture(&self, request: &CaptureRequest) -> Result<Capture, InspectError> {
        let points = request.check()?;
        let order = TapOrder {
            matcher: self.filter(&request.filter)?,
            points,
            snaplen: request.snaplen,
            packets: request.packets,
            span: TickSpan::from_duration(Duration::from_secs(request.seconds)),
        };
        let only = self.begin_watch()?;
        let output = match request.format {
            Format::Json => Output::Json(Vec::new()),
            Format::Pcapng => {
                let begun = Pcapng::begin(&self.ports, request.snaplen as u32);
                Output::Pcapng(begun.map_err(|error| question(error.to_string()))?)
            }
        };
        let mut recordings = Vec::new();
        for worker in self.workers() {
            let (tap, recording) = Tap::new(worker, order.clone());
            // Kept before the worker is asked: dropped, it ends what has been started.
            recordings.push(Watched {
                recording,
                packet: 0,
            });
            self.post(worker, Question::Watch(Box::new(tap))).await?;
        }
        for (worker, watched) in self.workers().zip(&recordings) {
            wait_until_armed(worker, &watched.recording).await?;
        }
        Ok(Capture {
            inspection: self.clone(),
            recordings,
            output,
            limit: Limit {
                packets: request.packets,
                bytes: request.bytes,
            },
            until: Instant::now() + Duration::from_secs(request.seconds) + GRACE,
            packets: 0,
            ended: false,
            _only: only,
        })
    }
}

/// From here on the worker sees every packet.
async fn wait_until_armed(worker: WorkerId, recording: &Recording) -> Result<(), InspectError> {
    let armed = async {
        while !recording.is_armed() {
            sleep(POLL).await;
        }
    };
    let waited = timeout(PATIENCE, armed).await;
    waited.map_err(|_| InspectError::Silent(worker))
}

impl Capture {
    /// The next piece of the capture; `None` after the last. May be dropped at any time.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        while !self.ended {
            // A packet's samples come at once: what is missing of the last packet is there after
            // a rest.
            let (over, enough) = (self.is_over(), self.packets == self.limit.packets);
            if enough {
                sleep(REST).await;
            }
            let more = self.read();
            if !more || enough || (over && self.output.len() == 0) {
                self.end();
            }
            if self.output.len() > 0 {
                let piece = self.output.take();
                self.limit.bytes = self.limit.bytes.saturating_sub(piece.len() as u64);
                return Some(piece);
            }
            sleep(REST).await;
        }
        None
    }

    fn is_over(&self) -> bool {
        let late = Instant::now() >= self.until;
        let mut watched = self.recordings.iter();
        late || self.inspection.shutdown.is_cancelled() || watched.all(|w| w.recording.is_over())
    }

    fn end(&mut self) {
        let lost = self.recordings.iter().map(|w| w.recording.lost()).sum();
        let packets = self.packets;
        self.output.end(Summary { packets, lost });
        self.recordings.clear();
        self.ended = true;
    }

    /// Takes samples until there are none or a piece is full. False when enough have come.
    fn read(&mut self) -> bool {
        let Self {
            inspection,
            output,
            limit,
            packets,
            ..
        } = self;
        for watched in &mut self.recordings {
            let Watched { recording, packet } = watched;
            while output.len() < CHUNK {
                let read = recording.next(|sample| {
                    let is_new = sample.packet > *packet;
                    if is_new && *packets == limit.packets {
                        return false;
                    }
                    *packets += u64::from(is_new);
                    *packet = sample.packet.max(*packet);
                    output.add(sample, &inspection.record(sample));
                    (output.len() as u64) < limit.bytes
                });
                match read {
                    None => break,
                    Some(true) => {}
                    Some(false) => return false,
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_judged() {
        let right = CaptureRequest::default();
        assert!(right.check().is_ok());
        let points = |names: &[&str]| CaptureRequest {
            points: names.iter().map(ToString::to_string).collect(),
            ..CaptureRequest::default()
        };
        let tx = points(&["tx"]).check().expect("a point");
        assert!(tx.has(Point::Tx) && !tx.has(Point::Rx));
        for (wrong, said) in [
            (
                points(&["middle"]),
                "`middle` is no point; the points are rx, tx, drop, punt",
            ),
            (
                CaptureRequest {
                    seconds: 0,
                    ..right.clone()
                },
                "seconds 0 is not between 1 and 86400",
            ),
            (
                CaptureRequest {
                    snaplen: 70_000,
                    ..right.clone()
                },
                "snaplen 70000",
            ),
            (
                CaptureRequest {
                    packets: 0,
                    ..right.clone()
                },
                "packets 0",
            ),
            (CaptureRequest { bytes: 0, ..right }, "bytes 0"),
        ] {
            let error = wrong.check().expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
