//! Whether files and the folders above them are safe from other users.
//!
//! One measure for all: what is safe belongs to this user or root, and no other user can write to it.
//! Not here: what pald does with a file that is not safe.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Group, User};
use thiserror::Error;

use super::{InShell, Shown, sibling};

/// How many links a path may lead over, as in Linux.
const MAX_LINKS: usize = 40;
/// The permissions to write of the group and of all others.
const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// In a folder with this bit, users can rename and remove only what is theirs.
const STICKY: u32 = 0o1000;

/// Why a file or folder is not safe from other users.
#[derive(Debug, Error)]
pub enum UnsafePath {
    /// It belongs to another user.
    #[error("{} belongs to user {owner}, not to you or root", Shown(.path))]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// The user ID of the owner.
        owner: u32,
    },
    /// Other users can write to it.
    #[error("{} has mode {mode:04o}: others can change it", Shown(.path))]
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is a symbolic link where none may be.
    #[error("{} is a symbolic link", Shown(.0))]
    Link(PathBuf),
    /// It is a file with a second name, which another user may have given it.
    #[error("{} has a second name, a hard link", Shown(.0))]
    HardLink(PathBuf),
    /// It is a FIFO, a device or the like, or a file where a folder must be.
    #[error("{} is not a {expected}", Shown(.path))]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it must be.
        expected: &'static str,
    },
    /// The path leads over too many links.
    #[error("{} leads over too many links", Shown(.0))]
    Loop(PathBuf),
    /// The system call failed.
    #[error("Can't check whose {} is", Shown(.path))]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl UnsafePath {
    /// Returns the path that is not safe.
    pub fn path(&self) -> &Path {
        match self {
            Self::Owner { path, .. }
            | Self::Writable { path, .. }
            | Self::Link(path)
            | Self::HardLink(path)
            | Self::Kind { path, .. }
            | Self::Loop(path)
            | Self::Io { path, .. } => path,
        }
    }

    /// Returns the command that makes it safe, if a command alone can.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Writable { path, .. } => Some(format!("chmod go-w {}", InShell(path))),
            // Without -h, the target of a link that is put there meanwhile would change hands.
            Self::Owner { path, .. } => {
                let own = rustix::process::geteuid();
                Some(format!("sudo chown -h {} {}", own.as_raw(), InShell(path)))
            }
            _ => None,
        }
    }
}

/// Where something is, which decides who may write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is a folder above what is checked: others may write if it is sticky.
    Above,
    /// It is what is checked.
    Itself,
}

/// What can be in a path, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Access {
    owner: u32,
    group: u32,
    mode: u32,
}

/// Checks the folders above `path`, the links on the way, and what is at `path`, if it exists;
/// returns the path without links.
///
/// What does not exist yet is safe if the folder that it will be in is.
///
/// # Errors
/// The first of them that is not safe.
pub fn check_path(path: &Path) -> Result<PathBuf, UnsafePath> {
    walk(path, check_step)
}

/// Checks as [`check_path`] does, but not what is at `path` in the end.
///
/// # Errors
/// The first folder or link that is not safe.
pub fn check_above(path: &Path) -> Result<PathBuf, UnsafePath> {
    walk(path, |found, metadata, place| match place {
        Place::Itself if !metadata.is_symlink() => Ok(()),
        place => check_step(found, metadata, place),
    })
}

/// Checks the folders above `path` only as to links: returns the path without links, each of which
/// belongs to this user or root.
///
/// # Errors
/// The first link that belongs to another user.
pub fn check_links(path: &Path) -> Result<PathBuf, UnsafePath> {
    walk(path, |found, metadata, _| match metadata.is_symlink() {
        true => judge(found, Access::of(metadata), |_| false),
        false => Ok(()),
    })
}

