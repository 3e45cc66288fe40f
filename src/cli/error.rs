//! Errors that the commands themselves find.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Exit;
use super::explain::{Explain, sentence};
use crate::client::UrlError;
use crate::dump_file::MAX_BYTES;
use crate::files::Shown;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;

/// An error of a command that does not come from the daemon or from the modules below.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    #[error("--url is {0}")]
    UrlFlag(UrlError),
    #[error("PALD_URL is {0}")]
    UrlVariable(UrlError),
    #[error("{0} is not a valid variable name; use letters, digits and _, and no digit first")]
    VariableName(Quoted),
    #[error("The pattern {pattern} can't be used: {reason}")]
    Pattern { pattern: Quoted, reason: &'static str },
    #[error("Variable {0} is set twice")]
    VariableTwice(String),
    #[error("Port {port} is in use by {holder}")]
    InUse { port: String, holder: String },
    #[error("Nothing uses port {port}")]
    Unused { port: String },
    #[error("Port {port} is held for {service}; nothing listens")]
    Held { port: u16, service: String },
    #[error("Can't tell what uses port {port}: {reason}")]
    UnknownUse { port: String, reason: String },
    #[error("Can't run {program}")]
    NotRunnable { program: Quoted, source: io::Error },
    #[error("Can't run {program}")]
    NoSuchCommand { program: Quoted, source: io::Error },
    #[error("Can't read {}", Shown(.path))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {MAX_BYTES} bytes, the maximum for a dump; nothing was imported", Shown(.path))]
    TooLarge { path: PathBuf },
    #[error("{}", .lines.join("\n"))]
    BadLines { lines: Vec<String> },
    #[error("pald doctor found {}", faults(*.0))]
    Faults(usize),
    #[error("pald has no command {0}")]
    UnknownCommand(Quoted),
    #[error("`pald import --replace` can't ask for confirmation here")]
    Unconfirmed,
    #[error("Nothing was imported")]
    Declined,
    #[error("{} is not a regular file", Shown(.path))]
    NotAFile { path: PathBuf },
    #[error("Can't write {}", Shown(.path))]
    Write { path: PathBuf, source: io::Error },
    #[error("Can't write to stdout")]
    Stdout(#[source] io::Error),
}

impl Explain for CommandError {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::BadLines { lines } => lines.clone(),
            error => vec![sentence(error.to_string(), error.source())],
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InUse { .. } => "Stop it first",
            Self::Held { service, .. } => return Some(without_hold(service)),
            Self::BadLines { .. } => "Fix the dump and import it again",
            Self::Unconfirmed => "Add `--yes`, or see what would change with `--dry-run`",
            Self::UnknownCommand(_) => "`pald man` lists all commands",
            Self::NotAFile { .. } => "Leave the file out to write to stdout",
            Self::VariableTwice(_) => "Choose another name, as in `WEB=shop.web`",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_command(self)
    }
}

/// The way out for servers that a hold keeps away.
fn without_hold(service: &str) -> String {
    // It becomes part of a command.
    let service = ServiceName::parse(service).map_or_else(|_| "NAME".into(), |it| it.to_string());
    format!("If its server says that the address is in use: `pald run --no-hold {service} -- CMD`")
}

fn faults(count: usize) -> String {
    if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") }
}
