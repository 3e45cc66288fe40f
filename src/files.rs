//! Reads and replaces files so that no link, device or crash can do harm.
//!
//! Nothing here knows what the files hold. All new files and folders are private to the user.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

mod filesystem;
mod identity;
pub mod ownership;
mod shown;

pub use filesystem::{is_mount_point, is_temporary, network_filesystem, os_error_in, panic_text};
pub use identity::{FileState, Identity};
pub use shown::{InShell, Shown};

use ownership::UnsafePath;

/// Whether the last part of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// A link of this user or root is followed, and its target is checked.
    Follow,
    /// A link is refused.
    Refuse,
}

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The path is a link, and links are refused.
    #[error("{} is a symbolic link", Shown(.0))]
    Link(PathBuf),
    /// The path is a folder, a FIFO, a device or the like.
    #[error("{} is not a regular file", Shown(.0))]
    NotAFile(PathBuf),
    /// Another user owns the file and could change it at will.
    #[error("{} belongs to user {owner}, not to you or root", Shown(.path))]
    Owner {
        /// The file.
        path: PathBuf,
        /// The user ID of the owner.
        owner: u32,
    },
    /// The file is larger than allowed.
    #[error("{} is larger than {max_bytes} bytes", Shown(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The maximum size in bytes.
        max_bytes: usize,
    },
    /// The system call failed.
    #[error("Can't read {}", Shown(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads a regular file that belongs to this user or root; `None` if there is none.
///
/// Never blocks on a FIFO.
///
/// # Errors
/// The file is of another kind, belongs to another user, is larger than `max_bytes`, or can't be
/// read.
pub fn read(path: &Path, max_bytes: usize, links: Links) -> Result<Option<Vec<u8>>, ReadError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    if links == Links::Follow
        && let Err(UnsafePath::Owner { path, owner }) = ownership::check_links(path)
    {
        return Err(ReadError::Owner { path, owner });
    }
    let no_follow = if links == Links::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | no_follow;
    let file = match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) if links == Links::Refuse => {
            return Err(ReadError::Link(path.to_owned()));
        }
        Err(Errno::NXIO) => return Err(ReadError::NotAFile(path.to_owned())),
        Err(errno) => return Err(io(errno.into())),
    };
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile(path.to_owned()));
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(ReadError::Owner { path: path.to_owned(), owner });
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > max_bytes {
        return Err(ReadError::TooLarge { path: path.to_owned(), max_bytes });
    }
    Ok(Some(bytes))
}

/// Opens a file for reading and writing; creates it with mode 0600 if there is none.
///
/// Never follows a link and never blocks on a FIFO.
///
/// # Errors
/// What the system said.
pub fn open_private(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Replaces the file at `path`: after any crash, either the old file or the new one is there.
///
/// The new file has mode 0600. The folder is synced: on return the file is on disk. Only one
/// process may replace a path at a time.
///
/// # Errors
/// What the system said; the old file is then still there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_in_parts(path, [bytes]).map(drop)
}

/// Replaces a file as [`replace`] does, with what the parts are together.
///
/// Returns the state of the new file.
///
/// # Errors
/// As for [`replace`].
pub fn replace_in_parts(
    path: &Path,
    parts: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> io::Result<FileState> {
    let temporary = sibling(path, ".new");
    // Who reads of a folder there must know which name is taken.
    remove_if_there(&temporary).map_err(|error| {
        io::Error::new(error.kind(), format!("{} is in the way: {error}", Shown(&temporary)))
    })?;
    replace_through(&temporary, path, parts)
}

/// Replaces a file as [`replace`] does, in a folder of the user's: no file beside it is touched.
///
/// # Errors
/// As for [`replace`].
pub fn replace_for_user(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_through(&unused_sibling(path, ".new"), path, [bytes]).map(drop)
}

fn replace_through(
    temporary: &Path,
    path: &Path,
    parts: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> io::Result<FileState> {
    let written = write_new(temporary, parts);
    let renamed = written.and_then(|state| fs::rename(temporary, path).map(|()| state));
    if renamed.is_err() {
        // Nothing else reads this file, and the next attempt removes it if this fails.
        let _ = fs::remove_file(temporary);
    }
    let state = renamed?;
    sync_folder_of(path)?;
    Ok(state)
}

/// Writes and syncs a new private file; fails if there is one.
fn write_new(
    path: &Path,
    parts: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> io::Result<FileState> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.into_iter().try_for_each(|part| file.write_all(part.as_ref()))?;
    file.sync_all()?;
    Ok(FileState::of(&file.metadata()?))
}

/// Removes a file if there is one.
///
/// # Errors
/// What the system said.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Syncs the folder of `path`, which puts renames in it on disk.
///
/// # Errors
/// What the system said.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Returns the folder of a path; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the path with `suffix` appended to its name.
pub fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the path with `suffix` appended, and a number too if that name is taken.
pub fn unused_sibling(path: &Path, suffix: &str) -> PathBuf {
    let first = sibling(path, suffix);
    let is_unused = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let mut numbered = (2..).map(|number| sibling(&first, &format!("-{number}")));
    if is_unused(&first) { first } else { numbered.find(is_unused).expect("numbers never end") }
}

/// Returns the paths whose names start with that of `path` and `suffix`, sorted by name; none where
/// the folder can't be read.
pub fn siblings(path: &Path, suffix: &str) -> Vec<PathBuf> {
    let start = sibling(path, suffix);
    let Some(start) = start.file_name().map(OsStr::as_encoded_bytes) else { return Vec::new() };
    let entries = fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    let names = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(start));
    let mut paths: Vec<_> = names.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}

/// Creates a folder and its missing parents with mode 0700.
///
/// # Errors
/// What the system said.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Creates a folder with mode 0700 where nothing is, not even a link.
///
/// # Errors
/// What the system said.
pub fn create_new_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)
}