/// Checks a folder and all that is in it: regular files and folders, no links, safe each.
///
/// What is no folder is not checked.
///
/// The path leads over no link, as [`check_above`] returns it.
///
/// # Errors
/// The first of them that is not safe.
pub fn check_tree(folder: &Path) -> Result<(), UnsafePath> {
    let metadata = metadata(folder)?.filter(Metadata::is_dir);
    let Some(metadata) = metadata else { return Ok(()) };
    check_own(folder, &metadata)?;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let io = |source| UnsafePath::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let Some(metadata) = self::metadata(&path)? else { continue };
            check_own(&path, &metadata)?;
            folders.extend(metadata.is_dir().then_some(path));
        }
    }
    Ok(())
}

/// Checks what is beside `path` with these suffixes, as [`check_tree`] does.
///
/// # Errors
/// The first file or folder that is not safe.
pub fn check_beside(path: &Path, suffixes: &[&str]) -> Result<(), UnsafePath> {
    for suffix in suffixes {
        let path = sibling(path, suffix);
        match metadata(&path)? {
            Some(metadata) if metadata.is_dir() => check_tree(&path)?,
            Some(metadata) => check_own(&path, &metadata)?,
            None => {}
        }
    }
    Ok(())
}

/// Checks a file that is open.
///
/// # Errors
/// It is not safe.
pub fn check_open(path: &Path, metadata: &Metadata) -> Result<(), UnsafePath> {
    check_own(path, metadata)
}

/// Checks one step of a path.
fn check_step(found: &Path, metadata: &Metadata, place: Place) -> Result<(), UnsafePath> {
    // Nobody writes to a link; the folder that it is in was checked.
    let is_writable = |access| !metadata.is_symlink() && can_others_write(found, access, place);
    judge(found, Access::of(metadata), is_writable)
}

/// Checks one regular file or folder.
fn check_own(path: &Path, metadata: &Metadata) -> Result<(), UnsafePath> {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        return Err(UnsafePath::Link(path.to_owned()));
    }
    if !kind.is_file() && !kind.is_dir() {
        return Err(UnsafePath::Kind { path: path.to_owned(), expected: "regular file" });
    }
    judge(path, Access::of(metadata), |access| can_others_write(path, access, Place::Itself))?;
    match kind.is_file() && metadata.nlink() > 1 && can_others_link() {
        true => Err(UnsafePath::HardLink(path.to_owned())),
        false => Ok(()),
    }
}

/// Whether other users can give a name in a folder of theirs to a file that only this user can write
/// to: then what looks like a file of the store may be any file of the user's.
///
/// Linux prevents that where `fs.protected_hardlinks` is 1 (proc_sys_fs(5)). There only the user or
/// root can have made a second name, as `cp -al` does.
fn can_others_link() -> bool {
    let setting = fs::read_to_string("/proc/sys/fs/protected_hardlinks");
    !setting.is_ok_and(|setting| setting.trim_ascii() == "1")
}

impl Access {
    fn of(metadata: &Metadata) -> Self {
        Self { owner: metadata.uid(), group: metadata.gid(), mode: metadata.mode() & 0o7777 }
    }
}

/// The measure itself.
fn judge(
    path: &Path,
    access: Access,
    is_writable: impl Fn(Access) -> bool,
) -> Result<(), UnsafePath> {
    let Access { owner, mode, .. } = access;
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(UnsafePath::Owner { path: path.to_owned(), owner });
    }
    match is_writable(access) {
        true => Err(UnsafePath::Writable { path: path.to_owned(), mode }),
        false => Ok(()),
    }
}

fn can_others_write(path: &Path, access: Access, place: Place) -> bool {
    let is_private = |access| is_private_group(access) && !has_acl(path);
    may_others_write(access, place, is_private)
}

fn may_others_write(access: Access, place: Place, is_private: impl Fn(Access) -> bool) -> bool {
    if place == Place::Above && access.mode & STICKY != 0 {
        return false;
    }
    access.mode & OTHERS_WRITE != 0 || (access.mode & GROUP_WRITE != 0 && !is_private(access))
}

