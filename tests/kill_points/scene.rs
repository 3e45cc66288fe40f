//! What `~/.pald` can be before a run.

use std::fs;

use tempfile::TempDir;

use crate::daemon::Home;
use crate::faults::{Known, copy_folder, set};

/// A `~/.pald` before a run, and what pald must know in it.
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) folder: TempDir,
    pub(super) known: Known,
    /// The newest revision, if some of the services that it had are gone: each start must say so.
    pub(super) lost: Option<u64>,
    /// Whether a start makes the store anew from the dump.
    pub(super) restores: bool,
    /// Whether a dump of [`IMPORTED`] services is imported, in place of some single changes.
    pub(super) imports: bool,
}

/// How many services the import has: enough for it to store the whole registry anew.
pub(super) const IMPORTED: usize = 600;

impl Scene {
    fn new(name: &'static str, folder: TempDir, known: Known) -> Self {
        Self { name, folder, known, lost: None, restores: false, imports: false }
    }

    /// An old dump that is still to be imported.
    pub(super) fn first_start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let known: Known = (1..=40).map(|port| (format!("old{port}"), Some(port))).collect();
        let dump: String = (1..=40).map(|port| format!("old{port}\t{port}\t10.0.0.1\n")).collect();
        fs::write(folder.path().join("dump"), dump).unwrap();
        Self::new("first start", folder, known)
    }

    /// A store that was in use, ended by a kill.
    pub(super) fn second_start() -> Self {
        let Self { folder, mut known, .. } = Self::first_start();
        let home = Home::new(9);
        copy_folder(folder.path(), &home.file(""));
        let daemon = home.start();
        for service in ["before1", "before2"] {
            known.insert(service.to_owned(), Some(daemon.set(service).port()));
        }
        daemon.kill();
        Self::new("second start", folder_of(&home), known)
    }

    /// The same, and an import.
    pub(super) fn import() -> Self {
        Self { name: "import", imports: true, ..Self::second_start() }
    }

    /// A store whose data is gone.
    pub(super) fn no_data() -> Self {
        Self::restore("no data", |home| fs::remove_file(home.file("db/db")).unwrap())
    }

    /// A store whose data is something else.
    pub(super) fn bad_data() -> Self {
        Self::restore("bad data", |home| fs::write(home.file("db/db"), [0x5a; 9000]).unwrap())
    }

    /// A store with 25 services, which is damaged, and a dump from when there were 5.
    fn restore(name: &'static str, damage: fn(&Home)) -> Self {
        let home = Home::new(25);
        let known = set(&home, early(0..5));
        let dump = home.dump();
        assert!(dump.contains(" revision=5 entries=5 "), "{dump}");
        set(&home, early(5..25));
        fs::write(home.file("dump"), dump).unwrap();
        damage(&home);
        Self { lost: Some(25), restores: true, ..Self::new(name, folder_of(&home), known) }
    }

    /// A whole store with 5 services, and a newer dump with all 25.
    pub(super) fn lost_end() -> Self {
        let home = Home::new(25);
        let mut known = set(&home, early(0..5));
        copy_folder(&home.file("db"), &home.file("old"));
        known.extend(set(&home, early(5..25)));
        fs::remove_dir_all(home.file("db")).unwrap();
        fs::rename(home.file("old"), home.file("db")).unwrap();
        Self { restores: true, ..Self::new("lost end", folder_of(&home), known) }
    }
}

fn early(numbers: std::ops::Range<u16>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!("early{number}"))
}

fn folder_of(home: &Home) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&home.file(""), folder.path());
    folder
}
