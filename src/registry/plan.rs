//! What a start does with the store and the dump that it finds: one table, without any I/O.

use crate::seal::Seal;
use crate::store::{DbRecord, DumpMark, FoundRecord};

/// What is found of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundStore {
    /// It can't be opened now; a later try may find it whole.
    Unusable,
    /// It can't be opened by this pald, and is not damaged: too new, or not pald's to read.
    Unreadable,
    /// It agrees with itself.
    Whole(Seal),
    /// It is there, and does not agree with itself.
    Damaged,
    /// There is none, but there was one.
    Gone,
    /// There is none, and never was.
    Never,
}

/// What is found of the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundDump {
    /// It can't be read now; a later try may read it.
    Unusable,
    /// It can't or must not be read.
    Unreadable,
    /// There is none.
    None,
    /// It has no bytes, as pald writes it for a registry without services.
    Empty,
    /// It has bytes, but no entry.
    Blank,
    /// It is exactly what pald wrote.
    Sealed(Seal),
    /// pald wrote it, by its comments, but its last line does not fit its entries.
    Broken,
    /// It has none of pald's comments.
    Foreign,
    /// Some lines can't be read, or it is too large.
    BadLines,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// End, and touch nothing: a later try may succeed.
    TryLater,
    /// End with what kept the store or the dump from being read.
    Stop,
    /// Serve what is in the store.
    Serve(Overwrite),
    /// Make the store anew from the dump.
    Restore(Identity),
    /// Take over a dump that pald did not write.
    Import,
    /// Begin without services.
    Create,
    /// End: the dump is whole, but another registry's than the one that was here.
    AnotherRegistry,
    /// End with the lines of the dump that can't be read.
    BadLines,
    /// End: neither the store nor the dump can be served.
    Unrecoverable,
}

/// What happens to the dump that was found, once the store is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// It is overwritten: the store has all that it says.
    Always,
    /// It is kept aside if it says anything else than the store.
    KeepIfDifferent,
}

/// Which registry a restored store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// The one that was here.
    Same,
    /// A new one: the dump may live on elsewhere.
    New,
}

/// Decides what to do; the first line that fits counts.
pub(super) fn plan(store: FoundStore, dump: FoundDump, record: &FoundRecord) -> Plan {
    use FoundDump as Dump;
    use FoundStore as Store;
    let known_id = record.whole().and_then(|record| record.id);
    match (store, dump) {
        (Store::Unusable, _) => Plan::TryLater,
        (Store::Unreadable, _) => Plan::Stop,
        (_, Dump::Unusable) => Plan::TryLater,
        (_, Dump::Unreadable) => Plan::Stop,
        (Store::Whole(stored), Dump::Sealed(dumped))
            if is_same(stored, dumped, record) && dumped.revision > stored.revision =>
        {
            Plan::Restore(Identity::Same)
        }
        (Store::Whole(stored), dump) => Plan::Serve(overwrite(stored, dump, record)),
        (Store::Damaged | Store::Gone, Dump::Sealed(dumped))
            if known_id.is_some() && known_id != dumped.id =>
        {
            Plan::AnotherRegistry
        }
        (Store::Damaged | Store::Gone, Dump::Sealed(_)) => Plan::Restore(Identity::Same),
        (Store::Never, Dump::Sealed(_)) => Plan::Restore(Identity::New),
        (Store::Gone | Store::Never, Dump::Foreign) | (Store::Never, Dump::Blank) => Plan::Import,
        (Store::Never, Dump::None | Dump::Empty) => Plan::Create,
        (Store::Gone | Store::Never, Dump::BadLines) => Plan::BadLines,
        (Store::Damaged | Store::Gone | Store::Never, _) => Plan::Unrecoverable,
    }
}

/// Returns the newest revision that the registry had, if the store has lost it, now or before, and
/// the user has not taken note.
pub(super) fn lost_revision(stored: Seal, record: &FoundRecord) -> Option<u64> {
    let record = record.whole().filter(|record| speaks_of(record, stored))?;
    record.lost.max((record.revision > stored.revision).then_some(record.revision))
}

/// Returns whether a record says anything about this store: one of another registry does not.
pub(super) fn speaks_of(record: &DbRecord, stored: Seal) -> bool {
    record.id.is_none() || stored.id.is_none() || record.id == stored.id
}

