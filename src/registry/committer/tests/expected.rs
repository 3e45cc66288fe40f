//! The registry as it should be, in plain maps.

use std::collections::{BTreeMap, BTreeSet};

use super::{listen, max, min, name, name_in_project, occupied, port};
use crate::addresses::Addresses;
use crate::port::{Port, PortRange};
use crate::probe::Occupied;
use crate::registry::{
    ChangeError, Existing, ImportConflict, ImportMode, OccupiedCount, RegisterOptions, Target,
};
use crate::service_name::ServiceName;

/// What is registered, by service: the port, the addresses, and whether it may be held.
pub(super) type Entries = BTreeMap<ServiceName, (Port, Addresses, bool)>;

/// The registry as it should be, and the batch that is being decided.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) entries: Entries,
    /// Released ports, and whose they were.
    pub(super) remembered: BTreeMap<Port, ServiceName>,
    /// Which checkout has set a service, whether it is registered still or not.
    folders: BTreeMap<ServiceName, u8>,
    /// Ports that the batch gives to nobody.
    unavailable: BTreeSet<Port>,
    /// Ports that the batch has released, and whose they were.
    freed: BTreeMap<Port, ServiceName>,
    /// Whether the batch has met the port that somebody else uses.
    has_met_occupied: bool,
}

impl Expected {
    pub(super) fn start_batch(&mut self) {
        self.unavailable = self.entries.values().map(|(port, ..)| *port).collect();
        self.unavailable.insert(port(listen()));
        self.freed.clear();
        self.has_met_occupied = false;
    }

    fn owner(&self, port: Port) -> Option<&ServiceName> {
        let owner = self.entries.iter().find(|(_, (it, ..))| *it == port);
        owner.map(|(service, _)| service)
    }

    pub(super) fn register(
        &mut self,
        service: ServiceName,
        options: &RegisterOptions,
    ) -> Result<Port, ChangeError> {
        if let (Some((from, ..)), Some(to), Existing::Move) =
            (self.entries.get(&service), options.port, options.existing)
            && *from != to
        {
            let (from, to) = (*from, self.check(to, &service)?);
            self.freed.insert(from, service.clone());
            self.remembered.remove(&to);
            self.unavailable.insert(to);
            self.entries.entry(service.clone()).and_modify(|(port, ..)| *port = to);
        }
        if let Some((port, addresses, hold)) = self.entries.get_mut(&service) {
            if options.existing == Existing::Refuse {
                return Err(ChangeError::NotNew { service, port: *port });
            }
            if let Some(wanted) = options.port.filter(|wanted| wanted != port) {
                return Err(ChangeError::OtherPort { service, registered: *port, wanted });
            }
            *addresses = options.addresses.clone().unwrap_or_else(|| addresses.clone());
            *hold = options.hold.unwrap_or(*hold);
            return Ok(*port);
        }
        let port = match options.port {
            Some(wanted) => self.check(wanted, &service)?,
            None => match self.remembered_for(&service) {
                Some(port) => port,
                None => self.lowest_free()?,
            },
        };
        self.forget(&service, port);
        let addresses = options.addresses.clone().unwrap_or_default();
        self.entries.insert(service, (port, addresses, options.hold.unwrap_or(true)));
        self.unavailable.insert(port);
        Ok(port)
    }

    /// The port that a service gets again.
    fn remembered_for(&self, service: &ServiceName) -> Option<Port> {
        let entry = self.remembered.iter().find(|(_, owner)| *owner == service);
        entry.and_then(|(port, _)| self.check(*port, service).ok())
    }

    /// What is registered is not remembered.
    fn forget(&mut self, service: &ServiceName, port: Port) {
        self.remembered.retain(|remembered, owner| *remembered != port && owner != service);
    }

    fn remember(&mut self, port: Port, service: &ServiceName) {
        self.forget(service, port);
        self.remembered.insert(port, service.clone());
    }

