//! Decides on services of a project: which label the checkout gets, and the ports, all or none.

use std::sync::Arc;

use super::claims::Claims;
use super::decide::{Decision, check_size};
use super::model::Model;
use super::{ChangeError, Existing, ProjectService, ProjectSet, RegisteredSet};
use crate::folder::Folder;
use crate::port::Port;
use crate::probe::Hold;
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::short_name::ShortName;
use crate::store::Operation;
use crate::timestamp::Timestamp;

/// The label of a checkout; `None` is the main one's.
type Label = Option<ShortName>;

/// Registers the services of a set that are not registered; of the others, takes over what the set
/// says of them.
pub(super) fn register(
    model: &Model,
    claims: &mut Claims<'_>,
    set: &ProjectSet,
) -> Result<Decision<RegisteredSet>, ChangeError> {
    let label = label(model, set);
    let mut draft = Draft { set, label, decision: Decision::default() };
    let drafted = set.services.iter().try_for_each(|service| draft.add(model, claims, service));
    let Decision { operations, holds, answer } = draft.decision;
    // They are set aside again when the operations are applied.
    for operation in &operations {
        if let Operation::Insert(registration) = operation {
            claims.put_back(registration.port);
        }
    }
    drafted?;
    check_size(model, &operations)?;
    Ok(Decision { operations, holds, answer })
}

/// Returns the folders whose checkouts have labels that a set would get before the one that it gets,
/// each with the ports of its services of the project.
pub(super) fn in_the_way(model: &Model, set: &ProjectSet) -> Vec<(Folder, Vec<Port>)> {
    let named: Vec<_> = of_project(model, &set.project).collect();
    if own_label(&named, set).is_some() {
        return Vec::new();
    }
    let of_label = |wanted: &Label| {
        let mut others = named.iter().filter(|(label, _)| label == wanted);
        let folder = others.find_map(|(_, it)| it.folder.clone())?;
        let own = named.iter().filter(|(_, it)| it.folder.as_ref() == Some(&folder));
        Some((folder.clone(), own.map(|(_, it)| it.port).collect()))
    };
    let tried = candidates(set).take_while(|label| is_taken(&named, label));
    tried.filter_map(|label| of_label(&label)).collect()
}

/// Returns the folder of the checkout to which a name would belong, if that is another one than the
/// service's; or the service's own, if its checkout has another label already.
///
/// A checkout is known by its label: with two of them its ports would depend on which comes first.
pub(super) fn other_checkout(
    model: &Model,
    known: &Registration,
    to: &ServiceName,
) -> Option<Folder> {
    let folder = known.folder.as_ref()?;
    let project = ShortName::parse(to.as_str().split('.').next()?)?;
    let (label, _) = ShortName::split(to.as_str(), &project)?;
    let mut others = of_project(model, &project).filter(|(_, it)| it.service != known.service);
    let is_mixed = |it: &(Label, &Registration)| match &it.1.folder {
        Some(other) => (other == folder) != (it.0 == label),
        None => false,
    };
    others.find(is_mixed).and_then(|(_, it)| it.folder.clone())
}

/// Returns the label that the folder has, or else the first candidate that no other has.
fn label(model: &Model, set: &ProjectSet) -> Label {
    let named: Vec<_> = of_project(model, &set.project).collect();
    own_label(&named, set).unwrap_or_else(|| {
        let mut free = candidates(set).filter(|label| !is_taken(&named, label));
        free.next().expect("there are fewer ports than numbers")
    })
}

fn own_label(named: &[(Label, &Registration)], set: &ProjectSet) -> Option<Label> {
    let own = named.iter().find(|(_, it)| it.folder.as_ref() == Some(&set.folder));
    own.map(|(label, _)| label.clone())
}

/// Returns whether another has a label. What remembers no folder is in nobody's way where it can be
/// adopted, in the main checkout.
fn is_taken(named: &[(Label, &Registration)], wanted: &Label) -> bool {
    let is_in_the_way = |label: &Label, it: &Registration| it.folder.is_some() || label.is_some();
    named.iter().any(|(label, it)| label == wanted && is_in_the_way(label, it))
}

/// Returns the labels that a new folder may get, the best first: those of the set, then its last one
/// with a number.
fn candidates(set: &ProjectSet) -> impl Iterator<Item = Label> {
    let last = set.labels.last().cloned().flatten();
    let last = last.map_or_else(|| "checkout".to_owned(), |label| label.to_string());
    let numbered = (2..).filter_map(move |number| ShortName::parse(&format!("{last}-{number}")));
    set.labels.iter().cloned().chain(numbered.map(Some))
}

/// Returns the registrations of a project, each with its label, in the order of their ports.
fn of_project<'a>(
    model: &'a Model,
    project: &'a ShortName,
) -> impl Iterator<Item = (Label, &'a Registration)> {
    model.registrations().filter_map(move |registration| {
        let (label, _) = ShortName::split(registration.service.as_str(), project)?;
        Some((label, &**registration))
    })
}

