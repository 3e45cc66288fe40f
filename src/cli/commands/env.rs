//! `pald env`: prints ports as variables for shells and other programs.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::cli::mistyped::suggest_or_set;
use crate::cli::variable::Assignment;
use crate::cli::{Failure, Session};

/// Print ports as variables
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  eval \"$(pald env PORT=shop.web DB_PORT=shop.db)\"
  pald env -f dotenv shop.web > .env")]
pub(in crate::cli) struct Env {
    /// A registered service; without VAR, shop.web sets SHOP_WEB_PORT
    #[arg(value_name = "[VAR=]NAME", required = true)]
    assignments: Vec<OsString>,
    /// The format
    #[arg(short, long, value_enum, default_value_t = Format::Sh)]
    format: Format,
}

/// The format of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// sh, bash, zsh and direnv
    Sh,
    /// fish
    Fish,
    /// .env files, as for docker compose
    Dotenv,
    /// JSON, for programs
    Json,
}

impl Env {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let assignments = Assignment::parse_all(&self.assignments)?;
        Assignment::check_distinct(&assignments)?;
        let client = session.client()?;
        let mut ports = Vec::new();
        for Assignment { variable, service } in assignments {
            let answer = client
                .registered_service(&service)
                .map_err(|error| suggest_or_set(&client, &service, error))?;
            ports.push((variable.to_string(), answer.port));
        }
        Ok(session.terminal.answer(self.format.lines(&ports))?)
    }
}

impl Format {
    fn lines(self, ports: &[(String, u16)]) -> Vec<String> {
        let lines = |start: &str, between: &str| {
            ports.iter().map(|(name, port)| format!("{start}{name}{between}{port}")).collect()
        };
        match self {
            Self::Sh => lines("export ", "="),
            Self::Fish => lines("set -gx ", " "),
            Self::Dotenv => lines("", "="),
            Self::Json => {
                let last = ports.len().saturating_sub(1);
                let member = |(at, (name, port)): (usize, &(String, u16))| {
                    format!("  \"{name}\": {port}{}", if at < last { "," } else { "" })
                };
                let members = ports.iter().enumerate().map(member);
                ["{".to_owned()].into_iter().chain(members).chain(["}".to_owned()]).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_syntax() {
        let ports = [("PORT".to_owned(), 49201), ("DB_PORT".to_owned(), 5432)];
        let rows = [
            (Format::Sh, "export PORT=49201\nexport DB_PORT=5432\n"),
            (Format::Fish, "set -gx PORT 49201\nset -gx DB_PORT 5432\n"),
            (Format::Dotenv, "PORT=49201\nDB_PORT=5432\n"),
            (Format::Json, "{\n  \"PORT\": 49201,\n  \"DB_PORT\": 5432\n}\n"),
        ];
        for (format, text) in rows {
            assert_eq!(format.lines(&ports).join("\n") + "\n", text);
        }
    }
}
