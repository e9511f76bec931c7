//! The source against files that change under it. The clock is paused, so no test waits.

use std::fs;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::sources::SourceState;

/// The source under test, and its file.
struct Run {
    source: Source,
    shutdown: CancellationToken,
    path: PathBuf,
    _directory: TempDir,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Run {
    fn start(content: Option<&str>) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("services.toml");
        if let Some(content) = content {
            fs::write(&path, content).expect("writable");
        }
        let shutdown = CancellationToken::new();
        let options = Options {
            path: path.clone(),
            poll: Duration::from_secs(1),
        };
        let source = spawn(options, shutdown.clone());
        Self {
            source,
            shutdown,
            path,
            _directory: directory,
        }
    }

    fn write(&self, content: &[u8]) {
        fs::write(&self.path, content).expect("writable");
    }

    async fn until(&mut self, what: &str, fits: impl FnMut(&SourceState) -> bool) -> SourceState {
        let waited = timeout(Duration::from_secs(3600), self.source.state.wait_for(fits)).await;
        waited
            .unwrap_or_else(|_| panic!("never: {what}"))
            .expect("the source is there")
            .clone()
    }

    async fn services(&mut self, count: usize) -> SourceState {
        let what = format!("{count} services without a fault");
        self.until(&what, |state| {
            state.fault.is_none() && services(state) == Some(count)
        })
        .await
    }

    async fn fault(&mut self) -> String {
        let state = self.until("a fault", |state| state.fault.is_some()).await;
        state.fault.expect("just seen").message
    }
}

fn services(state: &SourceState) -> Option<usize> {
    state
        .snapshot
        .as_ref()
        .map(|snapshot| snapshot.services.len())
}

const ONE: &str = "[[service]]\nname = \"a\"\nport = 80\n";
const TWO: &str = "[[service]]\nname = \"a\"\nport = 80\n[[service]]\nname = \"b\"\nport = 80\n";

#[tokio::test(start_paused = true)]
async fn changes_of_the_file_are_seen() {
    let mut run = Run::start(Some(ONE));
    run.services(1).await;
    run.write(TWO.as_bytes());
    run.services(2).await;
    run.write(b"service = []");
    run.services(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_cut_off_leaves_the_last_good_content() {
    for rest in ["", "# Services of this host\n"] {
        let mut run = Run::start(Some(TWO));
        run.services(2).await;
        run.write(rest.as_bytes());
        let fault = run.fault().await;
        assert!(fault.contains("service = []"), "{fault}");
        assert_eq!(services(&run.source.state.borrow()), Some(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_may_begin_without_services() {
    let mut run = Run::start(Some(""));
    run.services(0).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_refused() {
    let mut run = Run::start(None);
    fs::create_dir(&run.path).expect("writable");
    run.until("the fault of a directory", |state| {
        let fault = state.fault.as_ref();
        fault.is_some_and(|fault| fault.message.contains("no regular file"))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_leaves_the_last_good_content() {
    let mut run = Run::start(Some(TWO));
    run.services(2).await;
    run.write(b"[[service]]\nname = \"a\"\nport = 80\ncolour = 1\n");
    let fault = run.fault().await;
    let path = run.path.display().to_string();
    assert!(
        fault.contains(&path) && fault.contains("line 4") && fault.contains('^'),
        "{fault}"
    );
    assert_eq!(services(&run.source.state.borrow()), Some(2));
    run.write(ONE.as_bytes());
    run.services(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_goes_and_comes_back_unchanged_ends_the_fault() {
    let mut run = Run::start(Some(ONE));
    run.services(1).await;
    fs::remove_file(&run.path).expect("it is there");
    let fault = run.fault().await;
    assert!(
        fault.contains("cannot be read") && fault.contains("sources.file.path"),
        "{fault}"
    );
    assert_eq!(services(&run.source.state.borrow()), Some(1));
    run.write(ONE.as_bytes());
    run.services(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_a_fault_without_a_snapshot() {
    let mut run = Run::start(None);
    run.fault().await;
    assert_eq!(services(&run.source.state.borrow()), None);
    run.write(ONE.as_bytes());
    run.services(1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_text_is_refused() {
    let mut run = Run::start(Some(ONE));
    run.services(1).await;
    run.write(b"# \xff");
    let fault = run.fault().await;
    assert!(fault.contains("byte 2"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_problem_of_an_entry_is_no_fault() {
    let mut run = Run::start(Some("[[service]]\nname = \"a\"\nport = 0\n"));
    let state = run.services(0).await;
    assert_eq!(state.snapshot.expect("read").problems.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_file_counts_as_read() {
    let mut run = Run::start(Some(ONE));
    run.services(1).await;
    sleep(Duration::from_secs(10)).await;
    assert!(run.source.state.borrow().reads_total > 1);
}
