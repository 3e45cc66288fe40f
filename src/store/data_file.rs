//! sled's data file, opened once more: sled itself never syncs it to the disk.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

/// The unit in which sled divides the file, in bytes. What follows its last write up to there may be
/// zeros: sled itself writes them when it opens a file.
#[cfg(target_os = "linux")]
const SEGMENT_BYTES: u64 = 512 * 1024;

/// The data file of an open database.
#[derive(Debug)]
pub(super) struct DataFile {
    file: File,
    path: PathBuf,
    identity: Identity,
    /// Whether the file system may be asked to reserve space.
    #[cfg(target_os = "linux")]
    is_reservable: AtomicBool,
}

/// What tells a file from all others: its device and its inode.
type Identity = (u64, u64);

impl DataFile {
    /// Opens the data file of the database in a folder.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("db");
        let file = File::options().read(true).write(true).open(&path)?;
        let identity = identity_in(&file.metadata()?);
        Ok(Self {
            file,
            path,
            identity,
            #[cfg(target_os = "linux")]
            is_reservable: AtomicBool::new(true),
        })
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

    /// Has the system reserve what is left of sled's current segment. Without it, the file grows
    /// with each commit, and each sync writes its new length too.
    ///
    /// It is no harm if it can't be done: then the file grows.
    pub(super) fn reserve(&self) {
        #[cfg(target_os = "linux")]
        if self.is_reservable.load(Ordering::Relaxed)
            && let Err(error) = reserve(&self.file)
        {
            use rustix::io::Errno;
            let is_reservable = !matches!(error, Errno::OPNOTSUPP | Errno::NOSYS);
            self.is_reservable.store(is_reservable, Ordering::Relaxed);
            tracing::debug!(error = %io::Error::from(error), "Can't reserve space for the store");
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

#[cfg(target_os = "linux")]
fn reserve(file: &File) -> rustix::io::Result<()> {
    use rustix::fs::{AtFlags, FallocateFlags, StatxFlags, fallocate, statx};
    // Without its times, as above.
    let length = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::SIZE)?.stx_size;
    match length.next_multiple_of(SEGMENT_BYTES) - length {
        0 => Ok(()),
        missing => fallocate(file, FallocateFlags::empty(), length, missing),
    }
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

    #[test]
    #[cfg(target_os = "linux")]
    fn a_segment_is_reserved_to_its_end_and_what_is_there_stays() {
        let folder = folder_with(b"whole");
        let data_file = DataFile::open(folder.path()).unwrap();
        if reserve(&data_file.file) == Err(rustix::io::Errno::OPNOTSUPP) {
            // Not on this file system.
            return;
        }
        let whole_segments = [(5, 1), (SEGMENT_BYTES, 1), (SEGMENT_BYTES + 1, 2)];
        for (length, segments) in whole_segments {
            data_file.file.set_len(length).unwrap();
            reserve(&data_file.file).unwrap();
            let metadata = data_file.file.metadata().unwrap();
            assert_eq!(metadata.len(), segments * SEGMENT_BYTES);
            assert!(metadata.blocks() * 512 >= metadata.len(), "{} blocks", metadata.blocks());
            let content = fs::read(folder.path().join("db")).unwrap();
            assert_eq!(content[..5], *b"whole");
            assert!(content[5..].iter().all(|byte| *byte == 0));
        }
    }
}
