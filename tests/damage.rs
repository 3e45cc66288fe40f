//! Stored files are damaged in every way that comes to mind: pald never goes on with less than it
//! should have without a word.
//!
//! After each damage pald starts, within a time limit, and must either have everything, or restore
//! its dump and say so, or refuse with exit 74. What it said of a loss, the start after it says too.
//!
//! One damage can't be seen by the store itself: sled ends its log at the first write that it
//! can't read, as after a power cut, so damage to the newest changes leaves an older store that is
//! whole. The dump and the record beside the store tell; where there is no good dump, such a store
//! is served as it is, counts as shortened, and must be exactly what the registry was at some earlier
//! moment.
//!
//! `PALD_DAMAGES` says how many stores are damaged by chance, besides those of the fixed rows.

use std::collections::BTreeMap;
use std::fs;

use crate::daemon::Home;
use crate::faults::{Random, copy_folder, count, keep};
use crate::recovery::kept;

mod kind;
mod template;

use kind::{Damage, used_length};
use template::{Template, services, templates};

/// What becomes of the dump while the store is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DumpState {
    Current,
    Absent,
    Damaged,
}

/// What pald did about a damage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Opened,
    Restored,
    Refused,
    Shortened,
    Wrong(String),
}

/// Starts pald twice on the damaged store.
fn outcome(home: &Home, template: &Template, dump: DumpState) -> Outcome {
    let first = match start(home) {
        Ok(log) => log,
        Err((Some(74), log))
            if log.lines().filter(|line| line.starts_with("Error: ")).count() == 1 =>
        {
            return Outcome::Refused;
        }
        Err((code, log)) => return Outcome::Wrong(format!("ended with {code:?}: {log}")),
    };
    let served = services(&home.file("dump"));
    let second = match start(home) {
        Ok(log) => log,
        Err((code, log)) => return Outcome::Wrong(format!("start 2 ended with {code:?}: {log}")),
    };
    let is_kept = !kept(home, "db.damaged-").is_empty();
    let is_earlier = template.history.contains(&served);
    let lost = format!("its newest revision was {}.", template.revision);
    let all_say = |word: &str| [&first, &second].iter().all(|log| log.contains(word));
    let is_same = services(&home.file("dump")) == served;
    match (served == template.services, is_kept) {
        (true, false) if is_same => Outcome::Opened,
        (true, true)
            if is_same
                && dump == DumpState::Current
                && all_say("A damaged store was set aside") =>
        {
            Outcome::Restored
        }
        (false, false) if is_same && is_earlier && dump != DumpState::Current && all_say(&lost) => {
            Outcome::Shortened
        }
        _ => {
            let lost = template.services.iter().filter(|(name, _)| !served.contains_key(*name));
            let more = served.keys().filter(|name| !template.services.contains_key(*name));
            let (lost, more) = (lost.count(), more.count());
            Outcome::Wrong(format!(
                "serves with {lost} services lost and {more} come back; earlier {is_earlier}, kept {is_kept}: {first}{second}"
            ))
        }
    }
}

/// The log of a start that serves and is stopped, or the exit code and the log of one that does not.
fn start(home: &Home) -> Result<String, (Option<i32>, String)> {
    match home.try_start(home.command()) {
        Err((status, log)) => Err((status.code(), log)),
        Ok(daemon) => match daemon.stop() {
            (Some(0), log) => Ok(log),
            other => Err(other),
        },
    }
}

/// All damages of one run, and what pald did about them.
struct Rounds {
    home: Home,
    /// How often what came of which state of the dump.
    counts: BTreeMap<(String, String), usize>,
    wrong: Vec<String>,
    /// How often a damage left the file as it was, such as zeros in the place of zeros.
    harmless: usize,
}

impl Rounds {
    fn new() -> Self {
        Self { home: Home::new(9), counts: BTreeMap::new(), wrong: Vec::new(), harmless: 0 }
    }

