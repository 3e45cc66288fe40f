//! Reads and checks the whole store.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use sled::Tree;

use super::StoreError;
use super::record::{PortRecord, RecordError, SealRecord, ServiceRecord, decode, port_of_key};
use super::trees::{Trees, sled_failed};
use crate::port::Port;
use crate::quoted::Quoted;
use crate::registration::Registration;
use crate::seal::Seal;
use crate::service_name::ServiceName;

/// The checked contents of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// All registrations, sorted by name; every name and every port occurs once.
    pub registrations: Vec<Registration>,
    /// The seal of the registrations.
    pub seal: Seal,
    /// Released ports, and the services that had them last; the seal says nothing of them.
    pub remembered: Vec<(Port, ServiceName)>,
}

impl Contents {
    /// Reads both trees and checks them against each other and against the stored seal.
    pub(super) fn of(trees: &Trees, path: &Path) -> Result<Self, StoreError> {
        let stored = stored_seal(trees, path);
        // The number may be damaged; there are never more services than ports.
        let entries = stored.as_ref().map_or(0, |stored| stored.entries);
        let capacity = usize::from(u16::try_from(entries).unwrap_or(u16::MAX));
        let (registrations, mut ports) = thread::scope(|scope| {
            let reader = thread::Builder::new().name("store reader".into());
            let reader = reader.spawn_scoped(scope, || ports(trees, path, capacity));
            let reader =
                reader.map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
            let registrations = services(trees, path, capacity);
            let ports = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok::<_, StoreError>((registrations?, ports?))
        })?;
        let contradiction = |found| Err(StoreError::Contradiction { path: path.to_owned(), found });
        for Registration { service, port, .. } in &registrations {
            match ports.remove(port) {
                Some(owner) if owner == *service => {}
                Some(owner) => {
                    let found = format!("port {port} belongs to both {service} and {owner}");
                    return contradiction(found);
                }
                None => return contradiction(format!("port {port} of {service} is missing")),
            }
        }
        if let Some((port, service)) = ports.into_iter().next() {
            return contradiction(format!("service {service} of port {port} is missing"));
        }
        let stored = stored?;
        let seal = Seal::of(stored.revision, &registrations).with_id(stored.id());
        if SealRecord::from(seal) != stored {
            let (found, expected) = (seal.entries, stored.entries);
            return contradiction(format!(
                "its {found} services do not match its seal ({expected} services at revision {})",
                stored.revision
            ));
        }
        let remembered = port_records(trees.remembered(), path, "remembered port")?;
        Ok(Self { registrations, seal, remembered })
    }
}

fn services(trees: &Trees, path: &Path, capacity: usize) -> Result<Vec<Registration>, StoreError> {
    let mut registrations = Vec::with_capacity(capacity);
    for item in trees.current().services.iter() {
        let (key, value) = item.map_err(|source| sled_failed(path, source))?;
        let registration = decode::<ServiceRecord>(&value).and_then(|r| r.into_registration(&key));
        registrations
            .push(registration.map_err(|source| unreadable(path, "service", &key, source))?);
    }
    Ok(registrations)
}

fn ports(
    trees: &Trees,
    path: &Path,
    capacity: usize,
) -> Result<HashMap<Port, ServiceName>, StoreError> {
    let mut ports = HashMap::with_capacity(capacity);
    ports.extend(port_records(&trees.current().ports, path, "port")?);
    Ok(ports)
}

/// The records of a tree whose keys are ports; `what` is such a key in words.
fn port_records(
    tree: &Tree,
    path: &Path,
    what: &str,
) -> Result<Vec<(Port, ServiceName)>, StoreError> {
    let mut records = Vec::new();
    for item in tree.iter() {
        let (key, value) = item.map_err(|source| sled_failed(path, source))?;
        let entry =
            port_of_key(&key).and_then(|port| Ok((port, decode::<PortRecord>(&value)?.service()?)));
        records.push(entry.map_err(|source| unreadable(path, what, &key, source))?);
    }
    Ok(records)
}

fn stored_seal(trees: &Trees, path: &Path) -> Result<SealRecord, StoreError> {
    let Some(stored) = trees.seal()? else {
        let found = "its seal is missing".to_owned();
        return Err(StoreError::Contradiction { path: path.to_owned(), found });
    };
    decode(&stored).map_err(|source| StoreError::Record {
        path: path.to_owned(),
        what: "its seal".to_owned(),
        source,
    })
}

fn unreadable(path: &Path, tree: &str, key: &[u8], source: RecordError) -> StoreError {
    let what = format!("the record of {tree} {}", Quoted::new(key));
    StoreError::Record { path: path.to_owned(), what, source }
}
