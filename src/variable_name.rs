//! Names of environment variables.

use std::fmt;

/// The name of a variable: letters, digits and `_`, no digit first (POSIX.1-2024, 3.216).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableName(String);

impl VariableName {
    /// Returns PORT, the variable that a command started for one service gets.
    pub fn port() -> Self {
        Self("PORT".to_owned())
    }

    /// Parses a name, unchanged; `None` if it is illegal.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        let text = text.as_ref();
        let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_name = text.iter().all(is_legal) && !text.first()?.is_ascii_digit();
        let name = std::str::from_utf8(text).ok().filter(|_| is_name)?;
        Some(Self(name.to_owned()))
    }

    /// Returns the default variable of a service: `SHOP_WEB_PORT` for `shop.web`.
    pub fn of_service(service: &str) -> Self {
        let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let name: String = service.chars().map(legal).collect();
        let start = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
        Self(format!("{start}{name}_PORT"))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_letters_digits_and_underscores() {
        for name in ["PORT", "_a1", "a"] {
            assert_eq!(VariableName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "1A", "A-B", "A B", "Ä", "A="] {
            assert_eq!(VariableName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn each_service_has_a_default_variable() {
        let rows = [
            ("web", "WEB_PORT"),
            ("shop.web-2", "SHOP_WEB_2_PORT"),
            ("9p", "_9P_PORT"),
            ("-", "__PORT"),
        ];
        for (service, variable) in rows {
            assert_eq!(VariableName::of_service(service).as_str(), variable);
        }
    }
}
