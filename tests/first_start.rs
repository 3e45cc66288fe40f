//! The first start: an old dump is taken over whole, or not at all.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::daemon::Home;

/// A dump as the 2015 program and its users left them.
const DUMP_OF_2015: &str = include_str!("data/dump-2015");

/// The files in `~/.pald` whose names start like this.
fn files(home: &Home, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.file("")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).collect()
}

/// The lines of a dump without what pald remembers in comments.
fn lines(dump: &str) -> Vec<String> {
    dump.lines().map(|line| line.split("\t# pald: ").next().unwrap().to_owned()).collect()
}

#[test]
fn an_old_dump_is_imported_and_written_on() {
    let home = Home::new(9);
    fs::write(home.file("dump"), DUMP_OF_2015).unwrap();
    let daemon = home.start();
    let registered =
        [("cache_1", 80), ("shop.web", 9001), ("Shop-DB", 9002), ("far", 65535), ("pald", 9200)];
    for (service, port) in registered {
        assert_eq!(daemon.get(&format!("/get?service={service}")).port(), port);
        assert_eq!(daemon.set(service).port(), port);
    }
    assert_eq!(daemon.set("new").port(), home.min);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");

    let mut expected = vec![
        "cache_1\t80\t".to_owned(),
        "shop.web\t9001\t127.0.0.1,10.0.0.7:80".to_owned(),
        "Shop-DB\t9002\tdb.local".to_owned(),
        "pald\t9200\t".to_owned(),
        format!("new\t{}\t", home.min),
        "far\t65535\tfe80::1,".to_owned(),
    ];
    expected.sort_by_key(|line| line.split('\t').nth(1).unwrap().parse::<u16>().unwrap());
    assert_eq!(lines(&home.dump()), expected);
    assert!(home.dump().lines().all(|line| line.contains("\t# pald: since=20")));
    assert!(home.dump().lines().last().unwrap().contains(" revision=2 entries=6 check="));
    assert_eq!(fs::metadata(home.file("dump")).unwrap().mode() & 0o777, 0o600);

    let copies = files(&home, "dump.imported-");
    assert_eq!(copies.len(), 1);
    assert_eq!(fs::read_to_string(&copies[0]).unwrap(), DUMP_OF_2015);

    // The second start finds a store and imports nothing.
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=new").port(), home.min);
    drop(daemon);
    assert_eq!(files(&home, "dump.imported-").len(), 1);
}

#[test]
fn a_service_on_the_listening_port_is_kept_with_a_warning() {
    let home = Home::new(3);
    fs::write(home.file("dump"), format!("old {}\n", home.listen)).unwrap();
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=old").port(), home.listen);
    let expected = format!("port where pald listens service=old port={}", home.listen);
    assert!(daemon.log().contains(&expected), "{}", daemon.log());
    // The next start finds the same.
    daemon.stop();
    let daemon = home.start();
    assert_eq!(daemon.client.del(home.listen).body, "OK\n");
    assert_eq!(daemon.set("new").port(), home.min);
}

