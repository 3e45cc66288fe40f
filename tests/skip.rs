//! Tests that can't run here are skipped, which is said: `tests/skipped.rs` lists them and why at the
//! end of the suite.
//!
//! Under `CI=true` root has all that the tests need, so that a skip there is a failure, unless it is for
//! what pald does on Linux only.

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;

use pald::probe::LACKS;

/// Says that the calling test can't run here, or a part of it.
#[track_caller]
pub(crate) fn skip(reason: impl Display) {
    let must_run = std::env::var_os("CI").is_some() && rustix::process::geteuid().is_root();
    assert!(!must_run, "skipped where it must run: {reason}");
    list(reason);
}

/// Returns whether root runs the tests; says otherwise that the calling test is skipped, since only root
/// can do `what`.
#[track_caller]
pub(crate) fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip(format_args!("only root can {what}"));
    }
    is_root
}

/// Returns whether this system lacks what the calling test needs, and says then that the test is
/// skipped; `what` is what pald does, as in "holds ports".
pub(crate) fn lacks(what: &str) -> bool {
    if LACKS.is_some() {
        list(format_args!("pald {what} on Linux only"));
    }
    LACKS.is_some()
}

fn list(reason: impl Display) {
    let thread = std::thread::current();
    let line = format!("{}: {reason}", thread.name().unwrap_or("a test"));
    println!("skipped: {line}");
    // Cargo runs both programs.
    let parent = std::os::unix::process::parent_id();
    let list = format!("{}/skipped-{parent}", env!("CARGO_TARGET_TMPDIR"));
    // One write, since other tests append too.
    let mut list = File::options().create(true).append(true).open(list).unwrap();
    list.write_all(format!("{line}\n").as_bytes()).unwrap();
}
