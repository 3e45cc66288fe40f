//! Errors of the service commands.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::cli::Exit;
use crate::cli::explain::Explain;
use crate::client::{ClientError, Url};
use crate::files::ownership::UnsafePath;
use crate::files::{InShell, ReadError, Shown};

/// An error of the service manager or of the service files.
#[derive(Debug, Error)]
pub(in crate::cli) enum ServiceError {
    /// The user has no home folder.
    #[error("Can't find your home folder")]
    NoHome,
    /// The service manager is not installed.
    #[error("Can't run `{tool}`, which manages services on this system")]
    NoTool {
        /// Its command.
        tool: String,
        /// The system's error.
        source: io::Error,
    },
    /// The service manager is not running for this user.
    #[error("Can't reach the service manager of your login session: {message}")]
    NoSession {
        /// The first line of its command's stderr.
        message: String,
        /// The session's folder, if all that is missing is `XDG_RUNTIME_DIR`.
        runtime_dir: Option<PathBuf>,
    },
    /// A command of the service manager failed.
    #[error("`{command}` failed: {message}")]
    Failed {
        /// The command.
        command: String,
        /// The first line of its stderr.
        message: String,
    },
    /// The service was started, and has ended.
    #[error("pald was started, and ended before it answered")]
    Ended,
    /// The service was started, and does not answer in time.
    #[error("pald was started, but does not answer yet")]
    NoAnswer,
    /// A file that pald did not write is in the place of pald's.
    #[error("{} exists, and pald did not write it", Shown(.path))]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A service file can't or must not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A service file can't be written or removed.
    #[error("Can't change {}", Shown(.path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A program of another user has pald's address.
    #[error(transparent)]
    OtherUser(ClientError),
    /// A pald is running that is not the service.
    #[error(
        "pald is already running (pid {pid}, version {version}) at {url}, but not as a service"
    )]
    Foreground {
        /// Its process ID.
        pid: u32,
        /// Its version.
        version: String,
        /// Where it answers.
        url: Url,
    },
    /// A pald says that it is a process that is not there, or not this user's.
    #[error("The pald that answers is no process of yours here (it says pid {pid})")]
    NotOurs {
        /// What it says.
        pid: u32,
    },
    /// A pald goes on after it was told to end.
    #[error("pald (pid {pid}) still runs {seconds} s after it was told to end")]
    StillRunning {
        /// Its process ID.
        pid: u32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// There is no service to start.
    #[error("pald is not installed as a service")]
    NotInstalled,
    /// There is no terminal to ask on.
    #[error("`pald uninstall` can't ask for confirmation here")]
    Unconfirmed,
    /// The user answered no.
    #[error("Nothing was removed")]
    Declined,
    /// The path of this program or of its configuration is unknown.
    #[error("Can't find the path of this program or of its configuration")]
    Program(#[source] io::Error),
    /// Another user owns or can change the program, or a folder above it.
    #[error("The program can't be a service: {0}")]
    UnsafeProgram(UnsafePath),
    /// A service file can't express a path.
    #[error("The path {} has characters that a service file can't contain", Shown(.path))]
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
                "Run `pald` in the foreground, or under this system's own service manager"
                    .to_owned()
            }
            Self::NoSession { runtime_dir: Some(folder), .. } => {
                format!("Run `export XDG_RUNTIME_DIR={}` and try again", InShell(folder))
            }
            Self::NoSession { runtime_dir: None, .. } => {
                "Log in directly, or have root run `loginctl enable-linger` for you, and try again"
                    .to_owned()
            }
            Self::Failed { .. } | Self::Ended | Self::NoAnswer
                if cfg!(any(feature = "portable", target_os = "macos")) =>
            {
                "~/Library/Logs/pald.log says why, if pald started at all".to_owned()
            }
            Self::Failed { .. } | Self::Ended | Self::NoAnswer => {
                "`journalctl --user -u pald.service -n 20` says why, if pald started at all"
                    .to_owned()
            }
            Self::Foreground { .. } => "Stop it first, with `pald stop`".to_owned(),
            Self::NotOurs { .. } => "Stop it where it runs, such as in its container".to_owned(),
            Self::StillRunning { .. } => "Its log says what it waits for".to_owned(),
            Self::OtherUser(error) => return error.hint(),
            Self::NotInstalled => {
                "`pald install` installs and starts it; `pald` runs it in the foreground".to_owned()
            }
            Self::Unconfirmed => "Add `--yes`".to_owned(),
            Self::UnsafeProgram(error) => {
                let is_writable = matches!(error, UnsafePath::Writable { .. });
                let remedy = error.remedy().filter(|_| is_writable);
                remedy.unwrap_or_else(|| "Install a copy that belongs to you or root".to_owned())
            }
            Self::Foreign { .. } => "Move it away first".to_owned(),
            Self::Path { .. } => {
                "Move the program or the configuration to a simpler path".to_owned()
            }
            Self::Declined | Self::Program(_) | Self::Read(_) | Self::Write { .. } => return None,
        })
    }

    fn exit(&self) -> Exit {
        Exit::of_service(self)
    }
}
