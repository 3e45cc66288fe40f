//! sled's data file, opened once more: sled itself never syncs it to the disk.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The data file of an open database.
#[derive(Debug)]
pub(super) struct DataFile {
    file: File,
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from all others: its device and its inode.
type Identity = (u64, u64);

impl DataFile {
    /// Opens the data file of the database in a folder.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("db");
        let file = File::options().read(true).write(true).open(&path)?;
        let identity = identity_in(&file.metadata()?);
        Ok(Self { file, path, identity })
    }

    /// Returns once all that was written is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes sure that what was synced is what the next start will find: somebody may have moved or
    /// removed the folder.
    pub(super) fn check_place(&self) -> io::Result<()> {
        match identity_at(&self.path)? == self.identity {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "its file `db` was replaced")),
        }
    }
}

/// The file at a path. On Linux its times are not asked for: once somebody has seen them, the next
/// write gets a time of its own (multigrain timestamps, Linux 6.13), and then ext4 was seen to
/// write the inode with each fdatasync, where it otherwise does so once in a few milliseconds.
fn identity_at(path: &Path) -> io::Result<Identity> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
        if let Ok(found) = statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
            return Ok((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino));
        }
    }
    // Elsewhere, on a system without that call, and if there is no such file.
    Ok(identity_in(&fs::metadata(path)?))
}

fn identity_in(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(content: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), content).unwrap();
        folder
    }

    #[test]
    fn only_the_file_that_was_opened_is_at_its_place() {
        let folder = folder_with(b"whole");
        let (path, aside) = (folder.path().join("db"), folder.path().join("aside"));
        let data_file = DataFile::open(folder.path()).unwrap();
        data_file.check_place().unwrap();
        fs::rename(&path, &aside).unwrap();
        assert_eq!(data_file.check_place().unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::copy(&aside, &path).unwrap();
        let error = data_file.check_place().unwrap_err();
        assert_eq!(error.to_string(), "its file `db` was replaced");
        fs::rename(&aside, &path).unwrap();
        data_file.check_place().unwrap();
    }
}
