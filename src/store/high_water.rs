//! The newest revision that was committed, noted in a file beside the store.
//!
//! When the end of sled's log is damaged, sled opens what comes before it, which is an earlier state
//! of the store and passes every check. Only something outside the log can tell that it is earlier.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tracing::warn;
use xxhash_rust::xxh32::xxh32;

use crate::files::{self, Shown, sibling};

/// The note on the newest revision of a store.
///
/// It is written after the commit is on disk, and answered, and is not synced itself: it may be behind
/// the store after a crash, and then says less; it is never ahead.
#[derive(Debug)]
pub(super) struct HighWater {
    file: File,
    /// The revision noted when the store was opened.
    pub(super) found: Option<u64>,
}

/// How long a note is.
const LINE_BYTES: u64 = 30;

/// Where the note on the store at `path` is.
pub(super) fn place(path: &Path) -> PathBuf {
    sibling(path, ".revision")
}

impl HighWater {
    /// Opens the note on the store at `path`, and makes an empty one if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let place = place(path);
        let mut file = files::open_private(&place)?;
        let mut noted = String::new();
        let read = (&mut file).take(LINE_BYTES).read_to_string(&mut noted);
        let found = match read {
            Ok(0) => None,
            Ok(_) if noted == line(revision_in(&noted)) => Some(revision_in(&noted)),
            _ => {
                warn!(note = %Shown(&place), "The note on the newest revision can't be read and does not count");
                None
            }
        };
        Ok(Self { file, found })
    }

    /// Notes a revision that is on disk.
    pub(super) fn note(&self, revision: u64) -> io::Result<()> {
        self.file.write_all_at(line(revision).as_bytes(), 0)
    }
}

/// The whole content of a note: always of the same length, so that it is overwritten at once.
fn line(revision: u64) -> String {
    format!("{revision:020} {:08x}\n", xxh32(&revision.to_le_bytes(), 0))
}

/// The revision that a note claims, if it is one.
fn revision_in(noted: &str) -> u64 {
    noted.get(..20).and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_unless_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let found = || HighWater::open(&path).unwrap().found;
        assert_eq!(found(), None);
        for revision in [0, 42, u64::MAX, 7] {
            HighWater::open(&path).unwrap().note(revision).unwrap();
            assert_eq!(found(), Some(revision));
        }
        let good = std::fs::read(place(&path)).unwrap();
        assert_eq!(good, b"00000000000000000007 e944a45f\n");
        for (index, _) in good.iter().enumerate() {
            let mut damaged = good.clone();
            damaged[index] ^= 1;
            std::fs::write(place(&path), &damaged).unwrap();
            assert_eq!(found(), None, "{index}");
            std::fs::write(place(&path), &good[..index]).unwrap();
            assert_eq!(found(), None, "{index}");
        }
    }
}
