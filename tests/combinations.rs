//! Any store with any dump, any record and anything left beside them: a start serves or ends with a
//! code of the table, and nothing is lost without a word.
//!
//! `PALD_COMBINATIONS` says how many combinations are tried, by chance; all that there are for 0. Every
//! second one is of files as pald or a person writes them; in the others each piece comes up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::daemon::{Daemon, Home};
use crate::faults::{Known, Random, count, lost};

mod pieces;

use pieces::{DUMPS, Kit, LEFTOVERS, PLAIN, Piece, RECORDS, STORES, Services};

/// What lies at each path below a folder; locks are left out.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn tree(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        // The folder that a link to a dump needs is made for its lock.
        if path.extension().is_some_and(|end| end == "lock") || path.ends_with("not") {
            continue;
        }
        let content = match () {
            () if kind.is_dir() => {
                tree.extend(self::tree(&path));
                b"folder".to_vec()
            }
            () if kind.is_symlink() => {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            }
            () if kind.is_fifo() => b"fifo".to_vec(),
            () => fs::read(&path).unwrap(),
        };
        tree.insert(path, content);
    }
    tree
}

/// Indices by chance: each comes before any comes again.
struct Deck {
    length: usize,
    left: Vec<usize>,
}

impl Deck {
    fn new(length: usize) -> Self {
        Self { length, left: Vec::new() }
    }

    fn draw(&mut self, random: &mut Random) -> usize {
        if self.left.is_empty() {
            self.left.extend(0..self.length);
        }
        self.left.swap_remove(random.index(self.left.len()))
    }
}

/// One combination.
struct Case<'a> {
    kit: &'a Kit,
    store: &'a Piece,
    dump: &'a Piece,
    record: &'a Piece,
    leftover: usize,
}

impl Case<'_> {
    fn name(&self) -> String {
        let (name, _) = LEFTOVERS[self.leftover];
        format!(
            "store {}, dump {}, record {}, leftover {} {name}",
            self.store.name, self.dump.name, self.record.name, self.leftover
        )
    }

    fn home(&self) -> Home {
        let home = Home::new(9);
        fs::create_dir(home.path().join("precious")).unwrap();
        fs::write(home.path().join("precious/file"), "precious").unwrap();
        self.store.make(self.kit, &home, &home.file("db"));
        self.dump.make(self.kit, &home, &home.file("dump"));
        self.record.make(self.kit, &home, &home.file("db.record"));
        let (name, make) = LEFTOVERS[self.leftover];
        make(self.kit, &home, &home.file(name));
        home
    }

    /// Starts pald; how it went in a word, or what is wrong.
    fn check(&self) -> Result<&'static str, String> {
        let home = self.home();
        let before = tree(home.path());
        let outcome = match home.try_start(home.command()) {
            Ok(daemon) => self.check_served(&home, &before, daemon),
            Err((status, log)) => {
                let errors = log.lines().filter(|line| line.starts_with("Error: ")).count();
                let outcome = match (status.code(), errors) {
                    (Some(65), 1) => "65",
                    (Some(74), 1) => "74",
                    (Some(75), 1) => "75",
                    (Some(78), 1) => "78",
                    // Both lead to the same place.
                    (Some(4), 1) if log.contains("in use by pald") => "4",
                    _ => return Err(format!("ends with {status}: {log}")),
                };
                let after = tree(home.path());
                match changed(&before, &after) {
                    changed if changed.is_empty() => Ok(outcome),
                    // A restore that failed half-way was said, and moves things at the most.
                    _ if log.contains(" WARN ") && has_all(&after, &before) => Ok("74, told"),
                    changed => {
                        Err(format!("ends with {status}, and has changed {changed:?}: {log}"))
                    }
                }
            }
        };
        if fs::read(home.path().join("precious/file")).unwrap() != b"precious"
            || fs::read_dir(home.path().join("precious")).unwrap().count() != 1
        {
            return Err("what is not pald's was changed".to_owned());
        }
        outcome
    }

    fn check_served(
        &self,
        home: &Home,
        before: &Tree,
        daemon: Daemon,
    ) -> Result<&'static str, String> {
        // A whole store gives way to nothing but a later state of itself.
        let stored = self.kit.services(self.store.services);
        let mut wrong = lost(&daemon.client, &stored);
        let dumped = self.kit.services(self.dump.services);
        let missing = lost(&daemon.client, &dumped);
        let gone = self.gone(&daemon);
        let serves: Known = services_of(&daemon);
        let (code, log) = daemon.stop();
        if code != Some(0) || log.contains("panicked") {
            wrong.push(format!("ended with {code:?}"));
        }
        let is_kept = self.is_dump_kept(home, before) && log.contains(" WARN ");
        if !missing.is_empty() && !is_kept {
            wrong.push(format!("the dump is gone, with {missing:?}"));
        }
        if gone && !log.contains(" WARN ") {
            wrong.push("services are gone without a word".to_owned());
        }
        let begins_anew =
            log.contains("the registry begins anew") || self.record.name == "another's";
        for start in 2..4 {
            let (status, next) = match home.try_start(home.command()) {
                Err((status, next)) => (Err(status), next),
                Ok(daemon) => {
                    wrong.extend(lost(&daemon.client, &serves));
                    let (code, next) = daemon.stop();
                    (Ok(code), next)
                }
            };
            if status != Ok(Some(0)) || next.contains("panicked") {
                wrong.push(format!("start {start} ends with {status:?}: {next}"));
            }
            if gone && !begins_anew && !next.contains(" WARN ") {
                wrong.push(format!("start {start} says nothing of what is gone: {next}"));
            }
        }
        match wrong.is_empty() {
            true => Ok("served"),
            false => Err(format!("{wrong:?}: {log}")),
        }
    }

    /// Whether the registry had services that it does not serve, as far as can be known.
    fn gone(&self, daemon: &Daemon) -> bool {
        let had = match self.record.name {
            "whole" => Services::Five,
            "older" => Services::Three,
            _ => Services::None,
        };
        !lost(&daemon.client, &self.kit.services(had)).is_empty()
    }

    /// Whether the dump lies somewhere as it was.
    fn is_dump_kept(&self, home: &Home, before: &Tree) -> bool {
        let was = before.get(&home.file("dump"));
        let linked = before.get(&home.path().join("dotfile"));
        let is_kept = |(path, content): (&PathBuf, &Vec<u8>)| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_copy = name.contains(".kept-") || name.contains(".imported-");
            is_copy && (Some(content) == was || Some(content) == linked)
        };
        tree(home.path()).iter().any(is_kept)
    }
}

