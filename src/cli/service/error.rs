//! Why pald can't be made a service, in words.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::cli::Exit;
use crate::cli::explain::Explain;
use crate::client::Url;
use crate::files::{ReadError, Shown};

/// Why something can't be done with the service.
#[derive(Debug, Error)]
pub(in crate::cli) enum ServiceError {
    /// There is no home folder to write to.
    #[error("No home folder is known for this user")]
    NoHome,
    /// The system has no such manager.
    #[error("Can't run `{tool}`, which starts services here")]
    NoTool {
        /// Its command.
        tool: String,
        /// What the system said.
        source: io::Error,
    },
    /// The manager does not run for this user.
    #[error("There is no session that could run a service for you: {said}")]
    NoSession {
        /// What its command said.
        said: String,
        /// Whether the session is there, and only `XDG_RUNTIME_DIR` is not set.
        runtime_dir: Option<PathBuf>,
    },
    /// The manager refused.
    #[error("`{command}` failed: {said}")]
    Failed {
        /// What was run.
        command: String,
        /// The first line that it said.
        said: String,
    },
    /// A file stands where pald's would be.
    #[error("{} is there, and pald has not written it", Shown(.path))]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file of the service can't be read, or should not be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file of the service can't be written or removed.
    #[error("Can't change {}", Shown(.path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A pald runs that is not the service.
    #[error(
        "pald is already running (pid {pid}, version {version}) at {url}, and not as a service"
    )]
    Foreground {
        /// Its process.
        pid: u32,
        /// Its version.
        version: String,
        /// Where it answers.
        url: Url,
    },
    /// There is no service to start.
    #[error("pald is not installed as a service")]
    NotInstalled,
    /// There is nobody who could be asked.
    #[error("`pald remove` can't ask here whether to go on")]
    Unconfirmed,
    /// The user has said no.
    #[error("Nothing was removed")]
    Declined,
    /// It can't be told which program or which file the service is to have.
    #[error("Can't tell the path of this program or of its configuration")]
    Program(#[source] io::Error),
    /// A path has characters that a file of the service can't hold.
    #[error("The path {} has characters that no service can be given", Shown(.path))]
    Path {
        /// The path.
        path: PathBuf,
    },
}

impl Explain for ServiceError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoHome => "Set HOME".to_owned(),
            Self::NoTool { .. } => {
                "Run `pald` in the foreground, or under the supervisor that this system has"
                    .to_owned()
            }
            Self::NoSession { runtime_dir: Some(folder), .. } => {
                format!("Try again after `export XDG_RUNTIME_DIR={}`", folder.display())
            }
            Self::NoSession { runtime_dir: None, .. } => {
                "Run `pald` in the foreground; or log in as yourself, or let root run \
                 `loginctl enable-linger` for you, and try again"
                    .to_owned()
            }
            Self::Failed { .. } if cfg!(target_os = "macos") => {
                "~/Library/Logs/pald.log says why, if pald started at all".to_owned()
            }
            Self::Failed { .. } => {
                "`journalctl --user -u pald.service -n 20` says why, if pald started at all"
                    .to_owned()
            }
            Self::Foreground { pid, .. } => {
                format!("End it first, with Ctrl-C where it runs or with `kill {pid}`")
            }
            Self::NotInstalled => {
                "`pald install` installs and starts it; `pald` runs it in the foreground".to_owned()
            }
            Self::Unconfirmed => "Add `--yes`".to_owned(),
            Self::Foreign { .. } => "Move it away first".to_owned(),
            Self::Path { .. } => "Move the program or the file to a plainer path".to_owned(),
            Self::Declined | Self::Program(_) | Self::Read(_) | Self::Write { .. } => return None,
        })
    }

    fn exit(&self) -> Exit {
        Exit::of_service(self)
    }
}
