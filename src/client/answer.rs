//! What came back, and whether pald has said it.

use serde::de::DeserializeOwned;
use ureq::Body;
use ureq::http::Response;

use super::{ClientError, Url};

/// The longest answer that is read; a service on each port, with all its addresses, is less.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain";
const PROBLEM: &str = "application/problem+json";

/// What became of a request.
pub(super) type Sent = Result<Response<Body>, ureq::Error>;

/// An answer, read to its end.
pub(super) struct Answer {
    status: u16,
    /// Whether it has the headers by which pald keeps other sites out, as all its answers do.
    is_guarded: bool,
    kind: String,
    body: Vec<u8>,
}

impl Answer {
    /// Reads the answer to a request.
    pub(super) fn of(sent: Sent, url: &Url) -> Result<Self, ClientError> {
        let error = |error| ClientError::of(error, url);
        let mut response = sent.map_err(error)?;
        let status = response.status().as_u16();
        let policy = response.headers().get("cross-origin-resource-policy");
        let is_guarded = policy.is_some_and(|policy| policy == "same-origin");
        let kind = response.body().mime_type().unwrap_or_default().to_owned();
        let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec();
        Ok(Self { status, is_guarded, kind, body: body.map_err(error)? })
    }

    /// The answer's JSON, if the request was done and the JSON is of this shape.
    pub(super) fn success<T: DeserializeOwned>(&self) -> Option<T> {
        if self.is_success() { self.read() } else { None }
    }

    /// The answer's JSON whatever the status, if it is of this shape.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        if self.kind == JSON { serde_json::from_slice(&self.body).ok() } else { None }
    }

    /// The answer's text, if the request was done.
    pub(super) fn text(&self) -> Option<Vec<u8>> {
        (self.is_success() && self.kind == TEXT).then(|| self.body.clone())
    }

    /// Whether the request was done and there is no more to say.
    pub(super) fn is_nothing(&self) -> bool {
        self.status == 204 && self.is_guarded
    }

    /// The answer as an error: a problem of pald's, or the answer of something else.
    pub(super) fn refusal(&self, url: &Url) -> ClientError {
        let is_problem = self.kind == PROBLEM && !self.is_success();
        match serde_json::from_slice(&self.body) {
            Ok(problem) if is_problem => ClientError::Problem(Box::new(problem)),
            _ => ClientError::NotPald { url: url.clone() },
        }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
