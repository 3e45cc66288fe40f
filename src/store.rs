//! The store: the registry on disk, in sled. It is checked when it is opened; a commit is on disk
//! when it returns. Only this module and the migrations know sled and bincode.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::files::ownership::UnsafePath;
use crate::files::{self, ReadError, Shown};
use crate::port::Port;
use crate::registration::Registration;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

mod contents;
mod data_file;
mod db_record;
mod flusher;
#[path = "../migrations/mod.rs"]
mod migrations;
mod open;
mod record;
mod trees;

pub use contents::Contents;
pub use db_record::{
    DbRecord, DumpMark, FoundRecord, RecordFile, host_name, place as record_place,
};

use data_file::DataFile;
use record::RecordError;
use trees::Trees;

/// What follows the name of a store that was set aside, before the time.
const DAMAGED: &str = ".damaged-";

/// One step of a change to the store. Both trees follow it in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Registers a service that was not, on a port that was free.
    Insert(Arc<Registration>),
    /// Changes what is kept about a service, or its name, from the first to the second; its port stays.
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

/// What becomes of the memory of whose a port was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembrance {
    /// The port; it is not registered.
    pub port: Port,
    /// The service that released it last; `None` forgets it.
    pub service: Option<ServiceName>,
}

/// An open store; nothing else writes to it.
#[derive(Debug)]
pub struct Store {
    trees: Trees,
    data_file: DataFile,
    path: PathBuf,
}

/// Returns whether a store is at `path`, whole or damaged. An empty folder is not one.
///
/// # Errors
/// Something else is there, which pald must not touch, or the path can't be read.
pub fn exists(path: &Path) -> Result<bool, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    let metadata = match std::fs::metadata(path) {
        // A link that leads nowhere may lead to a disk that is not there yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return Ok(false);
        }
        other => other.map_err(io)?,
    };
    if !metadata.is_dir() {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    let names = std::fs::read_dir(path).map_err(io)?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>().map_err(io)?;
    if names.is_empty() {
        return Ok(false);
    }
    // If a store was here before, whatever is left counts as a damaged one.
    let was_store = !matches!(FoundRecord::read(path)?, FoundRecord::None);
    let is_sleds = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name == b"db" || name == b"conf" || name == b"blobs" || name.starts_with(b"snap.")
    };
    match was_store || names.iter().any(is_sleds) {
        true => Ok(true),
        false => Err(StoreError::NotAStore { path: path.to_owned() }),
    }
}

/// Returns the damaged stores that were kept beside the store at `path`, oldest first.
pub fn damaged(path: &Path) -> Vec<PathBuf> {
    files::siblings(path, DAMAGED)
}

impl Store {
    /// Creates a store of `registrations` at `path`, where there must be none; `seal` is theirs.
    ///
    /// # Errors
    /// The system or sled failed.
    pub fn create(
        path: &Path,
        registrations: &[Registration],
        seal: Seal,
    ) -> Result<(Self, Contents), StoreError> {
        Self::prepare(path, registrations, seal)?;
        Self::take_prepared(path)
    }

    /// Creates a store of `registrations` at `<path>.new`; it is whole and on disk on return.
    ///
    /// Removes what an interrupted attempt left there.
    ///
    /// # Errors
    /// The system or sled failed, or a filesystem is mounted or a link is at `path`; or somebody else
    /// has put something at `<path>.new`.
    pub fn prepare(
        path: &Path,
        registrations: &[Registration],
        seal: Seal,
    ) -> Result<(), StoreError> {
        if files::is_mount_point(path) {
            return Err(StoreError::MountPoint { path: path.to_owned() });
        }
        if path.is_symlink() {
            return Err(StoreError::Link { path: path.to_owned() });
        }
        let aside = files::sibling(path, ".new");
        let io = |source| StoreError::Io { path: aside.clone(), source };
        let removed = match std::fs::symlink_metadata(&aside) {
            Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(&aside),
            Ok(_) => std::fs::remove_file(&aside),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(io)?;
        // In a folder that all share, somebody else may have been quicker.
        files::create_new_folder(&aside).map_err(io)?;
        let store = Self::open_empty(&aside)?;
        let registrations: Vec<_> = registrations.iter().cloned().map(Arc::new).collect();
        store.trees.fill_new(&registrations, seal)?;
        store.sync_everything()
    }

    /// Moves what is left of a store at `path` aside; returns where it is then.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
        let suffix = format!("{DAMAGED}{}", Timestamp::now().compact());
        let aside = files::unused_sibling(path, &suffix);
        std::fs::rename(path, &aside)?;
        Ok(aside)
    }

    /// Moves the prepared store to `path`, where there must be none, and opens it.
    ///
    /// # Errors
    /// The system or sled failed.
    pub fn take_prepared(path: &Path) -> Result<(Self, Contents), StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        std::fs::rename(files::sibling(path, ".new"), path).map_err(io)?;
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

    /// Applies the operations in order, in one transaction, with what they change of the remembered
    /// ports. On return all is on disk.
    ///
    /// `seal` is that of the whole registry after them.
    ///
    /// # Errors
    /// The system or sled failed. sled's memory may then differ from the disk, so this store must not
    /// be used again until it is reopened.
    pub fn commit(
        &self,
        operations: &[Operation],
        remembered: &[Remembrance],
        seal: Seal,
    ) -> Result<(), StoreError> {
        self.trees.apply(operations, remembered, seal)?;
        self.sync()
    }

