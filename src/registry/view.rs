//! What readers see: all that is on disk, and nothing that is not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::allocation::Allocation;
use crate::dump;
use crate::port::Port;
use crate::registry::PortSet;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::Change;

/// The registry in memory, by service and by port.
#[derive(Debug)]
pub(super) struct View {
    by_service: HashMap<ServiceName, Port>,
    by_port: BTreeMap<Port, Arc<Allocation>>,
    registered: PortSet,
    line_bytes: usize,
    seal: Seal,
}

impl View {
    pub(super) fn port_of(&self, service: &[u8]) -> Option<Port> {
        self.by_service.get(service).copied()
    }

    pub(super) fn allocation_of(&self, service: &ServiceName) -> Option<&Arc<Allocation>> {
        self.port_of(service.as_ref()).and_then(|port| self.allocation_at(port))
    }

    pub(super) fn allocation_at(&self, port: Port) -> Option<&Arc<Allocation>> {
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
    pub(super) fn snapshot(&self) -> (Vec<Arc<Allocation>>, Seal) {
        (self.by_port.values().cloned().collect(), self.seal)
    }

    /// How long the lines of a dump of all entries are at the most, in bytes.
    pub(super) fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    fn insert(&mut self, allocation: Arc<Allocation>) {
        self.line_bytes += dump::max_line_bytes(&allocation);
        self.by_service.insert(allocation.service.clone(), allocation.port);
        self.registered.insert(allocation.port);
        self.by_port.insert(allocation.port, allocation);
    }

    fn remove(&mut self, allocation: &Allocation) {
        self.line_bytes -= dump::max_line_bytes(allocation);
        self.by_service.remove(&allocation.service);
        self.registered.remove(allocation.port);
        self.by_port.remove(&allocation.port);
    }
}

/// The view, shared by many readers and one writer, the committer.
#[derive(Debug)]
pub(super) struct SharedView(RwLock<View>);

impl SharedView {
    pub(super) fn new(allocations: Vec<Allocation>, seal: Seal) -> Self {
        let mut view = View {
            by_service: HashMap::with_capacity(allocations.len()),
            by_port: BTreeMap::new(),
            registered: PortSet::default(),
            line_bytes: 0,
            seal,
        };
        allocations.into_iter().for_each(|allocation| view.insert(Arc::new(allocation)));
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
                Change::Insert(allocation) => view.insert(Arc::clone(allocation)),
                Change::Update(before, after) => {
                    view.remove(before);
                    view.insert(Arc::clone(after));
                }
                Change::Remove(allocation) => view.remove(allocation),
            }
        }
        view.seal = seal;
    }
}
