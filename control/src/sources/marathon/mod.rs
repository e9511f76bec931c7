//! Services from Marathon: VIP labels of its apps, and the tasks that serve them.
//!
//! Two tasks make up this source. One watches the event stream and only says when something may
//! have changed (`watch`); the other reads everything, judges it and publishes (`task`). One
//! full, consistent read decides, never an event. Apps without VIP labels are not published.
//! Pods, and the VIPs of other frameworks, are not read.

mod backends;
mod client;
mod error;
mod health;
mod hosts;
mod model;
mod shape;
mod sse;
mod task;
mod vips;
mod watch;

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use tokio_util::sync::CancellationToken;

pub use error::{ReadError, SetupError, Shown};

use super::Source;
use super::publisher::Publisher;
use client::Client;
use task::Task;

/// The source's name in status, metrics, problems and logs.
pub const NAME: &str = "marathon";

/// How to read Marathon.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Base URLs of one Marathon, tried in turn; user name and password in them are sent as
    /// basic authentication.
    pub urls: Vec<Url>,
    /// The framework's name in names of VIPs; `None` asks Marathon.
    pub framework: Option<String>,
    /// Events within this time cause one read.
    pub debounce: Duration,
    /// A full read happens at least this often.
    pub resync: Duration,
    /// How long one request to one URL may take.
    pub timeout: Duration,
    /// How long an empty list after a full one must stay empty before it is believed.
    pub empty_hold: Duration,
    /// Bytes that the body of an answer may have.
    pub max_body: u64,
}

// By hand, because URLs may hold passwords.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self
            .urls
            .iter()
            .map(|url| Shown::new(url).to_string())
            .collect();
        f.debug_struct("Options")
            .field("urls", &urls)
            .field("framework", &self.framework)
            .field("debounce", &self.debounce)
            .field("resync", &self.resync)
            .field("timeout", &self.timeout)
            .field("empty_hold", &self.empty_hold)
            .field("max_body", &self.max_body)
            .finish()
    }
}

/// Starts the source on the current tokio runtime; it ends with `shutdown`.
///
/// # Errors
/// If the options name no URL that can be asked, or TLS cannot be set up.
pub fn spawn(options: Options, shutdown: CancellationToken) -> Result<Source, SetupError> {
    let client = Client::new(&options.urls, options.timeout, options.max_body)?;
    let (publisher, source) = Publisher::new(NAME);
    let (changes, changed) = tokio::sync::watch::channel(watch::Changes::default());
    tokio::spawn(watch::run(client.clone(), changes, shutdown.clone()));
    tokio::spawn(Task::new(client, options, publisher, changed).run(shutdown));
    Ok(source)
}

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
