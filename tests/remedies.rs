//! What the messages of a start advise helps, also where a path has a space in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Home};
use crate::faults::{Mount, copy_folder};
use crate::recovery::{
    another_home, assert_three, do_as_told, home_with_three, id_in, kept, warnings,
};
use crate::skip::skip;

/// The program on the store at another path.
fn serve_at(home: &Home, store: &Path) -> Command {
    let mut command = home.command();
    command.env("PALD_DATA_DIR", store);
    command
}

/// A start that ends: its message and its hint.
fn refused(home: &Home, command: Command, code: i32) -> (String, String) {
    let (found, stderr) = home.run(command);
    assert_eq!(found, Some(code), "{stderr}");
    let line = |start: &str| {
        let found = stderr.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("{stderr}")).to_owned()
    };
    (line("Error: "), line("hint: "))
}

/// A home with its store and dump in a folder whose name has a space, and `my` beside it, which is
/// somebody's.
fn home_with_space() -> (Home, impl Fn(&Home) -> Command) {
    let home = home_with_three();
    let folder = home.path().join("my data");
    copy_folder(&home.file(""), &folder);
    for name in ["db", "db.record", "dump"] {
        let path = home.file(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    fs::create_dir(home.path().join("my")).unwrap();
    fs::write(home.path().join("my/file"), "precious").unwrap();
    let command = move |home: &Home| {
        let mut command = serve_at(home, &home.path().join("my data/db"));
        command.env("PALD_DUMP_FILE", home.path().join("my data/dump"));
        command
    };
    (home, command)
}

fn assert_my_file(home: &Home) {
    assert_eq!(fs::read(home.path().join("my/file")).unwrap(), b"precious");
}

#[test]
fn a_command_that_a_warning_names_is_quoted_where_it_has_to_be() {
    let (home, command) = home_with_space();
    fs::remove_file(home.path().join("my data/db/db")).unwrap();
    // Three are in the dump; the record knows of more.
    let record = home.path().join("my data/db.record");
    let daemon = home.start_command(command(&home));
    assert_three(&home, &daemon);
    let before = fs::read_to_string(&record).unwrap();
    daemon.set("d").port();
    // It is written after the answer.
    let start = Instant::now();
    let text = loop {
        let text = fs::read_to_string(&record).unwrap();
        if text != before {
            break text;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the record was never written");
        std::thread::yield_now();
    };
    daemon.kill();
    fs::remove_dir_all(home.path().join("my data/db")).unwrap();
    fs::write(&record, text).unwrap();
    let (_, log) = home.start_command(command(&home)).stop();
    let commands: Vec<_> = warnings(&log)
        .into_iter()
        .filter_map(|line| line.split_once(": rm ").map(|(_, rest)| format!("rm {rest}")))
        .collect();
    assert_eq!(commands.len(), 2, "{log}");
    commands.iter().for_each(|command| do_as_told(&home, command));
    assert!(!record.exists());
    assert_my_file(&home);

    // A person's dump is kept, and can be taken over.
    fs::write(home.path().join("my data/dump"), "mine 7\n").unwrap();
    let daemon = home.start_command(command(&home));
    let log = daemon.log();
    let told = warnings(&log);
    assert_eq!(told.len(), 1, "{log}");
    let command = told[0].split("To take it over instead: pald import --replace ").nth(1).unwrap();
    let kept = fs::read_dir(home.path().join("my data")).unwrap();
    let kept = kept.map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.to_str().unwrap().contains("dump.kept-")).collect();
    let name = kept[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(command, format!("~/'my data/{name}'"));
}

#[test]
fn a_command_that_a_hint_names_is_quoted_where_it_has_to_be() {
    let (home, command) = home_with_space();
    let other = another_home(4);
    fs::write(home.path().join("my data/db/db"), [0x5a; 9000]).unwrap();
    fs::copy(other.file("dump"), home.path().join("my data/dump")).unwrap();
    // The name that the hint would give it is taken already.
    fs::create_dir(home.path().join("my data/db.old")).unwrap();
    let (message, hint) = refused(&home, command(&home), 74);
    assert!(message.ends_with("; and the dump ~/my data/dump is another registry's"), "{message}");
    do_as_told(&home, hint.split("or go on with the one that is there: ").nth(1).unwrap());
    let daemon = home.start_command(command(&home));
    assert_eq!(daemon.get("/get?service=other3").status, 200);
    daemon.stop();
    // It goes its own way from here on.
    let dump = fs::read_to_string(home.path().join("my data/dump")).unwrap();
    assert_ne!(id_in(&dump), id_in(&other.dump()));
    assert_my_file(&home);

    fs::write(home.path().join("my data/db/db"), [0x5a; 9000]).unwrap();
    fs::write(home.path().join("my data/dump"), "").unwrap();
    let (_, hint) = refused(&home, command(&home), 74);
    do_as_told(&home, hint.split("or begin without services: ").nth(1).unwrap());
    assert_eq!(home.start_command(command(&home)).set("new").port(), home.min);
    assert_my_file(&home);
}

#[test]
fn a_record_that_is_no_file_can_be_moved_away() {
    let home = home_with_three();
    fs::remove_file(home.file("db.record")).unwrap();
    fs::create_dir(home.file("db.record")).unwrap();
    let (message, hint) = refused(&home, home.command(), 74);
    assert_eq!(message, "~/.pald/db.record is not a regular file");
    assert_eq!(hint, "Move it away, or set `data_dir` to a new folder");
    home.start_command(serve_at(&home, &home.file("new"))).stop();
    fs::rename(home.file("db.record"), home.file("away")).unwrap();
    let daemon = home.start();
    assert_three(&home, &daemon);
}

#[test]
fn a_mount_point_can_hold_a_store_but_not_be_one() {
    let home = Home::new(9);
    fs::create_dir(home.file("db")).unwrap();
    let _mount = match Mount::new(&["-t", "tmpfs", "-o", "mode=700", "pald-test"], &home.file("db"))
    {
        Ok(mount) => mount,
        Err(reason) => return skip(reason),
    };
    let (message, hint) = refused(&home, home.command(), 78);
    assert_eq!(message, "~/.pald/db is a mount point, which can't be a store itself");
    assert_eq!(hint, "Set `data_dir` to a folder inside it");
    let inside = home.file("db/pald");
    assert_eq!(home.start_command(serve_at(&home, &inside)).set("a").port(), home.min);
}

#[test]
fn a_store_whose_disk_is_not_there_yet_is_left_alone() {
    let home = home_with_three();
    let disk = home.path().join("disk");
    fs::rename(home.file("db"), &disk).unwrap();
    std::os::unix::fs::symlink(&disk, home.file("db")).unwrap();
    fs::rename(&disk, home.path().join("unplugged")).unwrap();
    let before = kept(&home, "");
    let (message, _) = refused(&home, home.command(), 74);
    assert_eq!(message, "Can't use the store ~/.pald/db: No such file or directory (os error 2)");
    assert_eq!(kept(&home, ""), before);
    fs::rename(home.path().join("unplugged"), &disk).unwrap();
    let daemon = home.start();
    assert_three(&home, &daemon);
    let (_, log) = daemon.stop();
    assert_eq!(warnings(&log), [""; 0], "{log}");
}

#[test]
fn a_damaged_store_behind_a_link_is_restored_where_the_link_leads() {
    let home = home_with_three();
    let disk = home.path().join("disk");
    fs::rename(home.file("db"), &disk).unwrap();
    std::os::unix::fs::symlink(&disk, home.file("db")).unwrap();
    fs::write(disk.join("db"), [0x5a; 9000]).unwrap();
    let before = kept(&home, "");
    let (message, hint) = refused(&home, home.command(), 78);
    assert_eq!(message, "~/.pald/db is a symbolic link, in whose place no store can be made");
    assert!(hint.starts_with("Set `data_dir` to the folder that it leads to, or "), "{hint}");
    assert_eq!(kept(&home, ""), before);
    let daemon = home.start_command(serve_at(&home, &disk));
    assert_three(&home, &daemon);
    let damaged = names_in(home.path())
        .into_iter()
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("disk.damaged-"));
    assert_eq!(damaged.count(), 1);
}

/// What can't be read may be a whole store: it is not taken for none.
#[test]
fn a_folder_that_cant_be_read_is_not_taken_for_an_empty_one() {
    const USER: u32 = 61_235;
    if !rustix::process::geteuid().is_root() {
        return skip("root reads everything, and only root can be somebody else");
    }
    let home = home_with_three();
    let outside = home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(home.file("dump"), outside.join("dump")).unwrap();
    copy_folder(&home.file("db"), &outside.join("db"));
    let elsewhere = home.path().join("elsewhere");
    copy_folder(&home.file("db"), &elsewhere.join("db"));
    let program = home.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_pald"), &program).unwrap();
    let chown = ["-R", &USER.to_string(), home.path().to_str().unwrap()];
    assert!(Command::new("chown").args(chown).status().unwrap().success());
    let command = |store: &Path| {
        let mut command = Command::new(&program);
        home.prepare(&mut command);
        command.env("PALD_DATA_DIR", store).env("PALD_DUMP_FILE", outside.join("dump"));
        command.uid(USER).gid(USER);
        command
    };
    let inside = home.file("db");
    let snapshot =
        names_in(&inside).into_iter().find(|path| path.to_str().unwrap().contains("snap."));
    let snapshot = snapshot.unwrap();
    let (of_store, of_dump) = ("Can't use the store ~/.pald/db: ", "Can't read ~/outside/dump: ");
    // The store without the right to list it, or to enter it; each of its files; its folder; that of
    // the dump.
    let rows = [
        (&inside, 0o300, &inside, of_store),
        (&inside, 0o600, &inside, of_store),
        (&inside.join("db"), 0o000, &inside, of_store),
        (&inside.join("conf"), 0o000, &inside, of_store),
        (&snapshot, 0o000, &inside, of_store),
        (&elsewhere, 0o600, &elsewhere.join("db"), "Can't use the store ~/elsewhere/db: "),
        (&outside, 0o600, &outside.join("db"), of_dump),
        (&outside, 0o000, &inside, of_dump),
    ];
    for (closed, mode, store, expected) in rows {
        let names = || [kept(&home, ""), names_in(&outside), names_in(&elsewhere)];
        let before = names();
        fs::set_permissions(closed, fs::Permissions::from_mode(mode)).unwrap();
        let (message, hint) = refused(&home, command(store), 74);
        // Whose the files are is looked at first.
        let is_named = message.starts_with(expected) || message.starts_with("Can't check whose ");
        let is_expected = is_named && message.contains("Permission denied");
        assert!(is_expected, "{closed:?} {mode:o}: {message}");
        assert!(hint.contains("permissions") || hint.contains("belongs to you"), "{hint}");
        fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(names(), before, "{mode:o}");
    }
    let daemon: Daemon = home.start_command(command(&inside));
    assert_three(&home, &daemon);
}

/// What is in a folder, locks aside.
fn names_in(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_none_or(|end| end != "lock")).collect()
}
