//! For unit tests: one that runs alone, one that waits, and a server in a process of its own.
//!
//! A process that another test is just starting has a copy of each socket and each locked file of this
//! process, until its program begins. So what is closed may stay for a moment.

use std::fmt::Debug;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Set for the process in which a test runs alone.
const ALONE: &str = "PALD_TEST_ALONE";

/// Runs the test that asks in a process of its own, where this is false, and returns that it passed.
///
/// # Panics
/// It did not.
#[track_caller]
pub(crate) fn has_passed_alone() -> bool {
    let thread = thread::current();
    let name = thread.name().unwrap();
    // With a single thread for all tests, no other one starts anything meanwhile.
    name != "main" && run_alone(name, &[]).is_some()
}

/// Runs a test in a process of its own with these variables, where this returns nothing, and returns
/// what it said on stderr. `name` is the path of the test.
///
/// # Panics
/// It did not pass.
#[track_caller]
pub(crate) fn run_alone(name: &str, variables: &[(&str, &str)]) -> Option<String> {
    if std::env::var_os(ALONE).is_some() {
        return None;
    }
    let in_crate = name.strip_prefix("pald::").unwrap_or(name);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", in_crate]).env(ALONE, "1").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
    Some(stderr)
}

/// Returns the command of a process that works in a folder and listens until it loses its stdin, which is
/// that of its `Child`.
pub(crate) fn server(listener: TcpListener, folder: &Path) -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(OwnedFd::from(listener)).current_dir(folder);
    command
}

/// Asks until the answer is as expected, and returns it.
///
/// # Panics
/// It is not within 30 s.
#[track_caller]
pub(crate) fn eventually<T: Debug>(
    mut ask: impl FnMut() -> T,
    is_expected: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask();
        if is_expected(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        thread::yield_now();
    }
}

/// Asks until the answer is yes.
///
/// # Panics
/// It is not within 30 s.
#[track_caller]
pub(crate) fn wait_until(is_so: impl FnMut() -> bool) {
    eventually(is_so, |is_so| *is_so);
}
