//! Stores that released versions made are opened by this one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::daemon::Home;

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The entries of a dump, without what the end of its last line says of the whole.
fn entries(dump: &str) -> Vec<&str> {
    dump.lines().map(|line| line.split(" revision=").next().unwrap()).collect()
}

/// The schema version in a store that nobody has open.
fn schema_version(store: &Path) -> u32 {
    let db = sled::open(store).unwrap();
    let version = db.open_tree("meta").unwrap().get("schema").unwrap().unwrap();
    u32::from_be_bytes(version.as_ref().try_into().unwrap())
}

#[test]
fn a_store_of_schema_version_1_is_read_whole() {
    let home = Home::new(9);
    copy(&data("store-v1"), &home.file("db"));
    let daemon = home.start();
    assert_eq!(daemon.set("new").port(), home.min);
    daemon.stop();
    let dump = home.dump();
    let mut kept = entries(&dump);
    kept.retain(|line| !line.starts_with("new\t"));
    assert_eq!(kept, entries(include_str!("data/store-v1.dump")));
}

#[test]
fn a_store_of_schema_version_2_is_read_whole() {
    let home = Home::new(9);
    copy(&data("store-v2"), &home.file("db"));
    fs::copy(data("store-v2.record"), home.file("db.record")).unwrap();
    let daemon = home.start();
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(" WARN "), "{log}");
    // With the same id, revision and checksum.
    assert_eq!(home.dump(), include_str!("data/store-v2.dump"));
    assert_eq!(schema_version(&home.file("db")), 2);
    // It remembers whose a released port was.
    assert_eq!(home.start().set("gone").port(), 30_208);
}

#[test]
fn the_dump_of_schema_version_2_is_a_whole_registry() {
    let home = Home::new(9);
    fs::write(home.file("dump"), include_str!("data/store-v2.dump")).unwrap();
    fs::copy(data("store-v2.record"), home.file("db.record")).unwrap();
    let (_, log) = home.start().stop();
    assert!(log.contains("There is no store at ~/.pald/db; it was at revision 9"), "{log}");
    assert_eq!(home.dump(), include_str!("data/store-v2.dump"));
}

/// What pald 0.1 has beside its store: a note of the newest revision, which is empty where there was
/// no change yet.
const NOTES_OF_0_1: [Option<&str>; 3] = [Some("00000000000000000006 b680cecb\n"), Some(""), None];

#[test]
fn a_home_of_0_1_opens_whole_and_gets_an_id() {
    for note in NOTES_OF_0_1 {
        let home = home_of_0_1(note);
        let daemon = home.start();
        let lock = fs::read_to_string(home.file("db.lock")).unwrap();
        let (code, log) = daemon.stop();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains(" WARN "), "{note:?}: {log}");
        let dump = home.dump();
        let (before, id) = dump.trim_end().rsplit_once(" id=").unwrap();
        assert_eq!(before, include_str!("data/store-v1.dump").trim_end());
        let record = fs::read_to_string(home.file("db.record")).unwrap();
        assert!(record.contains(&format!(" id={id} revision=00000000000000000006 ")), "{record}");
        assert!(!home.file("db.revision").exists());
        // As 0.1 reads it: the place of a pald that runs.
        let url =
            format!(", version {}) at http://127.0.0.1:{}", env!("CARGO_PKG_VERSION"), home.listen);
        assert!(lock.starts_with("pald (pid ") && lock.ends_with(&url), "{lock}");
        // 0.1 ends with 74 on any later schema than its own, and changes nothing.
        assert_eq!(schema_version(&home.file("db")), 2);

        // The id stays.
        let (_, log) = home.start().stop();
        assert!(!log.contains(" WARN "), "{note:?}: {log}");
        assert_eq!(home.dump(), dump);
    }
}

fn home_of_0_1(note: Option<&str>) -> Home {
    let home = Home::new(9);
    copy(&data("store-v1"), &home.file("db"));
    fs::copy(data("store-v1.dump"), home.file("dump")).unwrap();
    fs::write(home.file("db.lock"), "pald (pid 451, version 0.1.0) at http://127.0.0.1:30200")
        .unwrap();
    fs::copy(home.file("db.lock"), home.file("dump.lock")).unwrap();
    if let Some(note) = note {
        fs::write(home.file("db.revision"), note).unwrap();
    }
    home
}

#[test]
fn a_store_of_0_1_that_is_gone_comes_back_from_its_dump() {
    for note in NOTES_OF_0_1 {
        let home = home_of_0_1(note);
        fs::remove_dir_all(home.file("db")).unwrap();
        let (_, log) = home.start().stop();
        assert!(log.contains("The registry is restored from the dump"), "{log}");
        let dump = home.dump();
        let (before, _) = dump.rsplit_once(" id=").unwrap();
        assert_eq!(before, include_str!("data/store-v1.dump").trim_end());
    }
}
