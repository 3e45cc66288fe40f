//! Reads what a start finds, and carries out what [`plan()`] makes of it.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use tracing::{info, warn};

use super::RegistryOptions;
use super::error::{DumpProblem, OpenError};
use super::plan::{self, Identity, Overwrite, Plan, plan};
use crate::dump;
use crate::dump_file::{self, DumpFileError, FoundDump};
use crate::files::{self, FileState, InShell, ReadError, Shown};
use crate::registration::Registration;
use crate::registry_id::RegistryId;
use crate::seal::Seal;
use crate::store::{
    self, Contents, DbRecord, FoundRecord, Store, StoreError, host_name, record_place,
};
use crate::timestamp::Timestamp;

/// A store that can be served.
pub(super) struct Started {
    pub(super) store: Store,
    pub(super) contents: Contents,
    /// The record as it was found.
    pub(super) found: FoundRecord,
    /// The record that takes its place, without the port where pald listens.
    pub(super) record: DbRecord,
    /// The dump that may be overwritten without a look at it.
    pub(super) own_dump: Option<FileState>,
}

/// Opens the store; makes it from the dump where there is none yet, and where it is damaged or
/// behind a dump that is whole.
pub(super) fn open_store(options: &RegistryOptions) -> Result<Started, OpenError> {
    let start = Start { data_dir: &options.data_dir, dump_file: &options.dump_file };
    let record = FoundRecord::read(start.data_dir).map_err(StoreError::from)?;
    let (store, dump) = start.read()?;
    let plan = plan(kind_of_store(&store, &record), kind_of_dump(&dump), &record);
    let own_dump = match plan {
        Plan::Serve(Overwrite::KeepIfDifferent) => None,
        _ => dump.as_ref().ok().and_then(|dump| dump.as_ref()?.state),
    };
    let (store, mut contents) = start.carry_out(plan, store, dump, &record)?;
    if contents.seal.id.is_none() {
        contents.seal = contents.seal.with_id(Some(draw_id()?));
        store.commit(&[], &[], contents.seal)?;
    }
    let record_now = next_record(&record, contents.seal);
    start.tell(&record, &record_now, contents.seal);
    Ok(Started { store, contents, found: record, record: record_now, own_dump })
}

/// The store, `None` if there is none.
type OpenedStore = Option<Result<(Store, Contents), StoreError>>;
/// The dump, `None` if there is none.
type ReadDump = Result<Option<FoundDump>, ReadError>;

#[derive(Clone, Copy)]
struct Start<'a> {
    data_dir: &'a Path,
    dump_file: &'a Path,
}

