//! Service names: the one place that knows which are legal.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

use compact_str::CompactString;
use thiserror::Error;

use crate::quoted::Quoted;

/// The name of a service: 1 to 255 bytes of `A-Z a-z 0-9 _ . -`.
///
/// The 2015 program's dump reader accepts exactly these (`^[\w\-.]+`), so any registry can go back
/// to that program. Names of up to 24 bytes are stored inline, which saves a lookup a second access to
/// memory (the bars for lookups); a clone of a longer one allocates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceName(CompactString);

impl ServiceName {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 255;
    /// The variable in which a command that pald runs finds its service's name; it is no setting.
    pub const VARIABLE: &'static str = "PALD_SERVICE";

    /// Parses a name, unchanged: nothing is trimmed.
    ///
    /// # Errors
    /// The name is illegal; [`ServiceNameError::hint`] offers the nearest legal one.
    pub fn parse(name: impl AsRef<[u8]>) -> Result<Self, ServiceNameError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(ServiceNameError::Empty);
        }
        if let Some(&byte) = name.iter().find(|byte| !is_legal(**byte)) {
            return Err(ServiceNameError::Character {
                name: Quoted::new(name),
                found: describe(byte),
                nearest: nearest(name),
            });
        }
        if name.len() > Self::MAX_BYTES {
            return Err(ServiceNameError::TooLong { bytes: name.len() });
        }
        Ok(Self(std::str::from_utf8(name).expect("legal names are ASCII").into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for ServiceName {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

// A name compares and hashes as its bytes do, so a map of names can be searched with raw bytes that
// may not be a legal name.
impl Borrow<[u8]> for ServiceName {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Hash for ServiceName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a service name is illegal.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum ServiceNameError {
    /// The name is empty.
    #[error("Service name is empty; use 1 to 255 letters, digits and . _ -")]
    Empty,
    /// The name is longer than [`ServiceName::MAX_BYTES`].
    #[error("Service name is {bytes} bytes long; at most 255 are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The name contains something other than letters, digits and `. _ -`.
    #[error("Service name {name} contains {found}; use letters, digits and . _ -")]
    Character {
        /// The name as given.
        name: Quoted,
        /// The first illegal character, in words.
        found: &'static str,
        /// The nearest legal name, if the given one has any legal character.
        nearest: Option<ServiceName>,
    },
}

impl ServiceNameError {
    /// Returns what to try instead, as a sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Character { nearest: Some(nearest), .. } => Some(format!("Try `{nearest}`")),
            _ => None,
        }
    }
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn describe(byte: u8) -> &'static str {
    match byte {
        b' ' => "a space",
        b'\t' => "a tab",
        b'\r' | b'\n' => "a line break",
        b'/' => "a slash",
        b':' => "a colon",
        b'%' => "a percent sign",
        b',' => "a comma",
        b'#' => "a number sign",
        0x00..=0x1f | 0x7f => "a control character",
        0x80.. => "a character that is not ASCII",
        _ => "a character that is not allowed",
    }
}

/// Replaces separators of parts by a dot, and any other run of illegal bytes by a dash.
fn nearest(name: &[u8]) -> Option<ServiceName> {
    let mut legal = String::new();
    for &byte in name.iter().take(ServiceName::MAX_BYTES) {
        match byte {
            byte if is_legal(byte) => legal.push(char::from(byte)),
            b'/' | b'\\' | b':' if !legal.is_empty() && !legal.ends_with('.') => legal.push('.'),
            _ if !legal.is_empty() && !legal.ends_with(['-', '.']) => legal.push('-'),
            _ => {}
        }
    }
    let legal = legal.trim_end_matches(['-', '.']);
    (!legal.is_empty()).then(|| ServiceName(legal.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn legal_names_are_kept_as_they_are() {
        let longest = "n".repeat(255);
        for name in ["a", "shop.web", "A_b-C.9", ".", "..", "-", "_", "__proto__", "0", &longest] {
            assert_eq!(ServiceName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn illegal_names_are_refused_with_the_reason_and_the_nearest_legal_one() {
        let too_long = "n".repeat(256);
        let rows: &[(&[u8], &str, Option<&str>)] = &[
            (b"", "Service name is empty; use 1 to 255 letters, digits and . _ -", None),
            (too_long.as_bytes(), "Service name is 256 bytes long; at most 255 are allowed", None),
            (
                b"my app",
                r#"Service name "my app" contains a space; use letters, digits and . _ -"#,
                Some("Try `my-app`"),
            ),
            (
                b"shop/web",
                r#"Service name "shop/web" contains a slash; use letters, digits and . _ -"#,
                Some("Try `shop.web`"),
            ),
            (
                b" a \n",
                r#"Service name " a \n" contains a space; use letters, digits and . _ -"#,
                Some("Try `a`"),
            ),
            (
                "caf\u{e9}".as_bytes(),
                r#"Service name "caf\u{e9}" contains a character that is not ASCII; use letters, digits and . _ -"#,
                Some("Try `caf`"),
            ),
            (
                b"a\xff",
                r#"Service name "a\xff" contains a character that is not ASCII; use letters, digits and . _ -"#,
                Some("Try `a`"),
            ),
            (
                b"a\0b",
                r#"Service name "a\u{0}b" contains a control character; use letters, digits and . _ -"#,
                Some("Try `a-b`"),
            ),
            (
                b"%%%",
                r#"Service name "%%%" contains a percent sign; use letters, digits and . _ -"#,
                None,
            ),
        ];
        for (name, message, hint) in rows {
            let error = ServiceName::parse(name).unwrap_err();
            assert_eq!(error.to_string(), *message);
            assert_eq!(error.hint().as_deref(), *hint, "{message}");
        }
    }

    proptest! {
        #[test]
        fn exactly_the_grammar_is_legal(name in proptest::collection::vec(any::<u8>(), 0..300)) {
            let legal = !name.is_empty()
                && name.len() <= 255
                && name.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b));
            prop_assert_eq!(ServiceName::parse(&name).is_ok(), legal);
        }

        #[test]
        fn a_hint_is_itself_legal(name in "\\PC{1,300}") {
            if let Err(error) = ServiceName::parse(&name)
                && let Some(hint) = error.hint()
            {
                let offered = hint.trim_start_matches("Try `").trim_end_matches('`');
                prop_assert!(ServiceName::parse(offered).is_ok(), "{}", hint);
            }
        }
    }
}
