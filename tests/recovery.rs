//! Store and dump are each held against themselves; what is whole takes the place of what is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::{Daemon, Home, wait_for_dump};
use crate::golden_store::copy;

/// The entries of `~/.pald` whose names start like this.
fn kept(home: &Home, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.file("")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).collect()
}

/// A home in which pald has ended with services a, b and c on its first three ports.
fn home_with_three() -> Home {
    let home = Home::new(9);
    let daemon = home.start();
    for (service, port) in ["a", "b", "c"].into_iter().zip(home.min..) {
        assert_eq!(daemon.set(service).port(), port);
    }
    daemon.stop();
    home
}

fn assert_three(home: &Home, daemon: &Daemon) {
    for (service, port) in ["a", "b", "c"].into_iter().zip(home.min..) {
        assert_eq!(daemon.get(&format!("/get?service={service}")).port(), port);
    }
}

fn change(path: &Path, change: impl Fn(&sled::Db)) {
    let db = sled::open(path).unwrap();
    change(&db);
    db.flush().unwrap();
}

fn tree(db: &sled::Db, name: &str) -> sled::Tree {
    db.open_tree(name).unwrap()
}

type Damage = fn(&Home);

/// What can happen to a store, and what pald says about it.
const DAMAGES: [(Damage, &str); 10] = [
    (
        |home| change(&home.file("db"), |db| drop(tree(db, "services").remove("b").unwrap())),
        "service b of port ",
    ),
    (
        |home| {
            let port = (home.min + 1).to_be_bytes();
            change(&home.file("db"), |db| drop(tree(db, "ports").remove(port).unwrap()));
        },
        " of b is missing",
    ),
    (
        |home| {
            let port = (home.min + 1).to_be_bytes();
            change(&home.file("db"), |db| {
                tree(db, "ports").remove(port).unwrap();
                tree(db, "services").remove("b").unwrap();
            });
        },
        "its 2 services do not match its seal (3 services at revision 3)",
    ),
    (
        |home| {
            let [first, second] = [home.min, home.min + 1].map(u16::to_be_bytes);
            change(&home.file("db"), |db| {
                let a = tree(db, "ports").get(first).unwrap().unwrap();
                tree(db, "ports").insert(second, a).unwrap();
            });
        },
        " belongs to both b and a",
    ),
    (
        |home| change(&home.file("db"), |db| drop(tree(db, "meta").remove("seal").unwrap())),
        "its seal is missing",
    ),
    (
        |home| change(&home.file("db"), |db| drop(tree(db, "meta").remove("schema").unwrap())),
        "its schema version is missing",
    ),
    (
        |home| change(&home.file("db"), |db| assert!(db.drop_tree("meta").unwrap())),
        "its schema version is missing",
    ),
    (
        |home| {
            change(&home.file("db"), |db| {
                drop(tree(db, "services").insert("b", &[7]).unwrap());
            });
        },
        "the record of service \"b\" can't be read: its version is 7, not 1",
    ),
    (|home| fs::remove_file(home.file("db/db")).unwrap(), "its file `db` is missing"),
    (
        |home| fs::write(home.file("db/db"), [0; 9000]).unwrap(),
        "Can't use the store ~/.pald/db: Read corrupted data",
    ),
];

#[test]
fn a_damaged_store_is_restored_from_a_whole_dump_and_kept_aside() {
    for (damage, found) in DAMAGES {
        let home = home_with_three();
        damage(&home);
        let daemon = home.start();
        assert_three(&home, &daemon);
        assert_eq!(daemon.set("d").port(), home.min + 3);
        let (_, log) = daemon.stop();
        let warning =
            log.lines().find(|line| line.contains("WARN")).unwrap_or_else(|| panic!("{log}"));
        assert!(warning.contains("the registry is restored from the dump"), "{warning}");
        let found = found.replace('"', "\\\"");
        assert!(warning.contains(&found), "{warning}");
        assert!(warning.contains("revision=3 services=3 written=\"20"), "{warning}");
        assert_eq!(kept(&home, "db.damaged-20").len(), 1);
        // It is a store like any other from now on.
        let (_, log) = home.start().stop();
        assert!(!log.contains("WARN") && log.contains("services=4"), "{log}");
    }
}

