//! What a start makes of a store, a dump and a record that are not as the last pald left them.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::{Daemon, Home, wait_for_dump};
use crate::faults::run;
use crate::golden_store::copy;
use crate::skip::skip;

/// The entries of `~/.pald` whose names start like this.
pub(crate) fn kept(home: &Home, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.file("")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).collect()
}

/// A home in which pald has ended with services a, b and c on its first three ports.
pub(crate) fn home_with_three() -> Home {
    let home = Home::new(9);
    let daemon = home.start();
    for (service, port) in ["a", "b", "c"].into_iter().zip(home.min..) {
        assert_eq!(daemon.set(service).port(), port);
    }
    daemon.stop();
    home
}

pub(crate) fn assert_three(home: &Home, daemon: &Daemon) {
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
        "the record of service \"b\" can't be read: its version is 7, not 1 or 2",
    ),
    (|home| fs::remove_file(home.file("db/db")).unwrap(), "its file `db` is missing"),
    (
        |home| fs::write(home.file("db/db"), [0; 9000]).unwrap(),
        "Can't use the store ~/.pald/db: Read corrupted data",
    ),
];

/// The warnings in a log.
pub(crate) fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(" WARN ")).collect()
}

#[test]
fn a_damaged_store_is_restored_from_a_whole_dump_and_kept_aside() {
    for (damage, found) in DAMAGES {
        let home = home_with_three();
        let id = id_in(&home.dump());
        damage(&home);
        let daemon = home.start();
        assert_three(&home, &daemon);
        assert_eq!(daemon.set("d").port(), home.min + 3);
        let (_, log) = daemon.stop();
        let told = warnings(&log);
        assert!(told[0].contains("The registry is restored from the dump"), "{log}");
        let found = found.replace('"', "\\\"");
        assert!(told[0].contains(&found), "{log}");
        assert!(told[0].contains("revision=3 services=3 written=\"20"), "{log}");
        assert_eq!(id_in(&home.dump()), id);
        let damaged = kept(&home, "db.damaged-20");
        assert_eq!(damaged.len(), 1);

        // It is said at each start, until the damaged store is removed as the warning says.
        let (_, log) = home.start().stop();
        let told = warnings(&log);
        assert!(
            told[0].contains("A damaged store was set aside as ~/.pald/db.damaged-20"),
            "{log}"
        );
        assert!(log.contains("services=4"), "{log}");
        assert_eq!(told.len(), 1, "{log}");
        do_as_told(&home, told[0].split("any more: ").nth(1).unwrap());
        assert!(!damaged[0].exists());
        let (_, log) = home.start().stop();
        assert_eq!(warnings(&log), [""; 0], "{log}");
    }
}

/// Runs a command that a message names.
pub(crate) fn do_as_told(home: &Home, command: &str) {
    let status =
        Command::new("sh").args(["-c", command]).env("HOME", home.path()).status().unwrap();
    assert!(status.success(), "{command}");
}

/// Which registry a dump says that it is.
pub(crate) fn id_in(dump: &str) -> String {
    dump.split(" id=").nth(1).unwrap_or_else(|| panic!("{dump}")).trim_end().to_owned()
}

