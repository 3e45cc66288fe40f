//! What a start makes of the store and the dump that it finds. Each of the two is first held
//! against itself; together they never lose a service without a word.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use tracing::{info, warn};

use super::{OpenError, RegistryOptions, Remedy};
use crate::dump::{self, DumpEntry};
use crate::dump_file::{self, DumpFileError, FoundDump};
use crate::files::{self, ReadError, Shown};
use crate::port::Port;
use crate::registration::Registration;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::{self, Contents, Store, StoreError};
use crate::timestamp::Timestamp;

/// How many differences between store and dump a warning names.
const MAX_NAMED: usize = 5;

type Opened = Result<(Store, Contents), OpenError>;

/// Opens the store; makes it from the dump where there is none yet, and where it is damaged or
/// behind a dump that is whole.
pub(super) fn open_store(options: &RegistryOptions) -> Opened {
    let start = Start { data_dir: &options.data_dir, dump_file: &options.dump_file };
    let read_dump = || dump_file::read(start.dump_file).map_err(DumpFileError::Read);
    if !store::exists(start.data_dir)? {
        return start.without_store(read_dump()?);
    }
    // Both are read and checked at once, which is what a start takes most of its time for.
    let (dump, opened) = thread::scope(|scope| {
        let reader = thread::Builder::new().name("dump reader".into());
        let reader = reader.spawn_scoped(scope, read_dump).map_err(OpenError::Thread)?;
        let opened = Store::open(start.data_dir);
        let dump = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok::<_, OpenError>((dump, opened))
    })?;
    let dump = match dump {
        // It has grown too large to be read, and the store does not need it.
        Err(DumpFileError::Read(error @ ReadError::TooLarge { .. })) if opened.is_ok() => {
            warn!("{error}: it can't be checked, and can't replace the store if that is damaged");
            None
        }
        other => other?,
    };
    match opened {
        Ok((store, contents)) => start.with_store(store, contents, dump),
        Err(error) if error.is_damage() => start.with_damage(&error, dump),
        Err(error) => Err(error.into()),
    }
}

#[derive(Clone, Copy)]
struct Start<'a> {
    data_dir: &'a Path,
    dump_file: &'a Path,
}

