//! Changes that are decided and not yet stored, on top of the view.

use std::collections::HashMap;
use std::sync::Arc;

use crate::addresses::Addresses;
use crate::allocation::Allocation;
use crate::port::{Port, PortRange};
use crate::registry::view::View;
use crate::registry::{ChangeError, PortSet};
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::Change;
use crate::timestamp::Timestamp;

/// The registry as it will be once the batch is stored.
pub(super) struct Batch<'a> {
    view: &'a View,
    port_range: PortRange,
    port_listen: Port,
    /// The ports that can't be allocated: registered ones, and the one where pald listens.
    taken: PortSet,
    by_service: HashMap<ServiceName, Option<Port>>,
    by_port: HashMap<Port, Option<Arc<Allocation>>>,
    changes: Vec<Change>,
    seal: Seal,
}

impl<'a> Batch<'a> {
    pub(super) fn new(view: &'a View, port_range: PortRange, port_listen: Port) -> Self {
        let mut taken = view.registered().clone();
        taken.insert(port_listen);
        Self {
            view,
            port_range,
            port_listen,
            taken,
            by_service: HashMap::new(),
            by_port: HashMap::new(),
            changes: Vec::new(),
            seal: view.seal(),
        }
    }

    /// The service's port; the lowest free one if it has none.
    pub(super) fn allocate(&mut self, service: ServiceName) -> Result<Port, ChangeError> {
        if let Some(port) = self.port_of(&service) {
            return Ok(port);
        }
        let port = self.taken.lowest_free(self.port_range).ok_or_else(|| self.exhausted())?;
        let allocation = Arc::new(Allocation {
            service,
            port,
            addresses: Addresses::default(),
            created_at: Timestamp::now(),
            hold: true,
        });
        self.taken.insert(port);
        self.by_service.insert(allocation.service.clone(), Some(port));
        self.by_port.insert(port, Some(Arc::clone(&allocation)));
        self.seal.add(&allocation);
        self.changes.push(Change::Insert(allocation));
        Ok(port)
    }

    /// Ends the registration of the port; the service that had it.
    pub(super) fn release(&mut self, port: Port) -> Result<ServiceName, ChangeError> {
        let allocation = self.allocation_at(port).ok_or(ChangeError::NotRegistered(port))?;
        let service = allocation.service.clone();
        if port != self.port_listen {
            self.taken.remove(port);
        }
        self.by_service.insert(service.clone(), None);
        self.by_port.insert(port, None);
        self.seal.remove(&allocation);
        self.changes.push(Change::Remove(allocation));
        Ok(service)
    }

    /// The changes in their order, and the seal of the registry after them.
    pub(super) fn finish(mut self) -> (Vec<Change>, Seal) {
        if !self.changes.is_empty() {
            self.seal.revision += 1;
        }
        (self.changes, self.seal)
    }

    fn port_of(&self, service: &ServiceName) -> Option<Port> {
        match self.by_service.get(service) {
            Some(decided) => *decided,
            None => self.view.port_of(service),
        }
    }

    fn allocation_at(&self, port: Port) -> Option<Arc<Allocation>> {
        match self.by_port.get(&port) {
            Some(decided) => decided.clone(),
            None => self.view.allocation_at(port).cloned(),
        }
    }

    fn exhausted(&self) -> ChangeError {
        let is_listening_port_inside = self.port_range.contains(self.port_listen);
        ChangeError::Exhausted {
            port_range: self.port_range,
            size: self.port_range.size() - usize::from(is_listening_port_inside),
        }
    }
}
