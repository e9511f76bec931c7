//! Base URLs of HTTP APIs: `"http://10.99.0.1:8080"`.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use super::{ValueError, read_from_text};

const EXPECTED: &str = "a URL, such as \"http://10.99.0.1:8080\"";

/// An `http` or `https` URL with a host, without query and fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |problem: String| ValueError::new(problem, EXPECTED);
        // The text may hold a password: only a parsed URL is shown, and without it.
        let url: Url = text
            .parse()
            .map_err(|e| wrong(format!("not a URL ({e})")))?;
        let shown = Self(url);
        if !matches!(shown.0.scheme(), "http" | "https") {
            return Err(wrong(format!("`{shown}` is not an http or https URL")));
        }
        if shown.0.query().is_some() || shown.0.fragment().is_some() {
            return Err(wrong(format!("`{shown}` has a query or fragment")));
        }
        Ok(shown)
    }
}

read_from_text!(HttpUrl, EXPECTED);

/// The URL with its password, if it has one, replaced.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        if url.password().is_some() {
            // Cannot fail: a URL that has a password has an authority.
            let _ = url.set_password(Some("***"));
        }
        url.fmt(f)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_passwords() {
        let url: HttpUrl = "https://ops:secret@marathon.example:8443"
            .parse()
            .expect("valid");
        assert_eq!(url.to_string(), "https://ops:***@marathon.example:8443/");
        assert!(!format!("{url:?}").contains("secret"));
        assert_eq!(url.url().password(), Some("secret"));
    }

    #[test]
    fn refuses_other_schemes_queries_and_nonsense() {
        let problem = |text: &str| text.parse::<HttpUrl>().expect_err(text).problem;
        assert!(problem("zk://host:2181/marathon").contains("is not an http or https URL"));
        assert!(problem("http://host/?a=1").contains("has a query or fragment"));
        assert!(problem("10.99.0.1:8080").contains("not a URL"));
        assert!(problem("http://").contains("not a URL"));
    }
}