impl Start<'_> {
    /// The very first start, or one after the store was moved away or lost.
    fn without_store(self, dump: Option<FoundDump>) -> Opened {
        let had_store = store::noted_revision(self.data_dir)?.is_some_and(|revision| revision > 0);
        if let Some((dump, seal)) = dump.as_ref().and_then(FoundDump::whole) {
            warn!(
                dump = %Shown(self.dump_file),
                revision = seal.revision,
                services = seal.entries,
                written = self.dump_time(),
                "There is no store: the registry is restored from the dump"
            );
            return Ok(Store::create(self.data_dir, &dump.registrations(), seal.revision)?);
        }
        // A dump that says of itself what it should hold, and does not hold it, is damaged.
        let is_damaged = dump.as_ref().is_some_and(FoundDump::is_sealed);
        let is_import = dump.as_ref().is_some_and(FoundDump::is_foreign);
        if is_damaged || (had_store && !is_import) {
            let problem = format!("There is no store at {}", Shown(self.data_dir));
            return Err(self.unrecoverable(problem, dump, Remedy::Backup));
        }
        match dump {
            Some(dump) => self.import(dump),
            None => Ok(Store::create(self.data_dir, &[], 0)?),
        }
    }

    /// Takes a dump over that pald has not written, and keeps it as it was.
    fn import(self, FoundDump { bytes, parsed, .. }: FoundDump) -> Opened {
        let registrations = parsed.map_err(DumpFileError::Lines)?.registrations();
        let seal = Seal::of(u64::from(!registrations.is_empty()), &registrations);
        if !dump_file::fits(registrations.iter().map(dump::max_line_bytes).sum()) {
            return Err(OpenError::TooMuch { path: self.dump_file.to_owned() });
        }
        if !bytes.is_empty() {
            let copy = self.keep_dump("imported", &bytes)?;
            info!(
                dump = %Shown(self.dump_file),
                copy = %Shown(&copy),
                services = registrations.len(),
                "Importing the dump"
            );
        }
        Ok(Store::create(self.data_dir, &registrations, seal.revision)?)
    }

    /// The store opens and agrees with itself. It wins, unless it has lost its newest changes: then
    /// it is an earlier state of itself, which only the dump or the note beside the store can tell.
    fn with_store(self, store: Store, contents: Contents, dump: Option<FoundDump>) -> Opened {
        let stored = contents.seal.revision;
        let newest = store.noted_revision().unwrap_or(0);
        let problem = format!("it has lost its changes since revision {stored}");
        match dump.as_ref().and_then(FoundDump::whole) {
            Some((dump, seal)) if seal.revision > stored => {
                drop(store);
                return self.restore(&problem, "the dump", &dump.registrations(), seal);
            }
            Some(_) if newest > stored => {
                drop(store);
                let Contents { registrations, seal } = contents;
                return self.restore(&problem, "what is left of it", &registrations, seal);
            }
            None if newest > stored => {
                let problem = format!("The store {} is damaged: {problem}", Shown(self.data_dir));
                return Err(self.unrecoverable(problem, dump, Remedy::Accept));
            }
            // It says what the store says, as nearly all starts find it.
            Some((_, seal)) if seal == contents.seal => {}
            Some((_, seal)) if seal.revision < stored => {
                let dumped = seal.revision;
                info!(
                    store = stored,
                    dump = dumped,
                    "The dump is behind the store; it will be refreshed"
                );
            }
            _ => {
                dump.map_or(Ok(()), |dump| self.keep_if_edited(&contents, &dump))?;
            }
        }
        Ok((store, contents))
    }

    /// Keeps a dump that the next refresh would replace, if it says anything else than the store.
    fn keep_if_edited(self, contents: &Contents, dump: &FoundDump) -> Result<(), OpenError> {
        let mut differences = match &dump.parsed {
            // What pald writes for a registry without services; it says nothing about its age.
            Ok(_) if dump.bytes.is_empty() => return Ok(()),
            Ok(dump) => differences(&contents.registrations, &dump.entries),
            Err(bad_lines) => bad_lines.to_string().lines().map(str::to_owned).collect(),
        };
        if differences.is_empty() {
            // A dump that was imported, and was not written again before pald was killed.
            if dump.whole_seal.is_some() || dump.is_foreign() {
                return Ok(());
            }
            differences.push("its last line does not fit its entries".to_owned());
        }
        let copy = self.keep_dump("edited", &dump.bytes)?;
        let (store, dump, copy) = (Shown(self.data_dir), Shown(self.dump_file), Shown(&copy));
        let more = match differences.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let named = differences[..differences.len().min(MAX_NAMED)].join("; ");
        warn!(
            "The dump {dump} is not what pald wrote: {named}{more}. The store is right and the dump \
             will be replaced; it is kept as {copy}. To take it over instead, stop pald and do: \
             mv {store} {store}.old && sed 's/# pald:.*//' {copy} > {dump}"
        );
        Ok(())
    }

    /// The store is damaged. A dump that is whole takes its place.
    fn with_damage(self, error: &StoreError, dump: Option<FoundDump>) -> Opened {
        match dump.as_ref().and_then(FoundDump::whole) {
            Some((dump, seal)) => {
                self.restore(&error.with_causes(), "the dump", &dump.registrations(), seal)
            }
            None => Err(self.unrecoverable(error.with_causes(), dump, Remedy::Backup)),
        }
    }

    /// Makes the store anew from the newest whole registry that there is, and keeps the old one.
    fn restore(
        self,
        problem: &str,
        source: &str,
        registrations: &[Registration],
        seal: Seal,
    ) -> Opened {
        Store::prepare(self.data_dir, registrations, seal.revision)?;
        let suffix = format!(".damaged-{}", Timestamp::now().compact());
        let aside = files::unused_sibling(self.data_dir, &suffix);
        std::fs::rename(self.data_dir, &aside)
            .map_err(|source| OpenError::Quarantine { path: self.data_dir.to_owned(), source })?;
        // From here on a crash leaves no store and a whole dump, which is a store restored.
        let opened = Store::take_prepared(self.data_dir)?;
        warn!(
            store = %Shown(self.data_dir),
            problem,
            kept = %Shown(&aside),
            dump = %Shown(self.dump_file),
            revision = seal.revision,
            services = seal.entries,
            written = self.dump_time(),
            "The store is damaged: the registry is restored from {source}; changes after this revision are lost"
        );
        Ok(opened)
    }

    fn keep_dump(self, what: &str, bytes: &[u8]) -> Result<PathBuf, OpenError> {
        dump_file::keep_aside(self.dump_file, what, bytes)
            .map_err(|source| OpenError::KeepDump { path: self.dump_file.to_owned(), source })
    }

    /// When the dump was written, in words.
    fn dump_time(self) -> String {
        let written = std::fs::metadata(self.dump_file).and_then(|metadata| metadata.modified());
        written.map_or_else(|_| "unknown".to_owned(), |time| Timestamp::of(time).to_string())
    }

    fn unrecoverable(self, problem: String, dump: Option<FoundDump>, remedy: Remedy) -> OpenError {
        let remedy = match &dump {
            Some(FoundDump { parsed: Ok(dump), .. }) if !dump.entries.is_empty() => {
                Remedy::TakeEdited
            }
            _ => remedy,
        };
        let reason = match dump {
            None => "it does not exist".to_owned(),
            Some(FoundDump { bytes, .. }) if bytes.is_empty() => "it is empty".to_owned(),
            Some(FoundDump { parsed: Err(lines), .. }) => match &lines.lines[..] {
                [line] => format!("line {}: {}", line.number, line.error),
                lines => format!("it has {} bad lines", lines.len()),
            },
            Some(FoundDump { parsed: Ok(dump), .. }) => match dump.seal {
                Some(claimed) => format!(
                    "its {} services are not the {} of revision {} that its last line speaks of",
                    dump.entries.len(),
                    claimed.entries,
                    claimed.revision
                ),
                None => "its last line does not say what it should hold".to_owned(),
            },
        };
        let (dump, store) = (self.dump_file.to_owned(), self.data_dir.to_owned());
        OpenError::Unrecoverable { problem, store, dump, reason, remedy }
    }
}

