//! Requests to Marathon: which URL to ask, how long, how much, and what counts as an answer.
//!
//! Several base URLs are the same Marathon: they are tried in turn, beginning with the one that
//! answered last. User name and password of a URL are sent as basic authentication, to the
//! configured URLs only: a redirection elsewhere gets none. Proxies of the environment are not
//! used, because Marathon is inside of the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode, Url, redirect};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::error::{EXCERPT, ReadError, SetupError, Shown, excerpt};

/// Redirections followed for one request; a standby sends event streams to the leader.
const REDIRECTS: usize = 3;
/// The type of an event stream.
const EVENT_STREAM: &str = "text/event-stream";

/// Takes what is wanted out of a JSON answer, or says what is missing.
type Take<T> = fn(Value) -> Result<T, &'static str>;

/// Asks Marathon. Clones share which URL answered last.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    urls: Arc<[Url]>,
    /// Index of the URL to try first.
    first: Arc<AtomicUsize>,
    timeout: Duration,
    max_body: u64,
}

impl Client {
    /// A client for the base URLs of one Marathon.
    pub(super) fn new(urls: &[Url], timeout: Duration, max_body: u64) -> Result<Self, SetupError> {
        if urls.is_empty() {
            return Err(SetupError::NoUrl);
        }
        if let Some(url) = urls
            .iter()
            .find(|url| !matches!(url.scheme(), "http" | "https"))
        {
            return Err(SetupError::Scheme {
                url: Shown::new(url),
            });
        }
        let http = http_client(urls).map_err(|error| SetupError::Client {
            reason: innermost(&error),
        })?;
        Ok(Self {
            http,
            urls: urls.into(),
            first: Arc::default(),
            timeout,
            max_body,
        })
    }

    /// The name that Marathon has as a framework, from `/v2/info`.
    pub(super) async fn framework(&self) -> Result<String, ReadError> {
        self.json("v2/info", |info| {
            let name = info
                .get("marathon_config")
                .and_then(|config| config.get("framework_name"));
            let name = name.and_then(Value::as_str).filter(|name| !name.is_empty());
            name.map(str::to_owned)
                .ok_or("it has no marathon_config.framework_name; set `sources.marathon.framework`")
        })
        .await
    }

    /// All apps with their tasks, from `/v2/apps`.
    pub(super) async fn apps(&self) -> Result<Vec<Value>, ReadError> {
        self.json("v2/apps?embed=apps.tasks", |mut body| {
            match body.get_mut("apps").map(Value::take) {
                Some(Value::Array(apps)) => Ok(apps),
                _ => Err("it has no list of apps"),
            }
        })
        .await
    }

    /// The event stream, once Marathon has begun it.
    pub(super) async fn events(&self) -> Result<Response, ReadError> {
        let mut failed = Vec::new();
        for index in self.order() {
            match self.events_from(&self.urls[index]).await {
                Ok(stream) => return Ok(self.answered(index, stream)),
                Err(error) => failed.push(error),
            }
        }
        Err(ReadError::all(failed))
    }

