//! Projects: `pald.toml`, checkouts made by the real git, and the commands in them, through shells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::daemon::{Daemon, Home, PALD};
use crate::faults::finish;
use crate::skip::skip;

mod at_once;
mod checkouts;
mod listeners;
mod mistakes;
mod sessions;

/// A project's file with three services.
const SHOP: &str = "project = \"shop\"\n\n[services]\nweb = {}\napi = {}\ndb = {}\n";

/// Returns whether a program is there; if not, says that a test is skipped.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        skip(format_args!("{program} is missing"));
    }
    is_there
}

/// A home with a daemon, a folder `bin` of stand-ins, and a folder `src` for checkouts.
struct Workplace {
    home: Home,
    daemon: Daemon,
}

impl Workplace {
    /// A workplace whose range has `size` ports.
    fn new(size: u16) -> Self {
        let home = Home::new(size);
        let daemon = home.start();
        for folder in ["bin", "src"] {
            fs::create_dir(home.path().join(folder)).unwrap();
        }
        fs::write(
            home.path().join(".gitconfig"),
            "[user]\nname = Ann\nemail = ann@localhost\n[init]\ndefaultBranch = main\n\
             [protocol \"file\"]\nallow = always\n[advice]\ndetachedHead = false\n",
        )
        .unwrap();
        Self { home, daemon }
    }

    /// Starts the daemon again.
    fn restart(self) -> Self {
        let Self { home, daemon } = self;
        daemon.stop();
        let daemon = home.start();
        Self { home, daemon }
    }

    fn folder(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a shell script on the PATH.
    fn stand_in(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder(&format!("bin/{name}"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        self.home.prepare(&mut command);
        let pald = Path::new(PALD).parent().unwrap().display();
        let bin = self.folder("bin").display().to_string();
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{bin}:{pald}:{path}")).env("GIT_CONFIG_NOSYSTEM", "1");
        command.current_dir(folder);
        command
    }

    /// Runs pald in a folder below the home: its exit code, stdout and stderr.
    fn pald(&self, folder: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        finish(self.command(PALD, &self.folder(folder)).args(arguments))
    }

    /// The words of what pald prints on success.
    fn answer(&self, folder: &str, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.pald(folder, arguments);
        assert_eq!(code, Some(0), "{folder}: pald {arguments:?}: {stderr}");
        stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn git(&self, folder: &str, line: &str) {
        let arguments: Vec<_> = line.split(' ').collect();
        let (code, _, said) = finish(self.command("git", &self.folder(folder)).args(arguments));
        assert_eq!(code, Some(0), "{folder}: git {line}: {said}");
    }

    /// Makes a repository in a folder with a committed project.
    fn repository(&self, folder: &str, project: &str) {
        self.write(&format!("{folder}/pald.toml"), project);
        self.git(folder, "init -q");
        self.git(folder, "add -A");
        self.git(folder, "commit -qm project");
    }

    /// All services as `name=port` with ports from 1, in the order of the ports.
    fn services(&self) -> Vec<String> {
        let answer = self.daemon.get("/v1/services?state=false").json();
        let services = answer["services"].as_array().unwrap().clone();
        let shown = services.iter().map(|service| {
            let port = service["port"].as_u64().unwrap() - u64::from(self.home.listen);
            format!("{}={port}", service["name"].as_str().unwrap())
        });
        shown.collect()
    }

    fn revision(&self) -> u64 {
        self.daemon.get("/v1/health").json()["revision"].as_u64().unwrap()
    }

    /// Runs a console session in one shell, and compares it with what a person would see. 49200
    /// stands for where pald listens, and the numbers after it for the range.
    fn session(&self, shell: &str, folder: &str, expected: &str) {
        let expected = crate::command_line::ports(&self.home, expected);
        let quoted = |line: &str| match shell {
            "fish" => line.replace('\\', "\\\\").replace('\'', "\\'"),
            _ => line.replace('\'', r"'\''"),
        };
        let lines = expected.lines().filter_map(|line| line.strip_prefix("$ "));
        let script: String =
            lines.map(|line| format!("printf '%s\\n' '$ {}'\n{line}\n", quoted(line))).collect();
        let script = match shell {
            "fish" => format!("begin\n{script}end 2>&1"),
            _ => format!("exec 2>&1\n{script}"),
        };
        let mut command = self.command(shell, &self.folder(folder));
        let (_, seen, _) = finish(command.args(["-c", &script]));
        assert!(seen == expected, "{shell}, expected:\n{expected}\nseen:\n{seen}");
    }
}
