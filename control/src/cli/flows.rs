//! `viaduct flows`: the flows that exist, page by page, so that a million of them need no memory.

use std::io::{self, Write};

use super::client::{self, ClientError};
use super::vips::{new_table, trimmed};
use super::{Output, SocketArg, fail};
use crate::exit::Exit;
use crate::inspect::flows::{FlowList, FlowQuery, FlowStatus};

/// Flows that are asked for at a time.
const PAGE: usize = 5000;

/// `viaduct flows`.
#[derive(Debug, clap::Args)]
pub(super) struct FlowsArgs {
    /// Only this VIP: ADDRESS, ADDRESS:PORT, :PORT or PREFIX.
    #[arg(long, value_name = "END")]
    service: Option<String>,
    /// Only this client, in the same way.
    #[arg(long, value_name = "END")]
    client: Option<String>,
    /// Only this backend, in the same way.
    #[arg(long, value_name = "END")]
    backend: Option<String>,
    /// Only `tcp` or `udp`.
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// Only flows in this state: handshake, established, half-closed, closed or datagram.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Show this many at most.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Show only how many there are.
    #[arg(long)]
    count: bool,
    /// How to write the list.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    api: SocketArg,
}

/// Lists what was asked for.
pub(super) fn list(args: &FlowsArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let mut pages = Pages::new(args);
    let mut shown = 0;
    loop {
        let flows = match pages.next() {
            Ok(Some(flows)) => flows,
            Ok(None) => break,
            Err(error) => return fail(&error, err),
        };
        if !args.count {
            write_page(args.output, &flows, shown == 0, out)?;
        }
        shown += flows.len();
    }
    match (args.count, args.output) {
        (true, _) => writeln!(out, "{shown}")?,
        (false, Output::Json) => writeln!(out, "{}]", if shown == 0 { "[" } else { "\n" })?,
        (false, Output::Table) if shown == 0 => write_page(args.output, &[], true, out)?,
        (false, Output::Table) => {}
    }
    Ok(Exit::Success)
}

/// Asks for page after page.
struct Pages<'a> {
    args: &'a FlowsArgs,
    left: usize,
    /// Where the next page begins; `None` after the last.
    next: Option<Option<String>>,
}

impl<'a> Pages<'a> {
    fn new(args: &'a FlowsArgs) -> Self {
        Self {
            args,
            left: args.limit.unwrap_or(usize::MAX),
            next: Some(None),
        }
    }

    /// The next page with flows.
    fn next(&mut self) -> Result<Option<Vec<FlowStatus>>, ClientError> {
        while let (Some(cursor), true) = (self.next.take(), self.left > 0) {
            let query = self.query(cursor);
            let list: FlowList = client::query(&self.args.api.socket, "/v1/flows", &query)?;
            self.next = list.next.map(Some);
            self.left -= list.flows.len().min(self.left);
            if !list.flows.is_empty() {
                return Ok(Some(list.flows));
            }
        }
        Ok(None)
    }

    fn query(&self, cursor: Option<String>) -> FlowQuery {
        FlowQuery {
            protocol: self.args.protocol.clone(),
            service: self.args.service.clone(),
            client: self.args.client.clone(),
            backend: self.args.backend.clone(),
            state: self.args.state.clone(),
            limit: Some(self.left.min(PAGE)),
            cursor,
        }
    }
}

fn write_page(
    output: Output,
    flows: &[FlowStatus],
    is_first: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if output == Output::Json {
        for (n, flow) in flows.iter().enumerate() {
            let before = if is_first && n == 0 { "[\n  " } else { ",\n  " };
            let flow = serde_json::to_string(flow).map_err(io::Error::other)?;
            write!(out, "{before}{flow}")?;
        }
        return Ok(());
    }
    let text = table(flows);
    // Pages after the first go on without another header.
    let rows = if is_first {
        &text[..]
    } else {
        text.split_once('\n').map_or("", |(_, rows)| rows)
    };
    writeln!(out, "{rows}")
}

/// One line for each flow.
fn table(flows: &[FlowStatus]) -> String {
    let header = [
        "WORKER", "PROTO", "CLIENT", "VIP", "SOURCE", "BACKEND", "MODE", "STATE", "IDLE", "EXPIRES",
    ];
    let mut table = new_table(&header);
    let dash = || "-".to_owned();
    for flow in flows {
        table.add_row([
            flow.worker.to_string(),
            flow.protocol.clone(),
            flow.client.to_string(),
            flow.vip.to_string(),
            flow.source.map_or_else(dash, |source| source.to_string()),
            flow.backend
                .map_or_else(dash, |backend| backend.to_string()),
            flow.mode.clone().unwrap_or_else(dash),
            flow.state.clone(),
            seconds(flow.idle_ms),
            seconds(flow.expires_ms),
        ]);
    }
    trimmed(&table)
}

/// Milliseconds as seconds, with the tenth that the data plane's clock knows.
pub(super) fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> FlowStatus {
        FlowStatus {
            worker: 1,
            protocol: "tcp".to_owned(),
            client: ([10, 99, 0, 101], 40000).into(),
            vip: ([11, 0, 0, 7], 80).into(),
            source: Some(([10, 99, 0, 3], 2048).into()),
            backend: Some(([10, 99, 0, 11], 31001).into()),
            mode: Some("nat".to_owned()),
            state: "established".to_owned(),
            idle_ms: 1200,
            expires_ms: 599_900,
        }
    }

    #[test]
    fn flows_are_a_table() {
        let gone = FlowStatus {
            worker: 0,
            source: None,
            backend: None,
            mode: None,
            ..flow()
        };
        let expected = "\
WORKER  PROTO  CLIENT             VIP          SOURCE          BACKEND            MODE  STATE        IDLE   EXPIRES
     1  tcp    10.99.0.101:40000  11.0.0.7:80  10.99.0.3:2048  10.99.0.11:31001  nat   established  1.2 s  599.9 s
     0  tcp    10.99.0.101:40000  11.0.0.7:80  -               -                  -     established  1.2 s  599.9 s";
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&table(&[flow(), gone])), squeeze(expected));
    }

    #[test]
    fn pages_are_one_list() {
        for output in [Output::Json, Output::Table] {
            let mut out = Vec::new();
            write_page(output, &[flow(), flow()], true, &mut out).expect("memory");
            write_page(output, &[flow()], false, &mut out).expect("memory");
            let text = String::from_utf8(out).expect("UTF-8");
            if output == Output::Json {
                let list: Vec<FlowStatus> =
                    serde_json::from_str(&format!("{text}]")).expect("JSON");
                assert_eq!(list, [flow(), flow(), flow()]);
            } else {
                assert_eq!(text.matches("WORKER").count(), 1);
                assert_eq!(text.lines().count(), 4);
            }
        }
    }
}