#[test]
fn without_a_whole_dump_a_damaged_store_ends_the_start_with_74() {
    let dumps: [(Damage, &str); 6] = [
        (|home| fs::remove_file(home.file("dump")).unwrap(), "it does not exist"),
        (|home| fs::write(home.file("dump"), "").unwrap(), "it is empty"),
        (
            |home| edit_dump(home, |text| text.replacen("b\t", "x\t", 1)),
            "its 3 services are not the 3 of revision 3 that",
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

        // The last way on that the hint names begins anew.
        let hint = stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
        do_as_told(&home, hint.split("or begin without services: ").nth(1).unwrap());
        assert_eq!(home.start().set("new").port(), home.min);
    }
}

fn edit_dump(home: &Home, edit: impl Fn(&str) -> String) {
    fs::write(home.file("dump"), edit(&home.dump())).unwrap();
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let home = home_with_three();
    change(&home.file("db"), |db| {
        drop(tree(db, "meta").insert("schema", &3u32.to_be_bytes()).unwrap());
    });
    let (code, stderr) = home.run(home.command());
    assert_eq!(
        stderr,
        "Error: The store ~/.pald/db has schema version 3; this pald supports versions up to 2\n\
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
    assert!(log.contains("WARN The registry is restored from the dump"), "{log}");
    assert!(log.contains("There is no store at ~/.pald/db; it was at revision 3"), "{log}");

    fs::remove_dir_all(home.file("db")).unwrap();
    edit_dump(&home, |text| text.split_inclusive('\n').skip(1).collect());
    let (code, stderr) = home.run(home.command());
    assert_eq!(code, Some(74), "{stderr}");
    let reason =
        "and the dump ~/.pald/dump can't replace it: its 2 services are not the 3 of revision 3";
    assert!(stderr.contains(reason), "{stderr}");
    assert!(!home.file("db").exists());

    // The way on that the hint names for a dump that was edited.
    let hint = stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
    let way = hint.split("if you have edited it: ").nth(1).unwrap().split("; or").next().unwrap();
    do_as_told(&home, way);
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=b").port(), home.min + 1);
    assert_eq!(daemon.get("/get?service=a").status, 404);
    assert!(daemon.log().contains("the registry begins anew with what the dump says"));
}

/// A home whose store has lost service d, which was registered last.
fn home_with_old_store() -> Home {
    let home = home_with_three();
    copy(&home.file("db"), &home.file("old"));
    let daemon = home.start();
    assert_eq!(daemon.set("d").port(), home.min + 3);
    daemon.stop();
    fs::remove_dir_all(home.file("db")).unwrap();
    fs::rename(home.file("old"), home.file("db")).unwrap();
    home
}

#[test]
fn a_store_that_has_lost_its_newest_changes_is_restored_from_the_dump() {
    let home = home_with_old_store();
    let daemon = home.start();
    assert_three(&home, &daemon);
    assert_eq!(daemon.get("/get?service=d").port(), home.min + 3);
    let (_, log) = daemon.stop();
    assert!(log.contains("has lost its changes since revision 3"), "{log}");
    assert!(!log.contains("its newest revision was"), "nothing is lost: {log}");
    assert_eq!(kept(&home, "db.damaged-20").len(), 1);
}

/// sled opens what comes before the damaged end of its log, which agrees with itself.
#[test]
fn changes_that_are_lost_are_told_at_each_start_until_the_user_takes_note() {
    let before = home_with_three().dump();
    for dump in [None, Some(""), Some(&before)] {
        let home = home_with_old_store();
        match dump {
            None => fs::remove_file(home.file("dump")).unwrap(),
            Some(dump) => fs::write(home.file("dump"), dump).unwrap(),
        }
        let mut note = String::new();
        for start in 0..3 {
            let daemon = home.start();
            assert_three(&home, &daemon);
            // Changes that come later do not make up for those that are lost.
            daemon.set(&format!("later{start}")).port();
            let (_, log) = daemon.stop();
            let told = warnings(&log);
            assert!(
                told[0]
                    .contains("The store ~/.pald/db has lost changes: its newest revision was 4"),
                "{log}"
            );
            note = told[0].split("stop pald and do: ").nth(1).unwrap().to_owned();
        }
        do_as_told(&home, &note);
        let (_, log) = home.start().stop();
        assert_eq!(warnings(&log), [""; 0], "{log}");
    }
}

#[test]
fn a_dump_that_is_behind_is_only_refreshed() {
    let home = home_with_three();
    let old = home.dump();
    let daemon = home.start();
    let record = fs::read(home.file("db.record")).unwrap();
    assert_eq!(daemon.set("d").port(), home.min + 3);
    daemon.kill();
    // As a kill leaves it that comes right after the answer.
    fs::write(home.file("dump"), old).unwrap();
    fs::write(home.file("db.record"), record).unwrap();
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=d").port(), home.min + 3);
    assert!(home.dump().contains("d\t") && home.dump().contains("revision=4"), "{}", home.dump());
    let (_, log) = daemon.stop();
    assert_eq!(warnings(&log), [""; 0], "{log}");
    assert_eq!(kept(&home, "dump.").len(), 1, "only the lock is beside the dump");
}

type Edit = fn(&str) -> String;

/// What a person can do to a dump, and how pald names it.
const EDITS: [(Edit, &str); 9] = [
    (|text| text.replace("b\t", "x\t") + "new 7\n", "it adds new on 7; it adds x on "),
    (|text| text.lines().take(1).map(|line| format!("{line}\n")).collect(), "it lacks b on "),
    (|text| format!("a\t7{}", &text[text.find("\t\t").unwrap()..]), "it has a on 7"),
    (|text| text.replacen("\t\t", "\tdb.local\t", 1), "it has other addresses for a"),
    (|text| text.replacen("Z\n", "Z hold=off\n", 1), "it has another `hold` for a"),
    (|text| text.replacen("since=20", "since=23", 1), "it has another date for a"),
    (|text| text.replacen("Z\n", "Z folder=/shop\n", 1), "it has another folder for a"),
    (|text| text.to_owned() + "my app 7\n", "line 4: port \"app\" is not a plain number"),
    (|_| "shop 7\n".to_owned(), "it adds shop on 7"),
];

#[test]
fn a_dump_edited_by_hand_is_kept_and_can_be_taken_over() {
    for (number, (edit, difference)) in EDITS.into_iter().enumerate() {
        let home = home_with_three();
        edit_dump(&home, edit);
        let edited = home.dump();
        let daemon = home.start();
        assert_three(&home, &daemon);
        assert_eq!(home.dump().lines().count(), 3);
        let log = daemon.log();
        let told = warnings(&log);
        assert_eq!(told.len(), 1, "{edited}{log}");
        assert!(told[0].contains("The dump ~/.pald/dump differs from the registry: "), "{log}");
        assert!(told[0].contains(difference), "{log}");
        let copies = kept(&home, "dump.kept-20");
        assert_eq!(fs::read_to_string(&copies[0]).unwrap(), edited);
        assert_eq!(copies.len(), 1);
        if number > 0 {
            continue;
        }
        // The command that the warning names takes it over, as it stands there.
        let command = told[0].split("To take it over instead: ").nth(1).unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_pald")).parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut shell = Command::new("sh");
        home.prepare(&mut shell);
        run(shell.args(["-c", command]).env("PATH", path));
        assert_eq!(daemon.get("/get?service=new").port(), 7);
        assert_eq!(daemon.get("/get?service=x").port(), home.min + 1);
        assert_eq!(daemon.get("/get?service=b").status, 404);
    }
}

/// The commands had paths as they are shown to people, which a shell took apart.
#[test]
fn a_command_with_any_path_works_as_it_stands_there() {
    let home = Home::new(3);
    let folder = home.path().join("it's a\u{7} \"folder\"; $HOME");
    let (store, dump) = (folder.join("my store"), folder.join("my dump"));
    let command = || {
        let mut command = home.command();
        command.env("PALD_DATA_DIR", &store).env("PALD_DUMP_FILE", &dump);
        command
    };
    let paste = |line: &str| {
        let bin = Path::new(env!("CARGO_BIN_EXE_pald")).parent().unwrap();
        let mut shell = Command::new("bash");
        home.prepare(&mut shell);
        shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        run(shell.args(["-c", line]));
    };

    let daemon = home.start_command(command());
    daemon.set("shop").port();
    daemon.stop();
    let written = fs::read_to_string(&dump).unwrap();
    fs::write(&dump, written + "new 7\n").unwrap();
    let daemon = home.start_command(command());
    let log = daemon.log();
    paste(warnings(&log)[0].split("To take it over instead: ").nth(1).unwrap());
    assert_eq!(daemon.get("/get?service=new").port(), 7);
    daemon.stop();

    fs::write(store.join("db"), "damaged").unwrap();
    fs::write(&dump, "").unwrap();
    let (code, stderr) = home.run(command());
    assert_eq!(code, Some(74), "{stderr}");
    paste(stderr.split("begin without services: ").nth(1).unwrap());
    assert!(folder.join("my store.old/db").exists() && !dump.exists());
    let daemon = home.start_command(command());
    assert_eq!(daemon.get("/get?service=new").status, 404);
}

#[test]
fn a_dump_that_says_the_same_is_not_kept() {
    let edits: [Edit; 3] = [
        |text| text.split(" check=").next().unwrap().to_owned() + " check=00000000\n",
        |text| text.replace("# pald: since=", "# my note: "),
        |_| String::new(),
    ];
    for edit in edits {
        let home = home_with_three();
        edit_dump(&home, edit);
        let (_, log) = home.start().stop();
        assert_eq!(warnings(&log), [""; 0], "{log}");
        assert_eq!(kept(&home, "dump.kept-").len(), 0);
        assert_eq!(home.dump().lines().count(), 3);
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
fn a_store_and_a_dump_that_are_both_gone_are_not_a_first_start() {
    let home = home_with_three();
    fs::remove_dir_all(home.file("db")).unwrap();
    for (dump, reason) in
        [(None, "it does not exist"), (Some(""), "it is empty"), (Some("\n"), "it has no services")]
    {
        fs::remove_file(home.file("dump")).unwrap();
        if let Some(dump) = dump {
            fs::write(home.file("dump"), dump).unwrap();
        }
        let (code, stderr) = home.run(home.command());
        assert_eq!(code, Some(74), "{stderr}");
        let expected = format!(
            "There is no store at ~/.pald/db; it was at revision 3; and the dump ~/.pald/dump can't \
             replace it: {reason}\n"
        );
        assert!(stderr.contains(&expected), "{stderr}");
        fs::write(home.file("dump"), "").unwrap();
    }
}

/// Puts the other home's dump in the place of this one's.
fn put_dump_of(other: &Home, home: &Home, link: bool) {
    if link {
        fs::remove_file(home.file("dump")).unwrap();
        symlink(other.file("dump"), home.file("dump")).unwrap();
    } else {
        fs::copy(other.file("dump"), home.file("dump")).unwrap();
    }
}

/// The registry of another machine, with `services` of its own.
pub(crate) fn another_home(services: u16) -> Home {
    let home = Home::new(99);
    let daemon = home.start();
    for number in 0..services {
        daemon.set(&format!("other{number}")).port();
    }
    daemon.stop();
    home
}

#[test]
fn another_registrys_dump_never_replaces_a_store() {
    // Older, as new as ours, and newer; pald off, running, and through a link; with an id and without.
    for services in [1, 3, 9] {
        let other = another_home(services);
        for (with_id, link) in [(true, false), (true, true), (false, false)] {
            if !with_id {
                edit_dump(&other, |text| text.split(" id=").next().unwrap().to_owned() + "\n");
            }
            let text = other.dump();
            let home = home_with_three();
            put_dump_of(&other, &home, link);
            let daemon = home.start();
            assert_three(&home, &daemon);
            assert_eq!(daemon.get("/get?service=other0").status, 404);
            let folder = if link { &other } else { &home };
            let copies = kept(folder, "dump.kept-20");
            assert_eq!(fs::read_to_string(&copies[0]).unwrap(), text);
            copies.iter().for_each(|copy| fs::remove_file(copy).unwrap());

            // The same while pald runs: it is kept before the next write of the dump.
            fs::write(other.file("dump"), &text).unwrap();
            if !link {
                fs::remove_file(home.file("dump")).unwrap();
                put_dump_of(&other, &home, false);
            }
            daemon.set("d").port();
            wait_for_dump(&home, |dump| dump.contains("d\t"));
            let copies = kept(folder, "dump.kept-20");
            assert_eq!(fs::read_to_string(&copies[0]).unwrap(), text);
            assert_eq!(home.file("dump").is_symlink(), link);
            daemon.stop();
            let daemon = home.start();
            assert_three(&home, &daemon);
            assert_eq!(daemon.get("/get?service=d").port(), home.min + 3);
            copies.iter().for_each(|copy| fs::remove_file(copy).unwrap());
            fs::write(other.file("dump"), &text).unwrap();
        }
    }
}

#[test]
fn a_link_put_in_the_dumps_place_is_kept_and_not_followed() {
    let home = home_with_three();
    let daemon = home.start();
    let target = home.path().join("precious");
    fs::write(&target, "precious 7\n").unwrap();
    fs::remove_file(home.file("dump")).unwrap();
    symlink(&target, home.file("dump")).unwrap();
    daemon.set("d").port();
    wait_for_dump(&home, |dump| dump.contains("d\t"));
    assert!(!home.file("dump").is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious 7\n");
    assert_eq!(fs::read_link(&kept(&home, "dump.kept-20")[0]).unwrap(), target);
}

#[test]
fn another_registrys_dump_is_no_backup_of_a_lost_store() {
    let other = another_home(9);
    let home = home_with_three();
    fs::remove_dir_all(home.file("db")).unwrap();
    put_dump_of(&other, &home, false);
    let (code, stderr) = home.run(home.command());
    assert_eq!(code, Some(74), "{stderr}");
    let expected = "Error: There is no store at ~/.pald/db; it was at revision 3; and the dump \
                    ~/.pald/dump is another registry's\n\
                    hint: Put a dump of this registry at ~/.pald/dump and start pald again; or go on \
                    with the one that is there: rm -f ~/.pald/db.record\n";
    assert_eq!(stderr, expected);
    // A dump of pald 0.1 can be of any registry.
    edit_dump(&home, |text| text.split(" id=").next().unwrap().to_owned() + "\n");
    let (code, stderr) = home.run(home.command());
    assert_eq!(code, Some(74), "{stderr}");
    assert!(stderr.contains("the dump ~/.pald/dump does not say which registry it is"), "{stderr}");
    put_dump_of(&other, &home, false);
    do_as_told(&home, "rm -f ~/.pald/db.record");
    assert_eq!(home.start().get("/get?service=other8").status, 200);
    // It is a registry of its own from here on.
    assert_ne!(id_in(&home.dump()), id_in(&other.dump()));
}

#[test]
fn an_interrupted_restore_is_said_at_the_next_start_too() {
    let home = Home::new(25);
    let daemon = home.start();
    for number in 0..3 {
        daemon.set(&format!("early{number}")).port();
    }
    daemon.stop();
    let dump = home.dump();
    let daemon = home.start();
    // 25 in the store, 3 in the dump.
    for number in 0..22 {
        daemon.set(&format!("late{number}")).port();
    }
    daemon.kill();
    fs::write(home.file("dump"), dump).unwrap();
    // A kill between the two renames of a restore.
    fs::rename(home.file("db"), home.file("db.damaged-20261127T100000Z")).unwrap();
    for start in 0..2 {
        let (_, log) = home.start().stop();
        let told = warnings(&log);
        let restored = told.iter().any(|line| line.contains("The registry is restored"));
        assert_eq!(restored, start == 0, "{log}");
        assert!(told.iter().any(|line| line.contains("its newest revision was 2")), "{log}");
        assert!(told.iter().any(|line| line.contains("db.damaged-20261127T100000Z")), "{log}");
    }
}

#[test]
fn a_start_without_room_for_its_threads_touches_nothing() {
    const USER: u32 = 61_234;
    if !rustix::process::geteuid().is_root() {
        return skip("only root can be a user without other processes");
    }
    let home = home_with_three();
    let program = home.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_pald"), &program).unwrap();
    let chown = ["-R", &USER.to_string(), home.path().to_str().unwrap()];
    assert!(Command::new("chown").args(chown).status().unwrap().success());
    let before = kept(&home, "");
    let limited = |threads: &str| {
        let mut command = Command::new("prlimit");
        home.prepare(&mut command);
        command.arg(format!("--nproc={threads}")).arg(&program).arg("serve");
        command.uid(USER).gid(USER);
        command
    };
    for threads in ["1", "3", "9", "15"] {
        let (code, stderr) = home.run(limited(threads));
        assert_eq!(code, Some(75), "{stderr}");
        assert!(stderr.contains("Error: Can't start the threads that pald needs"), "{stderr}");
        assert_eq!(kept(&home, ""), before);
    }
    let daemon = home.start_command(limited("100"));
    assert_three(&home, &daemon);
}
