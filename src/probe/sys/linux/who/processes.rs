//! Finds the processes that have sockets open, by the open files under `/proc`.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use procfs::FromRead;
use procfs::process::Stat;
use rustix::fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw};

use super::origin;
use crate::port::Port;
use crate::probe::who::Process;
use crate::timestamp::Timestamp;

/// The longest target of a link to a socket is `socket:[` with the 20 digits of a u64 and `]`.
const MAX_TARGET_BYTES: usize = 32;
/// How much of a process's arguments, and of its environment, is read.
const MAX_TOLD_BYTES: u64 = 128 * 1024;
/// How much of a command line is shown.
const MAX_COMMAND_BYTES: u64 = 512;
/// A name of so many bytes may be cut, and one is not shown longer than so many characters.
const NAME_BYTES: usize = 15;
const MAX_NAME_CHARS: usize = 64;
/// How many generations are gone up to find a service manager.
const MAX_DEPTH: usize = 32;
/// The name of the processes that keep the sockets of the services that they start: that of the
/// system, and one for each user.
const MANAGER: &str = "systemd";

/// Finds all processes that have each of these sockets, by inode, as far as the system shows them to
/// us. `wanted` maps the inode of each socket to the user who made it; the process `without` has none.
///
/// Takes about 1 µs for each open file of the processes.
pub(super) fn with_sockets(
    wanted: &BTreeMap<u64, u32>,
    without: Option<u32>,
) -> HashMap<u64, Vec<Rc<FoundProcess>>> {
    let mut found: HashMap<u64, Vec<Rc<FoundProcess>>> = HashMap::new();
    if wanted.is_empty() {
        return found;
    }
    for pid in pids().into_iter().filter(|pid| Some(*pid) != without) {
        // An opened folder stays this process's, even if another one gets its pid.
        let Some(folder) = folder_of(pid) else { continue };
        let mut inodes = socket_inodes(&folder);
        inodes.retain(|inode| wanted.contains_key(inode));
        // It may have a socket twice.
        inodes.sort_unstable();
        inodes.dedup();
        if inodes.is_empty() {
            continue;
        }
        let Some(process) = FoundProcess::of(pid, folder).map(Rc::new) else { continue };
        for inode in inodes {
            found.entry(inode).or_default().push(Rc::clone(&process));
        }
    }
    found
}

/// A process that has a socket.
#[derive(Debug)]
pub(super) struct FoundProcess {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// When it started, in ticks since boot.
    pub(super) started: u64,
    name: String,
    folder: OwnedFd,
    /// What is shown of it, once it has been read: it may have many sockets.
    shown: OnceCell<Process>,
}

impl FoundProcess {
    fn of(pid: u32, folder: OwnedFd) -> Option<Self> {
        let stat = stat(&folder)?;
        let parent = u32::try_from(stat.ppid).unwrap_or_default();
        let (started, name) = (stat.starttime, stat.comm);
        Some(Self { pid, parent, started, name, folder, shown: OnceCell::new() })
    }

    #[cfg(test)]
    pub(super) fn for_test(pid: u32, parent: u32, started: u64, name: &str) -> Self {
        let folder = open(CWD, c"/", OFlags::PATH).unwrap();
        Self { pid, parent, started, name: name.to_owned(), folder, shown: OnceCell::new() }
    }

    /// Whether it may keep sockets for the processes below it.
    pub(super) fn is_manager(&self) -> bool {
        self.pid == 1 || self.name == MANAGER
    }

    /// Whether it descends from another process.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        let mut parent = self.parent;
        for _ in 0..MAX_DEPTH {
            if parent == other.pid {
                return true;
            }
            let above = folder_of(parent).and_then(|folder| stat(&folder));
            match above.and_then(|stat| u32::try_from(stat.ppid).ok()) {
                Some(above) if above != 0 => parent = above,
                _ => return false,
            }
        }
        false
    }

    /// Whether its arguments or the variables of its environment name a port, as those of a service
    /// do that was started for it.
    pub(super) fn was_told(&self, port: Port) -> bool {
        let port = port.to_string();
        [c"cmdline", c"environ"]
            .into_iter()
            .any(|file| names_number(&self.read(file, MAX_TOLD_BYTES), port.as_bytes()))
    }

    /// What is shown of it; `booted` is when the machine was started.
    pub(super) fn shown(&self, booted: Option<u64>) -> &Process {
        self.shown.get_or_init(|| self.look(booted))
    }

    fn look(&self, booted: Option<u64>) -> Process {
        let since_boot = self.started.checked_div(procfs::ticks_per_second());
        let since = since_boot
            .and_then(|since_boot| Timestamp::from_unix_seconds(booted?.checked_add(since_boot)?));
        let arguments = self.read(c"cmdline", MAX_COMMAND_BYTES);
        let origin = origin::of(&self.folder, &self.name);
        let name = whole_name(&self.name, &arguments);
        Process { pid: self.pid, name, command: command(&arguments), since, origin }
    }

    /// Reads the beginning of a file of the process; nothing of one that is hidden from us.
    fn read(&self, file: &CStr, max_bytes: u64) -> Vec<u8> {
        read(&self.folder, file, max_bytes)
    }
}

