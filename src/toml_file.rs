//! TOML files that people write: each value has a place, and a mistake says where it is, what is
//! written there, and what is allowed.
//!
//! Not here: which keys a file may have.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::port::Port;
use crate::quoted::Quoted;
use crate::suggest::nearest;

mod mistake;
mod place;

pub use mistake::Mistake;
pub use place::Place;

/// The maximum length of a line, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// What a port may be, for messages.
pub const PORTS: &str = "an integer from 1 to 65535";

/// The text of a TOML file.
#[derive(Debug, Clone, Copy)]
pub struct TomlFile<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> TomlFile<'a> {
    /// Takes the content of a file; `path` only names it in mistakes.
    ///
    /// # Errors
    /// The content is not UTF-8, or has a line of more than 65536 bytes.
    pub fn new(path: &'a Path, content: &'a [u8]) -> Result<Self, Mistake> {
        let mistake = |line, column, reason: &str| {
            let place = Place::File { path: path.to_owned(), line, column };
            Err(Mistake::Syntax { place, reason: reason.to_owned() })
        };
        for (line, number) in content.split(|&byte| byte == b'\n').zip(1..) {
            if line.len() > MAX_LINE_BYTES {
                return mistake(number, 1, "the line is longer than 65536 bytes");
            }
            if let Err(utf8) = std::str::from_utf8(line) {
                return mistake(number, utf8.valid_up_to() + 1, "the file is not UTF-8");
            }
        }
        let text = std::str::from_utf8(content).expect("every line was checked");
        Ok(Self { path, text })
    }

    /// Returns its text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Parses it.
    ///
    /// # Errors
    /// It is not TOML.
    pub fn parse(&self) -> Result<DeTable<'a>, Mistake> {
        let parsed = DeTable::parse(self.text).map_err(|error| Mistake::Syntax {
            place: self.place(error.span().unwrap_or(0..0)),
            reason: error.message().replace('\n', "; "),
        })?;
        Ok(parsed.into_inner())
    }

    /// Returns the line and column where a span starts.
    pub fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Returns the mistake that a key is none of `keys`, with the nearest of them or else all.
    pub fn unknown_key<'k>(
        &self,
        key: &Spanned<impl AsRef<str>>,
        keys: impl Iterator<Item = &'k str> + Clone,
    ) -> Mistake {
        let text = key.get_ref().as_ref();
        let hint = match nearest(text, keys.clone()) {
            Some(name) => format!("Did you mean `{name}`?"),
            None => format!("The keys are {}", keys.collect::<Vec<_>>().join(", ")),
        };
        let name = format!("{:#}", Quoted::new(text));
        Mistake::UnknownKey { place: self.place(key.span()), name, hint }
    }

    /// Returns the mistake that a value is not what is allowed.
    pub fn wrong_value(
        &self,
        name: impl Into<Box<str>>,
        value: &Spanned<DeValue<'_>>,
        allowed: &'static str,
    ) -> Mistake {
        let shown = match value.get_ref() {
            DeValue::String(text) => Quoted::new(text.as_ref()).to_string(),
            _ => {
                let written = Quoted::new(self.text.get(value.span()).unwrap_or_default());
                format!("{written:#}")
            }
        };
        let is_quoted_port = allowed == PORTS
            && value.get_ref().as_str().is_some_and(|text| Port::parse(text).is_ok());
        let hint = is_quoted_port.then(|| "Remove the quotes".to_owned());
        let (place, name) = (self.place(value.span()), name.into());
        Mistake::Value { place, name, value: shown.into(), allowed, hint }
    }
}

/// Returns the port that a value is, if it is an integer from 1 to 65535.
pub fn port(value: &DeValue<'_>) -> Option<Port> {
    let DeValue::Integer(integer) = value else { return None };
    u16::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(Port::new)
}
