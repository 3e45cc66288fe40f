//! What can be found in the place of each of pald's files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::daemon::Home;
use crate::faults::{Known, copy_folder, set};

/// Makes what is found at a path in `~/.pald`; what lies elsewhere is in the home.
pub(super) type Make = fn(&Kit, &Home, &Path);

/// What is found somewhere, and which services it has.
pub(super) struct Piece {
    pub(super) name: &'static str,
    pub(super) services: Services,
    make: Make,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Services {
    None,
    /// Those of revision 3, of revision 5, or of another registry.
    Three,
    Five,
    Other,
    /// One that only a person can have registered.
    Edited,
}

impl Piece {
    pub(super) fn make(&self, kit: &Kit, home: &Home, path: &Path) {
        (self.make)(kit, home, path);
    }
}

/// Stores, dumps and records to make pieces of.
pub(super) struct Kit {
    folder: TempDir,
    pub(super) five: Known,
    pub(super) other: Known,
}

impl Kit {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(9);
        let mut five = set(&home, ["a", "b", "c"]);
        copy_folder(&home.file(""), &folder.path().join("three"));
        five.extend(set(&home, ["d", "e"]));
        copy_folder(&home.file(""), &folder.path().join("five"));
        let home = Home::new(9);
        let other = set(&home, ["o", "p", "q", "r", "s", "t"]);
        copy_folder(&home.file(""), &folder.path().join("other"));
        Self { folder, five, other }
    }

