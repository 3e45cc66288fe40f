//! The registry in memory. The committer owns one model, which is ahead of the disk while a batch
//! is on its way there; the readers share another one, which never is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::PortSet;
use crate::dump;
use crate::dump_file::Snapshot;
use crate::port::Port;
use crate::registration::Registration;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::Operation;

/// All registrations, by service and by port, with what a store or a dump of them says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    by_service: HashMap<ServiceName, Arc<Registration>>,
    by_port: BTreeMap<Port, Arc<Registration>>,
    ports: PortSet,
    line_bytes: usize,
    seal: Seal,
}

impl Model {
    /// A model of `registrations`, in which every name and every port occurs once; the seal's
    /// revision and identity are taken over.
    pub(super) fn new(registrations: Vec<Registration>, seal: Seal) -> Self {
        let mut model = Self {
            by_service: HashMap::with_capacity(registrations.len()),
            by_port: BTreeMap::new(),
            ports: PortSet::default(),
            line_bytes: 0,
            seal: Seal::of(seal.revision, []).with_id(seal.id),
        };
        registrations.into_iter().for_each(|registration| model.insert(Arc::new(registration)));
        model
    }

    /// The registration of the service with this name; none has an illegal name.
    pub(super) fn of_service(&self, name: &[u8]) -> Option<&Arc<Registration>> {
        self.by_service.get(name)
    }

    /// The registration of the service that has this port.
    pub(super) fn at_port(&self, port: Port) -> Option<&Arc<Registration>> {
        self.by_port.get(&port)
    }

    /// All registrations, in port order.
    pub(super) fn registrations(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.by_port.values()
    }

    /// How many services are registered.
    pub(super) fn len(&self) -> usize {
        self.by_port.len()
    }

    /// All registered ports.
    pub(super) fn ports(&self) -> &PortSet {
        &self.ports
    }

    /// Returns the most bytes that the lines of a dump of this model can have.
    pub(super) fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// Revision, number and checksum of the registrations.
    pub(super) fn seal(&self) -> Seal {
        self.seal
    }

    /// Applies one operation; the revision stays.
    pub(super) fn apply(&mut self, operation: &Operation) {
        if let Some(before) = operation.before() {
            self.remove(before);
        }
        if let Some(after) = operation.after() {
            self.insert(Arc::clone(after));
        }
    }

    /// Counts one more batch of changes.
    pub(super) fn advance(&mut self) {
        self.seal.revision += 1;
    }

    fn insert(&mut self, registration: Arc<Registration>) {
        self.line_bytes += dump::max_line_bytes(&registration);
        self.seal.add(&registration);
        self.ports.insert(registration.port);
        self.by_service.insert(registration.service.clone(), Arc::clone(&registration));
        self.by_port.insert(registration.port, registration);
    }

    fn remove(&mut self, registration: &Registration) {
        self.line_bytes -= dump::max_line_bytes(registration);
        self.seal.remove(registration);
        self.ports.remove(registration.port);
        self.by_service.remove(&registration.service);
        self.by_port.remove(&registration.port);
    }
}

/// The model that readers see: all that is on disk, and nothing that is not.
#[derive(Debug)]
pub(super) struct Readers(RwLock<Model>);

impl Readers {
    pub(super) fn new(model: Model) -> Self {
        Self(RwLock::new(model))
    }

    /// The model as it is now. Keep it for a moment only: the committer may wait for it.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Model> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a batch that is on disk, all of it at once. To replay it under the lock is cheaper than
    /// to copy the model: "60,000 services cost at most 1.2 of 100".
    pub(super) fn replay(&self, operations: &[Operation]) {
        let mut model = self.0.write().unwrap_or_else(PoisonError::into_inner);
        operations.iter().for_each(|operation| model.apply(operation));
        model.advance();
    }

    /// All registrations, at the time of the call. They are taken out under the lock, so that
    /// whatever is done with them blocks nobody.
    pub(super) fn snapshot(&self) -> Snapshot {
        let model = self.read();
        Snapshot { registrations: model.registrations().cloned().collect(), seal: model.seal() }
    }
}
