//! The store: sled trees from service to port and from port to service, and what the store says
//! of itself. Everything is checked when it is opened; every commit is on disk when it returns.
//!
//! Only this module and the migrations know sled and bincode.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::files::{self, Shown};
use crate::registration::Registration;
use crate::seal::Seal;

mod contents;
mod data_file;
mod high_water;
#[path = "../migrations/mod.rs"]
mod migrations;
mod open;
mod record;
mod trees;

pub use contents::Contents;

use data_file::DataFile;
use high_water::HighWater;
use record::RecordError;
use trees::Trees;

/// One step of a change to the store. Both trees follow it in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Registers a service that was not, on a port that was free.
    Insert(Arc<Registration>),
    /// Changes what is kept about a service, from the first to the second; its port stays.
    Update(Arc<Registration>, Arc<Registration>),
    /// Releases a service that was registered exactly like this.
    Remove(Arc<Registration>),
}

impl Operation {
    /// The registration before the operation.
    pub fn before(&self) -> Option<&Arc<Registration>> {
        match self {
            Self::Insert(_) => None,
            Self::Update(before, _) | Self::Remove(before) => Some(before),
        }
    }

    /// The registration after the operation.
    pub fn after(&self) -> Option<&Arc<Registration>> {
        match self {
            Self::Insert(after) | Self::Update(_, after) => Some(after),
            Self::Remove(_) => None,
        }
    }
}

/// An open store. Whoever has it is the only one to write.
#[derive(Debug)]
pub struct Store {
    trees: Trees,
    data_file: DataFile,
    high_water: HighWater,
    path: PathBuf,
}

/// Whether there is a store at `path`, whole or damaged. An empty folder is none.
///
/// # Errors
/// Something else is there, which pald must not touch.
pub fn exists(path: &Path) -> Result<bool, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(io)?,
    };
    if !metadata.is_dir() {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    let names = std::fs::read_dir(path).map_err(io)?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>().map_err(io)?;
    // Once there was a store here, whatever is left of it is a damaged one.
    let was_store = high_water::place(path).symlink_metadata().is_ok();
    let is_sleds = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name == b"db" || name == b"conf" || name == b"blobs" || name.starts_with(b"snap.")
    };
    match was_store || names.iter().any(is_sleds) {
        true => Ok(true),
        false if names.is_empty() => Ok(false),
        false => Err(StoreError::NotAStore { path: path.to_owned() }),
    }
}

/// The newest revision that a store at `path` ever had, as the note beside it says, even if the
/// store itself is gone.
///
/// # Errors
/// What the system said.
pub fn noted_revision(path: &Path) -> Result<Option<u64>, StoreError> {
    if high_water::place(path).symlink_metadata().is_err() {
        return Ok(None);
    }
    let note = HighWater::open(path);
    note.map(|note| note.found).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// The file with that note.
pub fn note_place(path: &Path) -> PathBuf {
    high_water::place(path)
}

impl Store {
    /// Makes a store of `registrations` and moves it to `path`, where there is none.
    ///
    /// # Errors
    /// The system or sled failed; `path` is then as it was.
    pub fn create(
        path: &Path,
        registrations: &[Registration],
        revision: u64,
    ) -> Result<(Self, Contents), StoreError> {
        Self::prepare(path, registrations, revision)?;
        Self::take_prepared(path)
    }

    /// Makes a store of `registrations` aside, as `<path>.new`, whole and on disk. What an
    /// interrupted attempt left there is removed.
    ///
    /// # Errors
    /// The system or sled failed.
    pub fn prepare(
        path: &Path,
        registrations: &[Registration],
        revision: u64,
    ) -> Result<(), StoreError> {
        let aside = files::sibling(path, ".new");
        let io = |source| StoreError::Io { path: aside.clone(), source };
        match std::fs::symlink_metadata(&aside) {
            Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(&aside).map_err(io)?,
            Ok(_) => std::fs::remove_file(&aside).map_err(io)?,
            Err(_) => {}
        }
        files::create_private_folder(&aside).map_err(io)?;
        let seal = Seal::of(revision, registrations);
        let store = Self::open_empty(&aside)?;
        let operations: Vec<_> =
            registrations.iter().cloned().map(|a| Operation::Insert(Arc::new(a))).collect();
        store.commit(&operations, seal)?;
        store.note(seal.revision)?;
        store.sync_everything()
    }

    /// Moves the store that was prepared to `path`, where there is none, and opens it.
    ///
    /// # Errors
    /// The system or sled failed.
    pub fn take_prepared(path: &Path) -> Result<(Self, Contents), StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        let aside = files::sibling(path, ".new");
        // The note goes first: without a store, what it says does not count.
        std::fs::rename(high_water::place(&aside), high_water::place(path)).map_err(io)?;
        std::fs::rename(aside, path).map_err(io)?;
        files::sync_folder_of(path).map_err(io)?;
        Self::open(path)
    }

    /// Reads all that the store holds, and checks it as at a start.
    ///
    /// # Errors
    /// What can't be read, or what contradicts what.
    pub fn load(&self) -> Result<Contents, StoreError> {
        Contents::of(&self.trees, &self.path)
    }

    /// Applies the operations in their order, in one transaction. On return they are on disk.
    ///
    /// `seal` is that of the whole registry after them.
    ///
    /// # Errors
    /// After any error what is in memory may differ from what is on disk: the store must not be
    /// used any more until it is opened again.
    pub fn commit(&self, operations: &[Operation], seal: Seal) -> Result<(), StoreError> {
        self.trees.apply(operations, seal)?;
        self.trees.flush()?;
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        self.data_file.sync().map_err(io)?;
        self.data_file.check_place().map_err(io)
    }

    /// Notes beside the store that this revision is on disk, so that a later start notices if the
    /// end of the store is lost. A change need not wait for that.
    ///
    /// # Errors
    /// What the system said.
    pub fn note(&self, revision: u64) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        self.high_water.note(revision).map_err(io)
    }

    /// The newest revision that was ever committed, as a note beside the store said when it was
    /// opened; `None` if there is no such note.
    pub fn noted_revision(&self) -> Option<u64> {
        self.high_water.found
    }
}