#[test]
fn a_bad_dump_ends_the_start_with_65_and_is_not_touched() {
    let rows: &[(&[u8], &str)] = &[
        (
            b"a 1\nb 70000\n",
            ":2: port 70000 is outside 1-65535; nothing was imported\nhint: Fix line 2 and start pald again\n",
        ),
        (
            b"a 1\nb 1\n",
            ":2: port 1 already belongs to a in line 1; nothing was imported\nhint: Fix line 2 and start pald again\n",
        ),
        (
            b"a 1\na 2\n",
            ":2: service a is already on port 1 in line 1; nothing was imported\nhint: Fix line 2 and start pald again\n",
        ),
        (
            b"\xc3\xa4 1\n",
            ":1: \"\\u{e4} 1\" contains bytes that are not ASCII; nothing was imported\nhint: Fix line 1 and start pald again\n",
        ),
        (b"a\nb\n", " has 2 bad lines; nothing was imported\n"),
    ];
    for (dump, message) in rows {
        let home = Home::new(3);
        fs::write(home.file("dump"), dump).unwrap();
        let before = fs::metadata(home.file("dump")).unwrap();
        let (code, stderr) = home.run(home.command());
        assert_eq!(code, Some(65), "{stderr}");
        assert!(stderr.starts_with(&format!("Error: ~/.pald/dump{message}")), "{stderr}");
        let after = fs::metadata(home.file("dump")).unwrap();
        assert_eq!(fs::read(home.file("dump")).unwrap(), *dump);
        assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
        assert_eq!(files(&home, "db"), [home.file("db.lock")]);
        assert_eq!(files(&home, "dump.imported"), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_dump_that_is_not_a_regular_file_is_refused_without_blocking() {
    let home = Home::new(3);
    let dump = home.file("dump");
    let refused = |expected: i32, message: &str| {
        let (code, stderr) = home.run(home.command());
        assert_eq!(code, Some(expected), "{stderr}");
        assert!(stderr.starts_with(&format!("Error: ~/.pald/{message}\n")), "{stderr}");
    };
    symlink("second", &dump).unwrap();
    symlink("dump", home.file("second")).unwrap();
    refused(78, "dump leads over too many links");
    fs::remove_file(home.file("second")).unwrap();
    mkfifo(&home.file("second"), Mode::S_IRUSR).unwrap();
    refused(74, "second is not a regular file");
    fs::remove_file(&dump).unwrap();
    mkfifo(&dump, Mode::S_IRUSR).unwrap();
    refused(74, "dump is not a regular file");
    fs::remove_file(&dump).unwrap();
    fs::create_dir(&dump).unwrap();
    refused(74, "dump is not a regular file");
    fs::remove_dir(&dump).unwrap();
    fs::write(&dump, vec![b'\n'; 16 * 1024 * 1024 + 1]).unwrap();
    refused(65, "dump is larger than 16777216 bytes");
}

#[test]
fn an_interrupted_first_start_is_repeated() {
    let home = Home::new(3);
    fs::create_dir(home.file("db.new")).unwrap();
    fs::write(home.file("db.new/db"), "half a database").unwrap();
    fs::write(home.file("dump"), "a 7\n").unwrap();
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=a").port(), 7);
    assert!(!home.file("db.new").exists());
}

#[test]
fn pald_does_not_listen_on_the_port_of_a_service() {
    let home = Home::new(3);
    let daemon = home.start();
    assert_eq!(daemon.set("shop").port(), home.min);
    daemon.stop();
    let mut command = home.command();
    command.env("PALD_PORT_LISTEN", home.min.to_string());
    let expected = format!(
        "Error: port_listen is {}, which is registered to shop\n\
         hint: Set another `port_listen`, or start pald where it listened before and release shop\n",
        home.min
    );
    assert_eq!(home.run(command), (Some(78), expected));
    assert_eq!(home.start().get("/get?service=shop").port(), home.min);
}

#[test]
fn every_dump_that_is_not_empty_is_kept_as_it_was() {
    for dump in ["# nothing but a comment\n", "\n\n", "a 7 # my first service\n"] {
        let home = Home::new(3);
        fs::write(home.file("dump"), dump).unwrap();
        home.start().stop();
        let copies = files(&home, "dump.imported-");
        assert_eq!(copies.len(), 1, "{dump}");
        assert_eq!(fs::read_to_string(&copies[0]).unwrap(), dump);
        assert_eq!(home.dump().lines().count(), usize::from(dump.starts_with('a')));
    }
}

#[test]
fn a_dump_of_pald_without_its_seal_is_not_imported_without_a_word() {
    let home = Home::new(3);
    let dump = "a 7 # pald: since=2015-06-01T12:00:00Z hold=off\n";
    fs::write(home.file("dump"), dump).unwrap();
    let (code, stderr) = home.run(home.command());
    assert_eq!(code, Some(74), "{stderr}");
    let expected = "Error: There is no store at ~/.pald/db; and the dump ~/.pald/dump can't replace \
                    it: its last line does not say what it should hold\n\
                    hint: Put a backup of the dump at ~/.pald/dump and start pald again; or take the \
                    dump as it is, if you have edited it: sed -i 's/# pald:.*//' ~/.pald/dump; or begin \
                    without services: rm -f ~/.pald/db.record ~/.pald/dump\n";
    assert_eq!(stderr, expected);
    let taken = dump.split(" #").next().unwrap();
    fs::write(home.file("dump"), taken).unwrap();
    assert_eq!(home.start().get("/get?service=a").port(), 7);
}

#[test]
fn a_folder_that_is_not_a_store_is_left_alone() {
    let home = Home::new(3);
    let foreign = home.path().join("documents");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis"), "text").unwrap();
    fs::write(home.path().join("file"), "text").unwrap();
    let mode = fs::metadata(&foreign).unwrap().mode();
    for path in [foreign.clone(), home.path().join("file"), "/dev/null".into()] {
        let mut command = home.command();
        command.env("PALD_DATA_DIR", &path);
        let (code, stderr) = home.run(command);
        assert_eq!(code, Some(78), "{stderr}");
        let message =
            "is not a pald store, so it was left alone\nhint: Set `data_dir` to a new folder\n";
        assert!(stderr.ends_with(message), "{stderr}");
        assert!(!pald::files::sibling(&path, ".lock").exists());
    }
    assert_eq!(fs::metadata(&foreign).unwrap().mode(), mode);
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    // An empty folder, made beforehand, is a place for a store.
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let mut command = home.command();
    command.env("PALD_DATA_DIR", &empty);
    assert_eq!(home.start_command(command).set("shop").port(), home.min);
    assert!(empty.join("db").exists());
}
