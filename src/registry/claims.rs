//! The claims of one batch: which ports it may give out, and which it found in use.

use std::collections::BTreeMap;

use super::model::Model;
use super::remembered::Remembered;
use super::verdict::{Checkouts, Verdict};
use super::{ChangeError, PortSet};
use crate::folder::Folder;
use crate::port::{Port, PortRange};
use crate::probe::{self, Claimer, Hold, Look, Occupied, Who};
use crate::service_name::ServiceName;
use crate::store::Operation;

/// How many ports in use by others an error names.
const MAX_NAMED: usize = 3;

/// Which ports a batch may give out.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    port_range: PortRange,
    port_listen: Port,
    claimer: &'a mut Claimer,
    /// Ports that this batch gives to nobody: all that were registered at its start or are by now,
    /// pald's own, and those that others use.
    unavailable: PortSet,
    remembered: &'a mut Remembered,
    /// Ports that this batch has released, and whose they were. Until the batch is stored they are
    /// still registered on disk, and held: they go to no other service.
    freed: BTreeMap<Port, ServiceName>,
    /// Ports of the range that others use, and why each could not be claimed.
    occupied: Vec<(Port, Occupied)>,
}

impl<'a> Claims<'a> {
    /// The claims of a batch that starts with this model.
    pub(super) fn new(
        model: &Model,
        port_range: PortRange,
        port_listen: Port,
        claimer: &'a mut Claimer,
        remembered: &'a mut Remembered,
    ) -> Self {
        let mut unavailable = model.ports().clone();
        unavailable.insert(port_listen);
        let (freed, occupied) = (BTreeMap::new(), Vec::new());
        Self { port_range, port_listen, claimer, unavailable, remembered, freed, occupied }
    }

    /// The port that a service released last, if it can have it again: its own server may still run on
    /// it, or what nobody knows, but no foreign one.
    pub(super) fn remembered(
        &self,
        model: &Model,
        service: &ServiceName,
        folder: Option<&Folder>,
    ) -> Option<Port> {
        let port = self.remembered.port_of(service)?;
        let port = self.check_unregistered(model, port, service).ok()?;
        // Where this succeeds nothing listens, and a look takes some milliseconds.
        if matches!(probe::hold(port), Ok(Some(_))) {
            return Some(port);
        }
        let state = Who::open().state(port, Look::Quiet, &|_| false);
        let checkouts = Checkouts::around(&state, model.registrations().map(|known| &**known));
        let verdict = checkouts.verdict(service, folder, &state);
        (verdict != Some(Verdict::Foreign)).then_some(port)
    }

    /// Claims the lowest port of the range that is free, and holds it. A remembered port is taken if
    /// no other one is left.
    ///
    /// # Errors
    /// There is none, or the system does not let pald look.
    pub(super) fn lowest_free(&mut self) -> Result<(Port, Hold), ChangeError> {
        while let Some(port) = self.next_to_claim() {
            match self.claimer.claim(port) {
                Ok(Ok(hold)) => return Ok((port, hold)),
                Ok(Err(reason)) => {
                    self.unavailable.insert(port);
                    self.occupied.push((port, reason));
                    if matches!(reason, Occupied::Swallowed(_)) {
                        let next = candidates(&self.unavailable, self.remembered, self.port_range);
                        self.claimer.look_ahead(next);
                    }
                }
                Err(cause) => {
                    let reason = cause.to_string().into();
                    return Err(ChangeError::Probe { port, reason });
                }
            }
        }
        Err(self.exhausted())
    }

    fn next_to_claim(&self) -> Option<Port> {
        let (range, unavailable) = (self.port_range, &self.unavailable);
        let unclaimed = unavailable.lowest_free_of_both(self.remembered.ports(), range);
        unclaimed.or_else(|| unavailable.lowest_free(range))
    }

