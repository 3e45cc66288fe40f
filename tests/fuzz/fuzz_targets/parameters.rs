//! Query and body of a request, split at the first line feed: read twice, and each value by its
//! newtype.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pald::http::parameters::{ParameterError, Parameters};
use pald::port::Port;
use pald::service_name::ServiceName;
use pald_fuzz::spell;

const WORDS: &[&str] = &["service=", "port=", "service", "port", "&", "%73", "%2e", "%00", "49201"];

fuzz_target!(|input: &[u8]| {
    let input = spell(input, WORDS);
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let Ok(query) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let body = parts.next().unwrap_or_default();
    let parameters = Parameters::new(query, body);
    for name in ["service", "port"] {
        let found = parameters.exactly_one(name).map(std::borrow::Cow::into_owned);
        assert_eq!(found, read(query, body, name), "{name}");
        if let Ok(value) = found {
            check_value(&value);
        }
    }
});

/// What a strict reading finds, the slow way: all pairs are decoded up to the first that is wrong.
fn read(query: &str, body: &[u8], name: &'static str) -> Result<Vec<u8>, ParameterError> {
    let whole = [query.as_bytes(), b"&", body].concat();
    let mut values = Vec::new();
    for pair in whole.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (key, value) = (&pair[..end], pair.get(end + 1..).unwrap_or_default());
        if decode(key)? != name.as_bytes() {
            continue;
        }
        values.push(decode(value)?);
        if values.len() > 1 {
            return Err(ParameterError::Repeated(name));
        }
    }
    values.pop().ok_or(ParameterError::Missing(name))
}

/// Decodes by splitting at each `%`: what comes before the first has none.
fn decode(text: &[u8]) -> Result<Vec<u8>, ParameterError> {
    let broken = || ParameterError::Percent(pald::quoted::Quoted::new(text));
    if !text.contains(&b'%') {
        return Ok(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect());
    }
    let mut parts = text.split(|byte| *byte == b'%');
    let mut decoded = decode(parts.next().unwrap_or_default())?;
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(broken)?;
        let digits = std::str::from_utf8(digits).map_err(|_| broken())?;
        if digits.starts_with('+') {
            return Err(broken());
        }
        decoded.push(u8::from_str_radix(digits, 16).map_err(|_| broken())?);
        decoded.extend(decode(rest)?);
    }
    Ok(decoded)
}

fn check_value(value: &[u8]) {
    if let Ok(service) = ServiceName::parse(value) {
        assert_eq!(service.as_str().as_bytes(), value);
        let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        assert!((1..=255).contains(&value.len()) && value.iter().all(is_legal));
    }
    if let Ok(port) = Port::parse(value) {
        assert_eq!(port.to_string().as_bytes(), value);
    }
}
