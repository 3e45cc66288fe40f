//! Why pald does not serve, in words.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::ConfigError;
use crate::files::Shown;
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::OpenError;

/// Why pald does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder can't be made, or not be made private.
    #[error("Can't make the folder {} for yourself alone", Shown(.path))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another pald has this very store.
    #[error("pald is already running {holder}")]
    Running {
        /// What it says of itself.
        holder: String,
    },
    /// The dump or the store can't be locked.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The port to listen on can't be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The registry does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There are not enough file descriptors for a single connection.
    #[error("The limit on open files is too low to serve anybody")]
    Descriptors,
    /// The HTTP service failed.
    #[error("The HTTP service failed")]
    Http(#[source] io::Error),
}

impl ServeError {
    /// What to do about it.
    pub(in crate::cli) fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Running { .. } => Some("See `pald status`".to_owned()),
            Self::Locked(LockError::Held { .. }) => {
                Some("Stop that program first, or set another `dump_file` or `data_dir`".to_owned())
            }
            Self::Locked(LockError::NotALock { .. }) => {
                Some("Move it away, or set another `dump_file` or `data_dir`".to_owned())
            }
            Self::Descriptors => Some("Raise `ulimit -n` to 64 or more".to_owned()),
            Self::Locked(LockError::Io { .. }) | Self::Folder { .. } => {
                Some("Check the disk and the rights of that folder".to_owned())
            }
            Self::Listen(error) => error.hint(),
            Self::Open(error) => error.hint(),
            Self::Http(_) => None,
        }
    }
}
