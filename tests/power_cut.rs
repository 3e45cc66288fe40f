//! The power fails in the middle of changes: what was answered is on the disk.
//!
//! pald's home is an ext4, xfs or btrfs file system on a disk with a cache that forgets. The same
//! cuts with pald's syncs taken away lose most of what was answered, which shows that the disk does
//! forget.
//!
//! Needs root, loop devices and the mkfs of each file system; the control needs strace. What is
//! missing is skipped. `PALD_POWER_CUTS` says how often the power fails on each file system, and
//! `PALD_POWER_CUT_FILESYSTEMS` which those are, such as `ext4,btrfs`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{Client, Daemon, Home};
use crate::faults::{
    Known, Random, count, lost, no_strace, spawn_tracer, wait, write_until_killed,
};
use crate::skip::skip;

mod disk;

use disk::{Disk, FileSystem};

const WRITERS: u16 = 8;
/// How many cuts a file system sees before a new one takes its place.
const CUTS_PER_DISK: usize = 5;

/// Whether pald's syncs reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Made,
    TakenAway,
}

/// Lets writers change services until the power fails; what they know, and the disk as it is then.
fn change_until_cut(
    home: &Home,
    disk: &Disk,
    syncs: Syncs,
    prefix: &str,
    life: Duration,
) -> (Vec<Known>, usize, TempDir) {
    let daemon = home.start();
    let tracer = (syncs == Syncs::TakenAway).then(|| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", "inject=fdatasync,fsync:retval=0", "-p"]);
        strace.arg(daemon.pid().to_string());
        spawn_tracer(strace)
    });
    let mut known = vec![Known::new(); usize::from(WRITERS)];
    let (acknowledged, copy) = std::thread::scope(|scope| {
        let writers: Vec<_> = known
            .iter_mut()
            .zip(0..WRITERS)
            .map(|(known, writer)| {
                let client = Client::new(home.listen);
                let prefix = format!("w{writer}.{prefix}");
                scope.spawn(move || write_until_killed(&client, &prefix, known))
            })
            .collect();
        // This is the moment of the cut, not a wait for anything.
        std::thread::sleep(life);
        if syncs == Syncs::TakenAway {
            wait_for_answers(&daemon);
        }
        daemon.send_signal(Signal::STOP);
        let copy = disk.copy();
        daemon.kill();
        let counts = writers.into_iter().map(|writer| writer.join().unwrap());
        (counts.sum::<usize>(), copy)
    });
    if let Some(mut tracer) = tracer {
        wait(&mut tracer);
    }
    (known, acknowledged, copy)
}

/// Waits until there is something that can be lost, however slow pald is under strace.
fn wait_for_answers(daemon: &Daemon) {
    let revision = || daemon.get("/v1/health").json()["revision"].as_u64().unwrap();
    let before = revision();
    let start = Instant::now();
    while revision() < before + 8 {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing was changed");
    }
}

/// What came of some cuts on one file system.
#[derive(Default)]
struct Outcome {
    acknowledged: usize,
    losses: Vec<String>,
}

/// Cuts the power again and again; why not, if the system does not let us.
fn cut_power(file_system: FileSystem, syncs: Syncs, cuts: usize) -> Result<Outcome, String> {
    let home = Home::wide();
    let mut random = Random::new();
    let mut all = Known::new();
    let mut outcome = Outcome::default();
    let mut current: Option<Disk> = None;
    for cut in 0..cuts {
        let disk = match current.take() {
            Some(disk) if cut % CUTS_PER_DISK != 0 => disk,
            old => {
                drop(old);
                all.clear();
                Disk::new(file_system, &home, "")?
            }
        };
        let life = Duration::from_micros(random.below(250_000));
        let (known, acknowledged, copy) =
            change_until_cut(&home, &disk, syncs, &format!("c{cut}"), life);
        outcome.acknowledged += acknowledged;
        let disk = disk.replace_by(copy, &home);
        known.into_iter().for_each(|known| all.extend(known));
        match home.try_start(home.command()) {
            Ok(daemon) => {
                let lost = lost(&daemon.client, &all);
                if !lost.is_empty() {
                    // Each loss counts once.
                    all.clear();
                }
                outcome.losses.extend(lost);
                daemon.kill();
                current = Some(disk);
            }
            Err((status, log)) => outcome.losses.push(format!("cut {cut}: {status}: {log}")),
        }
    }
    let Outcome { acknowledged, losses } = &outcome;
    println!(
        "{}, syncs {syncs:?}: {cuts} power cuts, {acknowledged} acknowledged changes, {} lost",
        file_system.name(),
        losses.len()
    );
    Ok(outcome)
}

#[test]
fn no_acknowledged_change_is_lost_when_the_power_fails() {
    let cuts = count("PALD_POWER_CUTS", 4);
    let mut skipped = 0;
    for file_system in FileSystem::chosen() {
        match cut_power(file_system, Syncs::Made, cuts) {
            Err(reason) => {
                skip(format!("{}: {reason}", file_system.name()));
                skipped += 1;
            }
            Ok(Outcome { acknowledged, losses }) => {
                assert_eq!(losses, Vec::<String>::new(), "{}", file_system.name());
                assert!(acknowledged > 0);
            }
        }
    }
    println!("{skipped} file systems skipped");
}

