//! The locks that keep a second pald away from a store and from a dump.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::{self, Shown, sibling};

/// The longest word of a holder about itself that is read from a lock file, in bytes.
const MAX_HOLDER_BYTES: u64 = 200;

/// A lock that lasts until it is dropped or the process ends, however it ends.
///
/// The lock file beside the locked path stays; it says who holds the lock, or held it last.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    previous: String,
}

/// Why a lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{} is in use by {holder}", Shown(.path))]
    Held {
        /// What is locked.
        path: PathBuf,
        /// What the other process wrote about itself, or "another process".
        holder: String,
    },
    /// Something else than a lock file of pald is where it should be.
    #[error("{} is not a lock file of pald, and is left as it is", Shown(.path))]
    NotALock {
        /// The file.
        path: PathBuf,
    },
    /// The lock file can't be opened, locked or written.
    #[error("Can't lock {}", Shown(.path))]
    Io {
        /// What was to be locked.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Locks `path` by a file beside it, `<path>.lock`, without waiting.
    ///
    /// `holder` is what another process is told about this one; printable ASCII.
    ///
    /// # Errors
    /// [`LockError::Held`] at once if another process has the lock.
    pub fn acquire(path: &Path, holder: &str) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = files::open_private(&sibling(path, ".lock")).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.to_owned(), holder: holder_of(&file) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let previous = holder_of(&file);
        let is_lock_file = file.metadata().map_err(io)?.len() == 0 || previous.starts_with("pald ");
        if !is_lock_file {
            return Err(LockError::NotALock { path: sibling(path, ".lock") });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(io)?;
        Ok(Self { _file: file, previous })
    }
}

impl Lock {
    /// What the last holder wrote about itself, however it ended.
    pub fn previous(&self) -> &str {
        &self.previous
    }
}

fn holder_of(file: &File) -> String {
    let mut holder = String::new();
    match Read::take(file, MAX_HOLDER_BYTES).read_to_string(&mut holder) {
        Ok(1..) if holder.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => holder,
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_its_holder_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let lock = Lock::acquire(&path, "pald (pid 7)").unwrap();
        let error = Lock::acquire(&path, "pald (pid 8)").unwrap_err();
        assert_eq!(error.to_string(), format!("{} is in use by pald (pid 7)", Shown(&path)));
        drop(lock);
        let _second = Lock::acquire(&path, "pald (pid 8)").unwrap();
        let error = Lock::acquire(&path, "").unwrap_err();
        assert_eq!(error.to_string(), format!("{} is in use by pald (pid 8)", Shown(&path)));
    }
}
