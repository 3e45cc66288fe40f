//! The three sled trees, and the one transaction that changes them.

use std::path::{Path, PathBuf};

use sled::transaction::{ConflictableTransactionResult, TransactionError, Transactional as _};
use sled::{Db, Tree};

use super::record::{PortRecord, SealRecord, ServiceRecord, encode, port_key};
use super::{Operation, StoreError};
use crate::seal::Seal;

/// The key of the schema version in `meta`: four bytes, big-endian, in every version.
const SCHEMA_KEY: &str = "schema";
/// The key of the seal in `meta`.
const SEAL_KEY: &str = "seal";

/// The trees of the store; they change together or not at all.
#[derive(Debug)]
pub(super) struct Trees {
    pub(super) services: Tree,
    pub(super) ports: Tree,
    meta: Tree,
    db: Db,
    path: PathBuf,
}

impl Trees {
    /// Opens the trees of a database whose schema is up to date.
    pub(super) fn open(db: Db, path: &Path) -> Result<Self, StoreError> {
        let tree = |name: &str| db.open_tree(name).map_err(|source| sled_failed(path, source));
        let (services, ports, meta) = (tree("services")?, tree("ports")?, tree("meta")?);
        Ok(Self { services, ports, meta, db, path: path.to_owned() })
    }

    /// Applies the operations in order and stores the seal, all in one transaction.
    pub(super) fn apply(&self, operations: &[Operation], seal: Seal) -> Result<(), StoreError> {
        let writes: Vec<Write> = operations.iter().map(Write::from).collect();
        let seal = encode(&SealRecord::from(seal));
        // sled may run the closure more than once, so it changes nothing but the trees.
        let applied: Result<(), TransactionError<()>> = (&self.services, &self.ports, &self.meta)
            .transaction(|(services, ports, meta)| {
                for Write { service, port, records } in &writes {
                    match records {
                        Some((service_record, port_record)) => {
                            services.insert(*service, service_record.as_slice())?;
                            ports.insert(port, port_record.as_slice())?;
                        }
                        None => {
                            services.remove(*service)?;
                            ports.remove(port)?;
                        }
                    }
                }
                meta.insert(SEAL_KEY, seal.as_slice())?;
                ConflictableTransactionResult::Ok(())
            });
        applied.map_err(|error| match error {
            TransactionError::Storage(source) => sled_failed(&self.path, source),
            TransactionError::Abort(()) => unreachable!("the transaction never aborts"),
        })
    }

    /// Writes all applied changes to sled's files; they are on disk once the data file is synced.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(|source| sled_failed(&self.path, source))
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

/// An operation, encoded before the transaction.
struct Write<'a> {
    service: &'a [u8],
    port: [u8; 2],
    /// The records for the service and for the port; `None` removes both.
    records: Option<(Vec<u8>, Vec<u8>)>,
}

impl<'a> From<&'a Operation> for Write<'a> {
    fn from(operation: &'a Operation) -> Self {
        let (Operation::Insert(registration)
        | Operation::Update(_, registration)
        | Operation::Remove(registration)) = operation;
        let records = operation.after().map(|after| {
            let after = after.as_ref();
            (encode(&ServiceRecord::from(after)), encode(&PortRecord::from(after)))
        });
        let service = registration.service.as_str().as_bytes();
        Self { service, port: port_key(registration.port), records }
    }
}
