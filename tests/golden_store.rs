//! Stores that released versions made are opened by this one.

use std::fs;
use std::path::Path;

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

#[test]
fn a_store_of_schema_version_1_is_read_whole() {
    let home = Home::new(9);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store-v1");
    copy(&folder, &home.file("db"));
    let daemon = home.start();
    assert_eq!(daemon.set("new").port(), home.min);
    daemon.stop();
    let dump = home.dump();
    // The end of the last line speaks of the whole, which has grown.
    let entry = |line: &'static str| line.split(" revision=").next().unwrap();
    let expected: Vec<_> = include_str!("data/store-v1.dump").lines().map(entry).collect();
    let kept = dump.lines().filter(|line| !line.starts_with("new\t"));
    let kept: Vec<_> = kept.map(|line| line.split(" revision=").next().unwrap()).collect();
    assert_eq!(kept, expected);
}
