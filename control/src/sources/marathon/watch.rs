//! Watches Marathon's event stream and says when something may have changed.
//!
//! An event only invalidates what is known; it is never believed itself, because Marathon
//! neither orders events nor repeats lost ones. For the same reason a new stream invalidates
//! too: whatever happened while there was none is covered by the read that follows.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::Response;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::client::{Client, transport};
use super::sse::Decoder;

/// Silence after which a stream is dead; Marathon sends a heartbeat every 10 s.
const SILENCE: Duration = Duration::from_secs(30);
/// Bytes kept of one event.
const MAX_EVENT: usize = 64 * 1024;
/// Events after which apps or tasks may be other than before.
const RELEVANT: [&str; 17] = [
    "api_post_event",
    "app_terminated_event",
    "deployment_failed",
    "deployment_step_failure",
    "deployment_step_success",
    "deployment_success",
    "event_stream_attached",
    "group_change_failed",
    "group_change_success",
    "health_status_changed_event",
    "instance_changed_event",
    "instance_health_changed_event",
    "scheduler_registered_event",
    "scheduler_reregistered_event",
    "status_update_event",
    "unhealthy_instance_kill_event",
    "unknown_instance_terminated_event",
];

/// What has happened so far; only changes of it mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Streams begun: behind each may be another leader.
    pub(super) streams: u64,
    /// Events after which a read is needed.
    pub(super) events: u64,
}

/// The delays between attempts: from 1 s, doubling up to 30 s, with jitter, without end.
pub(super) fn backoff() -> impl Iterator<Item = Duration> + Send {
    let builder = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(Duration::from_secs(1));
    builder
        .with_max_delay(Duration::from_secs(30))
        .without_max_times()
        .build()
}

/// Watches until `shutdown`, adding to `changes`.
pub(super) async fn run(
    client: Client,
    changes: watch::Sender<Changes>,
    shutdown: CancellationToken,
) {
    shutdown
        .run_until_cancelled(watch_forever(client, &changes))
        .await;
}

async fn watch_forever(client: Client, changes: &watch::Sender<Changes>) {
    let mut delays = backoff();
    let mut logged = None;
    loop {
        let reason = match client.events().await {
            Ok(stream) => {
                info!(source = super::NAME, "event stream begun");
                logged = None;
                changes.send_modify(|changes| changes.streams += 1);
                let (reason, heard) = follow(stream, changes).await;
                if heard {
                    delays = backoff();
                }
                reason
            }
            Err(error) => error.to_string(),
        };
        if logged.as_ref() != Some(&reason) {
            warn!(
                source = super::NAME,
                "event stream lost, changes are seen by the regular reads only: {reason}"
            );
            logged = Some(reason);
        }
        sleep(delays.next().expect("the back-off never ends")).await;
    }
}

/// Reads a stream to its end; returns why it ended, and whether anything was heard at all.
async fn follow(mut stream: Response, changes: &watch::Sender<Changes>) -> (String, bool) {
    let url = stream.url().clone();
    let mut decoder = Decoder::new(MAX_EVENT);
    let mut heard = false;
    loop {
        let chunk = match timeout(SILENCE, stream.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return ("Marathon closed it".to_owned(), heard),
            Ok(Err(error)) => return (transport(&url, &error).to_string(), heard),
            Err(_) => {
                return (
                    format!("nothing was heard for {} s", SILENCE.as_secs()),
                    heard,
                );
            }
        };
        heard = true;
        for event in decoder.feed(&chunk) {
            debug!(source = super::NAME, event.name, event.truncated, "event");
            if is_relevant(&event.name) {
                changes.send_modify(|changes| changes.events += 1);
            }
        }
    }
}

fn is_relevant(name: &str) -> bool {
    RELEVANT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_change_no_task_are_passed_over() {
        for name in [
            "status_update_event",
            "deployment_success",
            "event_stream_attached",
        ] {
            assert!(is_relevant(name), "{name}");
        }
        for name in [
            "",
            "framework_message_event",
            "subscribe_event",
            "event_stream_detached",
        ] {
            assert!(!is_relevant(name), "{name}");
        }
    }

    #[test]
    fn delays_grow_to_a_bound_and_never_end() {
        let delays: Vec<Duration> = backoff().take(100).collect();
        assert!(delays[0] >= Duration::from_secs(1));
        assert!(delays[99] >= Duration::from_secs(30));
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(60)));
    }
}
