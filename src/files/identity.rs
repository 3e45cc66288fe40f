//! Tells one file from another, and whether it was changed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What changes when somebody edits a file, or puts another one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    file: Identity,
    bytes: u64,
    modified: (i64, i64),
}

/// A file's device and inode, which no other file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl FileState {
    /// Returns the state of what is at a path, a link itself included; `None` if nothing is there.
    ///
    /// # Errors
    /// What the system said.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(|metadata| Some(Self::of(&metadata))),
        }
    }

    /// Returns the state of an open file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            file: Identity::of(metadata),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Identity {
    /// Returns the identity of an open file or folder.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Returns the identity of the file or folder at a path; links are followed.
    ///
    /// On Linux this must not read the file's times: once they are read, the next write gets a new
    /// timestamp (multigrain timestamps, Linux 6.13), and ext4 then wrote the inode with each
    /// fdatasync instead of once in a few milliseconds (measured; the bars for durable `/set`).
    ///
    /// # Errors
    /// What the system said.
    pub fn at(path: &Path) -> io::Result<Self> {
        #[cfg(all(target_os = "linux", not(feature = "portable")))]
        {
            use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
            if let Ok(found) = statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
                let device = makedev(found.stx_dev_major, found.stx_dev_minor);
                return Ok(Self { device, inode: found.stx_ino });
            }
        }
        // Other systems, kernels without statx, and missing files.
        Ok(Self::of(&fs::metadata(path)?))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_was_edited_replaced_or_linked_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        let state = || FileState::at(&path).unwrap();
        assert_eq!(state(), None);
        fs::write(&path, "abc").unwrap();
        let before = state();
        assert!(before.is_some());
        assert_eq!(state(), before);
        fs::write(&path, "abcd").unwrap();
        let edited = state();
        assert_ne!(edited, before);
        fs::write(&other, "abcd").unwrap();
        fs::rename(&other, &path).unwrap();
        let replaced = state();
        assert_ne!(replaced, edited);
        fs::rename(&path, &other).unwrap();
        symlink(&other, &path).unwrap();
        assert_ne!(state(), replaced);
        assert_eq!(Identity::at(&path).unwrap(), Identity::at(&other).unwrap());
        assert_ne!(Identity::at(&path).unwrap(), Identity::at(folder.path()).unwrap());
    }
}