/// Returns whether store and dump are of the same registry. Both without an id are, at the first
/// start after pald 0.1, when there is none in the record either.
fn is_same(stored: Seal, dumped: Seal, record: &FoundRecord) -> bool {
    let was_0_1 = record.whole().is_none_or(|record| record.id.is_none());
    stored.id == dumped.id && (stored.id.is_some() || was_0_1)
}

fn overwrite(stored: Seal, dump: FoundDump, record: &FoundRecord) -> Overwrite {
    match dump {
        FoundDump::None | FoundDump::Empty => Overwrite::Always,
        FoundDump::Sealed(dumped) if is_as_written(stored, dumped, record) => Overwrite::Always,
        _ => Overwrite::KeepIfDifferent,
    }
}

/// Returns whether the dump is the one that pald wrote last. The record is not synced: it may be
/// behind the dump, which is.
fn is_as_written(stored: Seal, dumped: Seal, record: &FoundRecord) -> bool {
    let Some(known) = record.whole().filter(|known| speaks_of(known, stored)) else { return false };
    let is_behind = known.revision > stored.revision;
    let is_written = |mark: DumpMark| dumped.revision > mark.revision || mark == dumped.into();
    is_same(stored, dumped, record) && !is_behind && known.dump.is_some_and(is_written)
}

#[cfg(test)]
mod tests {
    use super::Plan::*;
    use super::*;
    use crate::dump;
    use crate::registry_id::RegistryId;

    const OURS: Option<RegistryId> = Some(RegistryId::from_bits(1));
    const OTHER: Option<RegistryId> = Some(RegistryId::from_bits(2));

    /// A registry at a revision, with as many services.
    fn seal(id: Option<RegistryId>, revision: u64) -> Seal {
        seal_on(id, revision, 1)
    }

    /// The same revision of a registry that went another way: its services have other ports.
    fn fork(id: Option<RegistryId>, revision: u64) -> Seal {
        seal_on(id, revision, 101)
    }

    fn seal_on(id: Option<RegistryId>, revision: u64, first_port: u64) -> Seal {
        let lines: String =
            (first_port..).take(5).map(|port| format!("s{port} {port}\n")).collect();
        let dump = dump::parse(lines.as_bytes()).unwrap();
        Seal::of(revision, &dump.registrations()).with_id(id)
    }

    /// A record that knows of this revision, and of a dump.
    fn known(id: Option<RegistryId>, revision: u64, dump: Option<Seal>) -> FoundRecord {
        let dump = dump.map(DumpMark::from);
        FoundRecord::Whole(DbRecord { id, revision, dump, ..DbRecord::default() })
    }