/// Removes all permissions of others from a folder if it belongs to this user.
///
/// Returns whether others had any. What is no folder, or a link, is left alone.
///
/// # Errors
/// What the system said, unless there is no such folder.
pub fn make_private(folder: &Path) -> io::Result<bool> {
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(folder, flags, rustix::fs::Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = folder.metadata()?;
    let mode = metadata.permissions().mode();
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let was_open = is_ours && mode & 0o077 != 0;
    if was_open {
        folder.set_permissions(Permissions::from_mode(mode & 0o700))?;
    }
    Ok(was_open)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_regular_file_is_read_up_to_its_limit() {
        let folder = folder();
        let path = folder.path().join("file");
        assert!(read(&path, 3, Links::Refuse).unwrap().is_none());
        fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3, Links::Refuse).unwrap().unwrap(), b"abc");
        let error = read(&path, 2, Links::Refuse).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is larger than 2 bytes", Shown(&path)));
    }

    #[test]
    fn anything_but_a_regular_file_is_refused_without_waiting() {
        let folder = folder();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for path in [&fifo, folder.path(), Path::new("/dev/zero")] {
            let error = read(path, 9, Links::Refuse).unwrap_err();
            assert_eq!(error.to_string(), format!("{} is not a regular file", Shown(path)));
        }
    }

    #[test]
    fn a_link_is_followed_only_where_that_is_allowed() {
        let folder = folder();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "abc").unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(read(&link, 9, Links::Follow).unwrap().unwrap(), b"abc");
        assert!(
            matches!(read(&link, 9, Links::Refuse), Err(ReadError::Link(path)) if path == link)
        );
    }

    #[test]
    fn replacing_leaves_a_private_file_and_nothing_else() {
        let folder = folder();
        let path = folder.path().join("file");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        symlink(&elsewhere, sibling(&path, ".new")).unwrap();
        for text in ["one", "two"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn replacing_for_a_user_keeps_the_files_beside() {
        let folder = folder();
        let path = folder.path().join("file");
        fs::write(sibling(&path, ".new"), "the user's").unwrap();
        replace_for_user(&path, b"one").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(fs::read_to_string(sibling(&path, ".new")).unwrap(), "the user's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_failed_replacement_keeps_the_old_file() {
        let folder = folder();
        let path = folder.path().join("in-the-way");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("content"), "").unwrap();
        assert_eq!(replace(&path, b"new").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// The log named the dump, and not the folder beside it that another user had made.
    #[test]
    fn what_takes_the_temporary_name_is_named() {
        let folder = folder();
        let path = folder.path().join("dump");
        fs::create_dir(sibling(&path, ".new")).unwrap();
        let error = replace(&path, b"new").unwrap_err().to_string();
        let expected = format!("{} is in the way: Is a directory", Shown(&sibling(&path, ".new")));
        assert!(error.starts_with(&expected), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let folder = folder();
        let path = folder.path().join("dump");
        for expected in ["dump.old", "dump.old-2", "dump.old-3"] {
            let unused = unused_sibling(&path, ".old");
            assert_eq!(unused, folder.path().join(expected));
            fs::write(unused, "").unwrap();
        }
        let names = ["dump.old", "dump.old-2", "dump.old-3"];
        assert_eq!(siblings(&path, ".old"), names.map(|name| folder.path().join(name)));
        assert_eq!(
            siblings(&path, ".old-"),
            names[1..].iter().map(|name| folder.path().join(name)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_new_folder_takes_the_place_of_nothing() {
        let folder = folder();
        let path = |name| folder.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("file"), "").unwrap();
        symlink(path("folder"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        for name in ["folder", "file", "link", "dangling"] {
            let error = create_new_folder(&path(name)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        assert!(!path("nowhere").exists());
    }

    #[test]
    fn new_folders_are_private() {
        let folder = folder();
        let deep = folder.path().join("a/b");
        create_private_folder(&deep).unwrap();
        for made in [folder.path().join("a"), deep.clone()] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        create_new_folder(&deep.join("c")).unwrap();
        assert_eq!(fs::metadata(deep.join("c")).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&deep, Permissions::from_mode(0o755)).unwrap();
        assert!(make_private(&deep).unwrap());
        assert!(!make_private(&deep).unwrap());
        assert_eq!(fs::metadata(deep).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
