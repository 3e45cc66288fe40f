//! Changes that are decided and not yet stored, on top of the view.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tracing::debug;

use super::ahead::{Claim, Claimable};
use crate::dump;
use crate::dump_file;
use crate::port::{Port, PortRange};
use crate::probe::{Claimer, Hold, Who};
use crate::registration::Registration;
use crate::registry::view::View;
use crate::registry::{ChangeError, Existing, PortSet, RegisterOptions, Registered, Target};
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
    /// What the next batch may claim.
    pub(super) claimable: Claimable,
}

/// The registry as it will be once the batch is stored.
pub(super) struct Batch<'a> {
    view: &'a View,
    port_range: PortRange,
    port_listen: Port,
    /// The ports that can't be given out: registered ones, the one where pald listens, and those
    /// that others were found on.
    taken: PortSet,
    /// The ports of the range that others were found on.
    skipped: Vec<Port>,
    claimer: &'a mut Claimer,
    /// Claims that were made for this batch and not yet used.
    claims: HashMap<Port, Claim>,
    holds: HashMap<Port, Hold>,
    by_service: HashMap<ServiceName, Option<Port>>,
    by_port: HashMap<Port, Option<Arc<Registration>>>,
    changes: Vec<Change>,
    line_bytes: usize,
    seal: Seal,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        view: &'a View,
        port_range: PortRange,
        port_listen: Port,
        claimer: &'a mut Claimer,
        claims: HashMap<Port, Claim>,
    ) -> Self {
        let mut taken = view.registered().clone();
        taken.insert(port_listen);
        Self {
            view,
            port_range,
            port_listen,
            taken,
            skipped: Vec::new(),
            claimer,
            claims,
            holds: HashMap::new(),
            by_service: HashMap::new(),
            by_port: HashMap::new(),
            changes: Vec::new(),
            line_bytes: view.line_bytes(),
            seal: view.seal(),
        }
    }

    /// Registers the service on these options, or changes what the options say of a registered one.
    pub(super) fn register(
        &mut self,
        service: ServiceName,
        options: RegisterOptions,
    ) -> Result<Registered, ChangeError> {
        match self.registration_of(&service) {
            Some(known) => self.update(&known, &options),
            None => self.insert_new(service, options),
        }
    }

    fn update(
        &mut self,
        known: &Arc<Registration>,
        options: &RegisterOptions,
    ) -> Result<Registered, ChangeError> {
        let (service, port) = (&known.service, known.port);
        if options.existing == Existing::Refuse {
            return Err(ChangeError::NotNew { service: service.clone(), port });
        }
        if options.port.is_some_and(|wanted| wanted != port) {
            return Err(ChangeError::HasAnother { service: service.clone(), port });
        }
        let registration = options.applied_to(known);
        if registration != *known {
            self.check_size(&[known], &[&registration])?;
            self.replace(known, Arc::clone(&registration));
        }
        Ok(Registered { registration, is_new: false })
    }

    fn insert_new(
        &mut self,
        service: ServiceName,
        options: RegisterOptions,
    ) -> Result<Registered, ChangeError> {
        // A port that was asked for is not probed: the service may be running on it, or starting.
        let port = match options.port {
            Some(port) => self.check_free(port)?,
            None => self.claim_lowest()?,
        };
        let registration = Arc::new(Registration {
            service,
            port,
            addresses: options.addresses.unwrap_or_default(),
            created_at: Timestamp::now(),
            hold: options.hold.unwrap_or(true),
        });
        if let Err(too_large) = self.check_size(&[], &[&registration]) {
            self.holds.remove(&port);
            return Err(too_large);
        }
        self.insert(Arc::clone(&registration));
        Ok(Registered { registration, is_new: true })
    }

    /// The port, if no service has it and pald does not listen there.
    fn check_free(&self, port: Port) -> Result<Port, ChangeError> {
        match self.registration_at(port) {
            Some(other) => Err(ChangeError::Taken { port, service: other.service.clone() }),
            None if port == self.port_listen => Err(ChangeError::Listening(port)),
            None => Ok(port),
        }
    }

    /// Makes sure that a dump of the registry can still be read after a change.
    pub(super) fn check_size(
        &self,
        before: &[&Arc<Registration>],
        after: &[&Arc<Registration>],
    ) -> Result<(), ChangeError> {
        let bytes = |registrations: &[&Arc<Registration>]| -> usize {
            registrations.iter().map(|registration| dump::max_line_bytes(registration)).sum()
        };
        let (less, more) = (bytes(before), bytes(after));
        match more <= less || dump_file::fits(self.line_bytes - less + more) {
            true => Ok(()),
            false => Err(ChangeError::TooLarge),
        }
    }

    /// The lowest port of the range that nobody uses, which is held from here on.
    fn claim_lowest(&mut self) -> Result<Port, ChangeError> {
        while let Some(port) = self.taken.lowest_free(self.port_range) {
            match self.claims.remove(&port).map_or_else(|| self.claimer.claim(port), Ok) {
                Ok(Ok(hold)) => {
                    self.holds.insert(port, hold);
                    return Ok(port);
                }
                Ok(Err(occupied)) => {
                    self.taken.insert(port);
                    // Released in this very batch, and still held by ourselves.
                    if !self.by_port.contains_key(&port) {
                        debug!(%port, reason = %occupied, "skipped");
                        self.skipped.push(port);
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

    pub(super) fn insert(&mut self, registration: Arc<Registration>) {
        self.taken.insert(registration.port);
        self.by_service.insert(registration.service.clone(), Some(registration.port));
        self.by_port.insert(registration.port, Some(Arc::clone(&registration)));
        self.line_bytes += dump::max_line_bytes(&registration);
        self.seal.add(&registration);
        self.changes.push(Change::Insert(registration));
    }

    /// Changes what is kept about a service; its port stays.
    pub(super) fn replace(&mut self, before: &Arc<Registration>, after: Arc<Registration>) {
        self.by_port.insert(after.port, Some(Arc::clone(&after)));
        self.line_bytes -= dump::max_line_bytes(before);
        self.line_bytes += dump::max_line_bytes(&after);
        self.seal.remove(before);
        self.seal.add(&after);
        self.changes.push(Change::Update(Arc::clone(before), after));
    }

    pub(super) fn remove(&mut self, registration: Arc<Registration>) {
        if registration.port != self.port_listen {
            self.taken.remove(registration.port);
        }
        self.holds.remove(&registration.port);
        self.by_service.insert(registration.service.clone(), None);
        self.by_port.insert(registration.port, None);
        self.line_bytes -= dump::max_line_bytes(&registration);
        self.seal.remove(&registration);
        self.changes.push(Change::Remove(registration));
    }

    /// Ends a registration; what it was.
    pub(super) fn release(&mut self, target: Target) -> Result<Arc<Registration>, ChangeError> {
        let found = match &target {
            Target::Port(port) => self.registration_at(*port),
            Target::Service(service) => self.registration_of(service),
        };
        let registration = found.ok_or(ChangeError::NotRegistered(target))?;
        self.remove(Arc::clone(&registration));
        Ok(registration)
    }

    /// The revision that this batch leads to.
    pub(super) fn revision(&self) -> u64 {
        self.seal.revision + u64::from(!self.changes.is_empty())
    }

    /// What has to be stored.
    pub(super) fn finish(mut self) -> Outcome {
        self.seal.revision = self.revision();
        // Until the batch is stored, we ourselves hold what it releases.
        let released = self.by_port.iter().filter(|(_, decided)| decided.is_none());
        released.for_each(|(port, _)| self.taken.insert(*port));
        Outcome {
            changes: self.changes,
            seal: self.seal,
            holds: self.holds,
            skipped: self.skipped,
            claimable: Claimable { port_range: self.port_range, taken: self.taken },
        }
    }

    pub(super) fn registration_of(&self, service: &ServiceName) -> Option<Arc<Registration>> {
        match self.by_service.get(service) {
            Some(decided) => decided.and_then(|port| self.registration_at(port)),
            None => self.view.registration_of(service).cloned(),
        }
    }

    pub(super) fn registration_at(&self, port: Port) -> Option<Arc<Registration>> {
        match self.by_port.get(&port) {
            Some(decided) => decided.clone(),
            None => self.view.registration_at(port).cloned(),
        }
    }

    /// All services as they will be, in port order.
    pub(super) fn all(&self) -> Vec<Arc<Registration>> {
        let (shown, _) = self.view.snapshot();
        let mut all: BTreeMap<Port, Arc<Registration>> =
            shown.into_iter().map(|registration| (registration.port, registration)).collect();
        for (port, decided) in &self.by_port {
            match decided {
                Some(registration) => drop(all.insert(*port, Arc::clone(registration))),
                None => drop(all.remove(port)),
            }
        }
        all.into_values().collect()
    }

    /// Where pald itself listens.
    pub(super) fn port_listen(&self) -> Port {
        self.port_listen
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
