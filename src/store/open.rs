//! Opens the store: what must happen before, around and after sled's own open.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sled::Db;

use super::data_file::DataFile;
use super::flusher::Flusher;
use super::migrations::MIGRATIONS;
use super::trees::{Trees, schema_version, set_schema_version, sled_failed};
use super::{Contents, Store, StoreError};
use crate::files::{self, ownership};

/// The size of sled's cache in memory, in bytes.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// The interval of sled's garbage collection, in milliseconds. Durability does not depend on it.
const FLUSH_EVERY_MS: u64 = 5_000;
/// How long to wait for a dying process that still has the database open.
const BUSY_TIME: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// The schema version that this program writes.
const NEWEST: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

impl Store {
    /// Opens the store at `path`, brings its schema up to date, and reads and checks all of it.
    ///
    /// # Errors
    /// The store is damaged, too new, or can't be read; or another user made or can change it.
    pub fn open(path: &Path) -> Result<(Self, Contents), StoreError> {
        // sled follows links and writes to whatever it finds, and in a folder that all share, another
        // user may have made the store since the start looked.
        ownership::check_tree(&ownership::check_above(path)?)?;
        match fs::metadata(path.join("db")) {
            Ok(metadata) if metadata.is_file() => {}
            // Whether it is there is unknown then.
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(io_failed(path, source));
            }
            _ => {
                // sled would create a new, empty database.
                let found = "its file `db` is missing".to_owned();
                return Err(StoreError::Contradiction { path: path.to_owned(), found });
            }
        }
        remove_partial_snapshots(path).map_err(|source| io_failed(path, source))?;
        caught(path, || Self::open_whole(path))
    }

    fn open_whole(path: &Path) -> Result<(Self, Contents), StoreError> {
        let db = open_database(path)?;
        let version = schema_version(&db).map_err(|source| sled_failed(path, source))?;
        let Some(version) = version.filter(|version| *version > 0) else {
            let found = "its schema version is missing".to_owned();
            return Err(StoreError::Contradiction { path: path.to_owned(), found });
        };
        let store = Self::migrate(path, db, version)?;
        let contents = store.load()?;
        store.trees.clear_spare()?;
        store.sync_everything()?;
        Ok((store, contents))
    }

    /// Creates a database in an empty folder, with its schema.
    pub(super) fn open_empty(path: &Path) -> Result<Self, StoreError> {
        caught(path, || Self::migrate(path, open_database(path)?, 0))
    }

    /// Applies the missing migrations; each is on disk before the next begins.
    fn migrate(path: &Path, db: Db, version: u32) -> Result<Self, StoreError> {
        if version > NEWEST {
            return Err(StoreError::TooNew { path: path.to_owned(), version, newest: NEWEST });
        }
        let data_file = DataFile::open(path).map_err(|source| io_failed(path, source))?;
        let flusher = Flusher::start(&db).map_err(|source| io_failed(path, source))?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > version) {
            (migration.apply)(&db)
                .and_then(|()| flusher.flush())
                .and_then(|()| set_schema_version(&db, migration.version))
                .and_then(|()| flusher.flush())
                .map_err(|source| sled_failed(path, source))?;
            data_file.sync().map_err(|source| io_failed(path, source))?;
        }
        let trees = Trees::open(&db, flusher, path)?;
        Ok(Self { trees, data_file, path: path.to_owned() })
    }

    /// Syncs every file of the store and its folder; sled does neither.
    pub(super) fn sync_everything(&self) -> Result<(), StoreError> {
        self.trees.flush()?;
        sync_folder(&self.path).map_err(|source| io_failed(&self.path, source))
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_type = entry.file_type()?;
        if file_type.is_dir() {
            sync_folder(&entry.path())?;
        } else if file_type.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Removes snapshots that a kill left half written, because sled would read them as whole ones.
///
/// Their names end in `.generating`. Other `snap.*` files must stay: without them sled opens an empty
/// database.
fn remove_partial_snapshots(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().ends_with(b".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes an error of a panic: sled panics on damage, and where it can't start a thread.
fn caught<T>(path: &Path, open: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let reason = files::panic_text(&*panic).to_owned();
        Err(match files::os_error_in(&reason) {
            Some(source) => io_failed(path, source),
            None => StoreError::Panicked { path: path.to_owned(), reason },
        })
    })
}

/// Opens the sled database. A dying process may still have it open, which is waited for.
fn open_database(path: &Path) -> Result<Db, StoreError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let deadline = Instant::now() + BUSY_TIME;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(cause)) if is_busy(&cause) && Instant::now() < deadline => {
                thread::sleep(BUSY_PAUSE);
            }
            Err(error) => return Err(sled_failed(path, error)),
        }
    }
}

/// Returns whether sled found the database locked, which only the text of its error says.
pub(super) fn is_busy(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::Other && cause.to_string().contains("could not acquire lock")
}

fn io_failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), source }
}
