//! The sled trees, and the transactions that change them.
//!
//! The registry is in one of two pairs of trees. A change of a few services is one transaction over
//! the pair. sled keeps all that a transaction replaces in memory until its end, 4 KiB for each
//! service and tree, so a change of many fills the other pair, part by part, and one transaction on
//! `meta` then makes that pair the registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sled::transaction::{
    TransactionError, Transactional as _, TransactionalTree, UnabortableTransactionError,
};
use sled::{Db, Tree};

use super::flusher::Flusher;
use super::record::{PortRecord, SealRecord, ServiceRecord, encode, port_key};
use super::{Operation, Remembrance, StoreError};
use crate::registration::Registration;
use crate::seal::Seal;

/// The key of the schema version in `meta`: four bytes, big-endian, in every version.
const SCHEMA_KEY: &str = "schema";
/// The key of the seal in `meta`.
const SEAL_KEY: &str = "seal";

/// The key in `meta` of the pair that is the registry: one byte, its index; absent, it is the first.
const PAIR_KEY: &str = "pair";

/// How many services a change of many stores with one transaction.
const PART: usize = 32;

/// Service to port and port to service; they change together or not at all.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) services: Tree,
    pub(super) ports: Tree,
}

/// The trees of the store.
#[derive(Debug)]
pub(super) struct Trees {
    /// The registry.
    current: Pair,
    /// Empty, but while a change of many services is made.
    spare: Pair,
    /// The index of the current pair.
    index: u8,
    remembered: Tree,
    meta: Tree,
    flusher: Flusher,
    path: PathBuf,
}

impl Trees {
    /// Opens the trees of a database whose schema is up to date.
    pub(super) fn open(db: &Db, flusher: Flusher, path: &Path) -> Result<Self, StoreError> {
        let tree = |name: &str| db.open_tree(name).map_err(|source| sled_failed(path, source));
        let pair = |services, ports| {
            Ok::<_, StoreError>(Pair { services: tree(services)?, ports: tree(ports)? })
        };
        let (first, second) = (pair("services", "ports")?, pair("services.2", "ports.2")?);
        let (remembered, meta) = (tree("remembered")?, tree("meta")?);
        let index = meta.get(PAIR_KEY).map_err(|source| sled_failed(path, source))?;
        let (current, spare, index) = match index.as_deref() {
            None | Some([0]) => (first, second, 0),
            Some([1]) => (second, first, 1),
            Some(_) => {
                let found = "it does not say which trees are the registry".to_owned();
                return Err(StoreError::Contradiction { path: path.to_owned(), found });
            }
        };
        Ok(Self { current, spare, index, remembered, meta, flusher, path: path.to_owned() })
    }

    /// The registry.
    pub(super) fn current(&self) -> &Pair {
        &self.current
    }

    /// Whose released ports were.
    pub(super) fn remembered(&self) -> &Tree {
        &self.remembered
    }

    /// Applies the operations in order and stores the rest, all in one transaction.
    pub(super) fn apply(
        &self,
        operations: &[Operation],
        remembered: &[Remembrance],
        seal: Seal,
    ) -> Result<(), StoreError> {
        let writes: Vec<Write> = operations.iter().map(Write::from).collect();
        let seal = encode(&SealRecord::from(seal));
        let Pair { services, ports } = &self.current;
        // sled may run a closure more than once, so it changes nothing but the trees.
        let trees = (services, ports, &self.remembered, &self.meta);
        let applied = trees.transaction(|(services, ports, tree, meta)| {
            writes.iter().try_for_each(|write| write.apply(services, ports))?;
            remembered.iter().try_for_each(|remembrance| remembrance.apply(tree))?;
            meta.insert(SEAL_KEY, seal.as_slice())?;
            Ok(())
        });
        self.checked(applied)
    }

    /// Stores `registrations` and their seal in a store that is new, and that nobody sees yet.
    pub(super) fn fill_new(
        &self,
        registrations: &[Arc<Registration>],
        seal: Seal,
    ) -> Result<(), StoreError> {
        self.fill(&self.current, registrations)?;
        self.apply(&[], &[], seal)
    }