    /// A file of pald's at this moment of a registry, such as `five/dump`.
    fn copy(&self, name: &str, to: &Path) {
        let from = self.folder.path().join(name);
        match from.is_dir() {
            true => copy_folder(&from, to),
            false => drop(fs::copy(from, to).unwrap()),
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub(super) fn services(&self, services: Services) -> Known {
        let only = |names: &[&str]| {
            let known = self.five.iter().filter(|(name, _)| names.contains(&name.as_str()));
            known.map(|(name, port)| (name.clone(), *port)).collect()
        };
        match services {
            Services::None => Known::new(),
            Services::Three => only(&["a", "b", "c"]),
            Services::Five => self.five.clone(),
            Services::Other => self.other.clone(),
            Services::Edited => [("mine".to_owned(), Some(7))].into(),
        }
    }
}

const fn piece(name: &'static str, services: Services, make: Make) -> Piece {
    Piece { name, services, make }
}

fn nothing(_: &Kit, _: &Home, _: &Path) {}

fn folder(_: &Kit, _: &Home, path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("notes"), "not pald's").unwrap();
}

fn fifo(_: &Kit, _: &Home, path: &Path) {
    mkfifo(path, Mode::S_IRWXU).unwrap();
}

fn garbage(_: &Kit, _: &Home, path: &Path) {
    fs::write(path, "not pald's\n").unwrap();
}

fn dangling(_: &Kit, home: &Home, path: &Path) {
    symlink(home.path().join("not-there"), path).unwrap();
}

fn deep(_: &Kit, home: &Home, path: &Path) {
    symlink(home.path().join("not/there"), path).unwrap();
}

fn loops(_: &Kit, _: &Home, path: &Path) {
    symlink(path, path).unwrap();
}

/// A link to a folder that is somebody's.
fn to_folder(_: &Kit, home: &Home, path: &Path) {
    symlink(home.path().join("precious"), path).unwrap();
}

fn to_file(_: &Kit, home: &Home, path: &Path) {
    symlink(home.path().join("precious/file"), path).unwrap();
}

/// How many of the stores, dumps, records and leftovers, from the first on, are no strange files.
pub(super) const PLAIN: [usize; 4] = [6, 9, 4, 1];

pub(super) const STORES: [Piece; 14] = [
    piece("none", Services::None, nothing),
    piece("empty folder", Services::None, |_, _, path| fs::create_dir(path).unwrap()),
    piece("whole", Services::Five, |kit, _, path| kit.copy("five/db", path)),
    piece("older", Services::Three, |kit, _, path| kit.copy("three/db", path)),
    piece("damaged", Services::None, |kit, _, path| {
        kit.copy("five/db", path);
        fs::write(path.join("db"), [0x5a; 9000]).unwrap();
    }),
    piece("without data", Services::None, |kit, _, path| {
        kit.copy("five/db", path);
        fs::remove_file(path.join("db")).unwrap();
    }),
    piece("too new", Services::None, |kit, _, path| {
        kit.copy("five/db", path);
        let db = sled::open(path).unwrap();
        db.open_tree("meta").unwrap().insert("schema", &9u32.to_be_bytes()).unwrap();
        db.flush().unwrap();
    }),
    piece("linked", Services::Five, |kit, home, path| {
        let target = home.path().join("moved");
        kit.copy("five/db", &target);
        symlink(target, path).unwrap();
    }),
    piece("foreign", Services::None, folder),
    piece("file", Services::None, garbage),
    piece("fifo", Services::None, fifo),
    piece("dangling", Services::None, dangling),
    piece("loop", Services::None, loops),
    piece("link to a folder", Services::None, to_folder),
];

pub(super) const DUMPS: [Piece; 17] = [
    piece("none", Services::None, nothing),
    piece("empty", Services::None, |_, _, path| fs::write(path, "").unwrap()),
    piece("blank", Services::None, |_, _, path| fs::write(path, "\n# x\n").unwrap()),
    piece("sealed", Services::Five, |kit, _, path| kit.copy("five/dump", path)),
    piece("older", Services::Three, |kit, _, path| kit.copy("three/dump", path)),
    piece("another's", Services::Other, |kit, _, path| kit.copy("other/dump", path)),
    piece("edited", Services::Edited, |kit, _, path| {
        fs::write(path, kit.text("five/dump") + "mine 7\n").unwrap();
    }),
    piece("a person's", Services::Edited, |_, _, path| fs::write(path, "mine 7\n").unwrap()),
    piece("bad lines", Services::None, |_, _, path| fs::write(path, "mine 99999\n").unwrap()),
    piece("too large", Services::None, |_, _, path| {
        fs::write(path, vec![b'\n'; 16 * 1024 * 1024 + 1]).unwrap();
    }),
    piece("linked", Services::Five, |kit, home, path| {
        let target = home.path().join("dotfile");
        kit.copy("five/dump", &target);
        symlink(target, path).unwrap();
    }),
    piece("folder", Services::None, folder),
    piece("fifo", Services::None, fifo),
    piece("dangling", Services::None, dangling),
    piece("deep", Services::None, deep),
    piece("loop", Services::None, loops),
    piece("link to a folder", Services::None, to_folder),
];

pub(super) const RECORDS: [Piece; 12] = [
    piece("none", Services::None, nothing),
    piece("whole", Services::None, |kit, _, path| kit.copy("five/db.record", path)),
    piece("older", Services::None, |kit, _, path| kit.copy("three/db.record", path)),
    piece("another's", Services::None, |kit, _, path| kit.copy("other/db.record", path)),
    piece("empty", Services::None, |_, _, path| fs::write(path, "").unwrap()),
    piece("garbage", Services::None, garbage),
    piece("too large", Services::None, |_, _, path| fs::write(path, [b'x'; 5000]).unwrap()),
    piece("of 0.1", Services::None, |_, _, path| {
        fs::write(path.with_extension("revision"), "00000000000000000005 ffffffff\n").unwrap();
    }),
    piece("folder", Services::None, folder),
    piece("fifo", Services::None, fifo),
    piece("dangling", Services::None, dangling),
    piece("link to a file", Services::None, to_file),
];

/// What a start that was interrupted, or a person, may have left beside them; a name and what it is.
pub(super) const LEFTOVERS: [(&str, Make); 12] = [
    ("", nothing),
    ("db.new", |kit, _, path| kit.copy("three/db", path)),
    ("db.new", garbage),
    ("db.new", to_folder),
    ("db.new", folder),
    ("dump.new", garbage),
    ("dump.new", folder),
    ("dump.new", to_file),
    ("db.record.new", folder),
    ("db.record.new", fifo),
    ("db.damaged-20260101T000000Z", |kit, _, path| kit.copy("three/db", path)),
    ("dump.kept-20260101T000000Z", folder),
];