/// In which services a dump differs from the store, in words.
fn differences(stored: &[Registration], dumped: &[DumpEntry]) -> Vec<String> {
    let dumped: BTreeMap<&ServiceName, _> = dumped.iter().map(|e| (&e.service, e)).collect();
    let ports: BTreeMap<&ServiceName, Port> = stored.iter().map(|a| (&a.service, a.port)).collect();
    let added = dumped.values().filter(|entry| !ports.contains_key(&entry.service));
    let added = added.map(|entry| format!("it adds {} on {}", entry.service, entry.port));
    let changed = stored.iter().filter_map(|kept| match dumped.get(&kept.service) {
        None => Some(format!("it lacks {} on {}", kept.service, kept.port)),
        Some(entry) if entry.port != kept.port => {
            Some(format!("it has {} on {} instead of {}", kept.service, entry.port, kept.port))
        }
        Some(entry) if entry.addresses != kept.addresses => {
            Some(format!("it has other addresses for {}", kept.service))
        }
        Some(entry) if entry.hold.is_some_and(|hold| hold != kept.hold) => {
            Some(format!("it has another `hold` for {}", kept.service))
        }
        // A dump of the 2015 program does not say when a service was registered.
        Some(entry) if entry.created_at.is_some_and(|time| time != kept.created_at) => {
            Some(format!("it has another date for {}", kept.service))
        }
        Some(_) => None,
    });
    added.chain(changed).collect()
}