/// A set that is being decided.
struct Draft<'a> {
    set: &'a ProjectSet,
    label: Label,
    decision: Decision<RegisteredSet>,
}

impl Draft<'_> {
    fn add(
        &mut self,
        model: &Model,
        claims: &mut Claims<'_>,
        service: &ProjectService,
    ) -> Result<(), ChangeError> {
        let label = self.label.as_ref().filter(|_| !service.is_shared);
        let name = service.name.full(&self.set.project, label)?;
        let mut answered = self.decision.answer.registrations.iter();
        if answered.any(|it| it.service == name) {
            // A name that stands in the set twice is one service.
            return Ok(());
        }
        let registration = match model.of_service(name.as_ref()) {
            Some(known) => self.update(model, claims, known, service)?,
            None => self.insert(model, claims, name, service)?,
        };
        self.decision.answer.registrations.push(registration);
        Ok(())
    }

    fn insert(
        &mut self,
        model: &Model,
        claims: &mut Claims<'_>,
        name: ServiceName,
        service: &ProjectService,
    ) -> Result<Arc<Registration>, ChangeError> {
        let folder = self.folder(service);
        let remembered = claims.remembered(model, &name, folder.as_ref());
        let remembered = remembered.filter(|port| !self.gives(*port));
        let (port, hold) = match remembered {
            Some(port) => (port, None),
            None => match self.preferred(model, claims, &name, service)? {
                Some(preferred) => preferred,
                None => claims.lowest_free().map(|(port, hold)| (port, Some(hold)))?,
            },
        };
        let registration = Arc::new(Registration {
            service: name,
            port,
            addresses: service.addresses.clone().unwrap_or_default(),
            created_at: Timestamp::now(),
            hold: service.hold.unwrap_or(true),
            folder,
        });
        self.decision.answer.is_new = true;
        self.keep(claims, Operation::Insert(Arc::clone(&registration)), hold);
        Ok(registration)
    }

    fn update(
        &mut self,
        model: &Model,
        claims: &mut Claims<'_>,
        known: &Arc<Registration>,
        service: &ProjectService,
    ) -> Result<Arc<Registration>, ChangeError> {
        let registration = Registration {
            addresses: service.addresses.clone().unwrap_or_else(|| known.addresses.clone()),
            hold: service.hold.unwrap_or(known.hold),
            folder: self.folder(service).map(|own| known.folder.clone().unwrap_or(own)),
            ..Registration::clone(known)
        };
        let is_move = self.set.existing == Existing::Move && service.prefer != Some(known.port);
        let preferred = match is_move {
            true => self.preferred(model, claims, &known.service, service)?,
            false => None,
        };
        if let Some((port, hold)) = preferred {
            let moved = Arc::new(Registration { port, ..registration });
            self.decision.operations.push(Operation::Remove(Arc::clone(known)));
            self.keep(claims, Operation::Insert(Arc::clone(&moved)), hold);
            return Ok(moved);
        }
        if registration == **known {
            return Ok(Arc::clone(known));
        }
        let registration = Arc::new(registration);
        let update = Operation::Update(Arc::clone(known), Arc::clone(&registration));
        self.decision.operations.push(update);
        Ok(registration)
    }

    /// Claims the port that a service prefers, in the main checkout and if it can be had.
    fn preferred(
        &self,
        model: &Model,
        claims: &mut Claims<'_>,
        name: &ServiceName,
        service: &ProjectService,
    ) -> Result<Option<(Port, Option<Hold>)>, ChangeError> {
        let Some(port) = service.prefer.filter(|_| self.label.is_none()) else { return Ok(None) };
        // What listens there is the checkout's own, which a claim does not know.
        let is_nobodys = || claims.check_unregistered(model, port, name).is_ok();
        if self.set.own_ports.contains(&port) && !self.gives(port) && is_nobodys() {
            return Ok(Some((port, None)));
        }
        Ok(claims.preferred(port)?.map(|hold| (port, Some(hold))))
    }

    /// Whether a service of the set gets a port.
    fn gives(&self, port: Port) -> bool {
        self.decision.operations.iter().filter_map(Operation::after).any(|it| it.port == port)
    }

    fn keep(&mut self, claims: &mut Claims<'_>, insert: Operation, hold: Option<Hold>) {
        let port = insert.after().map(|registration| registration.port);
        port.into_iter().for_each(|port| claims.set_aside(port));
        self.decision.holds.extend(port.zip(hold));
        self.decision.operations.push(insert);
    }

    fn folder(&self, service: &ProjectService) -> Option<Folder> {
        (!service.is_shared).then(|| self.set.folder.clone())
    }
}

#[cfg(test)]
mod tests;
