//! Short names: of projects, of their services, and labels of checkouts.

use std::fmt;

use crate::service_name::{ServiceName, ServiceNameError};

/// A name without dots: 1 to 100 bytes of `A-Z a-z 0-9 _ -`.
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
        Self::parse(text).or_else(|| Self::parse(&slug(text)))
    }

    /// Returns the full name of this service of a project, in the checkout of this label.
    ///
    /// # Errors
    /// It is longer than the name of a service may be, which takes a label of more than 53 bytes.
    pub fn full(
        &self,
        project: &Self,
        label: Option<&Self>,
    ) -> Result<ServiceName, ServiceNameError> {
        let name = match label {
            Some(label) => format!("{project}.{label}.{self}"),
            None => format!("{project}.{self}"),
        };
        ServiceName::parse(name)
    }

    /// Splits a full name of a project into the label of its checkout and the service; `None` if it is
    /// another project's, or has more parts.
    pub fn split(full: &str, project: &Self) -> Option<(Option<Self>, Self)> {
        let rest = full.strip_prefix(project.as_str())?.strip_prefix('.')?;
        match rest.split_once('.') {
            Some((label, name)) => Some((Some(Self::parse(label)?), Self::parse(name)?)),
            None => Some((None, Self::parse(rest)?)),
        }
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

/// Returns a text in lower case, with `-` for each run of other characters than ASCII letters and
/// digits, and none at its ends.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c.is_ascii_alphanumeric() {
            true => slug.push(c.to_ascii_lowercase()),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
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

    #[test]
    fn a_full_name_is_split_as_it_was_made() {
        let name = |text: &str| ShortName::parse(text).unwrap();
        let rows = [
            ("shop.web", Some((None, "web"))),
            ("shop.fix-login.web", Some((Some("fix-login"), "web"))),
            ("shop.a.b.web", None),
            ("shop.", None),
            ("shop..web", None),
            ("shop", None),
            ("shopx.web", None),
            ("other.web", None),
        ];
        for (full, expected) in rows {
            let found = ShortName::split(full, &name("shop"));
            let expected = expected.map(|(label, web)| (label.map(name), name(web)));
            assert_eq!(found, expected, "{full}");
            if let Some((label, web)) = found {
                assert_eq!(web.full(&name("shop"), label.as_ref()).unwrap().as_str(), full);
            }
        }
        let longest = name(&"n".repeat(100));
        assert!(longest.full(&longest, Some(&name(&"l".repeat(53)))).is_ok());
        assert!(longest.full(&longest, Some(&name(&"l".repeat(54)))).is_err());
    }
}
