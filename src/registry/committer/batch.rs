//! Changes that are decided and not yet stored, on top of the view.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::debug;

use crate::addresses::Addresses;
use crate::allocation::Allocation;
use crate::port::{Port, PortRange};
use crate::probe::{self, Hold, Who};
use crate::registry::view::View;
use crate::registry::{ChangeError, PortSet};
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::Change;
use crate::timestamp::Timestamp;

/// How many ports that others have are named.
pub(super) const MAX_SHOWN: usize = 3;

/// What a batch comes to: the changes in their order, the seal of the registry after them, and the
/// holds on the ports that were claimed; and the ports of the range that others were found on.
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    pub(super) seal: Seal,
    pub(super) holds: HashMap<Port, Hold>,
    pub(super) skipped: Vec<Port>,
}

/// The registry as it will be once the batch is stored.
pub(super) struct Batch<'a> {
    view: &'a View,
    port_range: PortRange,
    port_listen: Port,
    /// The ports that can't be allocated: registered ones, the one where pald listens, and those
    /// that others were found on.
    taken: PortSet,
    /// The ports of the range that others were found on.
    skipped: Vec<Port>,
    holds: HashMap<Port, Hold>,
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
            skipped: Vec::new(),
            holds: HashMap::new(),
            by_service: HashMap::new(),
            by_port: HashMap::new(),
            changes: Vec::new(),
            seal: view.seal(),
        }
    }

    /// The service's port; the lowest of the range that can be claimed if it has none.
    pub(super) fn allocate(&mut self, service: ServiceName) -> Result<Port, ChangeError> {
        if let Some(port) = self.port_of(&service) {
            return Ok(port);
        }
        let port = self.claim_lowest()?;
        self.insert(service, port);
        Ok(port)
    }

    /// Gives the service this very port, inside or outside the range.
    ///
    /// It is not probed: the service may be running on it, or just starting.
    pub(super) fn pin(&mut self, service: ServiceName, port: Port) -> Result<Port, ChangeError> {
        match (self.port_of(&service), self.allocation_at(port)) {
            (Some(own), _) if own == port => return Ok(port),
            (Some(own), _) => return Err(ChangeError::HasAnother { service, port: own }),
            (None, Some(other)) => {
                return Err(ChangeError::Taken { port, service: other.service.clone() });
            }
            (None, None) if port == self.port_listen => return Err(ChangeError::Listening(port)),
            (None, None) => {}
        }
        self.insert(service, port);
        Ok(port)
    }

    /// The lowest port of the range that nobody uses, which is held from here on.
    fn claim_lowest(&mut self) -> Result<Port, ChangeError> {
        while let Some(port) = self.taken.lowest_free(self.port_range) {
            match probe::claim(port) {
                Ok(Ok(hold)) => {
                    self.holds.insert(port, hold);
                    return Ok(port);
                }
                Ok(Err(occupied)) => {
                    debug!(%port, reason = %occupied, "skipped");
                    self.skipped.push(port);
                    self.taken.insert(port);
                }
                Err(cause) => {
                    let reason = cause.to_string().into();
                    return Err(ChangeError::Probe { port, reason });
                }
            }
        }
        Err(self.exhausted())
    }

    fn insert(&mut self, service: ServiceName, port: Port) {
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
    }

    /// Ends the registration of the port; the service that had it.
    pub(super) fn release(&mut self, port: Port) -> Result<ServiceName, ChangeError> {
        let allocation = self.allocation_at(port).ok_or(ChangeError::NotRegistered(port))?;
        let service = allocation.service.clone();
        if port != self.port_listen {
            self.taken.remove(port);
        }
        self.holds.remove(&port);
        self.by_service.insert(service.clone(), None);
        self.by_port.insert(port, None);
        self.seal.remove(&allocation);
        self.changes.push(Change::Remove(allocation));
        Ok(service)
    }

    /// What has to be stored.
    pub(super) fn finish(mut self) -> Outcome {
        if !self.changes.is_empty() {
            self.seal.revision += 1;
        }
        Outcome { changes: self.changes, seal: self.seal, holds: self.holds, skipped: self.skipped }
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
            occupied: self.skipped.len(),
            holders: holders(&self.skipped),
        }
    }
}

/// Who has the first few of these ports, in words.
fn holders(ports: &[Port]) -> Arc<str> {
    let mut who = Who::open();
    let shown = ports.iter().take(MAX_SHOWN).map(|port| {
        let state = who.state(*port, &|_| false);
        format!("{port} is {state}")
    });
    shown.collect::<Vec<_>>().join(", ").into()
}