    /// Makes `registrations` the registry, and stores the seal. The pair that was the registry is
    /// the spare one then, and still full.
    pub(super) fn replace_all(
        &mut self,
        registrations: &[Arc<Registration>],
        remembered: &[Remembrance],
        seal: Seal,
    ) -> Result<(), StoreError> {
        self.clear_spare()?;
        self.fill(&self.spare, registrations)?;
        // If the last transaction does not come about, a start drops those that are registered.
        for part in remembered.chunks(PART) {
            self.checked(self.remembered.transaction(|tree| {
                Ok(part.iter().try_for_each(|remembrance| remembrance.apply(tree))?)
            }))?;
        }
        let index = 1 - self.index;
        let seal = encode(&SealRecord::from(seal));
        let made_current = self.meta.transaction(|meta| {
            meta.insert(PAIR_KEY, &[index])?;
            meta.insert(SEAL_KEY, seal.as_slice())?;
            Ok(())
        });
        self.checked(made_current)?;
        self.index = index;
        std::mem::swap(&mut self.current, &mut self.spare);
        Ok(())
    }

    /// Inserts `registrations` into a pair, part by part.
    fn fill(&self, pair: &Pair, registrations: &[Arc<Registration>]) -> Result<(), StoreError> {
        let Pair { services, ports } = pair;
        for part in registrations.chunks(PART) {
            let inserts: Vec<_> = part.iter().cloned().map(Operation::Insert).collect();
            let writes: Vec<Write> = inserts.iter().map(Write::from).collect();
            self.checked((services, ports).transaction(|(services, ports)| {
                Ok(writes.iter().try_for_each(|write| write.apply(services, ports))?)
            }))?;
        }
        Ok(())
    }

    /// Empties the spare pair.
    pub(super) fn clear_spare(&self) -> Result<(), StoreError> {
        let Pair { services, ports } = &self.spare;
        let cleared = services.clear().and_then(|()| ports.clear());
        cleared.map_err(|source| sled_failed(&self.path, source))
    }

    fn checked(&self, applied: Result<(), TransactionError<()>>) -> Result<(), StoreError> {
        applied.map_err(|error| match error {
            TransactionError::Storage(source) => sled_failed(&self.path, source),
            TransactionError::Abort(()) => unreachable!("the transaction never aborts"),
        })
    }

    /// Writes all applied changes to sled's files; they are on disk once the data file is synced.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.flusher.flush().map_err(|source| sled_failed(&self.path, source))
    }

    /// Returns the bytes of the stored seal, if there is one.
    pub(super) fn seal(&self) -> Result<Option<sled::IVec>, StoreError> {
        self.meta.get(SEAL_KEY).map_err(|source| sled_failed(&self.path, source))
    }
}

/// Reads a database's schema version; `None` if there is none, or not one of four bytes.
pub(super) fn schema_version(db: &Db) -> sled::Result<Option<u32>> {
    // Opening a missing tree creates it, and a damaged database must not change.
    if !db.tree_names().iter().any(|name| name == b"meta") {
        return Ok(None);
    }
    let stored = db.open_tree("meta")?.get(SCHEMA_KEY)?;
    Ok(stored.and_then(|bytes| bytes.as_ref().try_into().ok()).map(u32::from_be_bytes))
}

/// Writes the schema version.
pub(super) fn set_schema_version(db: &Db, version: u32) -> sled::Result<()> {
    db.open_tree("meta")?.insert(SCHEMA_KEY, &version.to_be_bytes()).map(drop)
}

pub(super) fn sled_failed(path: &Path, source: sled::Error) -> StoreError {
    StoreError::Sled { path: path.to_owned(), source }
}

impl Remembrance {
    fn apply(&self, tree: &TransactionalTree) -> Result<(), UnabortableTransactionError> {
        let key = port_key(self.port);
        match &self.service {
            Some(service) => tree.insert(&key, encode(&PortRecord::from(service)))?,
            None => tree.remove(&key)?,
        };
        Ok(())
    }
}

/// An operation, encoded before the transaction.
struct Write<'a> {
    service: &'a [u8],
    /// The name that the service had before, if that was another one.
    renamed: Option<&'a [u8]>,
    port: [u8; 2],
    /// The records for the service and for the port; `None` removes both.
    records: Option<(Vec<u8>, Vec<u8>)>,
}

impl Write<'_> {
    fn apply(
        &self,
        services: &TransactionalTree,
        ports: &TransactionalTree,
    ) -> Result<(), UnabortableTransactionError> {
        if let Some(before) = self.renamed {
            services.remove(before)?;
        }
        match &self.records {
            Some((service_record, port_record)) => {
                services.insert(self.service, service_record.as_slice())?;
                ports.insert(&self.port, port_record.as_slice())?;
            }
            None => {
                services.remove(self.service)?;
                ports.remove(&self.port)?;
            }
        }
        Ok(())
    }
}

