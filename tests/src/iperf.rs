//! iperf3, the measuring program, as server and client. Its figures are printed, not judged: what
//! a test may judge is that data arrives.

use std::net::SocketAddr;

use serde_json::Value;

use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::process::{self, Background, describe};

/// iperf3's own port.
pub const PORT: u16 = 5201;

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// The process.
    pub process: Background,
}

impl Server {
    /// Starts it on every address of `host`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host) -> Self {
        let name = format!("iperf3-{}", host.name);
        let mut command = host.namespace.command("iperf3");
        command.args(["--server", "--port", &PORT.to_string()]);
        let mut process = Background::start(&name, command, &fabric.logs());
        eventually(&name, || {
            process.check_alive()?;
            let listens = host.namespace.is_listening("tcp", PORT);
            expect(listens, || "it does not listen".to_owned())
        });
        Self { process }
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Bytes that the receiving side got.
    pub received: u64,
    /// Bits per second at the receiving side.
    pub rate: f64,
    /// Percentage of datagrams that were lost; 0 for TCP.
    pub lost: f64,
}

/// Runs a client to its end, for two seconds, with more words such as `--udp` or `--reverse`.
///
/// # Panics
/// It fails, or its output is not understood.
#[must_use]
pub fn run(client: &Host, target: SocketAddr, words: &[&str]) -> Outcome {
    let (address, port) = (target.ip().to_string(), target.port().to_string());
    let mut command = client.namespace.command("iperf3");
    command.args([
        "--client", &address, "--port", &port, "--json", "--time", "2",
    ]);
    let output = process::output(command.args(words));
    assert!(output.status.success(), "{words:?}: {}", describe(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("iperf3 prints JSON");
    outcome(&report).unwrap_or_else(|| panic!("iperf3 {words:?}: {report}"))
}

/// TCP's sums are of each side. UDP's only sum is of the receiver, with its losses.
fn outcome(report: &Value) -> Option<Outcome> {
    let end = &report["end"];
    let sum = match &end["sum"] {
        Value::Null => &end["sum_received"],
        sum => sum,
    };
    Some(Outcome {
        received: sum["bytes"].as_u64()?,
        rate: sum["bits_per_second"].as_f64()?,
        lost: sum["lost_percent"].as_f64().unwrap_or(0.0),
    })
}
