//! Environment variables that carry ports.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use super::Failure;
use super::error::CommandError;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;

/// The name of a variable: letters, digits and `_`, no digit first (POSIX.1-2024, 3.216).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable(String);

impl Variable {
    /// Returns PORT, which `run` always sets.
    pub(super) fn port() -> Self {
        Self("PORT".to_owned())
    }

    fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_name =
            text.iter().all(is_legal) && text.first().is_some_and(|b| !b.is_ascii_digit());
        let name = std::str::from_utf8(text).ok().filter(|_| is_name);
        name.map(|name| Self(name.to_owned()))
            .ok_or_else(|| CommandError::VariableName(Quoted::new(text)))
    }

    /// Returns the default variable of a service: `SHOP_WEB_PORT` for `shop.web`.
    fn of_service(service: &ServiceName) -> Self {
        let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = service.as_str().chars().map(legal).collect();
        let start = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
        Self(format!("{start}{name}_PORT"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A variable and the service whose port it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) variable: Variable,
    pub(super) service: ServiceName,
}

impl Assignment {
    /// Parses `VAR=NAME`, or `NAME` alone for the service's default variable.
    pub(super) fn parse(text: &OsStr) -> Result<Self, Failure> {
        let text = text.as_bytes();
        let Some(equals) = text.iter().position(|byte| *byte == b'=') else {
            let service = ServiceName::parse(text)?;
            return Ok(Self { variable: Variable::of_service(&service), service });
        };
        let variable = Variable::parse(&text[..equals])?;
        Ok(Self { variable, service: ServiceName::parse(&text[equals + 1..])? })
    }

    /// Parses several assignments.
    ///
    /// # Errors
    /// One of them is malformed.
    pub(super) fn parse_all(texts: &[impl AsRef<OsStr>]) -> Result<Vec<Self>, Failure> {
        texts.iter().map(|text| Self::parse(text.as_ref())).collect()
    }

    /// Checks that no variable is set twice.
    ///
    /// # Errors
    /// One is.
    pub(super) fn check_distinct(all: &[Self]) -> Result<(), CommandError> {
        let is_twice = |(index, one): &(usize, &Self)| {
            all[..*index].iter().any(|other| other.variable == one.variable)
        };
        match all.iter().enumerate().find(is_twice) {
            Some((_, twice)) => Err(CommandError::VariableTwice(twice.variable.0.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_a_service_with_an_optional_variable() {
        let rows = [
            ("PORT=shop.web", Some(("PORT", "shop.web"))),
            ("_a1=x", Some(("_a1", "x"))),
            ("web", Some(("WEB_PORT", "web"))),
            ("shop.web-2", Some(("SHOP_WEB_2_PORT", "shop.web-2"))),
            ("9p", Some(("_9P_PORT", "9p"))),
            ("-", Some(("__PORT", "-"))),
            ("1A=web", None),
            ("=web", None),
            ("A-B=web", None),
            ("A=", None),
            ("A=b=c", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let parsed = Assignment::parse(OsStr::new(text)).ok();
            let parsed = parsed.as_ref().map(|a| (a.variable.as_str(), a.service.as_str()));
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn no_variable_is_set_twice() {
        let assignments = |texts: &[&str]| Assignment::parse_all(texts).unwrap();
        assert!(Assignment::check_distinct(&assignments(&["a", "B=a", "b"])).is_ok());
        let twice = Assignment::check_distinct(&assignments(&["a.b", "c", "a-b"])).unwrap_err();
        assert_eq!(twice.to_string(), "Variable A_B_PORT is set twice");
    }
}
