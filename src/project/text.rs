//! Texts with `{name}` in them, and arguments of commands in which names are replaced.

/// A text in which `{name}` stands for a value; `{{` is a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Name(String),
}

impl Text {
    /// What a text may be, for messages.
    pub const ALLOWED: &str = "a text in which each { starts a {name}, or is written as {{";

    /// Parses a text; `None` if a brace is not closed, or there is no name in it.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            if let Some(after_second) = after.strip_prefix('{') {
                plain.push('{');
                rest = after_second;
                continue;
            }
            let (name, after_name) = name_at(after.as_bytes())?;
            parts.extend([Part::Plain(std::mem::take(&mut plain)), Part::Name(name.to_owned())]);
            rest = &after[after.len() - after_name.len()..];
        }
        parts.push(Part::Plain(plain + rest));
        Some(Self(parts))
    }

    /// Returns the names in braces, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Plain(_) => None,
        })
    }

    /// Returns the text with a value for each name.
    ///
    /// # Errors
    /// The first that `value` returns.
    pub fn fill<E>(&self, value: impl Fn(&str) -> Result<String, E>) -> Result<String, E> {
        let parts = self.0.iter().map(|part| match part {
            Part::Plain(text) => Ok(text.clone()),
            Part::Name(name) => value(name),
        });
        parts.collect()
    }
}

/// Returns an argument with a value for each `{name}` that has one; all else stays as it is.
pub fn replace_names(argument: &[u8], value: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let (mut replaced, mut rest) = (Vec::new(), argument);
    while let Some((first, after)) = rest.split_first() {
        let found = name_at(after).filter(|_| *first == b'{');
        rest = match found.and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after_name)) => {
                replaced.extend_from_slice(value.as_bytes());
                after_name
            }
            None => {
                replaced.push(*first);
                after
            }
        };
    }
    replaced
}

/// Returns the names in braces in an argument, whatever they stand for.
pub fn names_in(argument: &[u8]) -> impl Iterator<Item = &str> {
    let starts = argument.iter().zip(1..).filter(|(byte, _)| **byte == b'{');
    starts.filter_map(|(_, after)| name_at(&argument[after..])).map(|(name, _)| name)
}

/// Splits `name}rest` at its brace, if it starts with a name.
fn name_at(text: &[u8]) -> Option<(&str, &[u8])> {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let length = text.iter().take_while(|byte| is_legal(byte)).count();
    let rest = text[length..].strip_prefix(b"}")?;
    std::str::from_utf8(&text[..length]).ok().filter(|name| !name.is_empty()).map(|it| (it, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_names_and_braces() {
        // (text, with each name in capitals)
        let rows = [
            ("", Some("")),
            ("plain }", Some("plain }")),
            ("{db}", Some("DB")),
            ("postgres://localhost:{db}/shop", Some("postgres://localhost:DB/shop")),
            ("{a}{b-2}.{c_d.e}", Some("AB-2.C_D.E")),
            ("{{db}", Some("{db}")),
            ("{{{db}}", Some("{DB}")),
            ("{{\"port\": {db}}", Some("{\"port\": DB}")),
            ("größe {db}", Some("größe DB")),
            ("{", None),
            ("{}", None),
            ("{a b}", None),
            ("{db", None),
            ("{größe}", None),
        ];
        for (text, expected) in rows {
            let filled = Text::parse(text)
                .map(|parsed| parsed.fill(|name| Ok::<_, ()>(name.to_uppercase())).unwrap());
            assert_eq!(filled.as_deref(), expected, "{text}");
        }
        let text = Text::parse("{a} {b} {a}").unwrap();
        assert!(text.names().eq(["a", "b", "a"]));
        assert_eq!(text.fill(|name| if name == "b" { Err(7) } else { Ok(String::new()) }), Err(7));
    }

    #[test]
    fn only_known_names_in_an_argument_are_replaced() {
        let value = |name: &str| match name {
            "port" => Some("49201".to_owned()),
            "shop.db" => Some("49202".to_owned()),
            _ => None,
        };
        let rows: [(&[u8], &[u8]); 9] = [
            (b"{port}", b"49201"),
            (b"--url=http://localhost:{port}/{port}", b"--url=http://localhost:49201/49201"),
            (b"{{port}}", b"{49201}"),
            (b"{shop.db}{shop.dbx}", b"49202{shop.dbx}"),
            (b"{PORT} { port } {port", b"{PORT} { port } {port"),
            (b"{print} {print {port}}", b"{print} {print 49201}"),
            (b"\xff{port}\xff{\xff}", b"\xff49201\xff{\xff}"),
            (b"{}{", b"{}{"),
            (b"", b""),
        ];
        for (argument, replaced) in rows {
            assert_eq!(replace_names(argument, value), replaced);
        }
        assert!(names_in(b"{{a}}{b.c} {d {e}{\xff}").eq(["a", "b.c", "e"]));
    }
}