    /// Reads JSON, from whichever URL has it, and takes what is wanted out of it.
    async fn json<T: Send + 'static>(&self, path: &str, take: Take<T>) -> Result<T, ReadError> {
        let mut failed = Vec::new();
        for index in self.order() {
            match self.json_from(&join(&self.urls[index], path), take).await {
                Ok(value) => return Ok(self.answered(index, value)),
                Err(error) => failed.push(error),
            }
        }
        Err(ReadError::all(failed))
    }

    /// Indexes of all URLs, beginning with the one that answered last.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let first = self.first.load(Ordering::Relaxed);
        (first..self.urls.len()).chain(0..first)
    }

    fn answered<T>(&self, index: usize, answer: T) -> T {
        self.first.store(index, Ordering::Relaxed);
        answer
    }

    async fn events_from(&self, base: &Url) -> Result<Response, ReadError> {
        let url = join(base, "v2/events?plan-format=light");
        let response = self.within(&url, self.get(&url, EVENT_STREAM)).await?;
        let content_type = content_type(&response);
        if content_type.starts_with(EVENT_STREAM) {
            return Ok(response);
        }
        let excerpt = self
            .within(&url, async { Ok(first_bytes(response).await) })
            .await?;
        let reason = "its content type is not text/event-stream".to_owned();
        Err(ReadError::Content {
            url: Shown::new(&url),
            content_type,
            expected: "an event stream",
            reason,
            excerpt,
        })
    }

    async fn json_from<T: Send + 'static>(&self, url: &Url, take: Take<T>) -> Result<T, ReadError> {
        let (content_type, body) = self.within(url, self.answer(url)).await?;
        // A large body would hold up everything else that runs on this thread.
        let parsed = spawn_blocking(move || parse(&body, take)).await;
        let interrupted = |_| Err(("reading it was interrupted".to_owned(), String::new()));
        parsed
            .unwrap_or_else(interrupted)
            .map_err(|(reason, excerpt)| ReadError::Content {
                url: Shown::new(url),
                content_type,
                expected: "what was asked for",
                reason,
                excerpt,
            })
    }

    /// Content type and body of an answer.
    async fn answer(&self, url: &Url) -> Result<(String, Vec<u8>), ReadError> {
        let response = self.get(url, "application/json").await?;
        let content_type = content_type(&response);
        Ok((content_type, self.body(url, response).await?))
    }

    async fn within<T>(
        &self,
        url: &Url,
        work: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, ReadError> {
        let late = || ReadError::Timeout {
            url: Shown::new(url),
            seconds: self.timeout.as_secs(),
        };
        timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    /// Sends a request and follows redirections; any answer but 2xx is an error.
    async fn get(&self, url: &Url, accept: &'static str) -> Result<Response, ReadError> {
        let mut target = url.clone();
        for _ in 0..=REDIRECTS {
            let request = self.http.get(target.clone()).header(ACCEPT, accept);
            let response = request
                .send()
                .await
                .map_err(|error| transport(&target, &error))?;
            if response.status().is_success() {
                return Ok(response);
            }
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED
            {
                return Err(refusal(&target, response).await);
            }
            target = self
                .redirected(&target, &response)
                .ok_or(ReadError::Redirect {
                    url: Shown::new(url),
                })?;
        }
        Err(ReadError::Redirect {
            url: Shown::new(url),
        })
    }

    /// Where a redirection leads, with the credentials of the configured URL that it leads to.
    fn redirected(&self, from: &Url, response: &Response) -> Option<Url> {
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let mut target = from.join(location).ok()?;
        target.set_username("").ok()?;
        target.set_password(None).ok()?;
        if let Some(known) = self.urls.iter().find(|url| url.origin() == target.origin()) {
            target.set_username(known.username()).ok()?;
            target.set_password(known.password()).ok()?;
        }
        Some(target)
    }

    /// The body, chunk by chunk, up to the limit.
    async fn body(&self, url: &Url, mut response: Response) -> Result<Vec<u8>, ReadError> {
        let too_large = || ReadError::TooLarge {
            url: Shown::new(url),
            limit: self.max_body,
        };
        if response
            .content_length()
            .is_some_and(|length| length > self.max_body)
        {
            return Err(too_large());
        }
        let limit = usize::try_from(self.max_body).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| transport(url, &error))?
        {
            if chunk.len() > limit - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Takes what is wanted out of a body; or says what is wrong, and how the body begins.
fn parse<T>(body: &[u8], take: Take<T>) -> Result<T, (String, String)> {
    let value = serde_json::from_slice(body).map_err(|error| format!("no valid JSON, {error}"));
    let taken = value.and_then(|value| take(value).map_err(str::to_owned));
    taken.map_err(|reason| (reason, harmless_excerpt(body)))
}

/// How a body begins, unless it is JSON: apps have passwords in their environments.
fn harmless_excerpt(body: &[u8]) -> String {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => "(JSON, not shown: it may hold secrets of apps)".to_owned(),
        _ => excerpt(body),
    }
}

/// An HTTP client with TLS by rustls and ring. Without any https URL no certificate authorities
/// are loaded, so that a host that has none installed can talk to a Marathon without TLS.
fn http_client(urls: &[Url]) -> Result<reqwest::Client, reqwest::Error> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false);
    let needs_tls = urls.iter().any(|url| url.scheme() == "https");
    if needs_tls {
        builder.build()
    } else {
        builder.tls_certs_only([]).build()
    }
}

/// `path` below the base URL, which may have a path itself (`http://master/service/marathon`).
fn join(base: &Url, path: &str) -> Url {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(query);
    url.set_fragment(None);
    url
}

fn content_type(response: &Response) -> String {
    let value = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or("no content type").to_ascii_lowercase()
}

async fn refusal(url: &Url, response: Response) -> ReadError {
    let status = response.status();
    ReadError::Status {
        url: Shown::new(url),
        status,
        excerpt: first_bytes(response).await,
    }
}

/// The first bytes of a body, as far as they come.
async fn first_bytes(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < EXCERPT {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    excerpt(&body)
}

/// The error of a request that was not answered, or not to the end.
pub(super) fn transport(url: &Url, error: &reqwest::Error) -> ReadError {
    ReadError::Transport {
        url: Shown::new(url),
        reason: innermost(error),
    }
}

/// The innermost cause of an error: the outer ones repeat the URL, which may hold a password.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }

    #[test]
    fn a_base_url_keeps_its_path() {
        for base in ["http://m/service/marathon", "http://m/service/marathon/"] {
            let joined = join(&url(base), "v2/apps?embed=apps.tasks");
            assert_eq!(
                joined.as_str(),
                "http://m/service/marathon/v2/apps?embed=apps.tasks"
            );
        }
        assert_eq!(
            join(&url("http://m:8080"), "v2/info").as_str(),
            "http://m:8080/v2/info"
        );
    }

    #[test]
    fn urls_are_shown_without_credentials() {
        assert_eq!(
            Shown::new(&url("http://user:secret@m:8080/")).to_string(),
            "http://m:8080/"
        );
    }

    #[test]
    fn secrets_of_apps_are_not_shown() {
        for body in [
            r#"{"apps": [{"id": "/a", "env": {"PASSWORD": "hunter2""#,
            r#" {"items": [{"env": {"PASSWORD": "hunter2"}}]}"#,
        ] {
            let (reason, excerpt) =
                parse::<()>(body.as_bytes(), |_| Err("it has no apps")).expect_err("not apps");
            assert!(!format!("{reason}{excerpt}").contains("hunter2"));
        }
        let (_, excerpt) = parse::<()>(b"<html>login", |_| Ok(())).expect_err("no JSON");
        assert_eq!(excerpt, "<html>login");
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let new = |urls: &[Url]| {
            Client::new(urls, Duration::from_secs(1), 1)
                .err()
                .expect("refused")
                .to_string()
        };
        assert!(new(&[]).contains("sources.marathon.urls"));
        let ftp = new(&[url("ftp://user:secret@m/")]);
        assert!(ftp.contains("ftp://m/") && !ftp.contains("secret"), "{ftp}");
    }
}