    /// The table of a start, line by line: each row is a case of its line.
    #[test]
    fn each_line_of_the_table_holds() {
        use FoundDump as D;
        use FoundRecord::{None as NoRecord, Unreadable as BadRecord};
        use FoundStore as S;
        let (always, keep) = (Serve(Overwrite::Always), Serve(Overwrite::KeepIfDifferent));
        let (same, new) = (Restore(Identity::Same), Restore(Identity::New));
        let whole = S::Whole(seal(OURS, 5));
        let from_0_1 = S::Whole(seal(None, 5));
        let at_5 = || known(OURS, 5, Some(seal(OURS, 5)));
        let rows = [
            // What can't be opened now is left alone.
            (S::Unusable, D::None, NoRecord, TryLater),
            (S::Unusable, D::Sealed(seal(OURS, 9)), at_5(), TryLater),
            (S::Unusable, D::Unreadable, at_5(), TryLater),
            (S::Unreadable, D::Unusable, at_5(), Stop),
            (whole, D::Unusable, at_5(), TryLater),
            (S::Unreadable, D::Sealed(seal(OURS, 5)), at_5(), Stop),
            (whole, D::Unreadable, at_5(), Stop),
            (S::Never, D::Unreadable, NoRecord, Stop),
            // The store has lost its end, and the dump has it.
            (whole, D::Sealed(seal(OURS, 6)), at_5(), same),
            (whole, D::Sealed(seal(OURS, 6)), NoRecord, same),
            (whole, D::Sealed(seal(OURS, 6)), known(OURS, 8, None), same),
            (from_0_1, D::Sealed(seal(None, 6)), known(None, 6, None), same),
            (from_0_1, D::Sealed(seal(None, 6)), NoRecord, same),
            (from_0_1, D::Sealed(seal(None, 6)), known(OURS, 5, None), keep),
            (from_0_1, D::Sealed(seal(OURS, 6)), known(None, 5, None), keep),
            // The store has lost its end, and the dump has not got it.
            (whole, D::Sealed(seal(OURS, 4)), known(OURS, 6, Some(seal(OURS, 4))), keep),
            (whole, D::None, known(OURS, 6, None), always),
            // Nearly all starts.
            (whole, D::None, at_5(), always),
            (whole, D::Empty, at_5(), always),
            (whole, D::Sealed(seal(OURS, 5)), at_5(), always),
            // A kill came before the dump was written, or before it was noted.
            (whole, D::Sealed(seal(OURS, 3)), known(OURS, 5, Some(seal(OURS, 3))), always),
            (whole, D::Sealed(seal(OURS, 4)), known(OURS, 5, Some(seal(OURS, 3))), always),
            // Put back from a backup, from another registry, or from a copy of this one.
            (whole, D::Sealed(seal(OURS, 4)), at_5(), keep),
            (whole, D::Sealed(fork(OURS, 5)), at_5(), keep),
            (whole, D::Sealed(seal(OURS, 4)), NoRecord, keep),
            (whole, D::Sealed(seal(OTHER, 4)), at_5(), keep),
            (whole, D::Sealed(seal(OTHER, 9)), at_5(), keep),
            (whole, D::Sealed(seal(None, 9)), at_5(), keep),
            // Edited, or of a person.
            (whole, D::Broken, at_5(), keep),
            (whole, D::Foreign, at_5(), keep),
            (whole, D::Blank, at_5(), keep),
            (whole, D::BadLines, at_5(), keep),
            // Without a store, the dump of the same registry takes its place.
            (S::Damaged, D::Sealed(seal(OTHER, 9)), at_5(), AnotherRegistry),
            (S::Gone, D::Sealed(seal(OTHER, 9)), at_5(), AnotherRegistry),
            (S::Gone, D::Sealed(seal(None, 9)), at_5(), AnotherRegistry),
            (S::Damaged, D::Sealed(seal(OURS, 4)), at_5(), same),
            (S::Gone, D::Sealed(seal(OURS, 4)), at_5(), same),
            (S::Gone, D::Sealed(seal(OTHER, 4)), BadRecord, same),
            (S::Damaged, D::Sealed(seal(OTHER, 4)), NoRecord, same),
            (S::Damaged, D::Sealed(seal(None, 4)), known(None, 5, None), same),
            (S::Never, D::Sealed(seal(OTHER, 4)), NoRecord, new),
            (S::Gone, D::Foreign, at_5(), Import),
            (S::Never, D::Foreign, NoRecord, Import),
            (S::Never, D::Blank, NoRecord, Import),
            (S::Never, D::None, NoRecord, Create),
            (S::Never, D::Empty, NoRecord, Create),
            (S::Gone, D::BadLines, at_5(), BadLines),
            (S::Never, D::BadLines, NoRecord, BadLines),
            // Nothing is left that could be served.
            (S::Damaged, D::None, at_5(), Unrecoverable),
            (S::Damaged, D::Foreign, at_5(), Unrecoverable),
            (S::Damaged, D::BadLines, at_5(), Unrecoverable),
            (S::Gone, D::None, at_5(), Unrecoverable),
            (S::Gone, D::Empty, BadRecord, Unrecoverable),
            (S::Gone, D::Blank, at_5(), Unrecoverable),
            (S::Gone, D::Broken, at_5(), Unrecoverable),
            (S::Never, D::Broken, NoRecord, Unrecoverable),
        ];
        for (store, dump, record, expected) in rows {
            assert_eq!(plan(store, dump, &record), expected, "{store:?} {dump:?} {record:?}");
        }
    }