impl<'a> From<&'a Operation> for Write<'a> {
    fn from(operation: &'a Operation) -> Self {
        let (Operation::Insert(registration)
        | Operation::Update(_, registration)
        | Operation::Remove(registration)) = operation;
        let records = operation.after().map(|after| {
            let after = after.as_ref();
            (encode(&ServiceRecord::from(after)), encode(&PortRecord::from(&after.service)))
        });
        let service = registration.service.as_str().as_bytes();
        let before = operation.before().map(|before| before.service.as_str().as_bytes());
        let renamed = before.filter(|before| *before != service);
        Self { service, renamed, port: port_key(registration.port), records }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;
    use crate::addresses::Addresses;
    use crate::port::Port;
    use crate::service_name::ServiceName;
    use crate::store::Store;
    use crate::timestamp::Timestamp;

    /// How many services there are; they take several parts.
    const COUNT: u16 = 100;

    /// Services with this prefix on the ports from 1 on, and their seal.
    fn services(prefix: &str) -> (Vec<Arc<Registration>>, Seal) {
        let service = |number| Registration {
            service: ServiceName::parse(format!("{prefix}{number:03}")).unwrap(),
            port: Port::new(number).unwrap(),
            addresses: Addresses::default(),
            created_at: Timestamp::from_unix_seconds(1_795_341_600).unwrap(),
            hold: true,
            folder: None,
        };
        let services: Vec<_> = (1..=COUNT).map(service).collect();
        let seal = Seal::of(7, &services);
        (services.into_iter().map(Arc::new).collect(), seal)
    }

    fn store_of(services: &[Arc<Registration>], seal: Seal) -> (TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let services: Vec<_> = services.iter().map(|service| service.as_ref().clone()).collect();
        let (store, _) = Store::create(&folder.path().join("db"), &services, seal).unwrap();
        (folder, store)
    }

    /// The registry as the next start finds it, and how many trees have something of another one.
    fn reopened(folder: &Path) -> (Vec<Arc<Registration>>, Seal, usize) {
        let (store, contents) = Store::open(&folder.join("db")).unwrap();
        let Pair { services, ports } = &store.trees.spare;
        let left = [services, ports].into_iter().filter(|tree| !tree.is_empty()).count();
        (contents.registrations.into_iter().map(Arc::new).collect(), contents.seal, left)
    }

    #[test]
    fn a_replaced_registry_is_the_one_that_is_stored_and_changed() {
        let (before, seal) = services("before");
        let (folder, mut store) = store_of(&before, seal);
        // Each time the pairs change places.
        for prefix in ["once", "twice", "thrice"] {
            let (mut after, seal) = services(prefix);
            store.replace_all(&after, &[], seal).unwrap();
            let removed = after.pop().unwrap();
            let services: Vec<_> = after.iter().map(|service| service.as_ref().clone()).collect();
            let seal = Seal::of(8, &services);
            store.commit(&[Operation::Remove(removed)], &[], seal).unwrap();
            drop(store);
            assert_eq!(reopened(folder.path()), (after, seal, 0), "{prefix}");
            store = Store::open(&folder.path().join("db")).unwrap().0;
        }
    }

    #[test]
    fn what_was_replaced_is_removed_at_once_if_asked() {
        let (before, seal) = services("before");
        let (_folder, mut store) = store_of(&before, seal);
        let (after, seal) = services("after");
        store.replace_all(&after, &[], seal).unwrap();
        let names = |tree: &Tree| tree.iter().keys().map(Result::unwrap).collect::<Vec<_>>();
        let Trees { current, spare, .. } = &store.trees;
        assert_eq!(names(&current.services)[0], b"after001");
        assert_eq!(names(&spare.services)[0], b"before001");
        store.remove_replaced().unwrap();
        let Trees { current, spare, .. } = &store.trees;
        let sizes = [&current.services, &current.ports, &spare.services, &spare.ports];
        assert_eq!(sizes.map(Tree::len), [100, 100, 0, 0]);
    }

    /// What an interrupted change of many leaves.
    #[test]
    fn a_spare_pair_that_is_filled_in_part_is_no_part_of_the_registry() {
        let (before, seal) = services("before");
        let (folder, store) = store_of(&before, seal);
        let Pair { services, ports } = &store.trees.spare;
        services.insert("half", b"written").unwrap();
        ports.insert(port_key(Port::new(1).unwrap()), b"written").unwrap();
        drop(store);
        assert_eq!(reopened(folder.path()), (before, seal, 0));
    }

    #[test]
    fn a_store_that_names_no_pair_of_trees_is_damaged() {
        let (before, seal) = services("before");
        let (folder, store) = store_of(&before, seal);
        store.trees.meta.insert(PAIR_KEY, b"2").unwrap();
        drop(store);
        let error = Store::open(&folder.path().join("db")).unwrap_err();
        assert!(error.is_damage(), "{error}");
    }
}