/// Whether the group is the owner's own, with nobody else in it, as many systems make for each user.
fn is_private_group(Access { owner, group, .. }: Access) -> bool {
    let Some(owner) = User::from_uid(owner.into()).ok().flatten() else { return false };
    let Some(group) = Group::from_gid(group.into()).ok().flatten() else { return false };
    owner.gid == group.gid
        && owner.name == group.name
        && group.mem.iter().all(|member| *member == owner.name)
}

/// Whether an access control list lets further users in; its mask shows as the group's permissions.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
fn has_acl(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut [0u8; 0])
        .is_ok_and(|length| length > 0)
}

/// Access control lists are not read: those of macOS are beside the permissions, not behind a mask.
#[cfg(any(feature = "portable", not(target_os = "linux")))]
fn has_acl(_path: &Path) -> bool {
    false
}

/// Returns what is at a path, without following a link.
fn metadata(path: &Path) -> Result<Option<Metadata>, UnsafePath> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(UnsafePath::Io { path: path.to_owned(), source }),
    }
}

/// Walks over a path from the root, and over each link in it, and checks each step; returns the path
/// without links.
fn walk(
    path: &Path,
    check: impl Fn(&Path, &Metadata, Place) -> Result<(), UnsafePath>,
) -> Result<PathBuf, UnsafePath> {
    let io = |source| UnsafePath::Io { path: path.to_owned(), source };
    let mut steps = steps_of(&std::path::absolute(path).map_err(io)?);
    let (mut done, mut links) = (PathBuf::from("/"), 0);
    if let Some(root) = metadata(&done)? {
        check(&done, &root, Place::Above)?;
    }
    while let Some(step) = steps.pop_front() {
        if step == ".." {
            done.pop();
            continue;
        }
        let next = done.join(step);
        let place = if steps.is_empty() { Place::Itself } else { Place::Above };
        let Some(found) = metadata(&next)? else {
            return Ok(steps.iter().fold(next, |path, step| path.join(step)));
        };
        check(&next, &found, place)?;
        if found.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(UnsafePath::Loop(path.to_owned()));
            }
            let target =
                fs::read_link(&next).map_err(|source| UnsafePath::Io { path: next, source })?;
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            let mut over_link = steps_of(&target);
            over_link.append(&mut steps);
            steps = over_link;
        } else if place == Place::Above && !found.is_dir() {
            return Err(UnsafePath::Kind { path: next, expected: "folder" });
        } else {
            done = next;
        }
    }
    Ok(done)
}

