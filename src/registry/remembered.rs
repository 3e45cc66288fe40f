//! Whose a released port was: a service that comes back gets it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::PortSet;
use super::model::Model;
use crate::port::Port;
use crate::service_name::ServiceName;
use crate::store::{Operation, Remembrance};

/// Released ports, and the services that had them last. Each port and each name occurs once; none of
/// them is registered.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    by_port: BTreeMap<Port, ServiceName>,
    by_service: HashMap<ServiceName, Port>,
    ports: PortSet,
    /// Ports whose entry may differ from what is stored.
    changed: BTreeSet<Port>,
}

impl Remembered {
    /// What a store remembers beside this model. An interrupted import may have left entries there of
    /// what is registered.
    pub(super) fn new(stored: Vec<(Port, ServiceName)>, model: &Model) -> Self {
        let mut remembered = Self::default();
        for (port, service) in stored {
            let is_registered =
                model.at_port(port).is_some() || model.of_service(service.as_ref()).is_some();
            match is_registered {
                true => drop(remembered.changed.insert(port)),
                false => remembered.remember(port, service),
            }
        }
        // What is as it is stored need not be stored with the first change.
        remembered.changed.retain(|port| !remembered.by_port.contains_key(port));
        remembered
    }

    /// The port that a service released last, if nobody has it.
    pub(super) fn port_of(&self, service: &ServiceName) -> Option<Port> {
        self.by_service.get(service).copied()
    }

    /// All remembered ports.
    pub(super) fn ports(&self) -> &PortSet {
        &self.ports
    }

    /// Remembers what an operation releases, and forgets what it registers.
    pub(super) fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::Insert(after) => {
                self.forget_port(after.port);
                if let Some(port) = self.port_of(&after.service) {
                    self.forget_port(port);
                }
            }
            // A service that is renamed may have released a port before, under its new name.
            Operation::Update(_, after) => {
                if let Some(port) = self.port_of(&after.service) {
                    self.forget_port(port);
                }
            }
            Operation::Remove(before) => {
                self.remember(before.port, before.service.clone());
            }
        }
    }

    /// What has changed since the last call, to be stored.
    pub(super) fn take_changes(&mut self) -> Vec<Remembrance> {
        let changed = std::mem::take(&mut self.changed);
        let entry = |port| Remembrance { port, service: self.by_port.get(&port).cloned() };
        changed.into_iter().map(entry).collect()
    }

    /// All entries, by port.
    #[cfg(test)]
    pub(super) fn entries(&self) -> &BTreeMap<Port, ServiceName> {
        &self.by_port
    }

    fn remember(&mut self, port: Port, service: ServiceName) {
        self.forget_port(port);
        if let Some(older) = self.port_of(&service) {
            self.forget_port(older);
        }
        self.changed.insert(port);
        self.ports.insert(port);
        self.by_service.insert(service.clone(), port);
        self.by_port.insert(port, service);
    }

    fn forget_port(&mut self, port: Port) {
        if let Some(service) = self.by_port.remove(&port) {
            self.changed.insert(port);
            self.ports.remove(port);
            self.by_service.remove(&service);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::Registration;
    use crate::seal::Seal;
    use crate::timestamp::Timestamp;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    /// The first change after a start stored anew all that was remembered.
    #[test]
    fn only_what_differs_from_the_store_is_stored() {
        let web = Registration {
            service: name("web"),
            port: port(1),
            addresses: Default::default(),
            created_at: Timestamp::now(),
            hold: true,
            folder: None,
        };
        let model = Model::new(vec![web], Seal::of(0, []));
        // Of a registered port, of a registered service, twice of one service, and one as it should be.
        let stored = [(1, "old"), (2, "web"), (3, "db"), (4, "db"), (5, "api")];
        let stored = stored.map(|(number, service)| (port(number), name(service)));
        let mut remembered = Remembered::new(stored.to_vec(), &model);
        let gone = |number| Remembrance { port: port(number), service: None };
        assert_eq!(remembered.take_changes(), [gone(1), gone(2), gone(3)]);
        assert_eq!(remembered.take_changes(), []);
        let left: Vec<_> = remembered.entries().keys().map(|port| port.number()).collect();
        assert_eq!(left, [4, 5]);
    }
}