/// Returns the whole name of a process whose name the kernel has cut (proc(5), `comm`), if one of its
/// first arguments or the title that it gave itself goes on. A title may be cut after a blank. Node calls
/// its main thread as below.
fn whole_name(name: &str, arguments: &[u8]) -> String {
    let texts = arguments.split(|byte| *byte == 0).take(3).map(String::from_utf8_lossy);
    let mut texts = texts.map(|text| text.trim().to_owned());
    let file_name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let found = match name {
        "MainThread" | "node-MainThread" => texts.next().map(|text| file_name(&text)),
        name if name.len() < NAME_BYTES => None,
        name => texts.flat_map(|text| [file_name(&text), text]).find(|it| it.starts_with(name)),
    };
    let found = found.filter(|it| !it.is_empty());
    found.map_or_else(|| name.trim().to_owned(), |it| it.chars().take(MAX_NAME_CHARS).collect())
}

/// Returns the arguments of a process, or the title that it wrote over them, as one text.
fn command(arguments: &[u8]) -> String {
    let text = String::from_utf8_lossy(arguments);
    text.trim_end_matches('\0').replace('\0', " ").trim().to_owned()
}

/// Whether a number is in a text, and not just a part of a longer one.
fn names_number(text: &[u8], number: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_digit()).any(|digits| digits == number)
}

/// Lists all processes.
fn pids() -> Vec<u32> {
    let Some(all) = open(CWD, c"/proc", OFlags::DIRECTORY) else { return Vec::new() };
    names(&all).filter_map(|name| name.to_str().ok()?.parse().ok()).collect()
}

fn folder_of(pid: u32) -> Option<OwnedFd> {
    let folder = CString::new(format!("/proc/{pid}")).ok()?;
    open(CWD, &folder, OFlags::PATH | OFlags::DIRECTORY)
}

fn stat(process: &OwnedFd) -> Option<Stat> {
    Stat::from_read(File::from(open(process, c"stat", OFlags::empty())?)).ok()
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

/// Reads the beginning of a file in a process's folder; nothing of one that is hidden from us.
pub(super) fn read(process: &OwnedFd, file: &CStr, max_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A process that ends while it is read has told what it has.
    let _ = open(process, file, OFlags::empty())
        .map(|file| File::from(file).take(max_bytes).read_to_end(&mut bytes));
    bytes
}

fn open(folder: impl AsFd, name: &CStr, flags: OFlags) -> Option<OwnedFd> {
    openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Lists the names in a folder up to the first error; a process that ends causes one.
fn names(folder: &OwnedFd) -> impl Iterator<Item = CString> {
    let entries = Dir::read_from(folder).into_iter().flatten();
    entries.map_while(Result::ok).map(|entry| entry.file_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server of Next.js was called `next-server (v1`.
    #[test]
    fn a_name_that_the_kernel_cut_is_whole_again() {
        let rows = [
            ("next-server (v1", "next-server (v14.2.3)\0\0\0\0", "next-server (v14.2.3)"),
            ("next-server ", "next-server \0", "next-server"),
            ("a-very-long-pro", "/usr/bin/a-very-long-program\0-x", "a-very-long-program"),
            ("a-very-long-scr", "/usr/bin/perl\0/a/a-very-long-script", "a-very-long-script"),
            ("fifteen-bytes-l", "something\0else", "fifteen-bytes-l"),
            ("node", "node\0server.js", "node"),
            ("MainThread", "/usr/bin/node\0server.js", "node"),
            ("MainThread", "", "MainThread"),
        ];
        for (name, arguments, expected) in rows {
            assert_eq!(whole_name(name, arguments.as_bytes()), expected, "{arguments:?}");
        }
        assert_eq!(command(b"node\0server.js\0--port=1\0"), "node server.js --port=1");
        assert_eq!(command(b"redis-server *:6379\0\0\0"), "redis-server *:6379");
        assert_eq!(command(b""), "");
    }

    #[test]
    fn a_number_counts_as_named_only_if_it_is_whole() {
        let rows = [
            ("node\0server.js\0--port=49201", true),
            ("PORT=49201\0HOME=/root", true),
            ("URL=http://localhost:49201/x", true),
            ("PORT=149201", false),
            ("PORT=492011", false),
            ("", false),
        ];
        for (text, expected) in rows {
            assert_eq!(names_number(text.as_bytes(), b"49201"), expected, "{text:?}");
        }
    }
}
