//! `pald export`: the registry as a dump.

use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CommandError;
use super::{Failure, Session};
use crate::files;

/// Write the registry as a dump, which `pald import` reads
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald export ports.dump")]
pub(super) struct Export {
    /// The file; without it, or with -, the dump goes to stdout
    file: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, session: &Session) -> Result<(), Failure> {
        let dump = session.client()?.dump()?;
        match self.file.filter(|file| file != Path::new("-")) {
            None => session.terminal.answer_bytes(&dump)?,
            Some(file) => write(&file, &dump)?,
        }
        Ok(())
    }
}

/// Puts the dump where a file is or none. A device or a pipe is not to be replaced by a file.
fn write(path: &Path, dump: &[u8]) -> Result<(), CommandError> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real.exists() && !real.is_file() {
        return Err(CommandError::NotAFile { path: path.to_owned() });
    }
    files::replace_for_user(&real, dump)
        .map_err(|source| CommandError::Write { path: path.to_owned(), source })
}
