//! `viaduct run`: from the configuration file to the running process.

use std::env;
use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::RunArgs;
use super::config::load;
use crate::config::{Log, LogFormat, LogLevel};
use crate::exit::Exit;

/// Runs until it is told to stop. With a broken configuration nothing is started.
pub(super) fn run(args: RunArgs, verbose: u8, err: &mut dyn Write) -> io::Result<Exit> {
    let loaded = match load(&args.config, err)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    start_logging(&loaded.config.log, verbose);
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.one_line());
    }
    match block_on(crate::run::run(loaded.config, args.eal_args)) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => {
            // The exit code says it too, even if nobody reads the text any more.
            let _ = writeln!(err, "viaduct: {error:#}");
            Ok(Exit::Failure)
        }
    }
}

/// Everything but the workers runs on this thread. A name lookup or a read of a file that hangs in
/// the kernel is not waited for in the end.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Logs go to standard error, with colours on a terminal only. If something else has set logging up
/// already, it stays. A line that cannot be written (the reader has gone, the disk is full) is lost:
/// reporting that on standard error would fail too, and end the process.
fn start_logging(log: &Log, verbose: u8) {
    let layer = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(wants_colour())
        .log_internal_errors(false);
    let layer = match log.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // An error means that logging is already set up.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(targets(log.level.more(verbose))))
        .try_init();
}

/// Colours are for people at a terminal who have not declined them (no-color.org).
fn wants_colour() -> bool {
    let declined = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !declined
}

/// What is logged at a level. hickory reports every DNS query, at info; of its crates only
/// warnings and errors are logged, at any level.
fn targets(level: LogLevel) -> Targets {
    let level = filter(level);
    Targets::new()
        .with_default(level)
        .with_target("hickory_", level.min(LevelFilter::WARN))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_level_governs_our_own_messages_and_queries_are_never_logged() {
        for level in [LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            let targets = targets(level);
            assert!(targets.would_enable("control::dns", &Level::INFO));
            assert!(!targets.would_enable("hickory_server::server", &Level::INFO));
            assert!(targets.would_enable("hickory_server::server", &Level::WARN));
            assert!(!targets.would_enable("hickory_net::tcp::tcp_stream", &Level::DEBUG));
        }
        let errors = targets(LogLevel::Error);
        assert!(!errors.would_enable("hickory_server::server", &Level::WARN));
        assert!(!errors.would_enable("control::dns", &Level::WARN));
    }
}