#[test]
fn without_syncs_acknowledged_changes_are_lost_when_the_power_fails() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let cuts = count("PALD_POWER_CUTS", 1);
    for file_system in FileSystem::chosen() {
        // The file system may just have written all by itself; not many times in a row.
        let mut tries = 8;
        loop {
            match cut_power(file_system, Syncs::TakenAway, cuts) {
                Err(reason) => break skip(format!("{}: {reason}", file_system.name())),
                Ok(Outcome { losses, .. }) if !losses.is_empty() => break,
                Ok(_) => tries -= 1,
            }
            assert!(tries > 0, "{} loses nothing", file_system.name());
        }
    }
}

#[test]
fn an_import_survives_a_power_cut_at_any_moment_of_the_first_start() {
    let home = Home::new(9);
    let known: Known = (1..=500).map(|port| (format!("service{port}"), Some(port))).collect();
    let dump: String = (1..=500).map(|port| format!("service{port}\t{port}\t\n")).collect();
    let (cuts, mut took) = (count("PALD_POWER_CUTS", 4), Duration::ZERO);
    for file_system in FileSystem::chosen() {
        let (mut made, mut unmade) = (0, 0);
        for cut in 0..=cuts {
            let disk = match Disk::new(file_system, &home, &dump) {
                Ok(disk) => disk,
                Err(reason) => {
                    skip(format!("{}: {reason}", file_system.name()));
                    break;
                }
            };
            // The first run is not cut, and says how long one takes.
            if cut == 0 {
                let start = Instant::now();
                let daemon = home.start();
                took = start.elapsed();
                daemon.kill();
                continue;
            }
            let mut command = home.command();
            let mut pald = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // This is the moment of the cut, not a wait for anything.
            std::thread::sleep(took * u32::try_from(cut).unwrap() / u32::try_from(cuts).unwrap());
            let pid = rustix::process::Pid::from_child(&pald);
            rustix::process::kill_process(pid, Signal::STOP).unwrap();
            let copy = disk.copy();
            pald.kill().unwrap();
            wait(&mut pald);
            let _disk = disk.replace_by(copy, &home);
            match home.file("db").exists() {
                true => made += 1,
                false => unmade += 1,
            }
            let daemon = home.start();
            let lost = lost(&daemon.client, &known);
            assert_eq!(lost, Vec::<String>::new(), "{}, cut {cut}", file_system.name());
            daemon.kill();
        }
        println!("{}: the store was made at {made} cuts, and not at {unmade}", file_system.name());
        assert!(unmade > 0 || made == 0, "no cut came before the end of the import");
    }
}

/// It is stored in many transactions, the last of which counts.
#[test]
fn an_import_of_a_running_pald_is_whole_or_not_at_all_when_the_power_fails() {
    const SERVICES: usize = 600;
    let home = Home::new(9);
    let dump: String = (1..=SERVICES).map(|n| format!("new{n}\t{}\t\n", 33_000 + n)).collect();
    let count_new = |daemon: &Daemon| daemon.get("/v1/dump").body.matches("new").count();
    let (cuts, mut took) = (count("PALD_POWER_CUTS", 4), Duration::from_millis(50));
    for file_system in FileSystem::chosen() {
        let (mut whole, mut nothing) = (0, 0);
        for cut in 0..=cuts {
            let disk = match Disk::new(file_system, &home, "old\t1\t\n") {
                Ok(disk) => disk,
                Err(reason) => {
                    skip(format!("{}: {reason}", file_system.name()));
                    break;
                }
            };
            let daemon = home.start();
            let client = daemon.client.clone();
            let start = Instant::now();
            let (answered, copy) = std::thread::scope(|scope| {
                let import = scope.spawn(|| client.try_import(&dump).map(|_| start.elapsed()).ok());
                // The first run is not cut, and says how long one takes.
                if cut == 0 {
                    took = import.join().unwrap().unwrap();
                    daemon.kill();
                    return (true, None);
                }
                // This is the moment of the cut, not a wait for anything.
                std::thread::sleep(
                    took * u32::try_from(cut).unwrap() / u32::try_from(cuts).unwrap(),
                );
                daemon.send_signal(Signal::STOP);
                let answered = import.is_finished();
                let copy = disk.copy();
                daemon.kill();
                (answered, Some(copy))
            });
            let Some(copy) = copy else { continue };
            let _disk = disk.replace_by(copy, &home);
            let daemon = home.start();
            assert_eq!(daemon.get("/get?service=old").port(), 1);
            match count_new(&daemon) {
                SERVICES => whole += 1,
                0 if !answered => nothing += 1,
                other => panic!("{}, cut {cut}: {other} services", file_system.name()),
            }
            daemon.kill();
        }
        println!("{}: {whole} imports whole, {nothing} not made", file_system.name());
        assert!(nothing > 0 || whole == 0, "no cut came before the end of the import");
    }
}
