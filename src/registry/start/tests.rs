use std::fs;
use std::path::PathBuf;

use super::*;
use crate::port::{Port, PortRange};
use crate::registry::{RegisterOptions, Registry};
use crate::service_name::ServiceName;

fn options(folder: &Path) -> RegistryOptions {
    RegistryOptions {
        port_range: PortRange::new(Port::MIN, Port::MAX).unwrap(),
        port_listen: Port::MAX,
        data_dir: folder.join("db"),
        max_holds: 0,
        dump_file: folder.join("dump"),
    }
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_stands_in_the_place_of_the_dump_has_its_kind() {
    use plan::FoundDump as Found;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let sealed = {
        let dump = dump::parse(b"a 1 # pald: since=2026-11-22T10:00:00Z").unwrap();
        let registrations = dump.registrations();
        let seal = Seal::of(7, &registrations);
        (dump::render(&registrations, seal), seal)
    };
    let too_large = "#".repeat(dump_file::MAX_BYTES + 1);
    let rows: [(&str, Found); 8] = [
        ("", Found::Empty),
        ("\n# nothing\n", Found::Blank),
        (&sealed.0, Found::Sealed(sealed.1)),
        (&sealed.0.replace("a\t1", "a\t2"), Found::Broken),
        ("a 1 # pald: since=2026-11-22T10:00:00Z", Found::Broken),
        ("a 1 # mine", Found::Foreign),
        ("a 0", Found::BadLines),
        (&too_large, Found::BadLines),
    ];
    assert_eq!(kind_of_dump(&dump_file::read(&path)), Found::None);
    for (text, expected) in rows {
        fs::write(&path, text).unwrap();
        let start = &text[..text.len().min(80)];
        assert_eq!(kind_of_dump(&dump_file::read(&path)), expected, "{start:?}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(kind_of_dump(&dump_file::read(&path)), Found::Unreadable);
    let error =
        |kind: std::io::ErrorKind| Err(ReadError::Io { path: PathBuf::new(), source: kind.into() });
    assert_eq!(kind_of_dump(&error(std::io::ErrorKind::NotFound)), Found::Unreadable);
}

#[test]
fn what_stands_in_the_place_of_the_store_has_its_kind() {
    use plan::FoundStore as Found;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    assert_eq!(kind_of_store(&None, &FoundRecord::None), Found::Never);
    assert_eq!(kind_of_store(&None, &FoundRecord::Unreadable), Found::Gone);
    let seal = Seal::of(7, []);
    let (store, contents) = Store::create(&path, &[], seal).unwrap();
    assert_eq!(kind_of_store(&Some(Ok((store, contents))), &FoundRecord::None), Found::Whole(seal));
    fs::remove_file(path.join("db")).unwrap();
    let damaged = Some(Store::open(&path));
    assert_eq!(kind_of_store(&damaged, &FoundRecord::None), Found::Damaged);
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    let no_folder = Some(Store::open(&path));
    let kind = kind_of_store(&no_folder, &FoundRecord::None);
    assert!(matches!(kind, Found::Unreadable), "{kind:?}: {no_folder:?}");
}

/// With its dates, the dump that pald would write of it is larger than what it reads back.
#[test]
fn a_dump_is_imported_with_a_copy_unless_it_would_become_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let addresses = "a".repeat(2048);
    let line = |port: u32| format!("{port:05}{} {port} {addresses}\n", "n".repeat(250));
    let text: String = (1..7_200).map(line).collect();
    assert!(text.len() <= dump_file::MAX_BYTES, "{}", text.len());
    fs::write(&options.dump_file, &text).unwrap();
    let refused = open_store(&options).map(|_| ());
    assert!(matches!(refused, Err(OpenError::TooMuch { .. })), "{refused:?}");
    // Nothing was made, and no copy either.
    assert_eq!(names(folder.path()), ["dump"]);

    let text = "shop 7\nweb 8\n";
    fs::write(&options.dump_file, text).unwrap();
    let Started { contents, .. } = open_store(&options).unwrap();
    assert_eq!((contents.registrations.len(), contents.seal.revision), (2, 1));
    let made = names(folder.path());
    let copy = made.iter().find(|name| name.starts_with("dump.imported-")).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join(copy)).unwrap(), text);
}

