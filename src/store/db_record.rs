//! The record beside the store: what a start must know even if the store is damaged or gone.
//!
//! When the end of sled's log is damaged, sled opens what comes before it, which is an earlier state
//! of the store and passes every check. Only something outside the log can tell that it is earlier.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use xxhash_rust::xxh32::xxh32;

use crate::files::{self, Links, ReadError, sibling};
use crate::port::Port;
use crate::registry_id::RegistryId;
use crate::seal::Seal;
use crate::timestamp::Timestamp;

/// The first word of a record, and the version of its format.
const START: &str = "pald-record 1 ";
/// The maximum length of a host's name in a record, in bytes.
const MAX_HOST_BYTES: usize = 64;
/// More than the length of any record, in bytes.
const MAX_BYTES: usize = 1024;

/// What was last known about a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DbRecord {
    /// Where the last pald on this store listened.
    pub port_listen: Option<Port>,
    /// The host that it ran on; empty if unknown.
    pub host: String,
    /// Which registry it was.
    pub id: Option<RegistryId>,
    /// The newest revision that was committed.
    pub revision: u64,
    /// The dump that was written last.
    pub dump: Option<DumpMark>,
    /// The newest revision that the store had before it lost its end.
    pub lost: Option<u64>,
}

/// Revision and checksum of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpMark {
    /// The revision.
    pub revision: u64,
    /// The [`Seal::check`].
    pub check: u32,
}

impl From<Seal> for DumpMark {
    fn from(seal: Seal) -> Self {
        Self { revision: seal.revision, check: seal.check() }
    }
}

/// What is found where a record should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundRecord {
    /// There was no store here, as far as is known.
    None,
    /// There was one, and nothing else is known about it.
    Unreadable,
    /// What is known about it.
    Whole(DbRecord),
}

impl FoundRecord {
    /// Reads the record on the store at `path`, or the note that pald 0.1 left in its place.
    ///
    /// # Errors
    /// There is something that can't or must not be read.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let read = |place: PathBuf| match files::read(&place, MAX_BYTES, Links::Refuse) {
            Err(ReadError::TooLarge { .. }) => Ok(Some(Vec::new())),
            other => other,
        };
        if let Some(text) = read(place(path))? {
            return Ok(DbRecord::parse(&text).map_or(Self::Unreadable, Self::Whole));
        }
        Ok(match read(place_of_0_1(path))? {
            None => Self::None,
            // It was made at the start, and filled with the first change.
            Some(text) if text.is_empty() => Self::Whole(DbRecord::default()),
            Some(text) => revision_of_0_1(&text).map_or(Self::Unreadable, |revision| {
                Self::Whole(DbRecord { revision, ..DbRecord::default() })
            }),
        })
    }

    /// Returns the record, if it is whole.
    pub fn whole(&self) -> Option<&DbRecord> {
        match self {
            Self::Whole(record) => Some(record),
            Self::None | Self::Unreadable => None,
        }
    }
}

/// The record of an open store.
///
/// It is written after a commit is on disk, and answered, and is not synced itself: after a crash of
/// the system it may be behind the store, and then says less; it is never ahead.
#[derive(Debug)]
pub struct RecordFile {
    file: File,
    record: Mutex<DbRecord>,
}

impl RecordFile {
    /// Puts the record beside the store at `path`, in the place of what is there. A file that is no
    /// record is kept beside it.
    ///
    /// On return it is on disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn create(path: &Path, record: DbRecord) -> io::Result<Self> {
        let place = place(path);
        let is_foreign = |text: Vec<u8>| DbRecord::parse(&text).is_none() && !text.is_empty();
        if files::read(&place, MAX_BYTES, Links::Refuse).ok().flatten().is_some_and(is_foreign) {
            let suffix = format!(".kept-{}", Timestamp::now().compact());
            std::fs::rename(&place, files::unused_sibling(&place, &suffix))?;
        }
        files::replace(&place, record.text().as_bytes())?;
        files::remove_if_there(&place_of_0_1(path))?;
        let file = files::open_private(&place)?;
        Ok(Self { file, record: Mutex::new(record) })
    }

    /// Notes that this revision is on disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn committed(&self, revision: u64) -> io::Result<()> {
        let mut record = self.lock();
        record.revision = revision;
        self.write(&record)
    }

    /// Notes that the dump with this seal is on disk.
    ///
    /// # Errors
    /// What the system said.
    pub fn dump_written(&self, seal: Seal) -> io::Result<()> {
        let mut record = self.lock();
        record.dump = Some(seal.into());
        self.write(&record)
    }

    fn write(&self, record: &DbRecord) -> io::Result<()> {
        self.file.write_all_at(record.text().as_bytes(), 0)
    }

    fn lock(&self) -> MutexGuard<'_, DbRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DbRecord {
    /// The whole content of the file: always of the same length, so that one write replaces it.
    fn text(&self) -> String {
        let port = self.port_listen.map_or(0, Port::number);
        let id = self.id.map_or("-".repeat(16), |id| id.to_string());
        let dump = self.dump.map_or("-".repeat(29), |DumpMark { revision, check }| {
            format!("{revision:020}:{check:08x}")
        });
        let (revision, lost) = (self.revision, self.lost.unwrap_or(0));
        let host = &self.host;
        let text = format!(
            "{START}port={port:05} id={id} revision={revision:020} dump={dump} lost={lost:020} \
             host={host:MAX_HOST_BYTES$}"
        );
        let check = xxh32(text.as_bytes(), 0);
        text + &format!(" check={check:08x}\n")
    }

    /// Takes a text apart that [`DbRecord::text`] made.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let field = |key: &str| {
            text.split([' ', '\n']).find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        let number = |key| field(key)?.parse::<u64>().ok();
        let mark = |(revision, check): (&str, &str)| {
            let check = u32::from_str_radix(check, 16).ok()?;
            Some(DumpMark { revision: revision.parse().ok()?, check })
        };
        let record = Self {
            port_listen: Port::new(u16::try_from(number("port")?).ok()?),
            host: field("host")?.to_owned(),
            id: field("id").and_then(RegistryId::parse),
            revision: number("revision")?,
            dump: field("dump").and_then(|dump| mark(dump.split_once(':')?)),
            lost: number("lost").filter(|lost| *lost > 0),
        };
        // Whatever was misread or damaged makes another text.
        (record.text() == text).then_some(record)
    }
}

