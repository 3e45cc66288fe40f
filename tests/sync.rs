//! What is synced to the disk, and when, as the system itself saw it.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use crate::daemon::{Daemon, Home, PALD};
use crate::faults::{no_strace, pald_of};
use crate::skip::skip;

/// Starts pald; the calls of it go to a file, one a line, with the paths of the files.
fn traced_start(home: &Home, calls: &str) -> (Daemon, PathBuf) {
    let trace = home.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "400", "-e", calls, "-o"]).arg(&trace).arg(PALD);
    home.prepare(&mut command);
    command.env("PATH", std::env::var_os("PATH").unwrap());
    (home.start_command(command), trace)
}

/// Ends a daemon that is a child of strace.
fn stop(home: &Home, daemon: Daemon) {
    kill_process(pald_of(home), Signal::TERM).unwrap();
    assert_eq!(daemon.wait().0, Some(0));
}

#[test]
fn each_set_is_synced_before_it_is_answered() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let home = Home::new(9);
    let (daemon, trace) = traced_start(&home, "trace=fdatasync,fsync,write,writev,sendto,sendmsg");
    for number in 0..5 {
        daemon.set(&format!("service{number}")).port();
    }
    stop(&home, daemon);

    // A call that is interrupted in the trace by another thread's ends in a line of its own.
    let trace = std::fs::read_to_string(trace).unwrap();
    let synced = |line: &str| line.contains("fdatasync(") && line.contains("/.pald/db/db>");
    let ended = |line: &str| synced(line) || line.contains("fdatasync resumed");
    let answered = |line: &str| line.contains("HTTP/1.1 200 OK");
    let (mut is_synced, mut answers) = (false, 0);
    for line in trace.lines() {
        if ended(line) && line.trim_end().ends_with("= 0") {
            is_synced = true;
        } else if line.contains("Serving at") {
            is_synced = false;
        } else if answered(line) {
            answers += 1;
            assert!(is_synced, "no sync before answer {answers}\n{trace}");
            is_synced = false;
        }
    }
    assert_eq!(answers, 5, "{trace}");
}

/// sled syncs neither its folder nor the files that it makes at the first start.
#[test]
fn all_of_a_new_store_is_synced_before_it_takes_its_place() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    for dump in [None, Some("old 1\n")] {
        let home = Home::new(9);
        if let Some(dump) = dump {
            std::fs::write(home.file("dump"), dump).unwrap();
        }
        let (daemon, trace) = traced_start(&home, "trace=fdatasync,fsync,rename,write");
        stop(&home, daemon);
        let trace = std::fs::read_to_string(trace).unwrap();
        let (prepared, rest) = trace.split_once(".pald/db.new\", ").unwrap();
        let (placed, _) = rest.split_once("Serving at").unwrap();
        let is_synced = |calls: &str, path: &str| {
            let synced = format!("{path}>");
            calls.lines().any(|line| line.contains("sync(") && line.contains(&synced))
        };
        for path in ["db.new/db", "db.new/conf", "db.new/blobs", "db.new"] {
            assert!(is_synced(prepared, &format!(".pald/{path}")), "{path}\n{prepared}");
        }
        for path in ["", "/db", "/db/db", "/db/conf"] {
            assert!(is_synced(placed, &format!(".pald{path}")), "{path}\n{placed}");
        }
    }
}