    /// Registers services of a project for a checkout, all or none.
    pub(super) fn set(
        &mut self,
        folder: u8,
        services: &BTreeSet<u8>,
    ) -> Result<Vec<Port>, ChangeError> {
        let (label, before) = (self.label(folder), self.entries.clone());
        let (mut ports, mut new) = (Vec::new(), Vec::new());
        for service in services {
            let service = name_in_project(&label, *service);
            if let Some((port, ..)) = self.entries.get(&service) {
                ports.push(*port);
                continue;
            }
            let port = match self.remembered_for(&service) {
                Some(port) => Ok(port),
                None => self.lowest_free(),
            };
            let port = match port {
                Ok(port) => port,
                Err(error) => {
                    self.entries = before;
                    let is_new = |port: &Port| new.iter().any(|(_, new)| new == port);
                    let freed = &self.freed;
                    self.unavailable.retain(|port| !is_new(port) || freed.contains_key(port));
                    return Err(error);
                }
            };
            self.folders.insert(service.clone(), folder);
            self.entries.insert(service.clone(), (port, Addresses::default(), true));
            self.unavailable.insert(port);
            ports.push(port);
            new.push((service, port));
        }
        new.into_iter().for_each(|(service, port)| self.forget(&service, port));
        Ok(ports)
    }

    /// Gives a service another name; its port stays, and its checkout.
    pub(super) fn rename(
        &mut self,
        service: ServiceName,
        to: ServiceName,
    ) -> Result<Port, ChangeError> {
        let Some((port, ..)) = self.entries.get(&service) else {
            return Err(ChangeError::NotRegistered(Target::Service(service)));
        };
        if service == to {
            return Ok(*port);
        }
        if let Some((port, ..)) = self.entries.get(&to) {
            return Err(ChangeError::NameTaken { service: to, port: *port });
        }
        let entry = self.entries.remove(&service).unwrap();
        let port = entry.0;
        self.forget(&to, port);
        self.entries.insert(to, entry);
        Ok(port)
    }

    /// Releases what is registered still.
    pub(super) fn prune(&mut self, services: &[ServiceName]) {
        for service in services {
            self.release(Target::Service(service.clone())).unwrap();
        }
    }

    /// The label that a checkout has or gets, with the dot after it.
    fn label(&self, folder: u8) -> String {
        let registered = self.folders.iter().filter(|(name, _)| self.entries.contains_key(*name));
        let label = |name: &ServiceName| {
            let parts: Vec<_> = name.as_str().split('.').collect();
            if let [_, label, _] = parts[..] { format!("{label}.") } else { String::new() }
        };
        let labels: BTreeMap<_, _> = registered.map(|(name, of)| (label(name), *of)).collect();
        if let Some((label, _)) = labels.iter().find(|(_, of)| **of == folder) {
            return label.clone();
        }
        let first = [String::new(), "x.".to_owned()].into_iter();
        let mut all = first.chain((2..).map(|number| format!("x-{number}.")));
        all.find(|label| !labels.contains_key(label)).unwrap()
    }

    fn check(&self, wanted: Port, service: &ServiceName) -> Result<Port, ChangeError> {
        match self.owner(wanted).or_else(|| self.freed.get(&wanted)) {
            Some(owner) if owner != service => {
                Err(ChangeError::Taken { port: wanted, service: owner.clone() })
            }
            None if wanted == port(listen()) => Err(ChangeError::Listening(wanted)),
            _ => Ok(wanted),
        }
    }

    fn lowest_free(&mut self) -> Result<Port, ChangeError> {
        let numbers = || (min()..=max()).map(port);
        let (last, first): (Vec<_>, Vec<_>) =
            numbers().partition(|number| self.remembered.contains_key(number));
        for number in first.into_iter().chain(last) {
            if self.unavailable.contains(&number) {
                continue;
            }
            if number != port(occupied()) {
                return Ok(number);
            }
            self.has_met_occupied = true;
            self.unavailable.insert(number);
        }
        let met = (port(occupied()), Occupied::Tcp);
        let first_occupied = if self.has_met_occupied { vec![met] } else { vec![] };
        Err(ChangeError::Exhausted {
            port_range: PortRange::new(port(min()), port(max())).unwrap(),
            size: usize::from(max() - min()),
            occupied: OccupiedCount { in_use: first_occupied.len(), ..OccupiedCount::default() },
            first_occupied,
        })
    }

