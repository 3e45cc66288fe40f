//! Reads an answer, and tells one of pald from one of another program.

use serde::de::DeserializeOwned;
use ureq::Body;
use ureq::http::Response;

use super::{ClientError, Url};
use crate::api::Problem;

/// The maximum length of an answer; services on all ports, with the longest addresses, need less.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain";
const PROBLEM: &str = "application/problem+json";

/// The outcome of sending a request.
pub(super) type Sent = Result<Response<Body>, ureq::Error>;

/// An answer, read to its end.
pub(super) struct Answer {
    status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Answer {
    /// Reads the answer to a request.
    pub(super) fn of(sent: Sent, url: &Url) -> Result<Self, ClientError> {
        let error = |error| ClientError::of(error, url);
        let mut response = sent.map_err(error)?;
        let status = response.status().as_u16();
        let kind = response.body().mime_type().unwrap_or_default().to_owned();
        let body = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec();
        Ok(Self { status, kind, body: body.map_err(error)? })
    }

    /// Returns the JSON of a success, if it has this type.
    pub(super) fn success<T: DeserializeOwned>(&self) -> Option<T> {
        if self.is_success() { self.read() } else { None }
    }

    /// Returns the JSON of any status, if it has this type.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        if self.kind == JSON { serde_json::from_slice(&self.body).ok() } else { None }
    }

    /// Returns the text of a success.
    pub(super) fn text(&self) -> Option<Vec<u8>> {
        (self.is_success() && self.kind == TEXT).then(|| self.body.clone())
    }

    /// Whether this is a success that made something new.
    pub(super) fn is_created(&self) -> bool {
        self.status == 201
    }

    /// Whether this is how pald refuses a method that a path does not have (RFC 9110 section 15.5.6).
    pub(super) fn is_unknown_method(&self) -> bool {
        self.status == 405 && self.kind == PROBLEM
    }

    /// Whether this is how pald says that there is nothing at a path.
    pub(super) fn is_unknown_path(&self) -> bool {
        let is_of_path = |problem: Problem| problem.service.is_none() && problem.port.is_none();
        let problem = || serde_json::from_slice(&self.body).ok();
        self.status == 404 && self.kind == PROBLEM && problem().is_some_and(is_of_path)
    }

    /// Returns the answer as an error: a problem of pald, or the answer of another program.
    pub(super) fn to_error(&self, url: &Url) -> ClientError {
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
