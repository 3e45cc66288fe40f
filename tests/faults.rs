//! What the tests of faults share: chance, long runs, writers and their memory, file systems.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::{Client, Home, PALD};

/// How long anything may take that a test waits for, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a test does what it does: `variable` asks for a long run.
pub(crate) fn count(variable: &str, default: usize) -> usize {
    let wish = std::env::var(variable).ok();
    wish.map_or(default, |number| {
        number.parse().unwrap_or_else(|_| panic!("{variable} is a number"))
    })
}

/// Chance that differs from run to run; `PALD_FAULT_SEED` repeats one.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let seed = count("PALD_FAULT_SEED", usize::try_from(std::process::id()).unwrap());
        println!("PALD_FAULT_SEED={seed}");
        Self(u64::try_from(seed).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`, by xorshift64*.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end
    }

    /// An index into something of this length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }
}

/// What one writer knows of its services: the port of each, `None` once it is released.
///
/// What was asked for and not answered may have happened or not, and is no longer known.
pub(crate) type Known = BTreeMap<String, Option<u16>>;

/// Sets and releases services until pald is gone; how many changes were acknowledged.
pub(crate) fn write_until_killed(client: &Client, prefix: &str, known: &mut Known) -> usize {
    let mut acknowledged = 0;
    for number in 0.. {
        let service = format!("{prefix}.{number}");
        known.remove(&service);
        let Ok(reply) = client.try_get(&format!("/set?service={service}")) else { break };
        let port = reply.port();
        known.insert(service.clone(), Some(port));
        acknowledged += 1;
        if number % 3 != 0 {
            known.remove(&service);
            let Ok(reply) = client.try_get(&format!("/del?port={port}")) else { break };
            assert_eq!(reply.body, "OK\n");
            known.insert(service, None);
            acknowledged += 1;
        }
    }
    acknowledged
}

/// The services that pald knows otherwise than it has acknowledged, in words.
pub(crate) fn lost(client: &Client, known: &Known) -> Vec<String> {
    let answer = |service: &String| client.get(&format!("/get?service={service}"));
    let wrong = known.iter().filter_map(|(service, port)| {
        let reply = answer(service);
        let found = (reply.status != 404).then(|| reply.port());
        (found != *port).then(|| format!("{service} is on {found:?} instead of {port:?}"))
    });
    wrong.collect()
}

/// Sets services and ends pald.
pub(crate) fn set(home: &Home, names: impl IntoIterator<Item = impl Into<String>>) -> Known {
    let daemon = home.start();
    let names = names.into_iter().map(Into::into);
    let known = names.map(|name: String| (name.clone(), Some(daemon.set(&name).port()))).collect();
    assert_eq!(daemon.stop().0, Some(0));
    known
}

/// The process that its lock file names: a child of strace is none of ours.
pub(crate) fn pald_of(home: &Home) -> Pid {
    let lock = std::fs::read_to_string(home.file("db.lock")).unwrap();
    let pid = lock.split("pid ").nth(1).unwrap().split(',').next().unwrap();
    Pid::from_raw(pid.parse().unwrap()).unwrap()
}

/// Runs a tool that must succeed.
pub(crate) fn run(command: &mut Command) {
    let (code, _, stderr) = finish(command);
    assert_eq!(code, Some(0), "{command:?}: {stderr}");
}

/// Runs a command to its end: its exit code, stdout and stderr.
pub(crate) fn finish(command: &mut Command) -> (Option<i32>, String, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|cause| panic!("{command:?}: {cause}"));
    let _limit = TimeLimit::of(&child);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits for the end of a process.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let _limit = TimeLimit::of(child);
    child.wait().unwrap()
}

/// Why there is no strace for us, in words; a test that needs it says so and does nothing.
pub(crate) fn no_strace() -> Option<String> {
    match Command::new("strace").args(["-qq", "-o", "/dev/null", PALD, "--version"]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(cause) => Some(format!("strace: {cause}")),
    }
}

/// Starts an strace that attaches to a running process, and waits until it has.
///
/// It ends with what it looks at.
pub(crate) fn spawn_tracer(mut strace: Command) -> Child {
    let mut child = strace.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let limit = TimeLimit::of(&child);
    stderr.read_line(&mut line).unwrap();
    drop(limit);
    assert!(line.contains("attached"), "{line}");
    // strace goes on talking about threads and must never wait for a reader.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    child
}

/// Kills a process that hangs, so that it ends with a signal instead of never.
pub(crate) struct TimeLimit {
    _in_time: mpsc::Sender<()>,
}

impl TimeLimit {
    pub(crate) fn of(child: &Child) -> Self {
        let pid = Pid::from_child(child);
        let (in_time, ended) = mpsc::channel();
        std::thread::spawn(move || {
            // The sender is dropped when the process serves or has ended; it never sends.
            if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self { _in_time: in_time }
    }
}

/// A mounted file system, unmounted when the test ends, however that ends.
pub(crate) struct Mount {
    point: PathBuf,
}

impl Mount {
    /// Mounts with these arguments; why not, if the system does not let us.
    pub(crate) fn new(arguments: &[&str], point: &Path) -> Result<Self, String> {
        let output = Command::new("mount").args(arguments).arg(point).output();
        let output = output.map_err(|cause| format!("mount: {cause}"))?;
        if !output.status.success() {
            // What follows is advice to people.
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(stderr.trim().lines().next().unwrap_or("mount failed").to_owned());
        }
        Ok(Self { point: point.to_owned() })
    }

    /// The device below, as the kernel names it.
    pub(crate) fn device(&self) -> String {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let ours = mounts.find(|fields| Path::new(fields[1]) == self.point).unwrap();
        ours[0].strip_prefix("/dev/").unwrap().to_owned()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmount = |option: &[&str]| {
            let status = Command::new("umount").args(option).arg(&self.point).status();
            status.is_ok_and(|status| status.success())
        };
        // A process that is about to end may still have a file open; then the rest is the kernel's.
        let _ = unmount(&[]) || unmount(&["--lazy"]);
    }
}

/// Keeps a `~/.pald` for a look at it, in the folder that `PALD_FAULT_KEEP` names, if any.
pub(crate) fn keep(folder: &Path, name: &str) {
    if let Some(kept) = std::env::var_os("PALD_FAULT_KEEP") {
        copy_folder(folder, &Path::new(&kept).join(name.replace([' ', '/'], "_")));
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let copy = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &copy);
        } else {
            std::fs::copy(entry.path(), copy).unwrap();
        }
    }
}
