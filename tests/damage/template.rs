//! The stores that are damaged, and what they hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::daemon::Home;
use crate::faults::copy_folder;

/// The services of the old dump, which are one change, and those that are set one by one.
const IMPORTED: u16 = 500;
const SET: u16 = 150;

pub(super) type Services = BTreeMap<String, u16>;

/// A `~/.pald` whose store is to be damaged.
pub(super) struct Template {
    pub(super) name: &'static str,
    pub(super) folder: TempDir,
    pub(super) services: Services,
    /// The newest revision.
    pub(super) revision: u64,
    /// What the registry was after each change.
    pub(super) history: Vec<Services>,
}

impl Template {
    /// `ends` are the ways in which pald ends, one after the other; changes come before each.
    pub(super) fn new(name: &'static str, ends: &[End]) -> Self {
        let home = Home::new(SET * 2);
        let lines = (1..=IMPORTED).map(|port| format!("old{port}\t{port}\t\n"));
        fs::write(home.file("dump"), lines.collect::<String>()).unwrap();
        let mut services = services(&home.file("dump"));
        let mut history = vec![services.clone()];
        for (run, end) in ends.iter().enumerate() {
            let daemon = home.start();
            for number in 0..SET / u16::try_from(ends.len()).unwrap() {
                let service = format!("new{run}.{number}");
                let port = daemon.set(&service).port();
                services.insert(service.clone(), port);
                history.push(services.clone());
                if number % 4 == 0 {
                    assert_eq!(daemon.client.del(port).body, "OK\n");
                    services.remove(&service);
                    history.push(services.clone());
                }
            }
            match end {
                End::Kill => daemon.kill(),
                End::Stop => assert_eq!(daemon.stop().0, Some(0)),
            }
        }
        // The store is copied as pald left it, before one more start brings the dump up to date,
        // as it would have been a second after the last change.
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&home.file(""), folder.path());
        home.start().stop();
        fs::copy(home.file("dump"), folder.path().join("dump")).unwrap();
        let dump = pald::dump::parse(home.dump().as_bytes()).unwrap();
        let revision = dump.whole_seal().unwrap().revision;
        Self { name, folder, services, revision, history }
    }

    /// The names of the store's files.
    pub(super) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("db")).unwrap();
        let files =
            entries.map(|entry| entry.unwrap()).filter(|e| e.file_type().unwrap().is_file());
        let mut names: Vec<_> =
            files.map(|file| file.file_name().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

#[derive(Clone, Copy)]
pub(super) enum End {
    Kill,
    Stop,
}

/// What a dump says.
pub(super) fn services(dump: &Path) -> Services {
    let dump = pald::dump::parse(&fs::read(dump).unwrap()).unwrap();
    let entries = dump.entries.into_iter();
    entries.map(|entry| (entry.service.to_string(), entry.port.number())).collect()
}

pub(super) fn templates() -> [Template; 2] {
    [
        Template::new("killed", &[End::Stop, End::Kill, End::Kill]),
        Template::new("stopped", &[End::Kill, End::Stop]),
    ]
}
