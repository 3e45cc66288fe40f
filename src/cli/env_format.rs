//! The formats in which variables are printed.

use clap::ValueEnum;

use super::error::CommandError;
use super::names::Value;
use crate::quoted::Quoted;
use crate::variable_name::VariableName;

/// The format of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// sh, bash, zsh and direnv
    Sh,
    /// fish
    Fish,
    /// .env files, as for docker compose
    Dotenv,
    /// JSON, for programs
    Json,
}

impl Format {
    /// Returns the lines that set the variables.
    ///
    /// # Errors
    /// A text can't be written so that all programs that read `.env` files understand it alike.
    pub(super) fn lines(
        self,
        variables: &[(VariableName, Value)],
    ) -> Result<Vec<String>, CommandError> {
        if self == Self::Json {
            return Ok(json(variables));
        }
        let line = |(name, value): &(VariableName, Value)| {
            let text = value.to_text();
            Ok(match self {
                Self::Sh => format!("export {name}={}", in_sh(&text)),
                Self::Fish => format!("set -gx {name} {}", in_fish(&text)),
                Self::Dotenv | Self::Json => format!("{name}={}", in_dotenv(name, &text)?),
            })
        };
        variables.iter().map(line).collect()
    }
}

/// Returns whether a text is one word, without meaning, in every shell and `.env` file.
fn is_plain(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-@:,".contains(&byte);
    !text.is_empty() && text.bytes().all(is_legal)
}

fn in_sh(text: &str) -> String {
    match is_plain(text) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// In single quotes fish knows two escapes, `\'` and `\\`.
fn in_fish(text: &str) -> String {
    match is_plain(text) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
    }
}

/// Quotes in `.env` files have no common rule, but all that is printable stands for itself between
/// single quotes, and most of it between double ones.
fn in_dotenv(name: &VariableName, text: &str) -> Result<String, CommandError> {
    match text {
        text if is_plain(text) => Ok(text.to_owned()),
        text if !text.contains(['\'', '\\']) => Ok(format!("'{text}'")),
        text if !text.contains(['"', '\\', '$', '`', '#']) => Ok(format!("\"{text}\"")),
        text => {
            let (variable, value) = (name.to_string(), Quoted::new(text));
            Err(CommandError::Dotenv { variable, value })
        }
    }
}

fn json(variables: &[(VariableName, Value)]) -> Vec<String> {
    let last = variables.len().saturating_sub(1);
    let member = |(at, (name, value)): (usize, &(VariableName, Value))| {
        let value = match value {
            Value::Port(port) => port.to_string(),
            Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        };
        format!("  \"{name}\": {value}{}", if at < last { "," } else { "" })
    };
    let members = variables.iter().enumerate().map(member);
    ["{".to_owned()].into_iter().chain(members).chain(["}".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn variable(name: &str) -> VariableName {
        VariableName::parse(name).unwrap()
    }

    #[test]
    fn each_format_has_its_syntax() {
        let variables = [
            (variable("PORT"), Value::Port(49201)),
            (variable("URL"), Value::Text("http://localhost:49201/?a=b c".to_owned())),
        ];
        let rows = [
            (Format::Sh, "export PORT=49201\nexport URL='http://localhost:49201/?a=b c'\n"),
            (Format::Fish, "set -gx PORT 49201\nset -gx URL 'http://localhost:49201/?a=b c'\n"),
            (Format::Dotenv, "PORT=49201\nURL='http://localhost:49201/?a=b c'\n"),
            (
                Format::Json,
                "{\n  \"PORT\": 49201,\n  \"URL\": \"http://localhost:49201/?a=b c\"\n}\n",
            ),
        ];
        for (format, text) in rows {
            assert_eq!(format.lines(&variables).unwrap().join("\n") + "\n", text);
        }
    }

    const TEXTS: [&str; 8] = [
        "",
        "a'b",
        "$HOME `id` $(id)",
        "a\"b\\",
        "\\'\\\\",
        "!x #y ~",
        "größe",
        "a&b|c;d>e*?[f]{g}",
    ];

    #[test]
    fn shells_read_a_text_as_it_is() {
        for (shell, format) in
            [("sh", Format::Sh), ("bash", Format::Sh), ("zsh", Format::Sh), ("fish", Format::Fish)]
        {
            for text in TEXTS {
                let value = Value::Text(text.to_owned());
                let line = format.lines(&[(variable("A"), value)]).unwrap().join("\n");
                let script = format!("{line}\nprintf %s \"$A\"");
                // Not every machine has every shell.
                let Ok(output) = Command::new(shell).args(["-c", &script]).output() else {
                    continue;
                };
                assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{shell}: {line}");
            }
        }
    }

    #[test]
    fn what_env_files_have_no_common_form_for_is_refused() {
        let rows = [
            ("", Some("''")),
            ("postgres://localhost:5432/shop", Some("postgres://localhost:5432/shop")),
            ("a b", Some("'a b'")),
            ("$HOME", Some("'$HOME'")),
            ("it's", Some("\"it's\"")),
            ("it's $HOME", None),
            ("a\\b", None),
        ];
        for (text, expected) in rows {
            let written = in_dotenv(&variable("A"), text);
            assert_eq!(written.ok().as_deref(), expected, "{text}");
        }
    }
}
