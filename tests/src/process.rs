//! Processes in the background that end with the value that owns them, and short ones whose
//! failure is a failure of the test. Signals go to one pid that was started here, never to a name.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Time between SIGTERM and SIGKILL when a value is dropped.
const GRACE: Duration = Duration::from_secs(3);

/// A process that runs until it is told to end or its owner is dropped. Its standard output and
/// error go to a log file.
#[derive(Debug)]
pub struct Background {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts `command` and logs to `<logs>/<name>.log`, after what is there already.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Self {
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let output = file.unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        let errors = output.try_clone().expect("an open file can be shared");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        Self {
            name: name.into(),
            child,
            log,
        }
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("a child that is ours can be waited for")
    }

    /// Sends a signal, e.g. `TERM`; nothing happens if the process has ended.
    pub fn signal(&mut self, signal: &str) {
        if self.exit_status().is_none() {
            signal_process(self.id(), signal);
        }
    }

    /// Waits for its end, at most this long.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < within {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            sleep(Duration::from_millis(5));
        }
        self.exit_status()
    }

    /// Kills it with SIGKILL and reaps it, as a crash would.
    pub fn kill(&mut self) {
        // It may have ended by itself; either way it is reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Fails if the process has ended.
    ///
    /// # Errors
    /// It has ended: how, and what it wrote.
    pub fn check_alive(&mut self) -> Result<(), String> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => Err(format!("{} ended ({status}):\n{}", self.name, self.log())),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.signal("TERM");
        if self.wait(GRACE).is_none() {
            self.kill();
        }
    }
}

fn signal_process(pid: u32, signal: &str) {
    let status = Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .status();
    status.unwrap_or_else(|e| panic!("cannot run kill (package procps): {e}"));
}

/// Runs `command` to its end and returns its output, whatever its exit status.
///
/// # Panics
/// It cannot be started.
#[must_use]
pub fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error} (run scripts/setup)"))
}

/// Runs `command` to its end and returns what it wrote to its standard output.
///
/// # Panics
/// It fails.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        describe(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Exit status and both outputs, for messages.
#[must_use]
pub fn describe(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let ending = match (output.status.code(), output.status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {signal:?}"),
    };
    format!(
        "{ending}\nstdout: {}\nstderr: {}",
        text(&output.stdout),
        text(&output.stderr)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_is_dropped_ends_even_if_it_ignores_sigterm() {
        let logs = tempfile::tempdir().expect("a folder");
        let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
        let process = Background::start("stubborn", shell(script), logs.path());
        let pid = process.id();
        crate::eventually::eventually("the trap", || {
            crate::eventually::expect(process.log().contains("ready"), || "not yet".into())
        });
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn an_end_is_reported_with_what_was_written() {
        let logs = tempfile::tempdir().expect("a folder");
        let mut process = Background::start("brief", shell("echo why; exit 7"), logs.path());
        let status = process.wait(Duration::from_secs(10)).expect("it ends");
        assert_eq!(status.code(), Some(7));
        let reason = process.check_alive().expect_err("it has ended");
        assert!(
            reason.contains("exit status: 7") && reason.contains("why"),
            "{reason}"
        );
    }

    #[test]
    #[should_panic(expected = "exit code 3")]
    fn a_failing_command_fails_the_test() {
        run(&mut shell("exit 3"));
    }
}
