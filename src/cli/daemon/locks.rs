//! Locks that keep other processes away from the store and the dump.

use std::path::{Path, PathBuf};

use super::ServeError;
use crate::config::Config;
use crate::files;
use crate::lock::{Lock, LockError};

/// The locks on the store and the dump, until they are dropped.
#[derive(Debug)]
pub(in crate::cli) struct Locks {
    _store: Lock,
    _dump: Lock,
}

impl Locks {
    /// Locks the store and the dump, and creates the folders that they are in.
    ///
    /// # Errors
    /// Another process has one of them, or the system call failed.
    pub(in crate::cli) fn acquire(config: &Config) -> Result<Self, ServeError> {
        for path in [&config.data_dir, &config.dump_file] {
            let folder = files::folder_of(path);
            files::create_private_folder(folder)
                .map_err(|source| ServeError::Folder { path: folder.to_owned(), source })?;
        }
        let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
        let url = format!("http://127.0.0.1:{}", config.port_listen);
        let holder = format!("pald (pid {pid}, version {version}) at {url}");
        let store =
            Lock::acquire(&without_links(&config.data_dir), &holder).map_err(already_running)?;
        let dump = Lock::acquire(&config.dump_file, &holder)?;
        Ok(Self { _store: store, _dump: dump })
    }
}

/// Resolves links, so that a store has one lock whichever path leads to it.
fn without_links(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Names the pald that has the store, if a pald holds the lock.
fn already_running(error: LockError) -> ServeError {
    match &error {
        LockError::Held { holder, .. } => match holder.strip_prefix("pald ") {
            Some(holder) => ServeError::Running { holder: holder.to_owned() },
            None => error.into(),
        },
        LockError::NotALock { .. } | LockError::Unsafe(_) | LockError::Io { .. } => error.into(),
    }
}
