//! Which process has a socket open, by the open files under `/proc`.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::OwnedFd;

use procfs::FromRead;
use procfs::process::Stat;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, readlinkat_raw, statat};

use super::Process;
use crate::timestamp::Timestamp;

/// The longest target of a link to a socket is `socket:[` with the 20 digits of a u64 and `]`.
const MAX_TARGET_BYTES: usize = 32;

/// The process that has the socket with this inode open, if the system shows it to us.
///
/// Of several, the one with the lowest number, which is mostly the parent; but first those of the
/// user who made the socket, and last process 1, as systemd keeps the sockets that it made for
/// services. Takes about 1 µs for each open file that is looked at.
pub(super) fn with_socket(inode: u64, uid: u32) -> Option<Process> {
    let target = format!("socket:[{inode}]");
    let all = openat(CWD, c"/proc", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut pids: Vec<_> = names(&all)
        .filter_map(|pid| {
            let number: u32 = pid.to_str().ok()?.parse().ok()?;
            let is_others = statat(&all, &*pid, AtFlags::empty()).ok()?.st_uid != uid;
            Some((is_others, number == 1, number, pid))
        })
        .collect();
    pids.sort_unstable();
    pids.into_iter().find_map(|(_, _, number, pid)| {
        // An opened folder stays this process's, also when another one gets its number.
        let process = open(&all, &pid, OFlags::PATH | OFlags::DIRECTORY)?;
        has_file(&process, target.as_bytes()).then(|| described(number, &process)).flatten()
    })
}

fn has_file(process: &OwnedFd, target: &[u8]) -> bool {
    let Some(files) = open(process, c"fd", OFlags::DIRECTORY) else {
        return false;
    };
    names(&files).any(|file| {
        let mut buffer = [0; MAX_TARGET_BYTES];
        readlinkat_raw(&files, &*file, &mut buffer)
            .is_ok_and(|length| buffer.get(..length) == Some(target))
    })
}

fn described(pid: u32, process: &OwnedFd) -> Option<Process> {
    let stat = Stat::from_read(File::from(open(process, c"stat", OFlags::empty())?)).ok()?;
    let started = || {
        let since_boot = stat.starttime.checked_div(procfs::ticks_per_second())?;
        Timestamp::from_unix_seconds(procfs::boot_time_secs().ok()?.checked_add(since_boot)?)
    };
    let since = started();
    Some(Process { pid, name: stat.comm, since })
}

fn open(folder: &OwnedFd, name: &CStr, flags: OFlags) -> Option<OwnedFd> {
    openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// The names in a folder up to the first error, which a process that ends makes.
fn names(folder: &OwnedFd) -> impl Iterator<Item = std::ffi::CString> {
    let entries = Dir::read_from(folder).into_iter().flatten();
    entries.map_while(Result::ok).map(|entry| entry.file_name().to_owned())
}