/// What was known of a dump, of the host and of a loss goes on, unless it is of another registry.
#[test]
fn the_record_of_a_start_takes_over_what_is_known_of_the_same_registry() {
    let [ours, other] = [1, 2].map(|bits| Some(RegistryId::from_bits(bits)));
    let seal = Seal::of(5, []).with_id(ours);
    let mark = Some(Seal::of(4, []).into());
    let before = |id, revision| {
        FoundRecord::Whole(DbRecord { id, revision, dump: mark, ..DbRecord::default() })
    };
    let expected = DbRecord { host: host_name(), id: ours, revision: 5, ..DbRecord::default() };
    let rows = [
        (FoundRecord::None, None, None),
        (FoundRecord::Unreadable, None, None),
        (before(ours, 5), mark, None),
        (before(ours, 8), mark, Some(8)),
        (before(other, 8), None, None),
    ];
    for (found, dump, lost) in rows {
        let expected = DbRecord { dump, lost, ..expected.clone() };
        assert_eq!(next_record(&found, seal), expected, "{found:?}");
    }
}

/// Makes a registry of one service, and closes it.
fn registry_of(service: &str, folder: &Path) {
    let registry = Registry::open(options(folder)).unwrap();
    let service = ServiceName::parse(service).unwrap();
    registry.register(service, RegisterOptions::default()).wait().unwrap();
}

/// The services that a start serves, or what it says, and what lies in the folder then besides the store,
/// its record and the dump.
fn start(folder: &Path) -> (String, Vec<String>) {
    let said = match Registry::open(options(folder)) {
        Ok(registry) => {
            let services = registry.snapshot().registrations;
            services.iter().map(|it| it.service.as_str()).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    };
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let beside = names.filter(|name| !["db", "db.record", "dump"].contains(&name.as_str()));
    // Without the time.
    let kinds = beside.map(|name| name.split_once('-').unwrap_or((&name, "")).0.to_owned());
    (said.replace(folder.to_str().unwrap(), "HOME"), kinds.collect())
}

/// What becomes of the store, or of the dump, before a start.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Damaged,
    Gone,
    /// This file is in its place.
    File(&'static str),
    Folder,
    /// It is that of another registry.
    Others,
}

impl Fault {
    fn happen(self, path: &Path) {
        if matches!(self, Self::None) {
            return;
        }
        if let Self::Damaged = self {
            return fs::remove_file(path.join("db")).unwrap();
        }
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.unwrap();
        match self {
            Self::File(content) => fs::write(path, content).unwrap(),
            Self::Folder => fs::create_dir(path).unwrap(),
            Self::Others => {
                let other = tempfile::tempdir().unwrap();
                registry_of("other", other.path());
                fs::copy(other.path().join(path.file_name().unwrap()), path).unwrap();
            }
            Self::None | Self::Damaged | Self::Gone => {}
        }
    }
}

#[test]
fn a_start_serves_what_is_whole_or_says_why_not() {
    use Fault::{Damaged, File, Folder, Gone, None, Others};
    // (what becomes of the store and of the dump, what is served or said, what lies there then)
    let rows: &[(Fault, Fault, &str, &[&str])] = &[
        (None, None, "web", &[]),
        (None, Gone, "web", &[]),
        (None, File("other 9\n"), "web", &["dump.kept"]),
        (None, File("no port\n"), "web", &["dump.kept"]),
        (None, Others, "web", &["dump.kept"]),
        (None, Folder, "HOME/dump is not a regular file", &[]),
        (Damaged, None, "web", &["db.damaged"]),
        (Damaged, Gone, "DAMAGED; and the dump HOME/dump can't replace it: it does not exist", &[]),
        (Damaged, File(""), "DAMAGED; and the dump HOME/dump can't replace it: it is empty", &[]),
        (
            Damaged,
            File("other 9\n"),
            "DAMAGED; and the dump HOME/dump can't replace it: pald did not write it",
            &[],
        ),
        (Damaged, Others, "DAMAGED; and the dump HOME/dump is another registry's", &[]),
        (Gone, None, "web", &[]),
        (Gone, Gone, "GONE; and the dump HOME/dump can't replace it: it does not exist", &[]),
        (Gone, File("other 9\n"), "other", &["dump.imported"]),
        (
            Gone,
            File("no port\n"),
            "HOME/dump:1: port \"port\" is not a plain number; use 1 to 65535 without sign, blanks \
             or leading zeros; nothing was imported",
            &[],
        ),
        (Gone, Others, "GONE; and the dump HOME/dump is another registry's", &[]),
        (File(""), None, "HOME/db is not a pald store, so it was left alone", &[]),
    ];
    for (store, dump, said, beside) in rows {
        let folder = tempfile::tempdir().unwrap();
        registry_of("web", folder.path());
        store.happen(&folder.path().join("db"));
        dump.happen(&folder.path().join("dump"));
        let (now_said, now_beside) = start(folder.path());
        let said =
            said.replace("DAMAGED", "The store HOME/db is damaged: its file `db` is missing");
        let said = said.replace("GONE", "There is no store at HOME/db; it was at revision 1");
        assert_eq!(now_said, said, "{store:?}, {dump:?}");
        assert_eq!(now_beside, *beside, "{store:?}, {dump:?}");
    }
}
