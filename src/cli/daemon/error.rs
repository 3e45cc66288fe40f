//! Errors that keep the daemon from serving.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::cli::Exit;
use crate::cli::explain::{Explain, sentence};
use crate::client::Url;
use crate::config::ConfigError;
use crate::files::Shown;
use crate::files::ownership::UnsafePath;
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::OpenError;

/// Why the daemon does not serve.
#[derive(Debug, Error)]
pub(in crate::cli) enum ServeError {
    /// The configuration can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another user made or can change a file or a folder that pald relies on.
    #[error(transparent)]
    Unsafe(#[from] UnsafePath),
    /// A folder can't be created, or can't be made private.
    #[error("Can't create {} as a private folder", Shown(.path))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another pald uses this store.
    #[error("pald is already running {holder}")]
    Running {
        /// How it describes itself in the lock file.
        holder: String,
        /// Where it answers, if that is not where this one would.
        elsewhere: Option<Url>,
    },
    /// The dump or the store can't be locked.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// pald can't listen on its port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The registry can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There are not enough file descriptors for a single connection.
    #[error("The limit on open files is too low to serve connections")]
    Descriptors,
    /// The system has too few threads left.
    #[error("Can't start the threads that pald needs")]
    Threads(#[source] io::Error),
    /// The HTTP service failed.
    #[error("The HTTP service failed")]
    Http(#[source] io::Error),
}

impl Explain for ServeError {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Open(error) => error.lines(),
            error => vec![sentence(error.to_string(), error.source())],
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Unsafe(error) => error.hint(),
            Self::Locked(error) => error.hint(),
            Self::Listen(error) => error.hint(),
            Self::Open(error) => error.hint(),
            Self::Running { elsewhere: Some(url), .. } => {
                Some(format!("See `pald --url {url} status`; `pald stop` ends it"))
            }
            Self::Running { .. } => Some("See `pald status`".to_owned()),
            Self::Descriptors => Some("Raise `ulimit -n` to 64 or more".to_owned()),
            Self::Folder { .. } => Some("Check the disk and the folder's permissions".to_owned()),
            Self::Threads(_) => Some(
                "End other programs, or raise the limit on processes (`ulimit -u`, or the cgroup's \
                 `pids.max`)"
                    .to_owned(),
            ),
            Self::Http(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::of_serve(self)
    }
}
