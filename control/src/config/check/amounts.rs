//! Checks of numbers, sizes and times that must not be zero, and of the memory they need.

use super::Notes;
use crate::config::value::Period;
use crate::config::{Config, Marathon, Timeouts};

/// What one packet buffer takes: 2 KiB of data, headroom, the mbuf itself and mempool headers.
const MBUF_BYTES: u64 = 2048 + 128 + 128 + 64;

pub(super) fn check(config: &Config, notes: &mut Notes<'_>) {
    positive("workers.flows", config.workers.flows > 0, "1", notes);
    half_open(config, notes);
    period(
        "workers.idle_max_sleep",
        config.workers.idle_max_sleep,
        notes,
    );
    memory(config, notes);
    timeouts(&config.timeouts, notes);
    if let Some(marathon) = &config.sources.marathon {
        marathon_amounts(marathon, notes);
    }
    if let Some(file) = &config.sources.file {
        period("sources.file.poll", file.poll, notes);
    }
}

fn half_open(config: &Config, notes: &mut Notes<'_>) {
    let (half_open, flows) = (config.workers.half_open, config.workers.flows);
    positive("workers.half_open", half_open != Some(0), "65536", notes);
    if half_open.is_some_and(|bound| bound > flows) {
        notes.error(
            "workers.half_open",
            format!("more half-open connections than the {flows} flows that there is room for"),
            "expected at most workers.flows",
            "use a smaller number, or leave the key out for a quarter of workers.flows",
        );
    }
}

fn memory(config: &Config, notes: &mut Notes<'_>) {
    positive("memory.mbufs", config.memory.mbufs > 0, "16384", notes);
    let needed = u64::from(config.memory.mbufs) * MBUF_BYTES;
    if needed > config.memory.size.bytes() {
        notes.error(
            "memory.size",
            format!(
                "{} cannot hold {} packet buffers",
                config.memory.size, config.memory.mbufs
            ),
            "expected room for memory.mbufs",
            format!(
                "use at least \"{} MiB\", or fewer buffers",
                needed.div_ceil(1 << 20)
            ),
        );
    }
}

fn timeouts(timeouts: &Timeouts, notes: &mut Notes<'_>) {
    period("timeouts.tcp_handshake", timeouts.tcp_handshake, notes);
    period("timeouts.tcp_established", timeouts.tcp_established, notes);
    period("timeouts.tcp_closing", timeouts.tcp_closing, notes);
    period("timeouts.udp", timeouts.udp, notes);
}

fn marathon_amounts(marathon: &Marathon, notes: &mut Notes<'_>) {
    period("sources.marathon.resync", marathon.resync, notes);
    period("sources.marathon.timeout", marathon.timeout, notes);
    let body = marathon.max_body.bytes() > 0;
    positive("sources.marathon.max_body", body, "\"100 MiB\"", notes);
}

fn period(path: &str, period: Period, notes: &mut Notes<'_>) {
    positive(path, !period.get().is_zero(), "\"1s\"", notes);
}

fn positive(path: &str, is_positive: bool, example: &str, notes: &mut Notes<'_>) {
    if !is_positive {
        notes.error(
            path,
            format!("{path} is zero"),
            "expected more than zero",
            format!("use {example}, for instance, or leave the key out for its default"),
        );
    }
}
