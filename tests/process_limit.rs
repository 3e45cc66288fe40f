//! Starts where the system has too few processes left: pald serves or ends with 75, and takes
//! nothing for damaged that is not.
//!
//! One thing is left out: sled waits without end if not one of the threads of its pool can be started,
//! which takes another program that takes the last threads just then.
//!
//! The limit of a control group needs root and the `pids` controller; threads that can't be started
//! need strace. What is missing is skipped. `PALD_LIMITED_STARTS` says how often pald is started in
//! a control group.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::daemon::{Daemon, Home, PALD};
use crate::faults::{Known, copy_folder, count, lost, no_strace, pald_of, set};
use crate::recovery::kept;
use crate::skip::skip;

/// What pald finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Whole,
    Damaged,
}

/// A `~/.pald` with 25 services in the store, and a dump from when there were 5.
struct Scene {
    folder: TempDir,
    all: Known,
    dumped: Known,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new(25);
        let dumped = set(&home, (0..5).map(|number| format!("s{number}")));
        let dump = home.dump();
        let mut all = set(&home, (5..25).map(|number| format!("s{number}")));
        all.extend(dumped.clone());
        fs::write(home.file("dump"), dump).unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&home.file(""), folder.path());
        Self { folder, all, dumped }
    }

    /// A home as it is found, and what pald must know in it.
    fn home(&self, found: Found) -> (Home, &Known) {
        static NONE: Known = Known::new();
        let home = Home::new(9);
        if found == Found::Nothing {
            return (home, &NONE);
        }
        copy_folder(self.folder.path(), &home.file(""));
        if found == Found::Whole {
            return (home, &self.all);
        }
        fs::write(home.file("db/db"), [0x5a; 9000]).unwrap();
        (home, &self.dumped)
    }
}

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Served,
    TryLater,
}

/// Starts pald by a command that keeps it from some threads, and then twice as usual.
fn check_start(
    scene: &Scene,
    found: Found,
    limit: &str,
    command: impl Fn(&Home) -> Command,
) -> Outcome {
    let (home, known) = scene.home(found);
    let outcome = match home.try_start(command(&home)) {
        Ok(daemon) => check_served(daemon, known, limit, &home),
        Err((status, log)) => {
            assert_eq!(status.code(), Some(75), "{limit}, {found:?}: {log}");
            let errors = log.lines().filter(|line| line.starts_with("Error: "));
            let errors: Vec<_> = errors.collect();
            assert!(errors.len() == 1 && !errors[0].contains("damaged"), "{limit}: {log}");
            Outcome::TryLater
        }
    };
    for _ in 0..2 {
        let daemon = home.start();
        assert_eq!(lost(&daemon.client, known), Vec::<String>::new(), "{limit}, {found:?}");
        let (code, log) = daemon.stop();
        assert_eq!(code, Some(0), "{limit}, {found:?}: {log}");
        let aside = kept(&home, "db.damaged-").len();
        assert_eq!(aside, usize::from(found == Found::Damaged), "{limit}, {found:?}: {log}");
        if found == Found::Damaged {
            assert!(log.contains("its newest revision was 25."), "{limit}: {log}");
            assert!(log.contains(" as ~/.pald/db.damaged-20"), "{limit}: {log}");
        }
    }
    outcome
}

/// A pald that says that it serves does so, or ends with 75.
fn check_served(daemon: Daemon, known: &Known, limit: &str, home: &Home) -> Outcome {
    let Ok(reply) = daemon.client.try_get("/set?service=new") else {
        let (code, log) = daemon.wait();
        assert_eq!(code, Some(75), "{limit}: {log}");
        return Outcome::TryLater;
    };
    reply.port();
    assert_eq!(lost(&daemon.client, known), Vec::<String>::new(), "{limit}");
    // It may be a child of another program.
    kill_process(pald_of(home), Signal::TERM).unwrap();
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{limit}: {log}");
    Outcome::Served
}

/// A control group with a limit on processes, removed at the end.
struct Group(PathBuf);

impl Group {
    /// Makes one of either version; why not, if the system does not let us.
    fn new() -> Result<Self, String> {
        let name = format!("pald-test-{}", std::process::id());
        let mut reasons = Vec::new();
        for parent in ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"] {
            let group = Self(Path::new(parent).join(&name));
            let made = fs::create_dir(&group.0).and_then(|()| group.limit("max"));
            match made {
                Ok(()) => return Ok(group),
                Err(cause) => reasons.push(format!("{}: {cause}", group.0.display())),
            }
        }
        Err(reasons.join("; "))
    }

    fn limit(&self, processes: &str) -> std::io::Result<()> {
        // Opened like this, a missing file is not created where this is no control group.
        let mut limit = fs::File::options().write(true).open(self.0.join("pids.max"))?;
        std::io::Write::write_all(&mut limit, processes.as_bytes())
    }

    /// The program, in this group.
    fn command(&self, home: &Home) -> Command {
        let mut command = Command::new("sh");
        home.prepare(&mut command);
        let enter = r#"echo $$ > "$1" && exec "$2" serve"#;
        command.args(["-c", enter, "sh"]).arg(self.0.join("cgroup.procs")).arg(PALD);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_limit_on_processes_damages_nothing() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(reason) => return skip(reason),
    };
    let scene = Scene::new();
    let starts = count("PALD_LIMITED_STARTS", 9);
    // The first half where no daemon can start, the others around what one needs.
    let limits =
        (3..=13).cycle().zip((19..=40).step_by(3).cycle()).flat_map(|(low, high)| [low, high]);
    let found = [Found::Whole, Found::Damaged, Found::Nothing].into_iter().cycle();
    let mut outcomes = Vec::new();
    for (limit, found) in limits.zip(found).take(starts) {
        group.limit(&limit.to_string()).unwrap();
        let name = format!("pids.max {limit}");
        let outcome = check_start(&scene, found, &name, |home| group.command(home));
        outcomes.push((limit, found, outcome));
    }
    println!("{outcomes:?}");
    let of = |outcome| outcomes.iter().filter(|(_, _, found)| *found == outcome).count();
    println!(
        "{starts} starts, {} served, {} ended with 75",
        of(Outcome::Served),
        of(Outcome::TryLater)
    );
    assert!(of(Outcome::TryLater) > 0);
}

/// Other programs may take the room between the look at it and any of the threads.
#[test]
fn any_thread_that_cant_be_started_damages_nothing() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let scene = Scene::new();
    let (mut number, mut refused) = (21, 0);
    for found in [Found::Whole, Found::Damaged].into_iter().cycle() {
        let trace = tempfile::tempdir().unwrap();
        let trace = trace.path().join("trace");
        let outcome = check_start(&scene, found, &format!("thread {number}"), |home| {
            let mut strace = Command::new("strace");
            home.prepare(&mut strace);
            strace.env("PATH", std::env::var_os("PATH").unwrap());
            let inject = format!("inject=clone3:error=EAGAIN:when={number}");
            strace.args(["-f", "-qq", "-e", "trace=clone3", "-e", &inject, "-o"]);
            strace.arg(&trace).args([PALD, "serve"]);
            strace
        });
        refused += usize::from(outcome == Outcome::TryLater);
        number += 1;
        if !fs::read_to_string(&trace).unwrap().contains("(INJECTED)") {
            break;
        }
    }
    println!("{number} threads, {refused} starts ended with 75");
    assert!(refused > 5, "{refused}");
}