    /// Claims this very port, if nobody has it, and holds it; `None` if it can't be had.
    ///
    /// # Errors
    /// The system does not let pald look.
    pub(super) fn preferred(&mut self, port: Port) -> Result<Option<Hold>, ChangeError> {
        if self.unavailable.contains(port) {
            return Ok(None);
        }
        let claimed = self
            .claimer
            .claim(port)
            .map_err(|cause| ChangeError::Probe { port, reason: cause.to_string().into() });
        Ok(claimed?.ok())
    }

    /// Keeps a port of a decision that is not made yet from its other services.
    pub(super) fn set_aside(&mut self, port: Port) {
        self.unavailable.insert(port);
    }

    /// Takes back [`Claims::set_aside`], for a decision that failed.
    pub(super) fn put_back(&mut self, port: Port) {
        // One that this batch has released stays where it is, and one that others use.
        let is_occupied = self.occupied.iter().any(|(occupied, _)| *occupied == port);
        if !self.freed.contains_key(&port) && !is_occupied {
            self.unavailable.remove(port);
        }
    }

    /// Returns the port if it is no other service's, and not pald's own.
    pub(super) fn check_unregistered(
        &self,
        model: &Model,
        port: Port,
        service: &ServiceName,
    ) -> Result<Port, ChangeError> {
        match self.owner(model, port) {
            Some(owner) if owner != service => {
                Err(ChangeError::Taken { port, service: owner.clone() })
            }
            None if port == self.port_listen => Err(ChangeError::Listening(port)),
            _ => Ok(port),
        }
    }

    /// The service that has a port, or had it at the start of the batch.
    pub(super) fn owner<'b>(&'b self, model: &'b Model, port: Port) -> Option<&'b ServiceName> {
        let registered = model.at_port(port).map(|registration| &registration.service);
        registered.or_else(|| self.freed.get(&port))
    }

    /// Where pald itself listens.
    pub(super) fn port_listen(&self) -> Port {
        self.port_listen
    }

    /// Takes an operation of this batch into account.
    pub(super) fn follow(&mut self, operation: &Operation) {
        if let Operation::Remove(registration) = operation {
            self.freed.insert(registration.port, registration.service.clone());
        }
        if let Some(after) = operation.after() {
            self.unavailable.insert(after.port);
        }
        self.remembered.follow(operation);
    }

    /// The ports of the range that others use, as far as this batch has met them.
    pub(super) fn into_occupied(self) -> Vec<(Port, Occupied)> {
        self.occupied
    }

    fn exhausted(&self) -> ChangeError {
        let is_own_port_inside = self.port_range.contains(self.port_listen);
        ChangeError::Exhausted {
            port_range: self.port_range,
            size: self.port_range.size() - usize::from(is_own_port_inside),
            occupied: self.occupied.iter().map(|(_, met)| *met).collect(),
            first_occupied: self.occupied.iter().take(MAX_NAMED).copied().collect(),
        }
    }
}

/// The ports that a batch may give out, in the order in which it claims them.
fn candidates(
    unavailable: &PortSet,
    remembered: &Remembered,
    port_range: PortRange,
) -> impl Iterator<Item = Port> {
    let is_remembered = |port: &Port| remembered.ports().contains(*port);
    let free = || unavailable.all_free(port_range);
    free().filter(move |port| !is_remembered(port)).chain(free().filter(is_remembered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Seal;

    /// Ports that a firewall swallowed were asked one after the other, as soon as the lowest free
    /// one was remembered: it came first where others were to be asked side by side.
    #[test]
    fn ports_are_asked_ahead_in_the_order_of_their_claims() {
        let port = |number| Port::new(number).unwrap();
        let port_range = PortRange::new(port(10), port(14)).unwrap();
        let stored = [(10, "web"), (12, "api")];
        let stored = stored.map(|(number, name)| (port(number), ServiceName::parse(name).unwrap()));
        let remembered =
            Remembered::new(stored.to_vec(), &Model::new(Vec::new(), Seal::of(0, &[])));
        let unavailable = PortSet::from_iter([port(13)]);
        let order = candidates(&unavailable, &remembered, port_range).map(Port::number);
        assert_eq!(order.collect::<Vec<_>>(), [11, 14, 10, 12]);
    }
}
