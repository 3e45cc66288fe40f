//! launchd on macOS: an agent in `~/Library/LaunchAgents`, and `launchctl`.
//!
//! Written from launchd.plist(5) and launchctl(1), and not yet tried on macOS. `bootout` returns before
//! the agent is gone, and a `bootstrap` fails until it is; `bootstrap` returns before pald serves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{MARK, Manager, Program, ServiceError, ServiceFile, State, Step};

const LABEL: &str = "pald";
const AGENT_FILE: &str = include_str!("pald.plist");

/// The arguments in the file as it is.
const ARGUMENTS: &str =
    "<string>/usr/local/bin/pald</string><string>serve</string><string>--launchd</string>";

/// How launchctl ends while an agent of that name is still leaving: EIO and EALREADY of macOS.
const IS_LEAVING: [i32; 2] = [5, 37];
/// How `bootout` ends if the agent is leaving already: EINPROGRESS of macOS.
const IN_PROGRESS: i32 = 36;

/// How often launchd is asked.
const POLL_TIME: Duration = Duration::from_millis(50);
/// How long an agent may take to leave: somewhat more than `ExitTimeOut` in the agent.
const UNLOAD_TIME: Duration = Duration::from_secs(45);
/// How long to try to load an agent after the one before it has left.
const LOAD_TIME: Duration = Duration::from_secs(10);
/// How long pald may take to answer.
const START_TIME: Duration = Duration::from_secs(30);

/// launchd for one user.
#[derive(Debug)]
pub(in crate::cli) struct Launchd {
    home: PathBuf,
    /// The user ID; the user's agents live in the domain `gui/<user>`.
    user: u32,
    /// The words that begin each command.
    launchctl: Vec<OsString>,
}

impl Launchd {
    pub(super) fn of_this_user() -> Result<Self, ServiceError> {
        let home = dirs::home_dir().ok_or(ServiceError::NoHome)?;
        let user = rustix::process::getuid().as_raw();
        Ok(Self { home, user, launchctl: vec!["launchctl".into()] })
    }

    fn agent(&self) -> PathBuf {
        self.home.join("Library/LaunchAgents/pald.plist")
    }

    fn domain(&self) -> OsString {
        format!("gui/{}", self.user).into()
    }

    fn target(&self) -> OsString {
        format!("gui/{}/{LABEL}", self.user).into()
    }

    fn command<const N: usize>(&self, words: [&OsString; N]) -> Vec<OsString> {
        self.launchctl.iter().chain(words).cloned().collect()
    }

    /// Returns the agent that starts this program.
    fn content(&self, program: &Program) -> Result<String, ServiceError> {
        let mut arguments = string(&program.path)?;
        if let Some(config) = &program.config {
            arguments.push_str("<string>--config</string>");
            arguments.push_str(&string(config)?);
        }
        arguments.push_str("<string>serve</string><string>--launchd</string>");
        let log = string(&self.home.join("Library/Logs/pald.log"))?;
        Ok(AGENT_FILE
            .replace("<plist ", &format!("<!-- {MARK} -->\n<plist "))
            .replace(ARGUMENTS, &arguments)
            .replace("<string>/usr/local/var/log/pald.log</string>", &log))
    }
}

