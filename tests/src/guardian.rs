//! Cleaning up, also when the test process is killed. A guardian is a shell in a session of its own
//! that waits on a pipe from the test process. Whatever ends that process closes the pipe;
//! then the guardian runs `scripts/sweep` on the namespaces it guards and removes the scratch
//! folder. An orderly end takes the same way, so that the way is always tested.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::programs;

/// Reads one line. `keep` leaves the scratch folder; anything else, or the end, removes it.
const SCRIPT: &str = r#"
read -r word
"$1" "$2"
[ "$word" = keep ] || rm -rf "$3"
"#;

/// Guards the namespaces of one name prefix and one scratch folder until it is dropped.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    keep_scratch: bool,
}

impl Guardian {
    /// Starts to guard; nothing needs to exist yet.
    ///
    /// # Panics
    /// The guardian cannot be started.
    #[must_use]
    pub fn start(prefix: &str, scratch: &Path) -> Self {
        let child = Command::new("setsid")
            .args(["sh", "-c", SCRIPT, "viaduct-guardian"])
            .arg(programs::script("sweep"))
            .arg(prefix)
            .arg(scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run setsid (package util-linux): {error}"));
        Self {
            child,
            keep_scratch: false,
        }
    }

    /// Leaves the scratch folder when the guard ends, because somebody will want to read it.
    pub fn keep_scratch(&mut self) {
        self.keep_scratch = true;
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            let word: &[u8] = if self.keep_scratch {
                b"keep\n"
            } else {
                b"remove\n"
            };
            // If it is gone there is nobody to tell; the wait below shows how it ended.
            let _ = pipe.write_all(word);
        }
        let status = self.child.wait().expect("the guardian is our child");
        assert!(
            status.success() || std::thread::panicking(),
            "the guardian failed: {status}"
        );
    }
}