    pub(super) fn release(&mut self, target: Target) -> Result<ServiceName, ChangeError> {
        let service = match &target {
            Target::Port(port) => self.owner(*port).cloned(),
            Target::Service(service) => self.entries.contains_key(service).then(|| service.clone()),
        };
        let service = service.ok_or(ChangeError::NotRegistered(target))?;
        let (port, ..) = self.entries.remove(&service).unwrap();
        self.freed.insert(port, service.clone());
        self.remember(port, &service);
        Ok(service)
    }

    /// What becomes of the entries, and how many services are added, changed, removed and kept.
    pub(super) fn import(
        &mut self,
        wanted: &BTreeMap<u8, u16>,
        mode: ImportMode,
        dry_run: bool,
    ) -> Result<[usize; 4], ChangeError> {
        let mut after =
            if mode == ImportMode::Merge { self.entries.clone() } else { Entries::new() };
        let (mut other_port, mut taken, mut on_own_port) = (Vec::new(), Vec::new(), None);
        for (service, number) in wanted {
            let (service, wanted) = (name(*service), port(*number));
            let known = self.entries.get(&service);
            let owner = self.owner(wanted);
            match known {
                Some((registered, ..)) if mode == ImportMode::Merge && *registered != wanted => {
                    let (registered, service) = (*registered, service.clone());
                    other_port.push(ImportConflict::OtherPort { service, registered, wanted });
                    continue;
                }
                Some((registered, ..)) if *registered == wanted => {}
                _ if owner.is_none() && wanted == port(listen()) => {
                    on_own_port = on_own_port.or(Some(service.clone()));
                }
                _ => {}
            }
            if mode == ImportMode::Merge
                && let Some(owner) = owner.filter(|owner| **owner != service)
            {
                let (owner, port) = (owner.clone(), wanted);
                let service = service.clone();
                taken.push(ImportConflict::PortTaken { service, port, owner });
                continue;
            }
            let hold = known.is_none_or(|(.., hold)| *hold);
            match (known, mode) {
                // Merging leaves a registered service as it is.
                (Some(_), ImportMode::Merge) => {}
                _ => drop(after.insert(service, (wanted, Addresses::default(), hold))),
            }
        }
        if let Some(service) = on_own_port {
            return Err(ChangeError::OwnPort { service, port: port(listen()) });
        }
        other_port.extend(taken);
        if !other_port.is_empty() {
            return Err(ChangeError::Conflict(other_port));
        }
        let added = after.keys().filter(|it| !self.entries.contains_key(*it)).count();
        let removed = self.entries.keys().filter(|it| !after.contains_key(*it)).count();
        let kept = after.iter().filter(|(it, entry)| self.entries.get(*it) == Some(entry)).count();
        let changed = after.len() - added - kept;
        if !dry_run {
            let before = std::mem::replace(&mut self.entries, after);
            let still = |service: &ServiceName| self.entries.get(service).map(|(port, ..)| *port);
            let freed = before.iter().filter(|(service, (port, ..))| still(service) != Some(*port));
            self.freed.extend(freed.map(|(service, (port, ..))| (*port, service.clone())));
            self.unavailable.extend(self.entries.values().map(|(port, ..)| *port));
            for (service, (port, ..)) in &before {
                if !self.entries.contains_key(service) {
                    self.remember(*port, service);
                }
            }
            for (service, (port, ..)) in self.entries.clone() {
                self.forget(&service, port);
            }
        }
        Ok([added, changed, removed, kept])
    }
}
