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

/// Makes [`HEADERS`] and [`PLAIN`] of the headers of every reply.
macro_rules! headers {
    ($($name:literal: $value:literal,)*) => {
        /// The headers of every reply, made once: a value from a text would be copied for each.
        static HEADERS: [(HeaderName, HeaderValue); 7] =
            [$((HeaderName::from_static($name), HeaderValue::from_static($value))),*];

        /// What follows the status of a plain reply to what was done, as it is sent: the reason,
        /// which actix writes as it is, and the headers that never differ, which so are part of it.
        ///
        /// To put each of them into a map, write it, and take it out again takes as long as all
        /// else that a lookup adds to its HTTP.
        const PLAIN: &str =
            concat!("OK\r\ncontent-type: text/plain; charset=utf-8", $("\r\n", $name, ": ", $value),*);
    };
}

headers! {
    "cache-control": "no-cache, no-store, must-revalidate",
    "pragma": "no-cache",
    "expires": "0",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}

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
    let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::new(body));
    response.head_mut().reason = Some(PLAIN);
    response
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_reply_has_the_headers_of_every_other() {
        let mapped = new(StatusCode::OK, TEXT, ());
        let mut mapped: Vec<(&str, &str)> = mapped
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let (reason, lines) = PLAIN.split_once("\r\n").unwrap();
        let mut plain: Vec<(&str, &str)> =
            lines.split("\r\n").map(|line| line.split_once(": ").unwrap()).collect();
        mapped.sort_unstable();
        plain.sort_unstable();
        assert_eq!(reason, "OK");
        assert_eq!(plain, mapped);
        assert_eq!(text("49201\n".to_owned()).head().reason(), PLAIN);
    }
}
