//! `pald export`: writes the registry as a dump.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::{Failure, Session};
use crate::files;

/// Write the registry as a dump, which `pald import` reads
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald export ports.dump")]
pub(in crate::cli) struct Export {
    /// The file, which only you can read; without it, or with -, stdout
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

/// Writes the dump to a new file, or replaces a regular one; refuses links, pipes and devices.
fn write(path: &Path, dump: &[u8]) -> Result<(), CommandError> {
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(CommandError::NotAFile { path: path.to_owned() });
    }
    files::replace_for_user(path, dump)
        .map_err(|source| CommandError::Write { path: path.to_owned(), source })
}
