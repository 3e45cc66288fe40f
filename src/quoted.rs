//! Quotes input for messages: printable ASCII, in double quotes, cut short.

use std::fmt;

/// The maximum length of a quotation, in characters.
const MAX_CHARS: usize = 80;

/// Input as messages show it: escaped to printable ASCII and cut at 80 characters.
///
/// The alternate form, `{:#}`, leaves out the quotes, for input that is known to be a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// Quotes `input`; if it is not UTF-8, its bytes that are not ASCII appear as `\xNN`.
    pub fn new(input: impl AsRef<[u8]>) -> Self {
        let input = input.as_ref();
        let shown: String = match std::str::from_utf8(input) {
            Ok(text) => text.chars().flat_map(char::escape_default).take(MAX_CHARS + 1).collect(),
            Err(_) => input.escape_ascii().take(MAX_CHARS + 1).map(char::from).collect(),
        };
        Self(match shown.get(..MAX_CHARS) {
            Some(start) if shown.len() > MAX_CHARS => format!("{start}..."),
            _ => shown,
        })
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { f.write_str(&self.0) } else { write!(f, "\"{}\"", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_shown_as_short_printable_ascii() {
        let long = "x".repeat(81);
        let rows: [(&[u8], String); 6] = [
            (b"shop", r#""shop""#.into()),
            (b"a\"b\r\n", r#""a\"b\r\n""#.into()),
            ("größe".as_bytes(), r#""gr\u{f6}\u{df}e""#.into()),
            (b"\xff\x00", r#""\xff\x00""#.into()),
            (&long.as_bytes()[1..], format!("\"{}\"", "x".repeat(80))),
            (long.as_bytes(), format!("\"{}...\"", "x".repeat(80))),
        ];
        for (input, shown) in rows {
            assert_eq!(Quoted::new(input).to_string(), shown, "{input:?}");
        }
    }
}
