//! Lock files, which keep a second pald away from a store or a dump.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::ownership::{self, UnsafePath};
use crate::files::{self, Links, Shown, sibling};

/// The maximum length of a holder's description in a lock file, in bytes.
const MAX_HOLDER_BYTES: usize = 200;

/// A lock, held until it is dropped or the process ends in any way.
///
/// The lock file stays beside the locked path; it says who holds the lock, or held it last.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock was not acquired.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{} is in use by {holder}", Shown(.path))]
    Held {
        /// The locked path.
        path: PathBuf,
        /// The other process's description of itself, or "another process".
        holder: String,
    },
    /// A file that pald did not write is where the lock file should be.
    #[error("{} is not a pald lock file, so it was left alone", Shown(.path))]
    NotALock {
        /// The file.
        path: PathBuf,
    },
    /// Another user made or can change the lock file, or it is something else than a file.
    #[error(transparent)]
    Unsafe(#[from] UnsafePath),
    /// The lock file can't be opened, locked or written.
    #[error("Can't lock {}", Shown(.path))]
    Io {
        /// The path to lock.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Locks `path` through the file `<path>.lock`, without waiting.
    ///
    /// `holder` describes this process to others: printable ASCII, at most 200 bytes.
    ///
    /// # Errors
    /// [`LockError::Held`] at once if another process has the lock.
    pub fn acquire(path: &Path, holder: &str) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: path.to_owned(), source };
        let place = sibling(path, ".lock");
        let mut file = files::open_private(&place).map_err(io)?;
        ownership::check_open(&place, &file.metadata().map_err(io)?)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: path.to_owned(), holder: holder_of(&file) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let is_empty = file.metadata().map_err(io)?.len() == 0;
        let is_lock_file = is_empty || holder_of(&file).starts_with("pald ");
        if !is_lock_file {
            return Err(LockError::NotALock { path: sibling(path, ".lock") });
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(io)?;
        Ok(Self { _file: file })
    }

    /// Returns how the process describes itself that holds the lock on `path`, or held it last; `None`
    /// if that can't be read.
    ///
    /// To find out whether it is held, it would have to be locked, and so keep a daemon from starting.
    pub fn last_holder(path: &Path) -> Option<String> {
        let bytes =
            files::read(&sibling(path, ".lock"), MAX_HOLDER_BYTES, Links::Refuse).ok()??;
        String::from_utf8(bytes).ok()
    }
}

fn holder_of(file: &File) -> String {
    let mut holder = String::new();
    let limit = u64::try_from(MAX_HOLDER_BYTES).unwrap_or(u64::MAX);
    match Read::take(file, limit).read_to_string(&mut holder) {
        Ok(1..) if holder.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => holder,
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::eventually;

    #[test]
    fn a_lock_names_its_holder_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let lock = Lock::acquire(&path, "pald (pid 7)").unwrap();
        let error = Lock::acquire(&path, "pald (pid 8)").unwrap_err();
        assert_eq!(error.to_string(), format!("{} is in use by pald (pid 7)", Shown(&path)));
        drop(lock);
        assert_eq!(Lock::last_holder(&path).as_deref(), Some("pald (pid 7)"));
        assert_eq!(Lock::last_holder(&folder.path().join("other")), None);
        let _second = eventually(|| Lock::acquire(&path, "pald (pid 8)"), Result::is_ok).unwrap();
        let error = Lock::acquire(&path, "").unwrap_err();
        assert_eq!(error.to_string(), format!("{} is in use by pald (pid 8)", Shown(&path)));
    }
}
