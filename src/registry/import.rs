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
    let hold = entry.hold.or(Some(known.hold));
    let folder = entry.folder.or_else(|| known.folder.clone());
    DumpEntry { hold, folder, ..entry }.into_registration(known.created_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump;
    use crate::seal::Seal;

    fn listen() -> Port {
        Port::new(9).unwrap()
    }

    /// The services of a dump; without a date they are of now.
    fn model(dump: &str) -> Model {
        let dump = dump::parse(dump.as_bytes()).unwrap();
        Model::new(dump.registrations(), Seal::of(1, []))
    }

    /// What an import of `dump` does: its operations and its counts, or why it is refused.
    fn imported(model: &Model, dump: &str, mode: ImportMode) -> String {
        let entries = dump::parse(dump.as_bytes()).unwrap().entries;
        let Decision { operations, holds, answer } = match import(model, listen(), entries, mode) {
            Err(ChangeError::Conflict(conflicts)) => {
                let conflicts = conflicts.iter().map(ToString::to_string);
                return conflicts.collect::<Vec<_>>().join("; ");
            }
            Err(error) => return error.to_string(),
            Ok(decision) => decision,
        };
        assert!(holds.is_empty());
        let told = |sign: char, it: &Registration| {
            let Registration { service, port, addresses, hold, folder, .. } = it;
            let folder = folder.as_ref().map(|folder| format!(" {folder}")).unwrap_or_default();
            format!("{sign}{service} {port} {addresses} {hold}{folder}")
        };
        let mut words: Vec<_> = operations
            .iter()
            .map(|operation| match operation {
                Operation::Insert(after) => told('+', after),
                Operation::Update(before, after) => {
                    assert_eq!((&before.service, before.port), (&after.service, after.port));
                    // The date is no part of what changes.
                    assert_eq!(before.created_at, after.created_at);
                    told('~', after)
                }
                Operation::Remove(before) => told('-', before),
            })
            .collect();
        let names = |names: &[ServiceName]| {
            names.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(",")
        };
        let Imported { added, changed, removed, kept, .. } = &answer;
        words.push(format!("[{}|{}|{}|{kept}]", names(added), names(changed), names(removed)));
        words.join("; ")
    }

    #[test]
    fn each_entry_is_added_changed_kept_or_in_conflict() {
        use ImportMode::{Merge, Replace};
        let known = "a 1 x # pald: since=2026-11-22T10:00:00Z hold=off folder=/f\nb 2\n";
        // (registered, dump, mode, operations and [added|changed|removed|kept], or the refusal)
        let rows = [
            ("", "", Merge, "[|||0]"),
            ("", "a 1 x\nb 2", Replace, "+a 1 x true; +b 2  true; [a,b|||0]"),
            // What is registered stays as it is.
            (known, "", Merge, "[|||2]"),
            (known, "a 1 other", Merge, "[|||2]"),
            (known, "c 3\nb 2", Merge, "+c 3  true; [c|||2]"),
            (
                known,
                "a 3\nc 2",
                Merge,
                "a is registered on port 1, not 3; c can't have port 2, which is b's",
            ),
            // A port is taken even if its service is to have another one.
            (
                known,
                "a 2\nb 1",
                Merge,
                "a is registered on port 1, not 2; b is registered on port 2, not 1",
            ),
            // The registry becomes what the dump says; what it does not say of a service stays.
            (known, "", Replace, "-a 1 x false /f; -b 2  true; [||a,b|0]"),
            (known, "a 1 x\nb 2", Replace, "[|||2]"),
            (known, "a 1 y\nb 2", Replace, "~a 1 y false /f; [|a||1]"),
            (
                known,
                "a 1 x # pald: hold=on\nb 2 # pald: folder=/g",
                Replace,
                "~a 1 x true /f; ~b 2  true /g; [|a,b||0]",
            ),
            (
                known,
                "a 2 x\nb 1",
                Replace,
                "-a 1 x false /f; -b 2  true; +a 2 x false /f; +b 1  true; [|a,b||0]",
            ),
            (known, "c 1", Replace, "-a 1 x false /f; -b 2  true; +c 1  true; [c||a,b|0]"),
            // pald's own port is no service's, unless one has it already.
            (known, "c 9", Merge, "own"),
            (known, "a 9", Replace, "own"),
            ("d 9", "d 9", Merge, "[|||1]"),
            ("d 9", "e 9", Replace, "-d 9  true; +e 9  true; [e||d|0]"),
        ];
        for (registered, dump, mode, expected) in rows {
            let found = imported(&model(registered), dump, mode);
            match expected {
                "own" => {
                    let service = ServiceName::parse(&dump[..1]).unwrap();
                    let own = ChangeError::OwnPort { service, port: listen() }.to_string();
                    assert_eq!(found, own, "{dump:?} over {registered:?}");
                }
                _ => assert_eq!(found, expected, "{dump:?} over {registered:?}, {mode:?}"),
            }
        }
    }
}
