//! Where a process comes from: its working folder, and the service that it was started for.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Stat, readlinkat, statat};

use super::processes::read;
use crate::folder::Folder;
use crate::probe::who::{Origin, Place};
use crate::service_name::ServiceName;

/// How much of an environment is read. The kernel takes longer ones, and what comes later is not known.
const MAX_ENVIRONMENT_BYTES: u64 = 2 * 1024 * 1024;
const MAX_STATUS_BYTES: u64 = 4 * 1024;
/// What the kernel puts after the path of a folder that is gone.
const GONE: &[u8] = b" (deleted)";

/// How the names of programs begin that pass connections on to containers, whose servers run elsewhere.
const PROXIES: [&str; 12] = [
    "docker-proxy",
    "dockerd",
    "containerd",
    "rootlessport",
    "rootlesskit",
    "slirp4netns",
    "pasta",
    "passt",
    "conmon",
    "netavark",
    "gvproxy",
    "vpnkit",
];

/// Returns where a process with this name comes from.
pub(super) fn of(process: &OwnedFd, name: &str) -> Origin {
    if PROXIES.iter().any(|proxy| name.starts_with(proxy)) || !is_of_this_user(process) {
        return Origin::default();
    }
    let environment = read(process, c"environ", MAX_ENVIRONMENT_BYTES);
    Origin { place: place(process), service: service(&environment) }
}

/// Whether all user IDs of a process are ours. Root may look into other users' processes too, and
/// these could say anything.
fn is_of_this_user(process: &OwnedFd) -> bool {
    let own = rustix::process::geteuid().as_raw().to_string();
    let status = read(process, c"status", MAX_STATUS_BYTES);
    let status = String::from_utf8_lossy(&status);
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.is_some_and(|ids| ids.split_whitespace().all(|id| id == own))
}

/// Finds the service in an environment. Servers that write their title over theirs leave it out, or
/// leave whole entries at its end.
fn service(environment: &[u8]) -> Option<ServiceName> {
    let prefix = format!("{}=", ServiceName::VARIABLE);
    let entries = environment.split_inclusive(|byte| *byte == 0);
    let mut whole = entries.filter_map(|entry| entry.strip_suffix(b"\0"));
    let name = whole.find_map(|entry| entry.strip_prefix(prefix.as_bytes()))?;
    ServiceName::parse(name).ok()
}

/// Finds the working folder of a process. Its path counts if it leads to that folder here too: one of
/// another mount namespace may not, nor one that was removed and made again.
fn place(process: &OwnedFd) -> Option<Place> {
    let path = readlinkat(process, c"cwd", Vec::new()).ok()?.into_bytes();
    let here = PathBuf::from(OsString::from_vec(path.clone()));
    let own = identity(statat(process, c"cwd", AtFlags::empty()));
    if own.is_some() && own == identity(statat(CWD, &here, AtFlags::SYMLINK_NOFOLLOW)) {
        let top = here.ancestors().find(|folder| may_be(&folder.join(".git")));
        return Some(Place {
            folder: Folder::of(&here).ok()?,
            top: top.map(Folder::of).transpose().ok()?,
        });
    }
    let gone = PathBuf::from(OsString::from_vec(path.strip_suffix(GONE)?.to_vec()));
    let top = gone.ancestors().take_while(|folder| !may_be(folder)).last()?;
    Some(Place { folder: Folder::of(&gone).ok()?, top: Some(Folder::of(top).ok()?) })
}

fn identity(stat: rustix::io::Result<Stat>) -> Option<(u64, u64)> {
    stat.ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Whether a file may be there: also where that can't be told.
fn may_be(path: &Path) -> bool {
    let is_missing = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    };
    path.symlink_metadata().map_or_else(|error| !is_missing(&error), |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_a_whole_entry_of_the_environment() {
        let rows = [
            ("PORT=1\0PALD_SERVICE=shop.web\0HOME=/\0", Some("shop.web")),
            ("PALD_SERVICE=a\0PALD_SERVICE=b\0", Some("a")),
            // Servers write their title over the beginning.
            ("nginx: master process\0\0\0ALD_SERVICE=shop.web\0HOME=/\0", None),
            ("redis-server *:6379\0\0\0\0PALD_SERVICE=shop.web\0", Some("shop.web")),
            // The rest may not have been read.
            ("HOME=/\0PALD_SERVICE=shop.w", None),
            ("PALD_SERVICE=\0", None),
            ("PALD_SERVICE=a b\0", None),
            ("MY_PALD_SERVICE=a\0", None),
            ("", None),
        ];
        for (environment, expected) in rows {
            let found = service(environment.as_bytes());
            assert_eq!(found.as_ref().map(ServiceName::as_str), expected, "{environment:?}");
        }
    }
}
