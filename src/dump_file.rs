//! The dump on disk: its checked read, its atomic write, and the refresh after changes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dump::{self, BadLine, Dump};
use crate::files::{self, Links, ReadError, Shown};
use crate::seal::Seal;
use crate::timestamp::Timestamp;

mod refresher;

pub use refresher::{DumpStatus, DumpWatch, Refresher};

/// The largest dump that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How many bad lines an error lists.
const MAX_LISTED_LINES: usize = 20;

/// A dump as it was found.
#[derive(Debug)]
pub struct FoundDump {
    /// The file, byte by byte.
    pub bytes: Vec<u8>,
    /// What it says, or what is wrong with it.
    pub parsed: Result<Dump, BadLines>,
    /// Its seal, if it is whole: just as pald has written it.
    pub whole_seal: Option<Seal>,
}

impl FoundDump {
    /// Whether it says of itself what it should hold, as only pald's own dumps do.
    pub fn is_sealed(&self) -> bool {
        self.parsed.as_ref().is_ok_and(|dump| dump.seal.is_some())
    }

    /// Whether it has entries, all of them without a word of pald's.
    pub fn is_foreign(&self) -> bool {
        self.parsed.as_ref().is_ok_and(Dump::is_foreign)
    }

    /// What it says, with its seal, if it is whole.
    pub fn whole(&self) -> Option<(&Dump, Seal)> {
        self.parsed.as_ref().ok().zip(self.whole_seal)
    }
}

/// Reads the dump at `path`; `None` if there is none. A link is never followed.
///
/// # Errors
/// The file is not one that is read at all. Bad lines are no error here.
pub fn read(path: &Path) -> Result<Option<FoundDump>, ReadError> {
    let Some(bytes) = files::read(path, MAX_BYTES, Links::Refuse)? else { return Ok(None) };
    let parsed = dump::parse(&bytes).map_err(|lines| BadLines { path: path.to_owned(), lines });
    let whole_seal = parsed.as_ref().ok().and_then(Dump::whole_seal);
    Ok(Some(FoundDump { bytes, parsed, whole_seal }))
}

/// Whether a dump whose lines have this many bytes can be read again.
pub fn fits(line_bytes: usize) -> bool {
    line_bytes + dump::MAX_SEAL_BYTES <= MAX_BYTES
}

/// Keeps `bytes`, the dump as it was, beside it as `<path>.<what>-<time>`; the name of the copy.
///
/// # Errors
/// What the system said.
pub fn keep_aside(path: &Path, what: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let time = Timestamp::now().compact();
    let copy = files::unused_sibling(path, &format!(".{what}-{time}"));
    files::replace(&copy, bytes)?;
    Ok(copy)
}

/// Why a dump can't be taken.
#[derive(Debug, Error)]
pub enum DumpFileError {
    /// The file can't be read, or should not be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Lines of it are wrong.
    #[error(transparent)]
    Lines(#[from] BadLines),
}

/// The bad lines of a dump, of which the message lists the first 20.
#[derive(Debug, Error)]
pub struct BadLines {
    /// The dump.
    pub path: PathBuf,
    /// At least one line.
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

impl DumpFileError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read(ReadError::Link(_)) => {
                "Replace the link by the file, or set `dump_file` to the file itself".to_owned()
            }
            Self::Read(_) => "Set `dump_file` to a file of your own, or to a new name".to_owned(),
            Self::Lines(BadLines { lines, .. }) => match &lines[..] {
                [line] => format!("Fix line {} and start pald again", line.number),
                _ => "Fix these lines and start pald again".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_bad_line_is_one_sentence_and_many_are_listed_up_to_20() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let shown = Shown(&path);

        fs::write(&path, "a 1\nb 70000\n").unwrap();
        let error = DumpFileError::from(read(&path).unwrap().unwrap().parsed.unwrap_err());
        let expected = format!("{shown}:2: port 70000 is outside 1-65535; nothing was imported");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.hint(), "Fix line 2 and start pald again");

        fs::write(&path, "a 0\n".repeat(23)).unwrap();
        let error = read(&path).unwrap().unwrap().parsed.unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[0], format!("{shown} has 23 bad lines; nothing was imported"));
        assert_eq!(lines[20], format!("{shown}:20: port 0 is outside 1-65535"));
        assert_eq!(lines[21], "... and 3 more");
    }
}