/// Why the store can't be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system failed, outside sled.
    #[error("Can't use the store {}", Shown(.path))]
    Io {
        /// The folder of the store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// sled failed.
    #[error("Can't use the store {}", Shown(.path))]
    Sled {
        /// The folder of the store.
        path: PathBuf,
        /// What sled said.
        source: sled::Error,
    },
    /// Something else than a store is where it should be.
    #[error("{} is not a store of pald, and is left as it is", Shown(.path))]
    NotAStore {
        /// What was found.
        path: PathBuf,
    },
    /// sled panicked while it opened the store.
    #[error("The store {} is damaged: it can't be opened ({reason})", Shown(.path))]
    Panicked {
        /// The folder of the store.
        path: PathBuf,
        /// The panic's message.
        reason: String,
    },
    /// A key or a record can't be read.
    #[error("The store {} is damaged: {what} can't be read", Shown(.path))]
    Record {
        /// The folder of the store.
        path: PathBuf,
        /// Which key or record.
        what: String,
        /// What is wrong with it.
        source: RecordError,
    },
    /// The parts of the store contradict each other.
    #[error("The store {} is damaged: {found}", Shown(.path))]
    Contradiction {
        /// The folder of the store.
        path: PathBuf,
        /// What was found, in words.
        found: String,
    },
    /// A later version of pald made the store.
    #[error(
        "The store {} has schema version {version}; this pald knows versions up to {newest}",
        Shown(.path)
    )]
    TooNew {
        /// The folder of the store.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest version that this program knows.
        newest: u32,
    },
}

impl StoreError {
    /// Whether the store itself is at fault, and not the system around it or this program.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Panicked { .. } | Self::Record { .. } | Self::Contradiction { .. } => true,
            // What the operating system refuses has a number; sled's own complaints have none.
            Self::Sled { source: sled::Error::Io(cause), .. } => {
                cause.raw_os_error().is_none() && !open::is_busy(cause)
            }
            Self::Sled { .. } => true,
            Self::Io { .. } | Self::NotAStore { .. } | Self::TooNew { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } | Self::Sled { .. } => {
                Some("Check the disk and the rights of that folder, then start pald again".into())
            }
            Self::TooNew { .. } => {
                Some("Start the version of pald that made it, or a later one".into())
            }
            Self::NotAStore { .. } => Some("Set `data_dir` to a new folder of its own".into()),
            // The registry says what can be done: that depends on the dump.
            Self::Panicked { .. } | Self::Record { .. } | Self::Contradiction { .. } => None,
        }
    }

    /// The message and those of all its causes, on one line.
    pub fn with_causes(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}
