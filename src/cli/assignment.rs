//! Variables on the command line: `[VAR=]NAME` and `VAR=TEXT`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::Failure;
use super::error::CommandError;
use crate::project::Text;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;
use crate::variable_name::VariableName;

/// A variable and what it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// `None` for the default variable of the service.
    pub(super) variable: Option<VariableName>,
    pub(super) value: Assigned,
}

/// What a variable carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Assigned {
    /// The port of a service.
    Port(ServiceName),
    /// A text with ports in it.
    Text(Text),
}

impl Assignment {
    /// Parses `VAR=NAME`, `NAME` alone, or `VAR=TEXT` with a brace in the text.
    pub(super) fn parse(argument: &OsStr) -> Result<Self, Failure> {
        let bytes = argument.as_bytes();
        let Some(equals) = bytes.iter().position(|byte| *byte == b'=') else {
            let value = Assigned::Port(ServiceName::parse(bytes)?);
            return Ok(Self { variable: None, value });
        };
        let (variable, value) = (&bytes[..equals], &bytes[equals + 1..]);
        let wrong = || CommandError::VariableName(Quoted::new(variable));
        let variable = Some(VariableName::parse(variable).ok_or_else(wrong)?);
        let value = match value.contains(&b'{') {
            true => Assigned::Text(text(value)?),
            false => Assigned::Port(ServiceName::parse(value)?),
        };
        Ok(Self { variable, value })
    }

    /// Parses several assignments.
    ///
    /// # Errors
    /// One of them is malformed.
    pub(super) fn parse_all(arguments: &[impl AsRef<OsStr>]) -> Result<Vec<Self>, Failure> {
        arguments.iter().map(|argument| Self::parse(argument.as_ref())).collect()
    }

    /// Returns the names of services in it.
    pub(super) fn names(&self) -> Vec<&str> {
        match &self.value {
            Assigned::Port(service) => vec![service.as_str()],
            Assigned::Text(text) => text.names().collect(),
        }
    }
}

fn text(value: &[u8]) -> Result<Text, CommandError> {
    let text = std::str::from_utf8(value).ok().and_then(Text::parse);
    text.ok_or_else(|| CommandError::Text { text: Quoted::new(value) })
}

/// Checks that no variable is set twice.
///
/// # Errors
/// One is.
pub(super) fn check_distinct<'a>(
    variables: impl Iterator<Item = &'a VariableName>,
) -> Result<(), CommandError> {
    let mut seen = Vec::new();
    for variable in variables {
        if seen.contains(&variable) {
            return Err(CommandError::VariableTwice(variable.to_string()));
        }
        seen.push(variable);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_a_service_or_a_text_with_a_variable() {
        let rows = [
            ("PORT=shop.web", Some("PORT port shop.web")),
            ("_a1=x", Some("_a1 port x")),
            ("web", Some("- port web")),
            ("9p", Some("- port 9p")),
            ("URL=http://localhost:{shop.web}/{db}", Some("URL text shop.web db")),
            ("URL={{}", Some("URL text")),
            ("URL=a={db}", Some("URL text db")),
            ("URL={", None),
            ("URL={a b}", None),
            ("1A=web", None),
            ("=web", None),
            ("A-B=web", None),
            ("A=", None),
            ("A=b=c", None),
            ("{web}", None),
            ("", None),
        ];
        for (argument, expected) in rows {
            let shown = Assignment::parse(OsStr::new(argument)).ok().map(|it| {
                let kind = if matches!(it.value, Assigned::Port(_)) { "port" } else { "text" };
                let variable = it.variable.as_ref().map_or("-", VariableName::as_str);
                [&[variable, kind], &it.names()[..]].concat().join(" ")
            });
            assert_eq!(shown.as_deref(), expected, "{argument}");
        }
    }

    #[test]
    fn no_variable_is_set_twice() {
        let variables = ["A", "B", "A"].map(|name| VariableName::parse(name).unwrap());
        assert!(check_distinct(variables[..2].iter()).is_ok());
        let twice = check_distinct(variables.iter()).unwrap_err();
        assert_eq!(twice.to_string(), "Variable A is set twice");
    }
}