/// What pald serves now.
fn services_of(daemon: &Daemon) -> Known {
    let dump = pald::dump::parse(daemon.get("/v1/dump").body.as_bytes()).unwrap();
    let entries = dump.entries.into_iter();
    entries.map(|entry| (entry.service.to_string(), Some(entry.port.number()))).collect()
}

/// The paths at which something else lies; sled writes its own files anew when it is opened.
fn changed(before: &Tree, after: &Tree) -> Vec<PathBuf> {
    let differs = |path: &&PathBuf| !is_sleds(path) && before.get(*path) != after.get(*path);
    let mut changed: Vec<_> = before.keys().chain(after.keys()).filter(differs).cloned().collect();
    changed.dedup();
    changed
}

/// Whether all that was somewhere is somewhere.
fn has_all(after: &Tree, before: &Tree) -> bool {
    let is_there = |(path, content): (&PathBuf, &Vec<u8>)| {
        is_sleds(path) || after.values().any(|other| other == content)
    };
    before.iter().all(is_there)
}

fn is_sleds(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("db") || folder.ends_with("moved"))
}

#[test]
fn no_combination_of_files_loses_anything_without_a_word() {
    let kit = Kit::new();
    let mut random = Random::new();
    let all = STORES.len() * DUMPS.len() * RECORDS.len() * LEFTOVERS.len();
    let tries = count("PALD_COMBINATIONS", 60);
    let mut outcomes = BTreeMap::new();
    let mut wrong = Vec::new();
    let lengths = [STORES.len(), DUMPS.len(), RECORDS.len(), LEFTOVERS.len()];
    let mut decks = lengths.map(Deck::new);
    for number in 0..(if tries == 0 { all } else { tries }) {
        let mut rest = number;
        let picks = match (tries, number % 2) {
            (0, _) => lengths.map(|length| {
                let picked = rest % length;
                rest /= length;
                picked
            }),
            // Most combinations are refused for the strangest of their pieces.
            (_, 0) => PLAIN.map(|length| random.index(length)),
            _ => decks.each_mut().map(|deck| deck.draw(&mut random)),
        };
        let [store, dump, record, leftover] = picks;
        let case = Case {
            kit: &kit,
            store: &STORES[store],
            dump: &DUMPS[dump],
            record: &RECORDS[record],
            leftover,
        };
        let outcome = match case.check() {
            Ok(outcome) => outcome,
            Err(what) => {
                wrong.push(format!("{}: {what}", case.name()));
                "wrong"
            }
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    println!("{outcomes:?} of {all} combinations");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    // Some starts have nothing to refuse, and some have a store, a dump or a configuration to refuse.
    assert!(outcomes.contains_key("served") && outcomes.len() > 2, "{outcomes:?}");
}
