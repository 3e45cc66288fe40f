//! The form of all replies.

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;

use crate::port::Port;

pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The headers of every reply, made once: a value from a text would be copied for each.
static HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate")),
    (header::PRAGMA, HeaderValue::from_static("no-cache")),
    (header::EXPIRES, HeaderValue::from_static("0")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// A reply that no cache keeps, no page of another site reads, and no browser takes for anything
/// else than it is.
pub(super) fn new(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl MessageBody + 'static,
) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    // Appending looks for none that would be replaced; there is none.
    headers.append(header::CONTENT_TYPE, content_type);
    for (name, value) in &HEADERS {
        headers.append(name.clone(), value.clone());
    }
    response
}

/// The answer to a request that was done.
pub(super) fn text(body: String) -> HttpResponse {
    new(StatusCode::OK, TEXT, body)
}

/// The answer of most requests. Made without `format!`, which takes as long as three headers.
pub(super) fn port(port: Port) -> HttpResponse {
    text([itoa::Buffer::new().format(port.number()), "\n"].concat())
}

/// The answer to a request that was done, where there is no more to say.
pub(super) fn nothing() -> HttpResponse {
    new(StatusCode::NO_CONTENT, JSON, ())
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    new(status, JSON, to_json(value))
}

/// The bytes of a value as JSON, with the line feed that a terminal needs.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(value).expect("types of the API have text keys and no maps");
    json.push(b'\n');
    json
}
