//! The store: the registry on disk, in sled. It is checked when it is opened; a commit is on disk
//! when it returns. Only this module and the migrations know sled and bincode.

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

/// An open store; nothing else writes to it.
#[derive(Debug)]
pub struct Store {
    trees: Trees,
    data_file: DataFile,
    high_water: HighWater,
    path: PathBuf,
}

/// Returns whether a store is at `path`, whole or damaged. An empty folder is not one.
///
/// # Errors
/// Something else is there, which pald must not touch, or the path can't be read.
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
    // If a store was here before, whatever is left counts as a damaged one.
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
    /// Creates a store of `registrations` at `path`, where there must be none.
    ///
    /// # Errors
    /// The system or sled failed.
    pub fn create(
        path: &Path,
        registrations: &[Registration],
        revision: u64,
    ) -> Result<(Self, Contents), StoreError> {
        Self::prepare(path, registrations, revision)?;
        Self::take_prepared(path)
    }

    /// Creates a store of `registrations` at `<path>.new`; it is whole and on disk on return.
    ///
    /// Removes what an interrupted attempt left there.
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

    /// Moves the prepared store to `path`, where there must be none, and opens it.
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

    /// Reads and checks the whole store.
    ///
    /// # Errors
    /// A record can't be read, or two parts of the store contradict each other.
    pub fn load(&self) -> Result<Contents, StoreError> {
        Contents::of(&self.trees, &self.path)
    }

    /// Applies the operations in order, in one transaction. On return they are on disk.
    ///
    /// `seal` is that of the whole registry after them.
    ///
    /// # Errors
    /// The system or sled failed. sled's memory may then differ from the disk, so this store must not
    /// be used again until it is reopened.
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
    /// A system call outside sled failed.
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
    /// Something other than a store is at its path.
    #[error("{} is not a pald store, so it was left alone", Shown(.path))]
    NotAStore {
        /// The path.
        path: PathBuf,
    },
    /// sled panicked while opening the store.
    #[error("The store {} is damaged: it can't be opened ({reason})", Shown(.path))]
    Panicked {
        /// The folder of the store.
        path: PathBuf,
        /// The message of the panic.
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
        /// The contradiction, in words.
        found: String,
    },
    /// A later version of pald wrote the store.
    #[error(
        "The store {} has schema version {version}; this pald supports versions up to {newest}",
        Shown(.path)
    )]
    TooNew {
        /// The folder of the store.
        path: PathBuf,
        /// The store's schema version.
        version: u32,
        /// The newest version that this program supports.
        newest: u32,
    },
}

impl StoreError {
    /// Returns whether the store is damaged; all other errors come from the system, or from a wrong
    /// path or version.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Panicked { .. } | Self::Record { .. } | Self::Contradiction { .. } => true,
            // An error of the operating system has a number; sled's own errors have none.
            Self::Sled { source: sled::Error::Io(cause), .. } => {
                cause.raw_os_error().is_none() && !open::is_busy(cause)
            }
            Self::Sled { .. } => true,
            Self::Io { .. } | Self::NotAStore { .. } | Self::TooNew { .. } => false,
        }
    }

    /// Returns the message with those of all causes, on one line.
    pub fn with_causes(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}
