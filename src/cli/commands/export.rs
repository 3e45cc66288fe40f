//! `pald export`: the registry as a dump.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::{Failure, Session};
use crate::files;

/// Write the registry as a dump, which `pald import` reads
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald export ports.dump")]
pub(in crate::cli) struct Export {
    /// The file, made private to you; without it, or with -, the dump goes to stdout
    file: Option<PathBuf>,
}

impl Export {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let dump = session.client()?.dump()?;
        match self.file.filter(|file| file != Path::new("-")) {
            None => session.terminal.answer_bytes(&dump)?,
            Some(file) => write(&file, &dump)?,
        }
        Ok(())
    }
}

/// Puts the dump where a file is or none. What a link, a pipe or a device leads to is not ours to
/// replace.
fn write(path: &Path, dump: &[u8]) -> Result<(), CommandError> {
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(CommandError::NotAFile { path: path.to_owned() });
    }
    files::replace_for_user(path, dump)
        .map_err(|source| CommandError::Write { path: path.to_owned(), source })
}
