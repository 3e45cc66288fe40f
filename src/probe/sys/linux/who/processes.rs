//! Finds the processes that have sockets open, by the open files under `/proc`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use procfs::FromRead;
use procfs::process::Stat;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, readlinkat_raw, statat};

use crate::probe::who::Process;
use crate::timestamp::Timestamp;

/// The longest target of a link to a socket is `socket:[` with the 20 digits of a u64 and `]`.
const MAX_TARGET_BYTES: usize = 32;

/// Finds a process for each of these sockets, by inode, where the system shows one to us. `wanted`
/// maps the inode of each socket to the user who made it.
///
/// Of several processes it is the one with the lowest pid, which is mostly the parent; but those of
/// the user who made the socket come first, and process 1 comes last, as systemd keeps the
/// sockets that it makes for services. Takes about 1 µs for each open file of the processes.
pub(super) fn with_sockets(wanted: &BTreeMap<u64, u32>) -> HashMap<u64, Process> {
    if wanted.is_empty() {
        return HashMap::new();
    }
    let mut found: HashMap<u64, FoundProcess> = HashMap::new();
    for candidate in candidates(wanted) {
        let is_done = |found: &FoundProcess| found.is_users_own || !candidate.is_users;
        if found.len() == wanted.len() && found.values().all(is_done) {
            break;
        }
        // An opened folder stays this process's, even if another one gets its pid.
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let Some(process) = open(CWD, &candidate.folder, flags).map(Arc::new) else { continue };
        for inode in socket_inodes(&process) {
            let Some(uid) = wanted.get(&inode) else { continue };
            let is_users_own = *uid == candidate.uid;
            let is_better =
                found.get(&inode).is_none_or(|known| is_users_own && !known.is_users_own);
            if is_better {
                let process = Arc::clone(&process);
                found.insert(inode, FoundProcess { is_users_own, pid: candidate.pid, process });
            }
        }
    }
    let described = found.into_iter().filter_map(|(inode, found)| {
        described(found.pid, &found.process).map(|process| (inode, process))
    });
    described.collect()
}

/// A process that may have one of the sockets.
struct Candidate {
    pid: u32,
    uid: u32,
    /// Whether its user made one of the sockets.
    is_users: bool,
    folder: CString,
}

/// A process that has a socket.
struct FoundProcess {
    is_users_own: bool,
    pid: u32,
    process: Arc<OwnedFd>,
}

/// Lists all processes, in the order in which to look at them.
fn candidates(wanted: &BTreeMap<u64, u32>) -> Vec<Candidate> {
    let Some(all) = open(CWD, c"/proc", OFlags::DIRECTORY) else { return Vec::new() };
    let candidate = |name: CString| {
        let pid: u32 = name.to_str().ok()?.parse().ok()?;
        let uid = statat(&all, &*name, AtFlags::empty()).ok()?.st_uid;
        let is_users = wanted.values().any(|user| *user == uid);
        let folder = CString::new(format!("/proc/{pid}")).ok()?;
        Some(Candidate { pid, uid, is_users, folder })
    };
    let mut candidates: Vec<_> = names(&all).filter_map(candidate).collect();
    candidates.sort_unstable_by_key(|process| (!process.is_users, process.pid == 1, process.pid));
    candidates
}

/// Lists the sockets that a process has open; none if the system hides its files from us.
fn socket_inodes(process: &OwnedFd) -> Vec<u64> {
    let Some(files) = open(process, c"fd", OFlags::DIRECTORY) else { return Vec::new() };
    let inode = |file: CString| {
        let mut buffer = [0; MAX_TARGET_BYTES];
        let length = readlinkat_raw(&files, &*file, &mut buffer).ok()?;
        let number = buffer.get(..length)?.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
        std::str::from_utf8(number).ok()?.parse().ok()
    };
    names(&files).filter_map(inode).collect()
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

fn open(folder: impl AsFd, name: &CStr, flags: OFlags) -> Option<OwnedFd> {
    openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Lists the names in a folder up to the first error; a process that ends causes one.
fn names(folder: &OwnedFd) -> impl Iterator<Item = CString> {
    let entries = Dir::read_from(folder).into_iter().flatten();
    entries.map_while(Result::ok).map(|entry| entry.file_name().to_owned())
}