impl Manager for Launchd {
    fn kind(&self) -> &'static str {
        "a launchd agent"
    }

    fn files(&self, program: Option<&Program>) -> Result<Vec<ServiceFile>, ServiceError> {
        let content = program.map(|program| self.content(program)).transpose()?;
        Ok(vec![ServiceFile { path: self.agent(), content }])
    }

    fn state(&self) -> Result<State, ServiceError> {
        let has_file = self.agent().is_file();
        let Some(printed) = self.print()? else {
            // launchd loads it at each login if its file is there.
            return Ok(State { is_installed: has_file, is_enabled: has_file, ..State::default() });
        };
        let pid = pid_in(&printed);
        Ok(State { is_installed: true, is_enabled: true, is_active: pid.is_some(), pid })
    }

    fn run(&self, step: Step) -> Result<(), ServiceError> {
        match step {
            Step::Reload => Ok(()),
            Step::Enable => {
                // It may have been disabled by hand, and could then not be loaded.
                super::run_whole(&self.command([&"enable".into(), &self.target()]))?;
                self.load()
            }
            Step::Disable | Step::Stop => self.unload(),
            Step::Start if self.is_loaded()? => {
                super::run_whole(&self.command([&"kickstart".into(), &self.target()]))
            }
            Step::Start => self.load(),
            Step::Restart => self.unload().and_then(|()| self.load()),
        }
    }

    fn wait_for_answer(&self, answering: &dyn Fn() -> Option<u32>) -> Result<(), ServiceError> {
        let deadline = Instant::now() + START_TIME;
        loop {
            let printed = self.print()?.unwrap_or_default();
            let pid = pid_in(&printed);
            if pid.is_some() && pid == answering() {
                return Ok(());
            }
            if pid.is_none() && has_ended(&printed) {
                return Err(ServiceError::Ended);
            }
            if Instant::now() >= deadline {
                return Err(ServiceError::NoAnswer);
            }
            thread::sleep(POLL_TIME);
        }
    }

    fn restart_line(&self) -> String {
        // Each waits until it is done; the commands of launchctl do not.
        "pald stop && pald start".to_owned()
    }
}

impl Launchd {
    /// Returns what launchd says of the agent; `None` if it is not loaded.
    fn print(&self) -> Result<Option<String>, ServiceError> {
        let output = super::run(&self.command([&"print".into(), &self.target()]))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    }

    fn is_loaded(&self) -> Result<bool, ServiceError> {
        Ok(self.print()?.is_some())
    }

    /// Loads the agent, which starts it.
    fn load(&self) -> Result<(), ServiceError> {
        let words = self.command([&"bootstrap".into(), &self.domain(), &self.agent().into()]);
        let deadline = Instant::now() + LOAD_TIME;
        loop {
            let output = super::run(&words)?;
            if output.status.success() || self.is_loaded()? {
                return Ok(());
            }
            let may_pass = output.status.code().is_some_and(|code| IS_LEAVING.contains(&code));
            if !may_pass || Instant::now() >= deadline {
                return Err(super::failed(&words, super::stderr_line(&output)));
            }
            thread::sleep(POLL_TIME);
        }
    }

    /// Stops the agent and unloads it, until it is loaded again or at the next login; waits until it
    /// is gone.
    fn unload(&self) -> Result<(), ServiceError> {
        let words = self.command([&"bootout".into(), &self.target()]);
        let output = super::run(&words)?;
        let is_leaving = output.status.success() || output.status.code() == Some(IN_PROGRESS);
        let deadline = Instant::now() + UNLOAD_TIME;
        while self.is_loaded()? {
            if !is_leaving {
                return Err(super::failed(&words, super::stderr_line(&output)));
            }
            if Instant::now() >= deadline {
                let message = format!("it is still loaded after {} s", UNLOAD_TIME.as_secs());
                return Err(super::failed(&words, message));
            }
            thread::sleep(POLL_TIME);
        }
        Ok(())
    }
}

/// Returns the process ID in the output of `launchctl print`, if the agent is running.
fn pid_in(printed: &str) -> Option<u32> {
    let pid = printed.lines().find_map(|line| line.trim().strip_prefix("pid = "));
    pid.and_then(|pid| pid.parse().ok())
}

/// Returns whether the agent has run and ended since it was loaded or started, by the output of
/// `launchctl print`.
fn has_ended(printed: &str) -> bool {
    let code = printed.lines().find_map(|line| line.trim().strip_prefix("last exit code = "));
    code.is_some_and(|code| code != "(never exited)")
}

/// Returns the path as a string element of the agent.
fn string(path: &Path) -> Result<String, ServiceError> {
    let text = super::text_of(path)?;
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Ok(format!("<string>{escaped}</string>"))
}

#[cfg(test)]
mod tests;
