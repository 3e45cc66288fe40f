//! Reads parameters from the query and the form of a request, decoded once and strictly.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{BytesMut, Payload};
use thiserror::Error;

use super::body::{self, BodyError, Expected};
use crate::quoted::Quoted;

/// The maximum length of a query and of a body, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// The only type of body that can have parameters.
const FORM: Expected = Expected {
    max_bytes: MAX_BYTES,
    content_type: "application/x-www-form-urlencoded",
    words: "a form, application/x-www-form-urlencoded",
    may_be_untyped: false,
};

/// Why the parameters of a request are refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ParameterError {
    /// A parameter is neither in the query nor in the form.
    #[error("Parameter `{0}` is missing")]
    Missing(&'static str),
    /// A parameter occurs twice, in query and form together.
    #[error("Parameter `{0}` occurs more than once")]
    Repeated(&'static str),
    /// A `%` is not followed by two hexadecimal digits.
    #[error("{0} contains a % that is not followed by two hexadecimal digits")]
    Percent(Quoted),
    /// A parameter has a value other than those allowed.
    #[error("Parameter `{name}` is {value}; use {allowed}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: Quoted,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// The query has more than 8 KiB.
    #[error("The query is {bytes} bytes long; at most 8192 are allowed")]
    LongQuery {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The body is refused.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// The query and the form of a request, as they were sent.
#[derive(Debug)]
pub struct Parameters<'a> {
    query: &'a str,
    body: BytesMut,
}

impl<'a> Parameters<'a> {
    /// Makes the parameters of a query and a form.
    pub fn new(query: &'a str, body: &[u8]) -> Self {
        Self { query, body: BytesMut::from(body) }
    }

    /// Reads the query and, of a POST, the form in the body. Other bodies are never read.
    pub(super) async fn of(
        request: &'a HttpRequest,
        payload: Payload,
    ) -> Result<Self, ParameterError> {
        let query = request.query_string();
        // The body comes first: a client that is still sending would not see an answer.
        let body = match *request.method() {
            Method::POST => body::read(request, payload, FORM).await,
            _ => Ok(BytesMut::new()),
        };
        check_length(query)?;
        Ok(Self { query, body: body? })
    }

    /// Reads the query only.
    pub(super) fn of_query(query: &'a str) -> Result<Self, ParameterError> {
        check_length(query)?;
        Ok(Self { query, body: BytesMut::new() })
    }

    /// Returns the value of a parameter that must occur once, in query and form together.
    ///
    /// # Errors
    /// The parameter is missing or repeated, or the encoding is wrong.
    pub fn exactly_one(&self, name: &'static str) -> Result<Cow<'_, [u8]>, ParameterError> {
        self.at_most_one(name)?.ok_or(ParameterError::Missing(name))
    }

    /// Returns a parameter that is `true` or `false`, if it occurs.
    pub(super) fn switch(&self, name: &'static str) -> Result<Option<bool>, ParameterError> {
        Ok(match self.at_most_one(name)?.as_deref() {
            None => None,
            Some(b"true") => Some(true),
            Some(b"false") => Some(false),
            Some(other) => {
                let value = Quoted::new(other);
                return Err(ParameterError::Value { name, value, allowed: "true or false" });
            }
        })
    }

    /// Returns the value of a parameter that may occur once, in query and form together.
    ///
    /// # Errors
    /// The parameter is repeated, or the encoding is wrong.
    pub fn at_most_one(&self, name: &'static str) -> Result<Option<Cow<'_, [u8]>>, ParameterError> {
        let pairs = [self.query.as_bytes(), &self.body];
        let pairs = pairs.iter().flat_map(|part| part.split(|&byte| byte == b'&'));
        let mut found = None;
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (key, value) = split_once(pair);
            if *decode(key)? != *name.as_bytes() {
                continue;
            }
            if found.replace(decode(value)?).is_some() {
                return Err(ParameterError::Repeated(name));
            }
        }
        Ok(found)
    }
}

fn check_length(query: &str) -> Result<(), ParameterError> {
    match query.len() {
        ..=MAX_BYTES => Ok(()),
        bytes => Err(ParameterError::LongQuery { bytes }),
    }
}

fn split_once(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|&byte| byte == b'=') {
        Some(position) => (&pair[..position], &pair[position + 1..]),
        None => (pair, &[]),
    }
}

/// Decodes `+` and `%XX`; a `%` that is followed by anything else is an error.
fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, ParameterError> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = bytes.next().zip(bytes.next());
                digits
                    .and_then(|(high, low)| Some(hex(*high)? << 4 | hex(*low)?))
                    .ok_or_else(|| ParameterError::Percent(Quoted::new(text)))?
            }
            byte => byte,
        });
    }
    Ok(Cow::Owned(decoded))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(query: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let parameters = Parameters::new(query, body);
        let found = parameters.exactly_one("service");
        found.map(Cow::into_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn a_parameter_occurs_once_in_query_and_body_together() {
        let rows: &[(&str, &str, Result<&str, &str>)] = &[
            ("service=shop", "", Ok("shop")),
            ("", "service=shop", Ok("shop")),
            ("&&service=shop&", "&", Ok("shop")),
            ("x=1&service=shop&y", "z=%zz", Ok("shop")),
            ("service=", "", Ok("")),
            ("service", "", Ok("")),
            ("service=a=b", "", Ok("a=b")),
            ("%73ervice=a%2Fb+c%2b", "", Ok("a/b c+")),
            ("service=%E4%bd", "", Ok("\\xe4\\xbd")),
            ("service=a%00b", "", Ok("a\\x00b")),
            ("service=%2541", "", Ok("%41")),
            ("", "", Err("Parameter `service` is missing")),
            ("Service=a", "", Err("Parameter `service` is missing")),
            ("service[]=a", "", Err("Parameter `service` is missing")),
            ("service=a;service=b", "", Ok("a;service=b")),
            ("service=a&service=a", "", Err("Parameter `service` occurs more than once")),
            ("service=a", "service=b", Err("Parameter `service` occurs more than once")),
            (
                "service=%zz",
                "",
                Err(r#""%zz" contains a % that is not followed by two hexadecimal digits"#),
            ),
            (
                "service=a%2",
                "",
                Err(r#""a%2" contains a % that is not followed by two hexadecimal digits"#),
            ),
            (
                "service=%",
                "",
                Err(r#""%" contains a % that is not followed by two hexadecimal digits"#),
            ),
            (
                "service=%+1",
                "",
                Err(r#""%+1" contains a % that is not followed by two hexadecimal digits"#),
            ),
            (
                "%=1&service=a",
                "",
                Err(r#""%" contains a % that is not followed by two hexadecimal digits"#),
            ),
        ];
        for (query, body, expected) in rows {
            let found = service(query, body.as_bytes());
            let found = found.map(|value| value.escape_ascii().to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{query} {body}");
        }
    }
}