/// Returns where the record on the store at `path` is.
pub fn place(path: &Path) -> PathBuf {
    sibling(path, ".record")
}

/// Returns the name of this host, as a record holds it.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().filter(char::is_ascii_graphic).take(MAX_HOST_BYTES).collect()
}

/// Where pald 0.1 noted the newest revision.
fn place_of_0_1(path: &Path) -> PathBuf {
    sibling(path, ".revision")
}

/// The revision in a note of pald 0.1, if it is whole.
fn revision_of_0_1(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let revision = text.get(..20)?.parse::<u64>().ok()?;
    let whole = format!("{revision:020} {:08x}\n", xxh32(&revision.to_le_bytes(), 0));
    (text == whole).then_some(revision)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record() -> DbRecord {
        DbRecord {
            port_listen: Port::new(49200),
            host: "ann-laptop".into(),
            id: Some(RegistryId::from_bits(0x9f3c)),
            revision: 42,
            dump: Some(DumpMark { revision: 41, check: 0x1a2b_3c4d }),
            lost: Some(50),
        }
    }

    #[test]
    fn the_format_never_changes() {
        let whole = "pald-record 1 port=49200 id=0000000000009f3c revision=00000000000000000042 \
                     dump=00000000000000000041:1a2b3c4d lost=00000000000000000050 \
                     host=ann-laptop                                                       \
                     check=be1fb1b0\n";
        assert_eq!(record().text(), whole);
        let empty = DbRecord::default().text();
        assert_eq!(empty.len(), whole.len());
        for record in [record(), DbRecord::default()] {
            assert_eq!(DbRecord::parse(record.text().as_bytes()), Some(record));
        }
    }

    #[test]
    fn a_damaged_record_is_unreadable_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let found = || FoundRecord::read(&path).unwrap();
        assert_eq!(found(), FoundRecord::None);
        RecordFile::create(&path, record()).unwrap();
        assert_eq!(found(), FoundRecord::Whole(record()));
        let good = fs::read(place(&path)).unwrap();
        for (index, _) in good.iter().enumerate() {
            let mut damaged = good.clone();
            damaged[index] ^= 1;
            fs::write(place(&path), &damaged).unwrap();
            assert_eq!(found(), FoundRecord::Unreadable, "{index}");
            fs::write(place(&path), &good[..index]).unwrap();
            assert_eq!(found(), FoundRecord::Unreadable, "{index}");
        }
        fs::write(place(&path), vec![b'x'; MAX_BYTES + 1]).unwrap();
        assert_eq!(found(), FoundRecord::Unreadable);

        fs::write(place(&path), "a list of vinyl records\n").unwrap();
        RecordFile::create(&path, record()).unwrap();
        assert_eq!(found(), FoundRecord::Whole(record()));
        let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let kept: Vec<_> = kept.filter(|kept| *kept != place(&path)).collect();
        assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "a list of vinyl records\n");
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn commits_and_dumps_are_noted_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let file = RecordFile::create(&path, record()).unwrap();
        file.committed(43).unwrap();
        let seal = Seal::of(43, []);
        file.dump_written(seal).unwrap();
        let expected = DbRecord { revision: 43, dump: Some(seal.into()), ..record() };
        assert_eq!(FoundRecord::read(&path).unwrap(), FoundRecord::Whole(expected));
    }

    #[test]
    fn the_note_of_0_1_is_a_record_without_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        fs::write(place_of_0_1(&path), "00000000000000000007 e944a45f\n").unwrap();
        let record = DbRecord { revision: 7, ..DbRecord::default() };
        assert_eq!(FoundRecord::read(&path).unwrap(), FoundRecord::Whole(record.clone()));
        fs::write(place_of_0_1(&path), "00000000000000000008 e944a45f\n").unwrap();
        assert_eq!(FoundRecord::read(&path).unwrap(), FoundRecord::Unreadable);
        fs::write(place_of_0_1(&path), "").unwrap();
        let unused = FoundRecord::Whole(DbRecord::default());
        assert_eq!(FoundRecord::read(&path).unwrap(), unused);
        RecordFile::create(&path, record.clone()).unwrap();
        assert!(!place_of_0_1(&path).exists());
        assert_eq!(FoundRecord::read(&path).unwrap(), FoundRecord::Whole(record));
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        fs::create_dir(place(&path)).unwrap();
        assert!(matches!(FoundRecord::read(&path), Err(ReadError::NotAFile(_))));
        assert!(RecordFile::create(&path, record()).is_err());
    }
}
