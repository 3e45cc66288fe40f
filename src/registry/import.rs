//! Decides the import of a dump: all of it or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::decide::{Decision, check_size};
use super::model::Model;
use super::{ChangeError, ImportConflict, ImportMode, Imported};
use crate::dump::DumpEntry;
use crate::port::Port;
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::store::Operation;
use crate::timestamp::Timestamp;

/// Decides an import. The decision on a dry run has the same operations, which are then not applied.
pub(super) fn import(
    model: &Model,
    port_listen: Port,
    entries: Vec<DumpEntry>,
    mode: ImportMode,
) -> Result<Decision<Imported>, ChangeError> {
    let mut plan = Plan::default();
    let mut others: HashMap<&ServiceName, &Arc<Registration>> =
        model.registrations().map(|known| (&known.service, known)).collect();
    let now = Timestamp::now();
    for entry in entries {
        match others.remove(&entry.service) {
            Some(known) if known.port == entry.port => plan.keep_port(known, entry, mode),
            Some(known) => plan.change_port(known, entry, mode),
            None => {
                plan.answer.added.push(entry.service.clone());
                plan.inserted.push(Arc::new(entry.into_registration(now)));
            }
        }
    }
    plan.leave_or_remove(others.into_values(), mode);
    plan.check_ports(model, port_listen, mode)?;
    let operations = plan.operations();
    check_size(model, &operations)?;
    Ok(Decision { operations, holds: Vec::new(), answer: plan.answer })
}

/// What an import changes, as far as its entries are decided.
#[derive(Default)]
struct Plan {
    removed: Vec<Arc<Registration>>,
    updated: Vec<(Arc<Registration>, Arc<Registration>)>,
    inserted: Vec<Arc<Registration>>,
    answer: Imported,
    conflicts: Vec<ImportConflict>,
}

impl Plan {
    /// A service that has the very port already.
    fn keep_port(&mut self, known: &Arc<Registration>, entry: DumpEntry, mode: ImportMode) {
        let after = match mode {
            ImportMode::Merge => Arc::clone(known),
            ImportMode::Replace => Arc::new(updated(known, entry)),
        };
        if after == *known {
            self.answer.kept += 1;
        } else {
            self.answer.changed.push(known.service.clone());
            self.updated.push((Arc::clone(known), after));
        }
    }

    /// A service that has another port.
    fn change_port(&mut self, known: &Arc<Registration>, entry: DumpEntry, mode: ImportMode) {
        match mode {
            ImportMode::Merge => {
                let (service, registered, wanted) = (entry.service, known.port, entry.port);
                self.conflicts.push(ImportConflict::OtherPort { service, registered, wanted });
            }
            ImportMode::Replace => {
                self.answer.changed.push(known.service.clone());
                self.removed.push(Arc::clone(known));
                self.inserted.push(Arc::new(updated(known, entry)));
            }
        }
    }

    /// The services that the dump does not name.
    fn leave_or_remove<'a>(
        &mut self,
        others: impl Iterator<Item = &'a Arc<Registration>>,
        mode: ImportMode,
    ) {
        match mode {
            ImportMode::Merge => self.answer.kept += others.count(),
            ImportMode::Replace => {
                let mut others: Vec<_> = others.cloned().collect();
                others.sort_unstable_by_key(|known| known.port);
                self.answer.removed = others.iter().map(|known| known.service.clone()).collect();
                self.removed.extend(others);
            }
        }
    }

    /// Makes sure that each port that is to be registered is free by then.
    fn check_ports(
        &mut self,
        model: &Model,
        port_listen: Port,
        mode: ImportMode,
    ) -> Result<(), ChangeError> {
        for registration in &self.inserted {
            let Registration { service, port, .. } = registration.as_ref();
            match model.at_port(*port) {
                // To replace the registry releases or moves all others.
                Some(_) if mode == ImportMode::Replace => {}
                Some(owner) => self.conflicts.push(ImportConflict::PortTaken {
                    service: service.clone(),
                    port: *port,
                    owner: owner.service.clone(),
                }),
                None if *port == port_listen => {
                    return Err(ChangeError::OwnPort { service: service.clone(), port: *port });
                }
                None => {}
            }
        }
        match self.conflicts.is_empty() {
            true => Ok(()),
            false => Err(ChangeError::Conflict(std::mem::take(&mut self.conflicts))),
        }
    }

    /// Removals come first, since a service may get another's port.
    fn operations(&self) -> Vec<Operation> {
        let removed = self.removed.iter().cloned().map(Operation::Remove);
        let updated =
            self.updated.iter().cloned().map(|(before, after)| Operation::Update(before, after));
        let inserted = self.inserted.iter().cloned().map(Operation::Insert);
        removed.chain(updated).chain(inserted).collect()
    }
}

/// The service as the dump has it; what the dump does not say stays.
fn updated(known: &Registration, entry: DumpEntry) -> Registration {
    let created_at = entry.created_at.or(Some(known.created_at));
    let hold = entry.hold.or(Some(known.hold));
    let folder = entry.folder.or_else(|| known.folder.clone());
    DumpEntry { created_at, hold, folder, ..entry }.into_registration(known.created_at)
}
