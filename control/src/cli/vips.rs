//! `viaduct vips`: services and their backends, or the labels that were skipped.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::{Serialize, de::DeserializeOwned};

use super::client::{self, ClientError};
use super::{Output, VipsArgs};
use crate::exit::Exit;
use crate::status::{BackendStatus, ProblemStatus, ServiceStatus};

/// Columns of numbers, which are aligned right.
const NUMBERS: [&str; 9] = [
    "WEIGHT",
    "FLOWS ACTIVE",
    "FLOWS TOTAL",
    "WORKER",
    "IDLE",
    "EXPIRES",
    "AGE",
    "WAITING",
    "USERS",
];

/// Lists what was asked for.
pub(super) fn list(args: &VipsArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    let text = match args.problems {
        true => fetch(args, "/v1/problems", problems_table),
        false => fetch(args, "/v1/vips", vips_table),
    };
    match text {
        Ok(text) => {
            writeln!(out, "{text}")?;
            Ok(Exit::Success)
        }
        Err(error) => {
            writeln!(err, "viaduct: {error}")?;
            Ok(error.exit())
        }
    }
}

fn fetch<T>(args: &VipsArgs, path: &str, table: fn(&[T]) -> Table) -> Result<String, ClientError>
where
    T: Serialize + DeserializeOwned,
{
    let list: Vec<T> = client::get(&args.socket, path)?;
    Ok(match args.output {
        Output::Table => trimmed(&table(&list)),
        Output::Json => serde_json::to_string_pretty(&list)
            .expect("what was decoded from JSON can be encoded as JSON"),
    })
}

/// A service has a line for each backend, and one without backend if it has none.
pub(super) fn vips_table(services: &[ServiceStatus]) -> Table {
    let header = [
        "VIP",
        "ADDRESS",
        "PORT/PROTO",
        "POLICY",
        "BACKEND",
        "WEIGHT",
        "FLOWS ACTIVE",
        "FLOWS TOTAL",
        "ORIGIN",
    ];
    let mut table = new_table(&header);
    for service in services {
        if service.backends.is_empty() {
            table.add_row(vips_row(service, None));
        }
        for backend in &service.backends {
            table.add_row(vips_row(service, Some(backend)));
        }
    }
    table
}

fn vips_row(service: &ServiceStatus, backend: Option<&BackendStatus>) -> Vec<String> {
    let of = |text: fn(&BackendStatus) -> String| backend.map_or_else(|| "-".to_owned(), text);
    vec![
        service.name.clone().unwrap_or_else(|| "-".to_owned()),
        service.address.clone(),
        format!("{}/{}", service.port, service.protocol),
        service.policy.brief(),
        of(|b| b.address.clone()),
        of(|b| b.weight.to_string()),
        of(|b| b.flows_active.to_string()),
        of(|b| b.flows_total.to_string()),
        of(|b| b.origin.clone()),
    ]
}

/// One line for each skipped label.
pub(super) fn problems_table(problems: &[ProblemStatus]) -> Table {
    let mut table = new_table(&["SOURCE", "SUBJECT", "PORT", "LABEL", "REASON"]);
    for problem in problems {
        let index = problem.port_index.map(|index| index.to_string());
        table.add_row([
            problem.source.clone(),
            problem.subject.clone(),
            index.unwrap_or_else(|| "-".to_owned()),
            problem.label.clone(),
            problem.reason.clone(),
        ]);
    }
    table
}

/// Columns without lines, as wide as their content: for eyes and for `awk`.
pub(super) fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let align = |name: &&str| match NUMBERS.contains(name) {
        true => CellAlignment::Right,
        false => CellAlignment::Left,
    };
    table.set_header(
        header
            .iter()
            .map(|name| Cell::new(name).set_alignment(align(name))),
    );
    for (column, name) in table.column_iter_mut().zip(header) {
        column.set_cell_alignment(align(name));
        column.set_padding((0, 2));
    }
    table
}

/// Lines without blanks at their ends.
pub(super) fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}
