//! The dump on disk: reading it, keeping what others wrote, and writing it again after changes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dump::{self, BadLine, Dump};
use crate::files::{self, FileState, Links, ReadError, Shown};
use crate::seal::Seal;
use crate::timestamp::Timestamp;

mod kept;
mod refresher;
mod writer;

pub use refresher::{DumpStatus, DumpWatch, Refresher};
pub use writer::Snapshot;

/// The maximum size of a dump, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How many bad lines an error lists.
const MAX_LISTED_LINES: usize = 20;

/// A dump as found on disk.
#[derive(Debug)]
pub struct FoundDump {
    /// The content of the file.
    pub bytes: Vec<u8>,
    /// The parsed content, or its bad lines.
    pub parsed: Result<Dump, BadLines>,
    /// The seal, if the dump is whole: exactly what pald wrote.
    pub whole_seal: Option<Seal>,
    /// The state of the file just before it was read.
    pub state: Option<FileState>,
}

/// Reads the dump at `path`; `None` if there is none. Never follows a link.
///
/// # Errors
/// The file can't be read. Bad lines are not an error here.
pub fn read(path: &Path) -> Result<Option<FoundDump>, ReadError> {
    let state = FileState::at(path);
    let state = state.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let Some(bytes) = files::read(path, MAX_BYTES, Links::Refuse)? else { return Ok(None) };
    let parsed = dump::parse(&bytes).map_err(|lines| BadLines { path: path.to_owned(), lines });
    let whole_seal = parsed.as_ref().ok().and_then(Dump::whole_seal);
    Ok(Some(FoundDump { bytes, parsed, whole_seal, state }))
}

/// Returns whether a dump with this many bytes of lines stays within [`MAX_BYTES`].
pub fn fits(line_bytes: usize) -> bool {
    line_bytes + dump::MAX_SEAL_BYTES <= MAX_BYTES
}

/// Writes `bytes`, a dump that is imported, to `<path>.imported-<time>`; returns the path of the
/// copy.
///
/// On return the copy is on disk.
///
/// # Errors
/// What the system said.
pub fn copy_imported(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let time = Timestamp::now().compact();
    let copy = files::unused_sibling(path, &format!(".imported-{time}"));
    files::replace(&copy, bytes)?;
    Ok(copy)
}

/// Why a dump can't be imported.
#[derive(Debug, Error)]
pub enum DumpFileError {
    /// The file can't or must not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The dump has bad lines.
    #[error(transparent)]
    Lines(#[from] BadLines),
}

/// The bad lines of a dump; the message lists the first 20.
#[derive(Debug, Error)]
pub struct BadLines {
    /// The dump.
    pub path: PathBuf,
    /// The bad lines, at least one.
    pub lines: Vec<BadLine>,
}

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Shown(&self.path);
        if let [BadLine { number, error }] = &self.lines[..] {
            return write!(f, "{path}:{number}: {error}; nothing was imported");
        }
        write!(f, "{path} has {} bad lines; nothing was imported", self.lines.len())?;
        for BadLine { number, error } in self.lines.iter().take(MAX_LISTED_LINES) {
            write!(f, "\n{path}:{number}: {error}")?;
        }
        match self.lines.len().saturating_sub(MAX_LISTED_LINES) {
            0 => Ok(()),
            more => write!(f, "\n... and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The longest lines, with the longest seal on the last, are no more than may be read back.
    #[test]
    fn a_dump_fits_if_it_can_be_read_back() {
        let most = MAX_BYTES - dump::MAX_SEAL_BYTES;
        for (line_bytes, expected) in [(0, true), (most, true), (most + 1, false)] {
            assert_eq!(fits(line_bytes), expected, "{line_bytes}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        fs::write(&path, vec![b'#'; MAX_BYTES]).unwrap();
        assert!(read(&path).is_ok());
        fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
        assert!(matches!(read(&path), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn an_imported_dump_is_copied_under_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let copies =
            [b"a 1\n", b"b 2\n"].map(|bytes| (copy_imported(&path, bytes).unwrap(), bytes));
        assert_ne!(copies[0].0, copies[1].0);
        for (copy, bytes) in copies {
            assert_eq!(fs::read(&copy).unwrap(), bytes);
            let name = copy.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("dump.imported-2"), "{name}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn one_bad_line_makes_one_sentence_and_up_to_20_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let shown = Shown(&path);

        fs::write(&path, "a 1\nb 70000\n").unwrap();
        let error = DumpFileError::from(read(&path).unwrap().unwrap().parsed.unwrap_err());
        let expected = format!("{shown}:2: port 70000 is outside 1-65535; nothing was imported");
        assert_eq!(error.to_string(), expected);

        fs::write(&path, "a 0\n".repeat(23)).unwrap();
        let error = read(&path).unwrap().unwrap().parsed.unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[0], format!("{shown} has 23 bad lines; nothing was imported"));
        assert_eq!(lines[20], format!("{shown}:20: port 0 is outside 1-65535"));
        assert_eq!(lines[21], "... and 3 more");
    }
}
