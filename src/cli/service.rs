//! pald as a user service, under systemd or, on macOS, launchd.
//!
//! A [`Manager`] covers what differs between the two. The commands that use it are elsewhere.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Failure;
use crate::client::{Client, ClientError, Url};
use crate::config::Config;
use crate::files::{self, InShell, Links};
use crate::port::Port;

mod ending;
mod error;
mod launchd;
#[cfg(test)]
pub(super) mod stand_in;
mod systemd;

pub(super) use ending::end;
pub(super) use error::ServiceError;

use launchd::Launchd;
use systemd::Systemd;

/// The mark of files that `pald install` wrote. It must not change: older files carry it.
const MARK: &str = "Written by `pald install`; `pald remove` takes it away.";
/// The maximum size of a service file to read.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// The program to run as the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Its absolute path.
    pub(super) path: PathBuf,
    /// The absolute path for its `--config`, if any.
    pub(super) config: Option<PathBuf>,
    /// The port it listens on.
    pub(super) port_listen: Port,
}

/// A file of the service; without content, it should not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceFile {
    pub(super) path: PathBuf,
    pub(super) content: Option<String>,
}

/// A change to how the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Reads the files again.
    Reload,
    /// Starts it now and at each login.
    Enable,
    /// Stops it now, and no longer starts it.
    Disable,
    /// Starts it now.
    Start,
    /// Stops it now.
    Stop,
    /// Restarts it with its current files.
    Restart,
}

/// The state of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Whether it is installed.
    pub(super) is_installed: bool,
    /// Whether it starts at each login.
    pub(super) is_enabled: bool,
    /// Whether it is running or starting.
    pub(super) is_active: bool,
    /// Its process ID.
    pub(super) pid: Option<u32>,
}

/// A service manager of the user.
pub(super) trait Manager {
    /// Names the kind of service, as in "a systemd user service".
    fn kind(&self) -> &'static str;
    /// Returns the files for this program, and those that must not exist beside them; without a
    /// program, all files that could have been written, none with content.
    fn files(&self, program: Option<&Program>) -> Result<Vec<ServiceFile>, ServiceError>;
    /// Whether files say that there may be a service, where its manager can't be asked.
    ///
    /// # Errors
    /// The home folder is unknown.
    fn may_be_installed(&self) -> Result<bool, ServiceError> {
        Ok(is_any_there(&self.files(None)?))
    }
    /// Returns the state of the service.
    fn state(&self) -> Result<State, ServiceError>;
    /// Makes a change, and returns once it is made: what is stopped has ended.
    ///
    /// # Errors
    /// The first command that failed, with its message, or what took too long.
    fn run(&self, step: Step) -> Result<(), ServiceError>;
    /// Waits until what was just started answers; `answering` returns the process ID of the pald that
    /// does.
    ///
    /// # Errors
    /// It ended, or it takes too long.
    fn wait_for_answer(&self, answering: &dyn Fn() -> Option<u32>) -> Result<(), ServiceError>;
    /// Returns the shell line that restarts the service.
    fn restart_line(&self) -> String;
}

/// Returns the service manager of this user.
///
/// # Errors
/// The user has no home folder.
pub(super) fn manager() -> Result<Box<dyn Manager>, ServiceError> {
    match cfg!(any(feature = "portable", target_os = "macos")) {
        true => Ok(Box::new(Launchd::of_this_user()?)),
        false => Ok(Box::new(Systemd::of_this_user()?)),
    }
}

/// Explains why there is no service to start, with the line that starts pald without one.
pub(super) fn explain_start(error: ServiceError) -> Failure {
    let line = std::env::current_exe().map(|program| {
        format!("mkdir -pm 700 ~/.pald; nohup {} serve >>~/.pald/log 2>&1 &", InShell(&program))
    });
    match (&error, line) {
        (
            ServiceError::NoTool { .. } | ServiceError::NoSession { runtime_dir: None, .. },
            Ok(line),
        ) => Failure { hint: Some(format!("Start it without a service: {line}")), ..error.into() },
        _ => error.into(),
    }
}

/// Waits until the service that was just started answers at its address.
///
/// # Errors
/// It ended, or it takes too long.
pub(super) fn wait_for_answer(manager: &dyn Manager, config: &Config) -> Result<(), ServiceError> {
    let client = Client::new(Url::of_port(config.port_listen), config.daemon_user.clone());
    manager.wait_for_answer(&|| client.health().ok().map(|health| health.pid))
}

/// Checks that no pald outside the service uses the port, and no program of another user.
///
/// # Errors
/// One has it.
pub(super) fn refuse_foreground(
    manager: &dyn Manager,
    state: State,
    config: &Config,
) -> Result<(), ServiceError> {
    if state.is_active {
        return Ok(());
    }
    let url = Url::of_port(config.port_listen);
    match Client::new(url.clone(), config.daemon_user.clone()).health() {
        // The request itself may have started the service through its socket.
        Ok(health) if manager.state()?.pid != Some(health.pid) => {
            Err(ServiceError::Foreground { pid: health.pid, version: health.version, url })
        }
        Err(error @ ClientError::OtherUser(_)) => Err(ServiceError::OtherUser(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl ServiceFile {
    /// Writes or removes the file; returns whether that changed anything.
    ///
    /// # Errors
    /// A file is there that pald did not write, or the system call failed.
    pub(super) fn apply(&self) -> Result<bool, ServiceError> {
        let write = |source| ServiceError::Write { path: self.path.clone(), source };
        let present = match files::read(&self.path, MAX_FILE_BYTES, Links::Refuse)? {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => String::new(),
        };
        let is_ours = present.contains(MARK);
        match &self.content {
            Some(content) if *content == present => Ok(false),
            Some(_) if !present.is_empty() && !is_ours => {
                Err(ServiceError::Foreign { path: self.path.clone() })
            }
            Some(content) => {
                fs::create_dir_all(files::folder_of(&self.path)).map_err(write)?;
                files::replace(&self.path, content.as_bytes()).map_err(write)?;
                Ok(true)
            }
            None if is_ours => fs::remove_file(&self.path).map(|()| true).map_err(write),
            None => Ok(false),
        }
    }
}

/// Whether one of these files was written.
fn is_any_there(files: &[ServiceFile]) -> bool {
    files.iter().any(|file| file.path.exists())
}

/// Runs a command to completion.
///
/// # Errors
/// It failed, with its message.
fn run_whole(words: &[OsString]) -> Result<(), ServiceError> {
    let output = run(words)?;
    if output.status.success() { Ok(()) } else { Err(failed(words, stderr_line(&output))) }
}

fn failed(words: &[OsString], message: impl Into<String>) -> ServiceError {
    ServiceError::Failed { command: joined(words), message: message.into() }
}

/// Runs a command to completion, and returns how it ended.
fn run(words: &[OsString]) -> Result<Output, ServiceError> {
    let (tool, arguments) = words.split_first().expect("a command has a name");
    let ran = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    ran.map_err(|source| ServiceError::NoTool { tool: tool.to_string_lossy().into(), source })
}

/// Returns the first line of stderr, or the exit status if there is none.
fn stderr_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}

fn joined(words: &[OsString]) -> String {
    words.iter().map(|word| InShell(word).to_string()).collect::<Vec<_>>().join(" ")
}

/// Returns the path as text.
///
/// # Errors
/// A service file can't express it.
fn text_of(path: &Path) -> Result<&str, ServiceError> {
    let text = path.to_str().filter(|text| !text.contains(|c: char| c.is_control()));
    text.ok_or_else(|| ServiceError::Path { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
