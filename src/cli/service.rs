//! pald as a service of one user: under systemd, or under launchd on macOS.
//!
//! What is particular to either is a [`Manager`]; what the commands do with it lives in their files.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::client::{Client, Url};
use crate::files::{self, Links};
use crate::port::Port;

mod error;
mod launchd;
mod systemd;

pub(super) use error::ServiceError;

use launchd::Launchd;
use systemd::Systemd;

/// What the files that `pald install` writes have in them, and no others.
const MARK: &str = "Written by `pald install`; `pald remove` takes it away.";
/// The longest file that is looked into.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// The program that is to be the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Its absolute path.
    pub(super) path: PathBuf,
    /// The configuration that it is to be given with `--config`, an absolute path.
    pub(super) config: Option<PathBuf>,
    /// Where it listens.
    pub(super) port_listen: Port,
}

/// A file of the service; without content it should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceFile {
    pub(super) path: PathBuf,
    pub(super) content: Option<String>,
}

/// What a manager is asked to do with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To read the files again.
    Reload,
    /// To start it now and at each login.
    Enable,
    /// To end it now, and to start it no more.
    Disable,
    /// To start it now.
    Start,
    /// To end it now.
    Stop,
    /// To end it and start it again, from the files as they are now.
    Restart,
}

/// How the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Whether there is such a service.
    pub(super) is_known: bool,
    /// Whether it is started at each login.
    pub(super) is_enabled: bool,
    /// Whether it runs, or is about to.
    pub(super) is_active: bool,
    /// Its process.
    pub(super) pid: Option<u32>,
}

/// What runs services for this user.
pub(super) trait Manager {
    /// What the service is, in words, as in "a systemd user service".
    fn kind(&self) -> &'static str;
    /// The files that make a program the service, and those that must not be there then; or, for no
    /// program, all that could have been written.
    fn files(&self, program: Option<&Program>) -> Result<Vec<ServiceFile>, ServiceError>;
    /// How the service is.
    fn state(&self) -> Result<State, ServiceError>;
    /// The commands of a step, one after the other.
    fn commands(&self, step: Step) -> Vec<Vec<OsString>>;
}

/// What runs services for the user who asks.
///
/// # Errors
/// The user has no home folder.
pub(super) fn manager() -> Result<Box<dyn Manager>, ServiceError> {
    match cfg!(target_os = "macos") {
        true => Ok(Box::new(Launchd::of_this_user()?)),
        false => Ok(Box::new(Systemd::of_this_user()?)),
    }
}

/// The commands of a step, as a user would type them.
pub(super) fn in_words(manager: &dyn Manager, step: Step) -> String {
    manager.commands(step).iter().map(|words| shown(words)).collect::<Vec<_>>().join(" && ")
}

/// Runs the commands of a step.
///
/// # Errors
/// The first command that failed, with what it said.
pub(super) fn take(manager: &dyn Manager, step: Step) -> Result<(), ServiceError> {
    for words in manager.commands(step) {
        let output = output_of(&words)?;
        if !output.status.success() {
            return Err(ServiceError::Failed { command: shown(&words), said: said(&output) });
        }
    }
    Ok(())
}

/// Looks whether a pald answers that is not the service.
///
/// # Errors
/// One does, and would be in the way.
pub(super) fn refuse_foreground(
    manager: &dyn Manager,
    state: State,
    port_listen: Port,
) -> Result<(), ServiceError> {
    let url = Url::of_port(port_listen);
    let answer = if state.is_active { None } else { Client::new(url.clone()).health().ok() };
    match answer {
        // The question itself may have started the service, by its socket.
        Some(health) if manager.state()?.pid != Some(health.pid) => {
            Err(ServiceError::Foreground { pid: health.pid, version: health.version, url })
        }
        _ => Ok(()),
    }
}

impl ServiceFile {
    /// Puts the file there, or takes it away; whether that changed anything.
    ///
    /// # Errors
    /// There is a file that pald has not written, or the disk refuses.
    pub(super) fn put(&self) -> Result<bool, ServiceError> {
        let write = |source| ServiceError::Write { path: self.path.clone(), source };
        let there = match files::read(&self.path, MAX_FILE_BYTES, Links::Refuse)? {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => String::new(),
        };
        let is_ours = there.contains(MARK);
        match &self.content {
            Some(content) if *content == there => Ok(false),
            Some(_) if !there.is_empty() && !is_ours => {
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

/// Runs a command to its end.
fn output_of(words: &[OsString]) -> Result<Output, ServiceError> {
    let (tool, arguments) = words.split_first().expect("a command has a name");
    let ran = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    ran.map_err(|source| ServiceError::NoTool { tool: tool.to_string_lossy().into(), source })
}

/// The first line that a command has said about its failure.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}

fn shown(words: &[OsString]) -> String {
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The path as text for a file of the service, which has no way to write some characters.
fn plain(path: &Path) -> Result<&str, ServiceError> {
    let text = path.to_str().filter(|text| !text.contains(|c: char| c.is_control()));
    text.ok_or_else(|| ServiceError::Path { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