impl Start<'_> {
    /// Reads and checks both at once, which is what a start takes most of its time for.
    fn read(self) -> Result<(OpenedStore, ReadDump), OpenError> {
        let exists = store::exists(self.data_dir)?;
        thread::scope(|scope| {
            let reader = thread::Builder::new().name("dump reader".into());
            let reader = reader.spawn_scoped(scope, || dump_file::read(self.dump_file));
            let reader = reader.map_err(OpenError::Thread)?;
            let opened = exists.then(|| Store::open(self.data_dir));
            let dump = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok((opened, dump))
        })
    }

    fn carry_out(
        self,
        plan: Plan,
        store: OpenedStore,
        dump: ReadDump,
        record: &FoundRecord,
    ) -> Result<(Store, Contents), OpenError> {
        let problem = self.problem(store.as_ref(), record);
        let opened = store.transpose();
        match plan {
            Plan::TryLater | Plan::Stop => match (opened, dump) {
                (Err(error), _) if !error.is_damage() => Err(error.into()),
                (_, Err(error)) => Err(DumpFileError::Read(error).into()),
                _ => unreachable!("only an error of the system ends a start like this"),
            },
            Plan::Serve(_) => Ok(opened?.expect("only a whole store is served")),
            Plan::Restore(identity) => {
                let is_there = !matches!(opened, Ok(None));
                // It has to be closed before it is moved.
                drop(opened);
                let dump = dump.ok().flatten().expect("only a whole dump is restored");
                let known_id = record.whole().and_then(|record| record.id);
                let id = match identity {
                    Identity::Same => dump.whole_seal.and_then(|seal| seal.id).or(known_id),
                    Identity::New => Some(draw_id()?),
                };
                self.restore(&problem, is_there, &dump, id)
            }
            Plan::Import => {
                if !matches!(record, FoundRecord::None) {
                    warn!("{problem}: the registry begins anew with what the dump says");
                }
                self.import(dump.ok().flatten().expect("only a dump is imported"))
            }
            Plan::Create => Ok(Store::create(self.data_dir, &[], Seal::default())?),
            Plan::BadLines => Err(bad_lines(dump).into()),
            Plan::AnotherRegistry => {
                let found = dump.ok().flatten().and_then(|dump| dump.whole_seal?.id);
                let (store, dump) = (self.data_dir.to_owned(), self.dump_file.to_owned());
                Err(OpenError::AnotherRegistry { problem, store, dump, found })
            }
            Plan::Unrecoverable => {
                let (store, path) = (self.data_dir.to_owned(), self.dump_file.to_owned());
                let reason = dump.map_or(DumpProblem::TooLarge, DumpProblem::of);
                Err(OpenError::Unrecoverable { problem, store, dump: path, reason })
            }
        }
    }

    /// What is wrong with the store, in words.
    fn problem(
        self,
        store: Option<&Result<(Store, Contents), StoreError>>,
        record: &FoundRecord,
    ) -> String {
        let path = Shown(self.data_dir);
        match store {
            None => match record.whole() {
                Some(DbRecord { revision: revision @ 1.., .. }) => {
                    format!("There is no store at {path}; it was at revision {revision}")
                }
                _ => format!("There is no store at {path}"),
            },
            Some(Err(error)) => error.with_causes(),
            Some(Ok((_, Contents { seal, .. }))) => {
                format!("The store {path} has lost its changes since revision {}", seal.revision)
            }
        }
    }

    /// Makes the store anew from a dump that is whole, and keeps what is left of the old one.
    fn restore(
        self,
        problem: &str,
        is_there: bool,
        dump: &FoundDump,
        id: Option<RegistryId>,
    ) -> Result<(Store, Contents), OpenError> {
        let seal = dump.whole_seal.expect("only a whole dump is restored").with_id(id);
        let registrations = registrations_in(dump);
        // Whoever ends pald from here on has been told.
        warn!(
            problem,
            dump = %Shown(self.dump_file),
            revision = seal.revision,
            services = seal.entries,
            written = self.dump_time(),
            "The registry is restored from the dump; changes after this revision, if there were any, are lost"
        );
        Store::prepare(self.data_dir, &registrations, seal)?;
        if is_there {
            Store::set_aside(self.data_dir)
                .map_err(|source| OpenError::SetAside { path: self.data_dir.to_owned(), source })?;
        }
        // From here on a crash leaves no store and a whole dump, from which it is restored again.
        Ok(Store::take_prepared(self.data_dir)?)
    }

    /// Takes a dump over that pald has not written, and keeps it as it was.
    fn import(self, dump: FoundDump) -> Result<(Store, Contents), OpenError> {
        let registrations = registrations_in(&dump);
        let revision = u64::from(!registrations.is_empty());
        let seal = Seal::of(revision, &registrations).with_id(Some(draw_id()?));
        if !dump_file::fits(registrations.iter().map(dump::max_line_bytes).sum()) {
            return Err(OpenError::TooMuch { path: self.dump_file.to_owned() });
        }
        let copy = dump_file::copy_imported(self.dump_file, &dump.bytes)
            .map_err(|source| OpenError::KeepDump { path: self.dump_file.to_owned(), source })?;
        info!(
            dump = %Shown(self.dump_file),
            copy = %Shown(&copy),
            services = registrations.len(),
            "Importing the dump"
        );
        Ok(Store::create(self.data_dir, &registrations, seal)?)
    }

    /// When the dump was written, in words.
    fn dump_time(self) -> String {
        let written = std::fs::metadata(self.dump_file).and_then(|metadata| metadata.modified());
        written.map_or_else(|_| "unknown".to_owned(), |time| Timestamp::of(time).to_string())
    }

    /// Says at each start what the user has not taken note of yet.
    fn tell(self, before: &FoundRecord, now: &DbRecord, seal: Seal) {
        let place = record_place(self.data_dir);
        if matches!(before, FoundRecord::Unreadable) {
            warn!(record = %Shown(&place), "The record beside the store can't be read, and does not count");
        }
        if let Some(before) = before.whole() {
            if !plan::speaks_of(before, seal) {
                warn!(
                    store = %Shown(self.data_dir),
                    "The store is another registry than the one that pald served here last"
                );
            }
            if !before.host.is_empty() && before.host != now.host {
                info!(host = before.host, "The store was last used on another host");
            }
        }
        if let Some(lost) = now.lost {
            warn!(
                "The store {} has lost changes: its newest revision was {lost}. Services that were \
                 registered then may be missing. Once you have taken note, stop pald and do: rm {}",
                Shown(self.data_dir),
                InShell(&place)
            );
        }
        for damaged in store::damaged(self.data_dir) {
            warn!(
                "A damaged store was set aside as {}, and restored from the dump of that time. Once \
                 you don't need it any more: rm -r {}",
                Shown(&damaged),
                InShell(&damaged)
            );
        }
        if let Some(filesystem) = files::network_filesystem(self.data_dir) {
            warn!(
                store = %Shown(self.data_dir),
                "The store is on a network filesystem ({filesystem}), where pald can't be sure that \
                 no other machine uses it too: set `data_dir` to a folder of this machine"
            );
        }
    }
}

