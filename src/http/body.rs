//! Reads the body of a request, within limits of time and size, if it has the expected type.

use std::rc::Rc;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use thiserror::Error;
use tokio::time::timeout;

use super::REQUEST_TIME;
use super::connection::Progress;
use crate::quoted::Quoted;

/// How much of a body that is too long is read and discarded, so that the client sees the answer.
const MAX_DISCARDED_BYTES: usize = 4 * 1024 * 1024;

/// The body that a route expects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// Its maximum length in bytes.
    pub(super) max_bytes: usize,
    /// Its Content-Type, without parameters.
    pub(super) content_type: &'static str,
    /// The type, in words.
    pub(super) words: &'static str,
    /// Whether the Content-Type may be missing.
    pub(super) may_be_untyped: bool,
}

impl Expected {
    /// Expects JSON of at most so many bytes.
    pub(super) const fn json(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            content_type: "application/json",
            words: "JSON with `Content-Type: application/json`",
            may_be_untyped: false,
        }
    }
}

/// Why the body of a request is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// It is too long.
    #[error("The body is longer than {max_bytes} bytes")]
    Long {
        /// The maximum length.
        max_bytes: usize,
    },
    /// It took more than 5 s.
    #[error("The body did not arrive within 5 s")]
    Slow,
    /// The connection or its framing broke.
    #[error("The body is incomplete")]
    Broken,
    /// It has a Content-Encoding.
    #[error("The body is compressed ({0}); send it uncompressed")]
    Compressed(Quoted),
    /// It has another type.
    #[error("The body is {found}; send {expected}")]
    Type {
        /// Its type.
        found: Quoted,
        /// What the route takes, in words.
        expected: &'static str,
    },
    /// It has no type.
    #[error("The body has no Content-Type; send {expected}")]
    Untyped {
        /// What the route takes, in words.
        expected: &'static str,
    },
}

/// Reads a body of the expected type; an empty body needs no type.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    expected: Expected,
) -> Result<BytesMut, BodyError> {
    let _progress = request.conn_data::<Rc<Progress>>().map(Progress::read_body);
    let reading = timeout(REQUEST_TIME, read_whole(payload, expected.max_bytes));
    let body = reading.await.map_err(|_| BodyError::Slow)??;
    if !body.is_empty() {
        check_type(request, expected)?;
    }
    Ok(body)
}

/// Reads a body up to its limit. A longer one is drained for a while, since a client that is still
/// sending would not see the answer.
async fn read_whole(mut payload: Payload, max_bytes: usize) -> Result<BytesMut, BodyError> {
    let (mut body, mut length) = (BytesMut::new(), 0);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        length += chunk.len();
        if length <= max_bytes {
            body.extend_from_slice(&chunk);
        } else if length > max_bytes + MAX_DISCARDED_BYTES {
            break;
        }
    }
    if length > max_bytes { Err(BodyError::Long { max_bytes }) } else { Ok(body) }
}

fn check_type(request: &HttpRequest, expected: Expected) -> Result<(), BodyError> {
    let headers = |name| request.headers().get_all(name).map(|value| value.as_bytes());
    for encoding in headers(header::CONTENT_ENCODING) {
        if !encoding.eq_ignore_ascii_case(b"identity") {
            return Err(BodyError::Compressed(Quoted::new(encoding)));
        }
    }
    let mut types = headers(header::CONTENT_TYPE).peekable();
    if types.peek().is_none() && !expected.may_be_untyped {
        return Err(BodyError::Untyped { expected: expected.words });
    }
    for content_type in types {
        let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
        if !essence.trim_ascii().eq_ignore_ascii_case(expected.content_type.as_bytes()) {
            let found = Quoted::new(content_type);
            return Err(BodyError::Type { found, expected: expected.words });
        }
    }
    Ok(())
}
