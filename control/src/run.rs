//! The running process: wires sources, planner, data plane, DNS and API together.

use crate::config::Config;

/// Runs until it is told to stop. `eal_args` are further arguments for DPDK's EAL.
///
/// # Errors
/// If something cannot be started, or fails for good while running.
#[allow(clippy::unused_async)]
pub async fn run(_config: Config, _eal_args: Vec<String>) -> anyhow::Result<()> {
    anyhow::bail!("this build has no data plane")
}
