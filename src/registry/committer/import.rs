//! Taking a dump over into a registry that has services already: all of it or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::batch::Batch;
use crate::dump::DumpEntry;
use crate::registration::Registration;
use crate::registry::{ChangeError, Import, ImportMode, Imported};
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

/// How many conflicts an error names.
const MAX_NAMED: usize = 5;

/// What an import comes to. Removals come first, since a service may get another's port.
#[derive(Default)]
struct Plan {
    removed: Vec<Arc<Registration>>,
    updated: Vec<(Arc<Registration>, Arc<Registration>)>,
    inserted: Vec<Arc<Registration>>,
    imported: Imported,
    conflicts: Vec<String>,
    on_own_port: Option<ServiceName>,
}

impl Batch<'_> {
    /// Takes a dump over, or tells what that would change.
    pub(super) fn import(&mut self, import: Import) -> Result<Imported, ChangeError> {
        let plan = self.plan(import.entries, import.mode);
        if let Some(service) = plan.on_own_port {
            return Err(ChangeError::OwnPort { service, port: self.port_listen() });
        }
        if !plan.conflicts.is_empty() {
            return Err(conflict(&plan.conflicts));
        }
        let mut imported = plan.imported;
        let (before, after): (Vec<_>, Vec<_>) =
            plan.updated.iter().map(|(before, after)| (before, after)).unzip();
        let before: Vec<_> = before.into_iter().chain(&plan.removed).collect();
        let after: Vec<_> = after.into_iter().chain(&plan.inserted).collect();
        self.check_size(&before, &after)?;
        if !import.dry_run {
            plan.removed.into_iter().for_each(|registration| self.remove(registration));
            plan.updated.into_iter().for_each(|(before, after)| self.replace(&before, after));
            plan.inserted.into_iter().for_each(|registration| self.insert(registration));
        }
        imported.revision = self.revision();
        Ok(imported)
    }

    fn plan(&self, entries: Vec<DumpEntry>, mode: ImportMode) -> Plan {
        let now = Timestamp::now();
        let mut plan = Plan::default();
        let mut others: HashMap<ServiceName, Arc<Registration>> =
            self.all().into_iter().map(|known| (known.service.clone(), known)).collect();
        for entry in entries {
            match (others.remove(&entry.service), mode) {
                (Some(known), _) if known.port == entry.port => plan.stay(known, entry, mode),
                (Some(known), ImportMode::Merge) => {
                    let (service, has, wanted) = (&entry.service, known.port, entry.port);
                    plan.conflicts
                        .push(format!("{service} is registered on port {has}, not {wanted}"));
                    plan.imported.kept += 1;
                }
                (Some(known), ImportMode::Replace) => {
                    plan.imported.changed.push(entry.service.clone());
                    let moved = entry_over(&known, entry);
                    plan.removed.push(known);
                    self.insert_imported(moved, mode, &mut plan);
                }
                (None, _) => {
                    plan.imported.added.push(entry.service.clone());
                    self.insert_imported(entry.into_registration(now), mode, &mut plan);
                }
            }
        }
        let mut others: Vec<_> = others.into_values().collect();
        match mode {
            ImportMode::Merge => plan.imported.kept += others.len(),
            ImportMode::Replace => {
                others.sort_unstable_by_key(|known| known.port);
                plan.imported.removed = others.iter().map(|known| known.service.clone()).collect();
                plan.removed.extend(others);
            }
        }
        plan
    }

    /// Plans to register a service on a port that must be free by then.
    fn insert_imported(&self, registration: Registration, mode: ImportMode, plan: &mut Plan) {
        let (service, port) = (&registration.service, registration.port);
        match self.registration_at(port) {
            Some(other) if mode == ImportMode::Merge => {
                let conflict =
                    format!("{service} can't have port {port}, which is {}'s", other.service);
                plan.conflicts.push(conflict);
            }
            None if port == self.port_listen() => plan.on_own_port = Some(service.clone()),
            _ => plan.inserted.push(Arc::new(registration)),
        }
    }
}

impl Plan {
    /// A service that has the very port already.
    fn stay(&mut self, known: Arc<Registration>, entry: DumpEntry, mode: ImportMode) {
        let service = entry.service.clone();
        let after = match mode {
            ImportMode::Merge => Arc::clone(&known),
            ImportMode::Replace => Arc::new(entry_over(&known, entry)),
        };
        if after == known {
            self.imported.kept += 1;
        } else {
            self.imported.changed.push(service);
            self.updated.push((known, after));
        }
    }
}

/// The service as the dump has it; what the dump does not say stays.
fn entry_over(known: &Registration, entry: DumpEntry) -> Registration {
    let (created_at, hold) =
        (entry.created_at.or(Some(known.created_at)), entry.hold.or(Some(known.hold)));
    DumpEntry { created_at, hold, ..entry }.into_registration(known.created_at)
}

fn conflict(conflicts: &[String]) -> ChangeError {
    let named = conflicts[..conflicts.len().min(MAX_NAMED)].join("; ");
    let more = match conflicts.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    ChangeError::Conflict(format!("{named}{more}").into())
}
