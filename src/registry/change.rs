//! What the registry can be asked to change, and what comes of it.

use std::fmt;
use std::sync::Arc;

use crate::addresses::Addresses;
use crate::dump::DumpEntry;
use crate::port::Port;
use crate::registration::Registration;
use crate::service_name::ServiceName;

/// On which options a service is to be registered. What is left out stays as it is for a registered
/// service; a new one gets the lowest free port, no addresses, and a hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisterOptions {
    /// This very port, inside or outside the range, whoever runs on it.
    pub port: Option<Port>,
    /// These addresses.
    pub addresses: Option<Addresses>,
    /// Whether the port may be held.
    pub hold: Option<bool>,
    /// Whether the service may be registered already.
    pub existing: Existing,
}

/// Whether a service that is to be registered may be registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It may, and keeps its port.
    #[default]
    Accept,
    /// It must be new.
    Refuse,
}

/// A service that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// All that is kept about it.
    pub registration: Arc<Registration>,
    /// Whether it was not registered before.
    pub is_new: bool,
}

/// Which registration is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// That of the service that has this port.
    Port(Port),
    /// That of this service.
    Service(ServiceName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "Port {port}"),
            Self::Service(service) => service.fmt(f),
        }
    }
}

/// A dump to be taken over as one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its entries; every name and every port occurs once.
    pub entries: Vec<DumpEntry>,
    /// What becomes of services that the dump does not name, or has otherwise.
    pub mode: ImportMode,
    /// Whether it is only to be told what would change.
    pub dry_run: bool,
}

/// What an import does to services that are registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// They stay as they are; one that the dump has on another port is a conflict.
    Merge,
    /// The registry becomes what the dump says.
    Replace,
}

/// What an import has changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Services that were not registered.
    pub added: Vec<ServiceName>,
    /// Services that were registered otherwise.
    pub changed: Vec<ServiceName>,
    /// Services that are registered no longer.
    pub removed: Vec<ServiceName>,
    /// How many services stand as they were.
    pub kept: usize,
    /// The revision of the registry with these changes, if there are any.
    pub revision: u64,
}

impl RegisterOptions {
    /// The registered service as it is on these options, whatever port they ask for.
    pub(super) fn applied_to(&self, known: &Arc<Registration>) -> Arc<Registration> {
        let addresses = self.addresses.as_ref().unwrap_or(&known.addresses);
        let hold = self.hold.unwrap_or(known.hold);
        if *addresses == known.addresses && hold == known.hold {
            return Arc::clone(known);
        }
        let addresses = addresses.clone();
        Arc::new(Registration { addresses, hold, ..Registration::clone(known) })
    }

    /// Whether a registered service is on these options already.
    pub(super) fn are_met_by(&self, known: &Registration) -> bool {
        self.existing == Existing::Accept
            && self.port.is_none_or(|port| port == known.port)
            && self.addresses.as_ref().is_none_or(|addresses| *addresses == known.addresses)
            && self.hold.is_none_or(|hold| hold == known.hold)
    }
}
