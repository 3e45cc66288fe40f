//! Text as a terminal may see it: the one rule for what is escaped.
//!
//! Not here: input that is quoted in messages, which is ASCII alone ([`crate::quoted`]).

use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;

/// Unicode's format characters, its two separators of lines and paragraphs, and the unassigned
/// characters among them, in order (categories Cf, Zl and Zp of Unicode 17).
///
/// They are invisible, and some reverse what follows them: text can show something other than what
/// it says.
const FORMAT: [RangeInclusive<char>; 20] = [
    '\u{ad}'..='\u{ad}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff0}'..='\u{fffb}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e00ff}',
    '\u{e01f0}'..='\u{e0fff}',
];

/// A text as one line of a terminal: control and format characters, line breaks among them, appear
/// as `\u{1b}` or `\n`. Letters of all languages stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return f.write_str(self.0);
        }
        self.0.chars().try_for_each(|c| match is_printable(c) {
            true => f.write_char(c),
            false => write!(f, "{}", c.escape_default()),
        })
    }
}

/// Returns whether a character may reach a terminal.
pub fn is_printable(c: char) -> bool {
    !c.is_control() && (c.is_ascii() || !FORMAT.iter().any(|range| range.contains(&c)))
}

/// Escapes JSON as [`Printable`] does a text, in JSON's own way: its value stays the same.
///
/// `json` is JSON whose line breaks are between values, as serializers write it.
pub fn json(json: &str) -> String {
    let mut printable = String::with_capacity(json.len());
    for c in json.chars() {
        match is_printable(c) || c == '\n' {
            true => printable.push(c),
            false => {
                let escaped = |unit: &mut u16| format!("\\u{unit:04x}");
                printable.extend(c.encode_utf16(&mut [0; 2]).iter_mut().map(escaped));
            }
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_format_characters_are_escaped_and_letters_stay() {
        let rows = [
            ("shop.web", "shop.web"),
            ("a\\b \"c\"", "a\\b \"c\""),
            ("größe, 名前, имя, שם, اسم, e\u{301}", "größe, 名前, имя, שם, اسم, e\u{301}"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nhint: b\r\t", "a\\nhint: b\\r\\t"),
            ("\0\u{7f}\u{9b}\u{85}", "\\u{0}\\u{7f}\\u{9b}\\u{85}"),
            ("\u{202e}cba\u{2066}\u{200f}", "\\u{202e}cba\\u{2066}\\u{200f}"),
            ("a\u{200b}b\u{feff}c\u{ad}d", "a\\u{200b}b\\u{feff}c\\u{ad}d"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{e0001}\u{e0041}", "\\u{e0001}\\u{e0041}"),
        ];
        for (text, expected) in rows {
            assert_eq!(Printable(text).to_string(), expected, "{text:?}");
            assert!(Printable(text).to_string().chars().all(is_printable));
        }
    }

    #[test]
    fn json_keeps_its_value() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}\u{2028}\nö\"\\";
        let written = serde_json::to_string_pretty(&[text]).unwrap();
        let printable = json(&written);
        let expected = r#"["a\u001b\u007f\u009b\u202e\udb40\udc41\u2028\nö\"\\"]"#;
        assert_eq!(printable.replace("\n  ", "").replace('\n', ""), expected);
        assert_eq!(serde_json::from_str::<[String; 1]>(&printable).unwrap(), [text]);
    }
}
