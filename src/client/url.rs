//! The URL of a pald.

use std::fmt;

use thiserror::Error;
use ureq::http::Uri;

use crate::port::Port;
use crate::quoted::Quoted;

/// The URL of a pald: `http://HOST` or `http://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(String);

/// Why a text is not the URL of a pald.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}; it must be http://HOST or http://HOST:PORT")]
pub struct UrlError(Quoted);

impl Url {
    /// Makes the URL of the pald that listens on a port of this machine.
    pub fn of_port(port: Port) -> Self {
        Self(format!("http://127.0.0.1:{port}"))
    }

    /// Parses a URL; a slash at the end is allowed.
    ///
    /// # Errors
    /// The text has another scheme, a user, a path, a query, a fragment or an illegal port.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, UrlError> {
        let text = text.as_ref();
        Self::origin(text).ok_or_else(|| UrlError(Quoted::new(text)))
    }

    /// Returns its port; 80 if it has none.
    pub fn port(&self) -> u16 {
        let uri = self.0.parse::<Uri>().ok();
        uri.and_then(|uri| uri.port_u16()).unwrap_or(80)
    }

    fn origin(text: &[u8]) -> Option<Self> {
        let uri = Uri::try_from(text).ok()?;
        let authority = uri.authority()?;
        let is_plain = uri.scheme_str() == Some("http")
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none()
            && !uri.host().unwrap_or_default().is_empty()
            && !authority.as_str().contains('@')
            && !text.contains(&b'#');
        // What follows the host is a port; a colon alone is not.
        let port = authority.as_str().strip_prefix(authority.host())?;
        let is_port = port.is_empty() || Port::parse(port.trim_start_matches(':')).is_ok();
        (is_plain && is_port).then(|| Self(format!("http://{authority}")))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_a_host_and_at_most_a_port() {
        let rows = [
            ("http://127.0.0.1:49200", Some("http://127.0.0.1:49200")),
            ("http://[::1]:49200/", Some("http://[::1]:49200")),
            ("http://localhost", Some("http://localhost")),
            ("HTTP://localhost:1", Some("http://localhost:1")),
            ("http://localhost:", None),
            ("http://localhost:0", None),
            ("http://localhost:70000", None),
            ("http://localhost:80/path", None),
            ("http://localhost:80?query", None),
            ("http://localhost:80/#fragment", None),
            ("http://user@localhost:80", None),
            ("http://:80", None),
            ("https://localhost", None),
            ("localhost:49200", None),
            ("49200", None),
            ("http://", None),
            ("http://a b", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let url = Url::parse(text).map(|url| url.to_string());
            assert_eq!(url.ok().as_deref(), expected, "{text}");
        }
        assert_eq!(
            Url::parse(b"ftp://\xff").unwrap_err().to_string(),
            r#""ftp://\xff"; it must be http://HOST or http://HOST:PORT"#
        );
    }
}
