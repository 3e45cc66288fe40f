//! Ends a pald that no service manager runs.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};

use super::ServiceError;
use crate::port::Port;
use crate::probe;

/// How long pald may take to end: longer than it waits for requests.
const END_TIME: Duration = Duration::from_secs(45);
/// How often it is looked whether it has ended.
const POLL_TIME: Duration = Duration::from_millis(10);

/// Ends the pald that says that it is this process and serves on a port of this machine; waits until it
/// has ended.
///
/// # Errors
/// No such process of this user listens there, or it goes on.
pub(in crate::cli) fn end(pid: u32, port: Port) -> Result<(), ServiceError> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // What it says may be a process of another PID namespace, as that of a container.
    let process = process.filter(|_| listens(pid, port)).ok_or(ServiceError::NotOurs { pid })?;
    match kill_process(process, Signal::TERM) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(_) => return Err(ServiceError::NotOurs { pid }),
    }
    let deadline = Instant::now() + END_TIME;
    while !has_ended(process) {
        if Instant::now() >= deadline {
            return Err(ServiceError::StillRunning { pid, seconds: END_TIME.as_secs() });
        }
        thread::sleep(POLL_TIME);
    }
    Ok(())
}

/// Whether this process of this user listens on a port of the loopback addresses.
fn listens(pid: u32, port: Port) -> bool {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let holders = loopback
        .into_iter()
        .filter_map(|ip| probe::listener_on(SocketAddr::new(ip, port.number())));
    let is_own = |holder: &probe::Holder| holder.user.uid == geteuid().as_raw();
    holders.filter(is_own).filter_map(|it| it.process).any(|process| process.pid == pid)
}

/// Whether a process has ended, also if its parent has not taken note of it.
fn has_ended(process: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())) {
        // The state comes after the name (proc_pid_stat(5)).
        Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(_) => test_kill_process(process) == Err(Errno::SRCH),
    }
}

#[cfg(test)]
mod tests;
