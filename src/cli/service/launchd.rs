//! launchd on macOS: an agent in `~/Library/LaunchAgents`, and `launchctl`.
//!
//! Written from launchd.plist(5) and launchctl(1), and not yet tried on macOS.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{MARK, Manager, Program, ServiceError, ServiceFile, State, Step};

const LABEL: &str = "pald";
const AGENT_FILE: &str = include_str!("pald.plist");

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
        let log = string(&self.home.join("Library/Logs/pald.log"))?;
        Ok(AGENT_FILE
            .replace("<plist ", &format!("<!-- {MARK} -->\n<plist "))
            .replace("<string>/usr/local/bin/pald</string>", &arguments)
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
        let output = super::run(&["launchctl".into(), "print".into(), self.target()])?;
        let has_file = self.agent().is_file();
        // An agent that is not loaded can't be printed.
        if !output.status.success() {
            return Ok(State { is_installed: has_file, ..State::default() });
        }
        let pid = pid_in(&String::from_utf8_lossy(&output.stdout));
        // launchd loads it again at each login if its file is there.
        Ok(State { is_installed: true, is_enabled: has_file, is_active: pid.is_some(), pid })
    }

    fn commands(&self, step: Step) -> Vec<Vec<OsString>> {
        let launchctl = |words: &[OsString]| [&["launchctl".into()], words].concat();
        let bootstrap = || launchctl(&["bootstrap".into(), self.domain(), self.agent().into()]);
        let bootout = || launchctl(&["bootout".into(), self.target()]);
        match step {
            Step::Reload => Vec::new(),
            Step::Enable => vec![bootstrap()],
            Step::Disable => vec![bootout()],
            Step::Start => vec![launchctl(&["kickstart".into(), self.target()])],
            // pald exits with 0 then, and launchd does not restart it.
            Step::Stop => vec![launchctl(&["kill".into(), "SIGTERM".into(), self.target()])],
            Step::Restart => vec![bootout(), bootstrap()],
        }
    }
}

/// Returns the process ID in the output of `launchctl print`, if the agent is running.
fn pid_in(printed: &str) -> Option<u32> {
    let pid = printed.lines().find_map(|line| line.trim().strip_prefix("pid = "));
    pid.and_then(|pid| pid.parse().ok())
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
        let arguments = "<string>/opt/a&amp;b/pald</string><string>--config</string><string>/etc/&lt;pald&gt;.toml</string>\n";
        for part in [MARK, arguments, "<string>/Users/ann/Library/Logs/pald.log</string>"] {
            assert!(content.contains(part), "{part} is not in {content}");
        }
        assert!(content.starts_with("<?xml ") && !content.contains("/usr/local"), "{content}");
    }

    #[test]
    fn each_step_is_a_command_of_launchctl() {
        let plist = "/Users/ann/Library/LaunchAgents/pald.plist";
        let rows: [(Step, &[&str]); 6] = [
            (Step::Reload, &[]),
            (Step::Enable, &[&format!("launchctl bootstrap gui/501 {plist}")]),
            (Step::Disable, &["launchctl bootout gui/501/pald"]),
            (Step::Start, &["launchctl kickstart gui/501/pald"]),
            (Step::Stop, &["launchctl kill SIGTERM gui/501/pald"]),
            (
                Step::Restart,
                &[
                    "launchctl bootout gui/501/pald",
                    &format!("launchctl bootstrap gui/501 {plist}"),
                ],
            ),
        ];
        for (step, expected) in rows {
            let commands: Vec<_> =
                launchd().commands(step).iter().map(|words| super::super::joined(words)).collect();
            assert_eq!(commands, expected, "{step:?}");
        }
    }

    #[test]
    fn the_process_is_read_from_launchctl() {
        let printed =
            "gui/501/pald = {\n\tactive count = 1\n\tstate = running\n\n\tpid = 4121\n}\n";
        assert_eq!(pid_in(printed), Some(4121));
        assert_eq!(pid_in("gui/501/pald = {\n\tstate = not running\n}\n"), None);
    }
}
