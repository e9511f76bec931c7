//! `viaduct neighbors`: next hops and their Ethernet addresses.

use std::io::{self, Write};

use super::client;
use super::flows::seconds;
use super::vips::{new_table, trimmed};
use super::{Output, SocketArg, fail};
use crate::exit::Exit;
use crate::inspect::neighbors::NeighborStatus;

/// `viaduct neighbors`.
#[derive(Debug, clap::Args)]
pub(super) struct NeighborsArgs {
    /// How to write the list.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    api: SocketArg,
}

/// Lists them.
pub(super) fn list(
    args: &NeighborsArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let list: Vec<NeighborStatus> = match client::get(&args.api.socket, "/v1/neighbors") {
        Ok(list) => list,
        Err(error) => return fail(&error, err),
    };
    let text = match args.output {
        Output::Table => table(&list),
        Output::Json => serde_json::to_string_pretty(&list).map_err(io::Error::other)?,
    };
    writeln!(out, "{text}")?;
    Ok(Exit::Success)
}

fn table(neighbors: &[NeighborStatus]) -> String {
    let header = [
        "WORKER", "PORT", "ADDRESS", "MAC", "STATE", "ROLE", "AGE", "WAITING", "USERS",
    ];
    let mut table = new_table(&header);
    for neighbor in neighbors {
        let vlan = neighbor
            .vlan
            .map_or_else(String::new, |vlan| format!(".{vlan}"));
        table.add_row([
            neighbor.worker.to_string(),
            format!("{}{vlan}", neighbor.port),
            neighbor.address.to_string(),
            neighbor.mac.clone().unwrap_or_else(|| "-".to_owned()),
            neighbor.state.clone(),
            neighbor.role.clone(),
            seconds(neighbor.age_ms),
            neighbor.waiting.to_string(),
            neighbor.users.to_string(),
        ]);
    }
    trimmed(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_are_a_table() {
        let known = NeighborStatus {
            worker: 0,
            port: "fabric".to_owned(),
            vlan: Some(7),
            address: [10, 99, 0, 11].into(),
            mac: Some("02:00:00:00:00:0b".to_owned()),
            state: "reachable".to_owned(),
            role: "infrastructure".to_owned(),
            age_ms: 300,
            waiting: 0,
            users: 3,
        };
        let unknown = NeighborStatus {
            vlan: None,
            mac: None,
            state: "incomplete".to_owned(),
            waiting: 2,
            ..known.clone()
        };
        let expected = "\
WORKER  PORT      ADDRESS     MAC                STATE       ROLE              AGE  WAITING  USERS
     0  fabric.7  10.99.0.11  02:00:00:00:00:0b  reachable   infrastructure  0.3 s        0      3
     0  fabric    10.99.0.11  -                  incomplete  infrastructure  0.3 s        2      3";
        assert_eq!(table(&[known, unknown]), expected);
    }
}
