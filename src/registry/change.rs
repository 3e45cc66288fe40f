//! Changes of the registry that callers ask for, and their results.

use std::fmt;
use std::sync::Arc;

use crate::addresses::Addresses;
use crate::dump::DumpEntry;
use crate::folder::Folder;
use crate::port::Port;
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::short_name::ShortName;

/// How to register a service. What is left out stays as it is for a registered service; a new one
/// gets the lowest free port, no addresses, and a hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisterOptions {
    /// The port to give it, inside or outside the range. It is not probed.
    pub port: Option<Port>,
    /// The addresses to note for it.
    pub addresses: Option<Addresses>,
    /// Whether pald may hold its port.
    pub hold: Option<bool>,
    /// Whether the service may be registered already.
    pub existing: Existing,
}

/// What to do with a service that is registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Keep its port.
    #[default]
    Accept,
    /// Move it to the port that is asked for; all else stays.
    Move,
    /// Refuse: it must be new.
    Refuse,
}

/// Services of a project to register for a checkout, as one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSet {
    /// The folder of the checkout, which the services remember.
    pub folder: Folder,
    /// The project.
    pub project: ShortName,
    /// The labels that the checkout may get, the best first and at least one; `None` is the main
    /// checkout's.
    pub labels: Vec<Option<ShortName>>,
    /// The services.
    pub services: Vec<ProjectService>,
    /// What to do with services that are registered on other ports than they prefer: keep or move.
    pub existing: Existing,
    /// Preferred ports that processes of the checkout listen on: they are not probed.
    pub own_ports: Vec<Port>,
}

/// A service of a [`ProjectSet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectService {
    /// Its short name.
    pub name: ShortName,
    /// Whether it is one for all checkouts, which remembers no folder.
    pub is_shared: bool,
    /// The port to get in the main checkout, if it can be had.
    pub prefer: Option<Port>,
    /// The addresses to note for it.
    pub addresses: Option<Addresses>,
    /// Whether pald may hold its port.
    pub hold: Option<bool>,
}

/// The result of registering a [`ProjectSet`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisteredSet {
    /// The registrations, in the order of the services.
    pub registrations: Vec<Arc<Registration>>,
    /// Whether any of them is new.
    pub is_new: bool,
}

/// The result of registering a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its registration.
    pub registration: Arc<Registration>,
    /// Whether it is new.
    pub is_new: bool,
}

/// Names the registration to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The one on this port.
    Port(Port),
    /// The one of this service.
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

/// A dump to import, as one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its entries; every name and every port occurs once.
    pub entries: Vec<DumpEntry>,
    /// What to do with services that are registered already.
    pub mode: ImportMode,
    /// Whether only to say what would change.
    pub dry_run: bool,
}

/// What an import does with services that are registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Leave them as they are. One on another port than in the dump is a conflict.
    Merge,
    /// Make the registry what the dump says.
    Replace,
}

/// The result of an import, or of its dry run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// New services.
    pub added: Vec<ServiceName>,
    /// Services that were registered with another port, other addresses or another hold.
    pub changed: Vec<ServiceName>,
    /// Released services.
    pub removed: Vec<ServiceName>,
    /// How many services stay as they were.
    pub kept: usize,
    /// The revision of the registry after the import.
    pub revision: u64,
}

impl RegisterOptions {
    /// Returns the registration with these options applied, but for the port.
    pub(super) fn applied_to(&self, known: &Arc<Registration>) -> Arc<Registration> {
        let addresses = self.addresses.as_ref().unwrap_or(&known.addresses);
        let hold = self.hold.unwrap_or(known.hold);
        if *addresses == known.addresses && hold == known.hold {
            return Arc::clone(known);
        }
        let addresses = addresses.clone();
        Arc::new(Registration { addresses, hold, ..Registration::clone(known) })
    }

    /// Whether a registration already is as these options ask.
    pub(super) fn are_met_by(&self, known: &Registration) -> bool {
        self.existing == Existing::Accept
            && self.port.is_none_or(|port| port == known.port)
            && self.addresses.as_ref().is_none_or(|addresses| *addresses == known.addresses)
            && self.hold.is_none_or(|hold| hold == known.hold)
    }
}