    /// Whatever comes together, no service that is in the store or in a dump of the same registry is
    /// left out without a word.
    #[test]
    fn no_combination_loses_a_service_without_a_word() {
        use FoundDump as D;
        use FoundStore as S;
        let ids = [None, OURS, OTHER];
        let seals: Vec<_> = ids
            .into_iter()
            .flat_map(|id| [seal(id, 4), seal(id, 5), seal(id, 6), fork(id, 5)])
            .collect();
        let stores = [S::Unusable, S::Unreadable, S::Damaged, S::Gone, S::Never]
            .into_iter()
            .chain(ids.map(|id| S::Whole(seal(id, 5))));
        let dumps: Vec<_> = [
            D::Unusable,
            D::Unreadable,
            D::None,
            D::Empty,
            D::Blank,
            D::Broken,
            D::Foreign,
            D::BadLines,
        ]
        .into_iter()
        .chain(seals.iter().copied().map(D::Sealed))
        .collect();
        let marks = || [None].into_iter().chain(seals.iter().copied().map(Some));
        let records: Vec<_> = [FoundRecord::None, FoundRecord::Unreadable]
            .into_iter()
            .chain(ids.into_iter().flat_map(|id| {
                [4, 5, 6]
                    .into_iter()
                    .flat_map(move |revision| marks().map(move |mark| known(id, revision, mark)))
            }))
            .collect();
        let mut combinations = 0;
        for store in stores {
            for dump in &dumps {
                for record in &records {
                    check(store, *dump, record);
                    combinations += 1;
                }
            }
        }
        assert_eq!(combinations, 8 * 20 * (2 + 3 * 3 * 13));
    }

    fn check(store: FoundStore, dump: FoundDump, record: &FoundRecord) {
        use FoundDump as D;
        use FoundStore as S;
        let plan = plan(store, dump, record);
        let case = format!("{store:?} {dump:?} {record:?}: {plan:?}");
        let stored = if let S::Whole(seal) = store { Some(seal) } else { None };
        let dumped = if let D::Sealed(seal) = dump { Some(seal) } else { None };
        match plan {
            TryLater => assert!(store == S::Unusable || dump == D::Unusable, "{case}"),
            Stop => assert!(store == S::Unreadable || dump == D::Unreadable, "{case}"),
            // What is overwritten without a look says nothing that the store does not have: it is an
            // earlier state of the same registry.
            Serve(Overwrite::Always) => {
                let stored = stored.unwrap();
                let is_earlier =
                    |dumped: Seal| dumped.id == stored.id && dumped.revision <= stored.revision;
                assert!(dumped.is_none_or(is_earlier), "{case}");
                assert!(dumped.is_some() || matches!(dump, D::None | D::Empty), "{case}");
            }
            Serve(Overwrite::KeepIfDifferent) => assert!(stored.is_some(), "{case}"),
            // A whole store gives way only to a later state of itself.
            Restore(identity) => {
                let dumped = dumped.unwrap();
                let is_later =
                    |stored: Seal| dumped.id == stored.id && dumped.revision > stored.revision;
                assert!(stored.is_none_or(is_later), "{case}");
                assert_eq!(identity == Identity::New, store == S::Never, "{case}");
            }
            Import => assert!(matches!(store, S::Gone | S::Never), "{case}"),
            Create => assert_eq!(store, S::Never, "{case}"),
            AnotherRegistry | BadLines | Unrecoverable => assert!(stored.is_none(), "{case}"),
        }
    }

    #[test]
    fn a_lost_revision_is_told_until_it_is_taken_note_of() {
        let stored = seal(OURS, 5);
        let lost = |id, revision, lost| {
            let record = DbRecord { id, revision, lost, ..DbRecord::default() };
            lost_revision(stored, &FoundRecord::Whole(record))
        };
        let rows = [
            (OURS, 5, None, None),
            (OURS, 4, None, None),
            (OURS, 6, None, Some(6)),
            (None, 6, None, Some(6)),
            (OTHER, 6, None, None),
            (OURS, 5, Some(8), Some(8)),
            (OURS, 6, Some(8), Some(8)),
            (OURS, 9, Some(8), Some(9)),
            (OTHER, 5, Some(8), None),
        ];
        for (id, revision, before, expected) in rows {
            assert_eq!(lost(id, revision, before), expected, "{id:?} {revision} {before:?}");
        }
        assert_eq!(lost_revision(stored, &FoundRecord::None), None);
        assert_eq!(lost_revision(stored, &FoundRecord::Unreadable), None);
    }
}
