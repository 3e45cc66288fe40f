//! pald as a launchd agent: what it asks launchctl for, in which order, and what it waits for. A script
//! stands in for launchctl, which answers late, as launchd does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::{Client, Home, PALD};
use crate::faults::finish;

/// A home whose settings are in its file, as an agent needs them, and the agent that runs there.
struct Agent {
    home: Home,
}

impl Agent {
    fn new() -> Self {
        let home = Home::new(3);
        let settings = format!(
            "port_listen = {}\nport_min = {}\nport_max = {}\n",
            home.listen, home.min, home.max
        );
        fs::write(home.file("config.toml"), settings).unwrap();
        Self { home }
    }

    /// A command of pald, with the script in the place of launchctl: code, stdout, stderr.
    fn pald(&self, line: &str) -> (Option<i32>, String, String) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bin");
        let mut command = Command::new(PALD);
        command.args(line.split_whitespace()).env_clear().env("HOME", self.home.path());
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        finish(&mut command)
    }

    /// The words that launchctl got since the last call; of questions in a row only the first.
    fn asked(&self) -> Vec<String> {
        let path = self.home.path().join("launchctl.log");
        let log = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, "").unwrap();
        let mut words: Vec<_> =
            log.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        words.dedup();
        words
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("Library/LaunchAgents/pald.plist")
    }

    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.home.path().join("pid")).ok()?.trim().parse().ok()
    }

    /// The process ID of the pald that answers.
    fn answering(&self) -> Option<i64> {
        let health = Client::new(self.home.listen).try_get("/v1/health").ok()?;
        health.json()["pid"].as_i64()
    }

    fn is_running(&self) -> bool {
        let answering = self.answering();
        answering.is_some() && answering == self.pid().map(i64::from)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits until the script has noted how pald ended; the exit code.
    fn ended(&self) -> String {
        let noted = self.home.path().join("code");
        loop {
            match fs::read_to_string(&noted) {
                Ok(code) if code.ends_with('\n') => return code.trim_end().to_owned(),
                _ => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // What is not answering any more has ended.
        if self.is_running() {
            self.signal(Signal::KILL);
        }
    }
}

fn done(answer: &str) -> (Option<i32>, String, String) {
    (Some(0), format!("{answer}\n"), String::new())
}

/// `bootstrap` followed `bootout` at once, and failed while launchd was not done with it; and the
/// commands said that pald served before it did.
#[test]
fn each_step_waits_for_the_one_before() {
    let agent = Agent::new();
    let url = format!("http://127.0.0.1:{}", agent.home.listen);
    let installed = format!("pald is installed as a launchd agent, and serves at {url}");
    assert_eq!(agent.pald("install"), done(&installed));
    assert!(agent.is_running());
    assert_eq!(agent.asked(), ["print", "enable", "bootstrap", "print"]);
    let text = fs::read_to_string(agent.file()).unwrap();
    let arguments =
        format!("<string>{PALD}</string><string>serve</string><string>--launchd</string>\n");
    assert!(text.contains(&arguments), "{text}");

    assert_eq!(agent.pald("install"), done("pald is already installed as a launchd agent"));
    assert_eq!(agent.asked(), ["print"]);

    let before = agent.pid();
    let line = format!("install --config {}", agent.home.file("config.toml").display());
    assert_eq!(agent.pald(&line), done(&installed));
    assert!(agent.is_running() && agent.pid() != before);
    // The first try is too early, even after the agent is gone.
    let expected = ["print", "bootout", "print", "bootstrap", "print", "bootstrap", "print"];
    assert_eq!(agent.asked(), expected);

    let removed = "pald is no longer a service; the registry is unchanged";
    assert_eq!(agent.pald("uninstall --yes"), done(removed));
    assert_eq!(agent.answering(), None);
    assert_eq!(agent.asked(), ["print", "bootout", "print"]);
    assert!(!agent.file().exists() && agent.home.file("db").exists());
    assert_eq!(agent.pald("uninstall --yes"), done("pald is not installed as a service"));
}

/// `start` kicked an agent that was not loaded, which launchctl refuses.
#[test]
fn start_loads_what_is_not_loaded_and_starts_what_has_ended() {
    let agent = Agent::new();
    let (code, _, stderr) = agent.pald("start");
    assert!(code == Some(4) && stderr.contains("pald is not installed as a service"), "{stderr}");
    agent.pald("install");
    agent.asked();

    assert_eq!(agent.pald("stop"), done("pald stopped"));
    assert_eq!((agent.answering(), agent.ended().as_str()), (None, "0"));
    assert_eq!(agent.asked(), ["print", "bootout", "print"]);
    assert!(agent.file().exists(), "it starts again at the next login");
    assert_eq!(agent.pald("start"), done("pald started"));
    assert!(agent.is_running());
    assert_eq!(agent.asked(), ["print", "bootstrap", "print", "bootstrap", "print"]);

    agent.signal(Signal::TERM);
    assert_eq!(agent.ended(), "0");
    assert_eq!(agent.pald("start"), done("pald started"));
    assert!(agent.is_running());
    assert_eq!(agent.asked(), ["print", "kickstart", "print"]);
    assert_eq!(agent.pald("start"), done("pald is already running"));
}

/// launchd started pald again each 30 s where only a person could help, since it can't tell exit codes
/// apart.
#[test]
fn what_only_a_person_can_mend_is_said_once_and_ends_with_0() {
    let agent = Agent::new();
    agent.pald("install");
    agent.pald("stop");
    fs::write(agent.home.file("dump"), "not a dump\n").unwrap();
    fs::remove_dir_all(agent.home.file("db")).unwrap();
    fs::remove_file(agent.home.file("db.record")).unwrap();
    let message = "Error: pald was started, and ended before it answered\n\
                   hint: ~/Library/Logs/pald.log says why, if pald started at all\n";
    assert_eq!(agent.pald("start"), (Some(4), String::new(), message.to_owned()));
    assert_eq!(agent.ended(), "0");
    let log = fs::read_to_string(agent.home.path().join("Library/Logs/pald.log")).unwrap();
    assert!(log.contains("Error: ~/.pald/dump:1: "), "{log}");
    // The very same ends with its own code elsewhere.
    assert_eq!(agent.pald("serve").0, Some(65));

    // What may pass is tried again.
    let mut command = Command::new("sh");
    agent.home.prepare(&mut command);
    command.args(["-c", "ulimit -n 20 && exec \"$0\" serve --launchd", PALD]);
    let (code, stderr) = agent.home.run(command);
    assert_eq!(code, Some(75), "{stderr}");
}
