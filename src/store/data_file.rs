//! sled's data file, opened a second time to sync it to the disk: sled itself never does.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::Identity;

/// The data file of an open database.
#[derive(Debug)]
pub(super) struct DataFile {
    file: File,
    path: PathBuf,
    identity: Identity,
}

impl DataFile {
    /// Opens the data file of the database in `folder`.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("db");
        let file = File::options().read(true).write(true).open(&path)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Self { file, path, identity })
    }

    /// Syncs the file: on return, all that was written to it is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Checks that the synced file is still the one at its path, which the next start will open: the
    /// folder may have been moved or removed.
    ///
    /// # Errors
    /// The file is gone, or another one is in its place.
    pub(super) fn check_place(&self) -> io::Result<()> {
        match Identity::at(&self.path)? == self.identity {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "its file `db` was replaced")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder_with(content: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), content).unwrap();
        folder
    }

    #[test]
    fn only_the_file_that_was_opened_passes_the_check() {
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
