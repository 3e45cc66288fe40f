//! Makes replies: their status, content type and body, and the headers that each of them has.

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;

use super::viewers::Turn;

mod portions;

pub(super) use portions::Portions;

pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
pub(super) const PROBLEM: HeaderValue =
    HeaderValue::from_static("application/problem+json; charset=utf-8");

/// The headers of every reply, besides its content type: no cache keeps it, no page of another site
/// reads it, and no browser guesses another type.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Makes a reply.
pub(super) fn new(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl MessageBody + 'static,
) -> HttpResponse {
    let mut response = HttpResponse::with_body(status, BoxBody::new(body));
    let headers = response.headers_mut();
    // Appended, since there is none to replace; to look for one takes time (bar: 0.90 of the bare
    // server's lookups).
    headers.append(header::CONTENT_TYPE, content_type);
    for (name, value) in HEADERS {
        headers.append(name, value);
    }
    response
}

/// Makes a 200 with a body that may be long, and keeps the client's turn until it is sent.
pub(super) fn long(content_type: HeaderValue, body: Portions, turn: Turn) -> HttpResponse {
    new(StatusCode::OK, content_type, body.into_body(turn))
}

/// Makes a 200 with a text.
pub(super) fn text(body: String) -> HttpResponse {
    new(StatusCode::OK, TEXT, body)
}

/// Makes a 204, which has no body.
pub(super) fn no_content() -> HttpResponse {
    new(StatusCode::NO_CONTENT, JSON, ())
}

/// Makes a reply with a value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    new(status, JSON, to_json(value))
}

/// Writes a value as JSON, with the line feed that a terminal needs.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::new();
    write_json(&mut json, value);
    json.push(b'\n');
    json
}

/// Appends a value as JSON.
pub(super) fn write_json(json: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(json, value).expect("types of the API have text keys and no maps");
}