#[test]
fn without_a_whole_dump_a_damaged_store_ends_the_start_with_74() {
    let dumps: [(Damage, &str); 6] = [
        (|home| fs::remove_file(home.file("dump")).unwrap(), "it does not exist"),
        (|home| fs::write(home.file("dump"), "").unwrap(), "it is empty"),
        (
            |home| edit_dump(home, |text| text.replacen("b\t", "x\t", 1)),
            "its 3 services are not the 3 of revision 3",
        ),
        (
            |home| edit_dump(home, |text| text.split_inclusive('\n').skip(1).collect()),
            "its 2 services are not the 3 of revision 3",
        ),
        (
            |home| edit_dump(home, |text| text.split_inclusive('\n').take(2).collect()),
            "its last line does not say what it should hold",
        ),
        (|home| edit_dump(home, |text| text.replace("b\t", "b/\t")), "line 2: service name"),
    ];
    for ((damage, found), (lose_dump, reason)) in DAMAGES.into_iter().zip(dumps.into_iter().cycle())
    {
        let home = home_with_three();
        damage(&home);
        lose_dump(&home);
        let before = fs::read(home.file("dump")).ok();
        let (code, stderr) = home.run(home.command());
        assert_eq!(code, Some(74), "{stderr}");
        let message = stderr.lines().find(|line| line.starts_with("Error: ")).unwrap();
        assert!(message.contains(found) && message.contains(reason), "{message}");
        assert!(stderr.contains("\nhint: Put a backup of the dump at ~/.pald/dump"), "{stderr}");
        assert_eq!(fs::read(home.file("dump")).ok(), before);
        assert_eq!(kept(&home, "db.damaged").len(), 0);
    }
}

fn edit_dump(home: &Home, edit: impl Fn(&str) -> String) {
    fs::write(home.file("dump"), edit(&home.dump())).unwrap();
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let home = home_with_three();
    change(&home.file("db"), |db| {
        drop(tree(db, "meta").insert("schema", &2u32.to_be_bytes()).unwrap());
    });
    let (code, stderr) = home.run(home.command());
    assert_eq!(
        stderr,
        "Error: The store ~/.pald/db has schema version 2; this pald supports versions up to 1\n\
         hint: Start the version of pald that wrote it, or a later one\n"
    );
    assert_eq!(code, Some(74));
    assert_eq!(kept(&home, "db.damaged").len(), 0);
}

#[test]
fn a_missing_store_is_restored_from_a_whole_dump_only() {
    let home = home_with_three();
    fs::remove_dir_all(home.file("db")).unwrap();
    let daemon = home.start();
    assert_three(&home, &daemon);
    let log = daemon.stop().1;
    assert!(
        log.contains("WARN There is no store: the registry is restored from the dump"),
        "{log}"
    );

    fs::remove_dir_all(home.file("db")).unwrap();
    edit_dump(&home, |text| text.split_inclusive('\n').skip(1).collect());
    let (code, stderr) = home.run(home.command());
    assert_eq!(code, Some(74), "{stderr}");
    assert!(stderr.contains("There is no store at ~/.pald/db; and the dump ~/.pald/dump can't replace it: its 2 services are not the 3 of revision 3"), "{stderr}");
    assert!(!home.file("db").exists());
}

#[test]
fn a_store_that_has_lost_its_newest_changes_is_restored_from_the_dump() {
    let home = home_with_three();
    copy(&home.file("db"), &home.file("old"));
    let daemon = home.start();
    assert_eq!(daemon.set("d").port(), home.min + 3);
    daemon.stop();
    fs::remove_dir_all(home.file("db")).unwrap();
    fs::rename(home.file("old"), home.file("db")).unwrap();

    let daemon = home.start();
    assert_three(&home, &daemon);
    assert_eq!(daemon.get("/get?service=d").port(), home.min + 3);
    let (_, log) = daemon.stop();
    assert!(log.contains("problem=\"it has lost its changes since revision 3\""), "{log}");
    assert_eq!(kept(&home, "db.damaged-20").len(), 1);
}

#[test]
fn a_dump_that_is_behind_is_only_noted_and_refreshed() {
    let home = home_with_three();
    let old = home.dump();
    let daemon = home.start();
    assert_eq!(daemon.set("d").port(), home.min + 3);
    daemon.stop();
    fs::write(home.file("dump"), old).unwrap();

    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=d").port(), home.min + 3);
    wait_for_dump(&home, |dump| dump.contains("d\t") && dump.contains("revision=4"));
    let (_, log) = daemon.stop();
    assert!(
        log.contains("INFO The dump is behind the store; it will be refreshed store=4 dump=3"),
        "{log}"
    );
    assert!(!log.contains("WARN"), "{log}");
    assert_eq!(kept(&home, "dump.").len(), 1, "only the lock is beside the dump");
}

