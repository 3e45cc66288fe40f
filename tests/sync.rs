//! Between a change and its answer lies a sync of the disk, as the system itself saw it.

use std::process::Command;

use crate::daemon::{Home, PALD};

#[test]
fn each_set_is_synced_before_it_is_answered() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace is not installed");
        return;
    }
    let home = Home::new(9);
    let trace = home.path().join("trace");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-y",
        "-e",
        "trace=fdatasync,fsync,write,writev,sendto,sendmsg",
        "-s",
        "400",
        "-o",
    ]);
    command.arg(&trace).arg(PALD);
    home.prepare(&mut command);
    command.env("PATH", std::env::var_os("PATH").unwrap());
    let daemon = home.start_command(command);
    for number in 0..5 {
        daemon.set(&format!("service{number}")).port();
    }
    // The daemon is a child of strace: its own id stands in its lock file.
    let lock = std::fs::read_to_string(home.file("db.lock")).unwrap();
    let pid = lock.split("pid ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(daemon.wait().0, Some(0));

    // A call that is interrupted in the trace by another thread's ends in a line of its own.
    let trace = std::fs::read_to_string(trace).unwrap();
    let synced = |line: &str| line.contains("fdatasync(") && line.contains("/.pald/db/db>");
    let ended = |line: &str| synced(line) || line.contains("fdatasync resumed");
    let answered = |line: &str| line.contains("HTTP/1.1 200 OK");
    let (mut is_synced, mut answers) = (false, 0);
    for line in trace.lines() {
        if ended(line) && line.trim_end().ends_with("= 0") {
            is_synced = true;
        } else if line.contains("Serving addresses") {
            is_synced = false;
        } else if answered(line) {
            answers += 1;
            assert!(is_synced, "no sync before answer {answers}\n{trace}");
            is_synced = false;
        }
    }
    assert_eq!(answers, 5, "{trace}");
}