    /// Makes `registrations` the registry, as one change; `seal` is theirs. On return it is on disk.
    ///
    /// This is for changes of many services, which take much memory in one transaction.
    ///
    /// # Errors
    /// As those of [`Store::commit`].
    pub fn replace_all(
        &mut self,
        registrations: &[Arc<Registration>],
        remembered: &[Remembrance],
        seal: Seal,
    ) -> Result<(), StoreError> {
        self.trees.replace_all(registrations, remembered, seal)?;
        self.sync()
    }

    /// Removes what the last [`Store::replace_all`] left of the registry before it.
    ///
    /// # Errors
    /// As those of [`Store::commit`].
    pub fn remove_replaced(&self) -> Result<(), StoreError> {
        self.trees.clear_spare()
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.trees.flush()?;
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        self.data_file.sync().map_err(io)?;
        self.data_file.check_place().map_err(io)
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
    /// The record beside the store can't or must not be read.
    #[error(transparent)]
    Beside(#[from] ReadError),
    /// A filesystem is mounted where the store should be, so nothing can be renamed to its path.
    #[error("{} is a mount point, which can't be a store itself", Shown(.path))]
    MountPoint {
        /// The path.
        path: PathBuf,
    },
    /// A link is where the store should be, so nothing can be renamed to its path.
    #[error("{} is a symbolic link, in whose place no store can be made", Shown(.path))]
    Link {
        /// The path.
        path: PathBuf,
    },
    /// Another user made or can change the store or the folders above it.
    #[error(transparent)]
    Unsafe(#[from] UnsafePath),
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
            Self::Io { .. }
            | Self::Beside(_)
            | Self::MountPoint { .. }
            | Self::Link { .. }
            | Self::Unsafe(_)
            | Self::NotAStore { .. }
            | Self::TooNew { .. } => false,
        }
    }

    /// Returns whether a later try may find the store whole: the system had too few threads, too
    /// little memory or the like.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Io { source, .. }
            | Self::Beside(ReadError::Io { source, .. })
            | Self::Unsafe(UnsafePath::Io { source, .. }) => files::is_temporary(source),
            Self::Sled { source: sled::Error::Io(cause), .. } => {
                files::is_temporary(cause) || open::is_busy(cause)
            }
            _ => false,
        }
    }

    /// Returns the message with those of all causes, on one line.
    pub fn with_causes(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn an_error_is_damage_or_passes_or_is_neither() {
        let path = || PathBuf::from("/none/db");
        let sled = |source| StoreError::Sled { path: path(), source };
        let of_system = |errno: Errno| sled::Error::Io(errno.into());
        let own = || sled::Error::Io(io::Error::other("its own"));
        let beside = |source| StoreError::Beside(ReadError::Io { path: path(), source });
        let io = |errno: Errno| StoreError::Io { path: path(), source: errno.into() };
        let unsafe_io = |source| StoreError::Unsafe(UnsafePath::Io { path: path(), source });
        // (error, whether the store is damaged, whether a later try may find it whole)
        let rows = [
            (io(Errno::ACCESS), false, false),
            (io(Errno::NOSPC), false, true),
            (sled(of_system(Errno::ACCESS)), false, false),
            (sled(of_system(Errno::NOSPC)), false, true),
            (sled(own()), true, false),
            (sled(sled::Error::ReportableBug(String::new())), true, false),
            (beside(Errno::ACCESS.into()), false, false),
            (beside(Errno::NOSPC.into()), false, true),
            (StoreError::Beside(ReadError::Link(path())), false, false),
            (unsafe_io(Errno::NOSPC.into()), false, true),
            (StoreError::Unsafe(UnsafePath::Link(path())), false, false),
            (StoreError::MountPoint { path: path() }, false, false),
            (StoreError::Link { path: path() }, false, false),
            (StoreError::NotAStore { path: path() }, false, false),
            (StoreError::TooNew { path: path(), version: 9, newest: 2 }, false, false),
            (StoreError::Panicked { path: path(), reason: String::new() }, true, false),
            (StoreError::Contradiction { path: path(), found: String::new() }, true, false),
        ];
        for (error, is_damage, is_temporary) in rows {
            assert_eq!(error.is_damage(), is_damage, "{error:?}");
            assert_eq!(error.is_temporary(), is_temporary, "{error:?}");
        }
        let whole = sled(of_system(Errno::ACCESS)).with_causes();
        assert!(whole.starts_with("Can't use the store /none/db: IO error: "), "{whole}");
        assert!(whole.contains("Permission denied (os error 13)"), "{whole}");
    }

    #[test]
    fn a_store_is_there_if_it_can_be_or_has_been_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        assert!(!exists(&path).unwrap());
        assert!(damaged(&path).is_empty());
        // Whatever of sled's is left is a store; what is none of it is left alone.
        std::fs::create_dir(&path).unwrap();
        assert!(!exists(&path).unwrap());
        for (name, is_store) in [
            ("db", true),
            ("conf", true),
            ("blobs", true),
            ("snap.0000000000000001", true),
            ("photos", false),
            ("db.old", false),
        ] {
            std::fs::write(path.join(name), "").unwrap();
            assert_eq!(exists(&path).ok(), is_store.then_some(true), "{name}");
            std::fs::remove_file(path.join(name)).unwrap();
        }
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(matches!(exists(&path), Err(StoreError::NotAStore { .. })));
        std::fs::remove_file(&path).unwrap();
        let seal = Seal::of(0, []);
        drop(Store::create(&path, &[], seal).unwrap());
        assert!(exists(&path).unwrap());
        let aside = Store::set_aside(&path).unwrap();
        assert!(!exists(&path).unwrap());
        assert_eq!(damaged(&path), [aside]);
    }
}
