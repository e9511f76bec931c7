//! The source's task: decides when to read, reads, judges the read, publishes it.
//!
//! A read is due at the start, after events (collected for the debounce time), after a new
//! event stream, at the resync interval, and after a failure with growing delays. A failed
//! read, and an empty list of apps that has not stayed empty for long enough, changes nothing
//! and is a fault.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Options;
use super::backends::Apps;
use super::client::Client;
use super::error::ReadError;
use super::health::Healthy;
use super::hosts::Resolver;
use super::watch::{Changes, backoff};
use crate::desired::Snapshot;
use crate::sources::publisher::Publisher;

/// The task's state.
pub(super) struct Task {
    client: Client,
    options: Options,
    publisher: Publisher,
    changes: watch::Receiver<Changes>,
    resolver: Resolver,
    /// The framework's name, and how many streams had begun when Marathon said so.
    framework: Option<(u64, String)>,
    healthy: Healthy,
    /// Whether the last good read had any apps.
    had_apps: bool,
    /// Since when reads that followed a good one with apps have been empty.
    empty_since: Option<Instant>,
    /// How long the last read took.
    took: Duration,
}

/// Why a read changes nothing.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "Marathon lists no apps at all, although it did before; they are kept for {hold} s \
         (`sources.marathon.empty_hold`) unless some are listed again"
    )]
    Empty { hold: u64 },
}

impl Task {
    /// A task that has not read yet.
    pub(super) fn new(
        client: Client,
        options: Options,
        publisher: Publisher,
        changes: watch::Receiver<Changes>,
    ) -> Self {
        Self {
            client,
            options,
            publisher,
            changes,
            resolver: Resolver::default(),
            framework: None,
            healthy: Healthy::new(),
            had_apps: false,
            empty_since: None,
            took: Duration::ZERO,
        }
    }

    /// Reads and publishes until `shutdown`.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.read_forever()).await;
    }

    async fn read_forever(&mut self) {
        let mut delays = backoff();
        loop {
            let next = match self.read_and_publish().await {
                Ok(()) => {
                    delays = backoff();
                    self.options.resync
                }
                Err(Refused::Read(_)) => delays.next().expect("the back-off never ends"),
                Err(Refused::Empty { .. }) => self.until_believed(),
            };
            self.wait(next.min(self.options.resync)).await;
        }
    }

    /// Waits until a read is due: after changes have calmed down, or at the latest in `at_most`.
    async fn wait(&mut self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        tokio::select! {
            () = sleep_until(deadline) => return,
            changed = self.changes.changed() => {
                if changed.is_err() {
                    return sleep_until(deadline).await;
                }
            }
        }
        // Reads that take long are not repeated faster than they take, however many the events.
        sleep(self.options.debounce.max(self.took)).await;
    }

    async fn read_and_publish(&mut self) -> Result<(), Refused> {
        let started = Instant::now();
        let outcome = self.read().await;
        self.took = started.elapsed();
        match outcome {
            Ok(snapshot) => {
                self.publisher.good(snapshot);
                Ok(())
            }
            Err(refused) => {
                self.publisher.failed(refused.to_string());
                Err(refused)
            }
        }
    }

    async fn read(&mut self) -> Result<Snapshot, Refused> {
        // What changes from here on causes another read.
        self.changes.mark_unchanged();
        let framework = self.framework().await?;
        let listed = self.client.apps().await?;
        self.believe(&listed)?;
        let apps = Apps::read(&listed, &framework);
        let hosts = self.resolver.resolve(apps.host_names()).await;
        let healthy = apps.healthy(&self.healthy);
        let snapshot = apps.snapshot(&hosts, &self.healthy);
        self.healthy = healthy;
        Ok(snapshot)
    }

    /// The framework's name: configured, or as Marathon says, asked once for each stream.
    async fn framework(&mut self) -> Result<String, ReadError> {
        if let Some(name) = &self.options.framework {
            return Ok(name.clone());
        }
        let streams = self.changes.borrow().streams;
        match &self.framework {
            Some((asked, name)) if *asked == streams => Ok(name.clone()),
            _ => {
                let name = self.client.framework().await?;
                self.framework = Some((streams, name.clone()));
                Ok(name)
            }
        }
    }

    /// Refuses an empty list until it has been empty for long enough.
    fn believe(&mut self, listed: &[Value]) -> Result<(), Refused> {
        if listed.is_empty() && self.had_apps {
            let since = *self.empty_since.get_or_insert_with(Instant::now);
            if since.elapsed() < self.options.empty_hold {
                return Err(Refused::Empty {
                    hold: self.options.empty_hold.as_secs(),
                });
            }
        }
        self.empty_since = None;
        self.had_apps = !listed.is_empty();
        Ok(())
    }

    /// Time until an empty list will be believed.
    fn until_believed(&self) -> Duration {
        let empty_for = self
            .empty_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        self.options.empty_hold.saturating_sub(empty_for)
    }
}
