//! `viaduct run`: from the configuration file to the running process.

use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt;

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
    let builder = fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .log_internal_errors(false)
        .with_max_level(filter(log.level.more(verbose)));
    // An error means that logging is already set up.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
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
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lookup_that_hangs_does_not_hold_up_the_end() {
        let (release, hang) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            let result = block_on(async {
                tokio::task::spawn_blocking(move || hang.recv());
                tokio::task::yield_now().await;
                Ok(())
            });
            ended.send(result.is_ok())
        });
        let outcome = end.recv_timeout(Duration::from_secs(20));
        drop(release);
        assert_eq!(outcome, Ok(true));
    }
}
