//! What readers see: all that is on disk, and nothing that is not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::dump;
use crate::port::Port;
use crate::registration::Registration;
use crate::registry::PortSet;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::Change;

/// The registry in memory, by service and by port.
#[derive(Debug)]
pub(super) struct View {
    by_service: HashMap<ServiceName, Port>,
    by_port: BTreeMap<Port, Arc<Registration>>,
    registered: PortSet,
    line_bytes: usize,
    seal: Seal,
}

impl View {
    pub(super) fn port_of(&self, service: &[u8]) -> Option<Port> {
        self.by_service.get(service).copied()
    }

    pub(super) fn registration_of(&self, service: &ServiceName) -> Option<&Arc<Registration>> {
        self.port_of(service.as_ref()).and_then(|port| self.registration_at(port))
    }

    pub(super) fn registration_at(&self, port: Port) -> Option<&Arc<Registration>> {
        self.by_port.get(&port)
    }

    pub(super) fn len(&self) -> usize {
        self.by_port.len()
    }

    /// All ports that are some service's.
    pub(super) fn registered(&self) -> &PortSet {
        &self.registered
    }

    pub(super) fn seal(&self) -> Seal {
        self.seal
    }

    /// All entries, in port order.
    pub(super) fn snapshot(&self) -> (Vec<Arc<Registration>>, Seal) {
        (self.by_port.values().cloned().collect(), self.seal)
    }

    /// How long the lines of a dump of all entries are at the most, in bytes.
    pub(super) fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    fn insert(&mut self, registration: Arc<Registration>) {
        self.line_bytes += dump::max_line_bytes(&registration);
        self.by_service.insert(registration.service.clone(), registration.port);
        self.registered.insert(registration.port);
        self.by_port.insert(registration.port, registration);
    }

    fn remove(&mut self, registration: &Registration) {
        self.line_bytes -= dump::max_line_bytes(registration);
        self.by_service.remove(&registration.service);
        self.registered.remove(registration.port);
        self.by_port.remove(&registration.port);
    }
}

/// The view, shared by many readers and one writer, the committer.
#[derive(Debug)]
pub(super) struct SharedView(RwLock<View>);

impl SharedView {
    pub(super) fn new(registrations: Vec<Registration>, seal: Seal) -> Self {
        let mut view = View {
            by_service: HashMap::with_capacity(registrations.len()),
            by_port: BTreeMap::new(),
            registered: PortSet::default(),
            line_bytes: 0,
            seal,
        };
        registrations.into_iter().for_each(|registration| view.insert(Arc::new(registration)));
        Self(RwLock::new(view))
    }

    /// The view as it is now. Hold it for a moment only: the committer may wait for it.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, View> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a batch that is on disk, all of it at once.
    pub(super) fn publish(&self, changes: &[Change], seal: Seal) {
        let mut view = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change {
                Change::Insert(registration) => view.insert(Arc::clone(registration)),
                Change::Update(before, after) => {
                    view.remove(before);
                    view.insert(Arc::clone(after));
                }
                Change::Remove(registration) => view.remove(registration),
            }
        }
        view.seal = seal;
    }
}