#[test]
fn a_dump_edited_by_hand_is_kept_and_can_be_taken_over() {
    let home = home_with_three();
    edit_dump(&home, |text| text.replace("b\t", "x\t") + "new 7\n");
    let edited = home.dump();
    let daemon = home.start();
    assert_three(&home, &daemon);
    assert_eq!(daemon.get("/get?service=new").status, 404);
    wait_for_dump(&home, |dump| dump.starts_with("a\t") && !dump.contains("new"));
    let (_, log) = daemon.stop();
    let warning = log.lines().find(|line| line.contains("WARN")).unwrap();
    for part in ["it adds new on 7", "it adds x on ", "it lacks b on "] {
        assert!(warning.contains(part), "{warning}");
    }
    let copies = kept(&home, "dump.edited-20");
    assert_eq!(fs::read_to_string(&copies[0]).unwrap(), edited);
    assert_eq!(copies.len(), 1);

    // The step that the warning names takes it over, as it stands there.
    let step = warning.split("stop pald and do: ").nth(1).unwrap();
    let status = Command::new("sh").args(["-c", step]).env("HOME", home.path()).status().unwrap();
    assert!(status.success(), "{step}");
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=new").port(), 7);
    assert_eq!(daemon.get("/get?service=x").port(), home.min + 1);
    assert_eq!(daemon.get("/get?service=b").status, 404);
}

#[test]
fn a_dump_whose_own_check_fails_is_kept_even_if_its_entries_are_right() {
    let edits: [fn(&str) -> String; 2] = [
        |text| text.replace(" revision=", " hold=off revision="),
        |text| text.split(" check=").next().unwrap().to_owned() + " check=00000000\n",
    ];
    for edit in edits {
        let home = home_with_three();
        edit_dump(&home, edit);
        let edited = home.dump();
        let (_, log) = home.start().stop();
        assert!(log.contains("WARN The dump ~/.pald/dump is not what pald wrote"), "{log}");
        assert_eq!(fs::read_to_string(&kept(&home, "dump.edited-20")[0]).unwrap(), edited);
        assert_ne!(home.dump(), edited);
    }
}

#[test]
fn a_dump_too_large_to_be_read_does_not_keep_a_whole_store_from_starting() {
    let home = home_with_three();
    fs::write(home.file("dump"), vec![b'#'; 16 * 1024 * 1024 + 1]).unwrap();
    let daemon = home.start();
    assert_three(&home, &daemon);
    assert!(
        daemon.log().contains("~/.pald/dump is larger than 16777216 bytes"),
        "{}",
        daemon.log()
    );
}

#[test]
fn bad_lines_in_a_dump_are_kept_aside_where_the_store_is_whole() {
    let home = home_with_three();
    edit_dump(&home, |text| text.to_owned() + "my app 7\n");
    let (_, log) = home.start().stop();
    assert!(log.contains("~/.pald/dump:4: port \"app\" is not a plain number"), "{log}");
    assert_eq!(kept(&home, "dump.edited-20").len(), 1);
    assert_eq!(home.dump().lines().count(), 3);
}

/// sled opens what comes before the damaged end of its log, which agrees with itself.
#[test]
fn a_store_that_has_lost_its_newest_changes_is_noticed_without_the_dump_too() {
    let with_old_store = || {
        let home = home_with_three();
        copy(&home.file("db"), &home.file("old"));
        let daemon = home.start();
        assert_eq!(daemon.set("d").port(), home.min + 3);
        let before = home.dump();
        daemon.stop();
        fs::remove_dir_all(home.file("db")).unwrap();
        fs::rename(home.file("old"), home.file("db")).unwrap();
        (home, before)
    };
    // A dump as it was before the lost change: what is left of the store is no less.
    let (home, before) = with_old_store();
    fs::write(home.file("dump"), before).unwrap();
    let daemon = home.start();
    assert_three(&home, &daemon);
    let (_, log) = daemon.stop();
    assert!(log.contains("the registry is restored from what is left of it"), "{log}");
    let (_, log) = home.start().stop();
    assert!(!log.contains("WARN"), "{log}");

    // No dump at all: nothing is whole, and the hint names the way to go on all the same.
    let (home, _) = with_old_store();
    fs::remove_file(home.file("dump")).unwrap();
    let (code, stderr) = home.run(home.command());
    assert_eq!(code, Some(74), "{stderr}");
    assert!(stderr.contains("it has lost its changes since revision 3"), "{stderr}");
    assert!(stderr.trim_end().ends_with("rm ~/.pald/db.revision"), "{stderr}");
    fs::remove_file(home.file("db.revision")).unwrap();
    assert_three(&home, &home.start());
}

#[test]
fn a_store_and_a_dump_that_are_both_gone_are_not_a_first_start() {
    let home = home_with_three();
    fs::remove_dir_all(home.file("db")).unwrap();
    for empty in [false, true] {
        fs::remove_file(home.file("dump")).unwrap();
        if empty {
            fs::write(home.file("dump"), "").unwrap();
        }
        let (code, stderr) = home.run(home.command());
        assert_eq!(code, Some(74), "{stderr}");
        let reason = if empty { "it is empty" } else { "it does not exist" };
        let expected = format!(
            "There is no store at ~/.pald/db; and the dump ~/.pald/dump can't replace it: {reason}\n"
        );
        assert!(stderr.contains(&expected), "{stderr}");
        fs::write(home.file("dump"), "").unwrap();
    }
}
