//! The short names of a project's file: of the project itself and of its services.

use std::fmt;

/// A name without dots: 1 to 100 bytes of `A-Z a-z 0-9 _ -`.
///
/// A project, a label and a service make a full name of at most 242 bytes, so that another number at
/// the label fits in a service name too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShortName(String);

impl ShortName {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 100;

    /// Parses a name, unchanged; `None` if it is illegal.
    pub fn parse(text: &str) -> Option<Self> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let is_name = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(is_legal);
        is_name.then(|| Self(text.to_owned()))
    }

    /// Returns the name itself where it is legal, or else one with `-` for each run of other
    /// characters; `None` if nothing is left.
    pub fn nearest(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| Self::parse(&super::label::slug(text)))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_has_no_dots() {
        let longest = "n".repeat(100);
        for name in ["web", "Web_2-a", "-", &longest] {
            assert_eq!(ShortName::parse(name).unwrap().as_str(), name);
        }
        let long = "n".repeat(101);
        for name in ["", "a.b", "a b", "größe", "a/b", &long] {
            assert_eq!(ShortName::parse(name), None, "{name}");
        }
        let nearest = |text| ShortName::nearest(text).map(|name| name.to_string());
        assert_eq!(nearest("Web_2"), Some("Web_2".to_owned()));
        assert_eq!(nearest("My App.web"), Some("my-app-web".to_owned()));
        assert_eq!(nearest("名前"), None);
    }
}