    /// Damages one file of a fresh copy of the store.
    fn damage(&mut self, template: &Template, file: &str, damage: Damage, dump: DumpState) {
        let folder = self.home.file("");
        fs::remove_dir_all(&folder).unwrap();
        copy_folder(template.folder.path(), &folder);
        let target = self.home.file("db").join(file);
        let whole = fs::read(&target).unwrap();
        damage.apply(&target);
        if fs::read(&target).is_ok_and(|damaged| damaged == whole) {
            self.harmless += 1;
            return;
        }
        match dump {
            DumpState::Current => {}
            DumpState::Absent => fs::remove_file(self.home.file("dump")).unwrap(),
            DumpState::Damaged => fs::write(self.home.file("dump"), "old1 99999\n").unwrap(),
        }
        let before = tempfile::tempdir().unwrap();
        copy_folder(&folder, before.path());
        let outcome = outcome(&self.home, template, dump);
        let name = match &outcome {
            Outcome::Wrong(what) => {
                let round = format!("{}, {file}, {damage:?}, dump {dump:?}", template.name);
                keep(before.path(), &round);
                self.wrong.push(format!("{round}: {what}"));
                "wrong".to_owned()
            }
            other => format!("{other:?}"),
        };
        *self.counts.entry((format!("{dump:?}"), name)).or_default() += 1;
    }

    fn finish(self) {
        for ((dump, outcome), count) in &self.counts {
            println!("dump {dump}: {count} {outcome}");
        }
        let all: usize = self.counts.values().sum();
        println!("{all} damaged stores, {} wrong; {} unharmed", self.wrong.len(), self.harmless);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        let is_noticed = |(_, outcome): &(String, String)| outcome != "Opened";
        assert!(self.counts.keys().any(is_noticed), "no damage was noticed");
    }
}

#[test]
fn a_file_that_is_gone_or_cut_is_never_passed_over() {
    let mut rounds = Rounds::new();
    for template in &templates()[..1] {
        for file in template.files() {
            let length = fs::read(template.folder.path().join("db").join(&file)).unwrap().len();
            let cuts = [1, length / 2, length.saturating_sub(1)].map(Damage::Cut);
            for damage in [Damage::Removed, Damage::Emptied].into_iter().chain(cuts) {
                rounds.damage(template, &file, damage, DumpState::Current);
            }
            for dump in [DumpState::Absent, DumpState::Damaged] {
                rounds.damage(template, &file, Damage::Emptied, dump);
            }
        }
    }
    rounds.finish();
}

/// A torn last write looks like damage at the end of sled's log, which sled drops without a word.
#[test]
fn damage_to_the_newest_changes_is_never_passed_over() {
    let mut rounds = Rounds::new();
    let mut random = Random::new();
    for template in templates() {
        let used = used_length(&template.folder.path().join("db/db"));
        for _ in 0..count("PALD_DAMAGES", 30) / 5 {
            let at = used - 1 - random.index(4096.min(used));
            let damage = match random.below(3) {
                0 => Damage::Flipped { at, bit: 3 },
                1 => Damage::Zeroed { at, length: 4096 },
                _ => Damage::Cut(at),
            };
            rounds.damage(&template, "db", damage, DumpState::Current);
        }
    }
    rounds.finish();
}

#[test]
fn damage_by_chance_is_never_passed_over() {
    let mut random = Random::new();
    let mut rounds = Rounds::new();
    let templates = templates();
    for _ in 0..count("PALD_DAMAGES", 30) {
        let template = &templates[random.index(templates.len())];
        let files = template.files();
        let mut file = files[random.index(files.len())].as_str();
        if random.below(10) == 0 {
            file = "../db.record";
        }
        let length = fs::metadata(template.folder.path().join("db").join(file)).unwrap().len();
        let damage = Damage::by_chance(&mut random, usize::try_from(length).unwrap());
        let dump = match random.below(4) {
            0 => DumpState::Absent,
            1 => DumpState::Damaged,
            _ => DumpState::Current,
        };
        rounds.damage(template, file, damage, dump);
    }
    rounds.finish();
}
