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
pub(super) struct Launchd {
    home: PathBuf,
    /// The user ID; the user's agents live in the domain `gui/<user>`.
    user: u32,
}

impl Launchd {
    pub(super) fn of_this_user() -> Result<Self, ServiceError> {
        let home = dirs::home_dir().ok_or(ServiceError::NoHome)?;
        Ok(Self { home, user: rustix::process::getuid().as_raw() })
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
                super::run_whole(&launchctl([&"enable".into(), &self.target()]))?;
                self.load()
            }
            Step::Disable | Step::Stop => self.unload(),
            Step::Start if self.is_loaded()? => {
                super::run_whole(&launchctl([&"kickstart".into(), &self.target()]))
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
        let output = super::run(&launchctl([&"print".into(), &self.target()]))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then_some(text))
    }

    fn is_loaded(&self) -> Result<bool, ServiceError> {
        Ok(self.print()?.is_some())
    }

    /// Loads the agent, which starts it.
    fn load(&self) -> Result<(), ServiceError> {
        let words = launchctl([&"bootstrap".into(), &self.domain(), &self.agent().into()]);
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
        let words = launchctl([&"bootout".into(), &self.target()]);
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

fn launchctl<const N: usize>(words: [&OsString; N]) -> Vec<OsString> {
    [&"launchctl".into()].into_iter().chain(words).cloned().collect()
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
mod tests {
    use super::*;
    use crate::port::Port;

    fn launchd() -> Launchd {
        Launchd { home: "/Users/ann".into(), user: 501 }
    }

    #[test]
    fn the_agent_starts_the_given_program() {
        let program = Program {
            path: "/opt/a&b/pald".into(),
            config: Some("/etc/<pald>.toml".into()),
            port_listen: Port::new(1234).unwrap(),
        };
        let files = launchd().files(Some(&program)).unwrap();
        assert_eq!(files[0].path, PathBuf::from("/Users/ann/Library/LaunchAgents/pald.plist"));
        let content = files[0].content.as_deref().unwrap();
        let arguments = "<string>/opt/a&amp;b/pald</string><string>--config</string><string>/etc/&lt;pald&gt;.toml</string><string>serve</string><string>--launchd</string>\n";
        for part in [MARK, arguments, "<string>/Users/ann/Library/Logs/pald.log</string>"] {
            assert!(content.contains(part), "{part} is not in {content}");
        }
        assert!(content.starts_with("<?xml ") && !content.contains("/usr/local"), "{content}");
    }

    #[test]
    fn the_agent_is_one_of_the_user() {
        let launchd = launchd();
        assert_eq!(launchd.domain(), "gui/501");
        assert_eq!(launchd.target(), "gui/501/pald");
        let words = launchctl([&"print".into(), &launchd.target()]);
        assert_eq!(words, ["launchctl", "print", "gui/501/pald"]);
        assert_eq!(launchd.kind(), "a launchd agent");
        assert_eq!(launchd.restart_line(), "pald stop && pald start");
        let files = launchd.files(None).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!((&files[0].path, &files[0].content), (&launchd.agent(), &None));
    }

    #[test]
    fn the_process_is_read_from_launchctl() {
        let printed =
            "gui/501/pald = {\n\tactive count = 1\n\tstate = running\n\n\tpid = 4121\n}\n";
        assert_eq!(pid_in(printed), Some(4121));
        let ended = "gui/501/pald = {\n\tstate = not running\n\tlast exit code = 0\n}\n";
        assert_eq!((pid_in(ended), has_ended(ended)), (None, true));
        let starting =
            "gui/501/pald = {\n\tstate = spawn scheduled\n\tlast exit code = (never exited)\n}\n";
        assert_eq!((pid_in(starting), has_ended(starting)), (None, false));
    }
}