fn kind_of_store(store: &OpenedStore, record: &FoundRecord) -> plan::FoundStore {
    use plan::FoundStore as Found;
    match store {
        Some(Ok((_, contents))) => Found::Whole(contents.seal),
        Some(Err(error)) if error.is_temporary() => Found::Unusable,
        Some(Err(error)) if error.is_damage() => Found::Damaged,
        Some(Err(_)) => Found::Unreadable,
        None if matches!(record, FoundRecord::None) => Found::Never,
        None => Found::Gone,
    }
}

fn kind_of_dump(dump: &ReadDump) -> plan::FoundDump {
    use plan::FoundDump as Found;
    let dump = match dump {
        Ok(dump) => dump,
        Err(ReadError::TooLarge { .. }) => return Found::BadLines,
        Err(ReadError::Io { source, .. }) if files::is_temporary(source) => return Found::Unusable,
        Err(_) => return Found::Unreadable,
    };
    match dump {
        None => Found::None,
        Some(dump) if dump.bytes.is_empty() => Found::Empty,
        Some(FoundDump { whole_seal: Some(seal), .. }) => Found::Sealed(*seal),
        Some(FoundDump { parsed: Err(_), .. }) => Found::BadLines,
        Some(FoundDump { parsed: Ok(dump), .. }) if dump.entries.is_empty() => Found::Blank,
        Some(FoundDump { parsed: Ok(dump), .. }) if dump.is_foreign() => Found::Foreign,
        Some(_) => Found::Broken,
    }
}

fn registrations_in(dump: &FoundDump) -> Vec<Registration> {
    dump.parsed.as_ref().map_or_else(|_| Vec::new(), dump::Dump::registrations)
}

fn bad_lines(dump: ReadDump) -> DumpFileError {
    match dump {
        Err(error) => error.into(),
        Ok(dump) => {
            let lines = dump.and_then(|dump| dump.parsed.err());
            lines.expect("only bad lines end a start like this").into()
        }
    }
}

fn draw_id() -> Result<RegistryId, OpenError> {
    RegistryId::draw().map_err(OpenError::Random)
}

/// The record of the store with this seal, without the port where pald listens.
fn next_record(before: &FoundRecord, seal: Seal) -> DbRecord {
    let same = before.whole().filter(|record| plan::speaks_of(record, seal));
    DbRecord {
        port_listen: None,
        host: host_name(),
        id: seal.id,
        revision: seal.revision,
        dump: same.and_then(|record| record.dump),
        lost: plan::lost_revision(seal, before),
    }
}

#[cfg(test)]
mod tests;
