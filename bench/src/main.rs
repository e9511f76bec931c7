//! What a packet costs in the packet path, without ports: frames in memory, one worker.
//!
//! Each row is the median of several rounds of the same number of packets; all rows are taken in
//! one run, interleaved, so that their ratios hold even if the machine's speed drifts. Times on a
//! shared or virtual machine are not the appliance's; compare rows, not runs.
//!
//! `cargo run --release -p viaduct-bench`

#![allow(clippy::print_stdout)]
#![forbid(unsafe_code)]

mod cases;
mod ring;

use cases::Case;

/// Rounds of each case; the median counts.
const ROUNDS: usize = 9;

fn main() {
    let mut cases = cases::all();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(case.round());
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    println!("{:<44} {:>10} {:>8}", "case", "ns/packet", "ratio");
    for (case, ns) in cases.iter().zip(&medians) {
        println!(
            "{:<44} {ns:>10.1} {:>8.2}",
            Case::name(case),
            ns / medians[0]
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
