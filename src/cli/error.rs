//! What the commands themselves can find wrong, in words.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Exit;
use super::explain::Explain;
use crate::client::UrlError;
use crate::dump_file::MAX_BYTES;
use crate::files::Shown;
use crate::quoted::Quoted;

/// Why a command does not do what it was asked for, beyond what pald says.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    #[error("--url is {0}")]
    UrlFlag(UrlError),
    #[error("PALD_URL is {0}")]
    UrlVariable(UrlError),
    #[error("{0} is no name of a variable; use letters, digits and _, and no digit first")]
    Variable(Quoted),
    #[error("The pattern {pattern} can't be used: {reason}")]
    Pattern { pattern: Quoted, reason: &'static str },
    #[error("The variable {0} is asked for twice")]
    VariableTwice(String),
    #[error("Port {port} is in use by {holder}")]
    InUse { port: String, holder: String },
    #[error("Nobody uses port {port}")]
    Nobody { port: String },
    #[error("It can't be told who uses port {port}: {reason}")]
    Untold { port: String, reason: String },
    #[error("Can't run {program}")]
    NotRunnable { program: Quoted, source: io::Error },
    #[error("Can't run {program}")]
    NoSuchCommand { program: Quoted, source: io::Error },
    #[error("Can't read {}", Shown(.path))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than a dump may be, {MAX_BYTES} bytes; nothing was imported", Shown(.path))]
    TooLarge { path: PathBuf },
    #[error("{told}")]
    Lines { told: String },
    #[error("pald doctor has found {}", faults(*.0))]
    Faults(usize),
    #[error("There is no command {0} to have a manual")]
    NoManual(Quoted),
    #[error("`pald import --replace` can't ask here whether to go on")]
    Unconfirmed,
    #[error("Nothing was imported")]
    Declined,
    #[error("{} is not a regular file", Shown(.path))]
    NotAFile { path: PathBuf },
    #[error("Can't write {}", Shown(.path))]
    Write { path: PathBuf, source: io::Error },
    #[error("Can't write the answer")]
    Answer(#[source] io::Error),
}

impl Explain for CommandError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InUse { .. } => "Stop it first",
            Self::Lines { .. } => "Fix the dump and import it again",
            Self::Unconfirmed => "Add `--yes`, or see with `--dry-run` what would change",
            Self::NoManual(_) => "`pald man` names all commands",
            Self::NotAFile { .. } => "Leave the file out to write to stdout",
            Self::VariableTwice(_) => "Name the variables, as in `WEB=shop.web`",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_command(self)
    }
}

fn faults(count: usize) -> String {
    if count == 1 { "a fault".to_owned() } else { format!("{count} faults") }
}
