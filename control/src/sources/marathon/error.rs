//! What can go wrong with a request to Marathon. Every message names the URL, never with its
//! credentials, and says what to do where that is not obvious.

use std::fmt;

use reqwest::{StatusCode, Url};

/// Longest part of a body that a message shows.
pub(super) const EXCERPT: usize = 200;

/// A URL that is safe to show: without user name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Hides the credentials of `url`.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        let mut url = url.clone();
        // Both fail only for URLs that cannot have credentials in the first place.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self(url.to_string())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the source cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is nobody to ask.
    #[error(
        "`sources.marathon.urls` is empty; give the base URL of at least one Marathon, such as \"http://10.0.0.1:8080\""
    )]
    NoUrl,
    /// The URL is of a kind that cannot be asked.
    #[error(
        "{url} in `sources.marathon.urls` is not an HTTP URL; write one that begins with http:// or https://"
    )]
    Scheme {
        /// The URL.
        url: Shown,
    },
    /// The HTTP client cannot be made, e.g. because no certificate authorities are installed.
    #[error(
        "the HTTP client cannot be set up ({reason}); for https URLs, install the package ca-certificates"
    )]
    Client {
        /// What the client said.
        reason: String,
    },
}

/// Why one read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No answer could be had, or it broke off.
    #[error("{url}: {reason}; check that Marathon runs there and can be reached")]
    Transport {
        /// The URL.
        url: Shown,
        /// The innermost cause.
        reason: String,
    },
    /// The answer took too long.
    #[error(
        "{url}: no complete answer within {seconds} s; raise `sources.marathon.timeout` if Marathon is that slow"
    )]
    Timeout {
        /// The URL.
        url: Shown,
        /// The time allowed, in seconds.
        seconds: u64,
    },
    /// Marathon said no.
    #[error("{url}: HTTP status {status}, not 200{}; the body begins with {excerpt:?}", hint(*status))]
    Status {
        /// The URL.
        url: Shown,
        /// Its answer.
        status: StatusCode,
        /// The first bytes of the body.
        excerpt: String,
    },
    /// A redirection that leads nowhere.
    #[error(
        "{url}: redirected without end or without a usable target; give Marathon's own URL in `sources.marathon.urls`"
    )]
    Redirect {
        /// The URL.
        url: Shown,
    },
    /// More than allowed.
    #[error(
        "{url}: the body has more than {limit} bytes; raise `sources.marathon.max_body` if that is right"
    )]
    TooLarge {
        /// The URL.
        url: Shown,
        /// The bytes allowed.
        limit: u64,
    },
    /// The body is not what was asked for.
    #[error(
        "{url}: the answer ({content_type}) is not {expected}: {reason}; the body begins with {excerpt:?}"
    )]
    Content {
        /// The URL.
        url: Shown,
        /// The content type of the answer.
        content_type: String,
        /// What it should have been.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
        /// The first bytes of the body.
        excerpt: String,
    },
    /// Every URL failed.
    #[error("no Marathon answered: {}", joined(.0))]
    All(Vec<ReadError>),
}

impl ReadError {
    /// The error of a request that failed at every URL: the only one, or all of them.
    pub(super) fn all(mut errors: Vec<Self>) -> Self {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                Self::All(errors)
            }
        }
    }
}

/// The first bytes of a body, as text.
pub(super) fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(EXCERPT)]).into_owned()
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            " (give user name and password in the URL: http://user:password@host:8080)"
        }
        StatusCode::NOT_FOUND => " (is this the base URL of a Marathon?)",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => " (has Marathon a leader?)",
        _ => "",
    }
}

fn joined(errors: &[ReadError]) -> String {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    all.join(" | ")
}