/// Returns the parts of a path after the root.
fn steps_of(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// The message, with the folder cut out.
    fn message(folder: &Path, checked: Result<impl std::fmt::Debug, UnsafePath>) -> String {
        let start = format!("{}/", Shown(folder));
        checked.unwrap_err().to_string().replace(&start, "")
    }

    #[test]
    fn others_may_write_only_where_they_can_do_no_harm() {
        use Place::{Above, Itself};
        // (mode, place, the group is the owner's own, others may write)
        let rows = [
            (0o700, Itself, false, false),
            (0o755, Itself, false, false),
            (0o775, Itself, false, true),
            (0o775, Itself, true, false),
            (0o777, Itself, true, true),
            (0o702, Itself, true, true),
            (0o1777, Itself, true, true),
            (0o755, Above, false, false),
            (0o775, Above, false, true),
            (0o775, Above, true, false),
            (0o777, Above, true, true),
            (0o1777, Above, false, false),
            (0o2775, Above, false, true),
        ];
        for (mode, place, is_private, expected) in rows {
            let access = Access { owner: 0, group: 0, mode };
            let found = may_others_write(access, place, |_| is_private);
            assert_eq!(found, expected, "{mode:o} {place:?} {is_private}");
        }
    }

    #[test]
    fn a_group_is_private_if_it_is_the_owners_own_and_nobody_else_is_in_it() {
        let access = |owner, group| Access { owner, group, mode: 0 };
        let root = User::from_uid(0.into()).unwrap().unwrap();
        let own = Group::from_gid(root.gid).unwrap().unwrap();
        let is_alone = own.mem.iter().all(|member| *member == root.name);
        assert_eq!(is_private_group(access(0, 0)), own.name == root.name && is_alone);
        assert!(!is_private_group(access(0, 1)));
        assert!(!is_private_group(access(4_000_000_000, 0)));
    }

    #[test]
    fn each_folder_above_and_each_link_on_the_way_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        symlink("a", folder.join("link")).unwrap();
        symlink(folder.join("link/b"), folder.join("far")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        let real = fs::canonicalize(folder).unwrap();
        // (path, where it leads)
        let rows = [
            ("a/b", "a/b"),
            ("a/b/not/yet", "a/b/not/yet"),
            ("link/b/c", "a/b/c"),
            ("far/../x", "a/x"),
        ];
        for (path, leads_to) in rows {
            assert_eq!(check_path(&folder.join(path)).unwrap(), real.join(leads_to));
            assert_eq!(check_links(&folder.join(path)).unwrap(), real.join(leads_to));
        }
        let looped = check_path(&folder.join("loop"));
        assert_eq!(message(folder, looped), "loop leads over too many links");
        let under_file = check_path(&folder.join("file/db"));
        assert_eq!(message(&real, under_file), "file is not a folder");

        mode(&folder.join("a"), 0o777);
        for path in ["a/b", "link/b", "far", "a/not/yet"] {
            let error = check_path(&folder.join(path)).unwrap_err();
            let expected =
                format!("{} has mode 0777: others can change it", Shown(&real.join("a")));
            assert_eq!(error.to_string(), expected, "{path}");
            let remedy = format!("chmod go-w {}", InShell(&real.join("a")));
            assert_eq!(error.remedy(), Some(remedy));
            assert!(check_links(&folder.join(path)).is_ok());
        }
        mode(&folder.join("a"), 0o1777);
        assert!(check_path(&folder.join("a/b")).is_ok());
    }

    #[test]
    fn a_tree_has_safe_files_and_folders_and_no_links() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let store = folder.join("db");
        assert!(check_tree(&store).is_ok());
        fs::create_dir_all(store.join("blobs")).unwrap();
        fs::write(store.join("blobs/1"), "").unwrap();
        fs::write(store.join("db"), "").unwrap();
        assert!(check_tree(&store).is_ok());

        type Plant = fn(&Path);
        let plants: [(Plant, &str); 5] = [
            (|path| symlink("/etc/passwd", path).unwrap(), "db/blobs/x is a symbolic link"),
            (|path| symlink("/nowhere", path).unwrap(), "db/blobs/x is a symbolic link"),
            (
                |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap(),
                "db/blobs/x is not a regular file",
            ),
            (
                |path| {
                    fs::write(path, "").unwrap();
                    mode(path, 0o666);
                },
                "db/blobs/x has mode 0666: others can change it",
            ),
            (
                |path| {
                    fs::create_dir(path).unwrap();
                    mode(path, 0o1777);
                },
                "db/blobs/x has mode 1777: others can change it",
            ),
        ];
        for (plant, expected) in plants {
            let planted = store.join("blobs/x");
            plant(&planted);
            let found = message(folder, check_tree(&store));
            assert!(found.ends_with(expected), "{found}");
            let removed = fs::remove_file(&planted).or_else(|_| fs::remove_dir(&planted));
            removed.unwrap();
        }
        assert!(check_tree(&store.join("db")).is_ok());
        fs::hard_link(store.join("db"), folder.join("backup")).unwrap();
        let expected = match can_others_link() {
            true => Err("db/db has a second name, a hard link".to_owned()),
            false => Ok(()),
        };
        let start = format!("{}/", Shown(folder));
        let linked = check_tree(&store).map_err(|error| error.to_string().replace(&start, ""));
        assert_eq!(linked, expected);
        symlink("nowhere", folder.join("db.lock")).unwrap();
        let beside = message(folder, check_beside(&store, &[".new", ".lock"]));
        assert_eq!(beside, "db.lock is a symbolic link");
    }
}
