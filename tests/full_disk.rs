//! No room on the disk, and a disk that fails: changes are refused aloud, lookups go on, and what
//! was acknowledged is there when the disk is well again.
//!
//! Full disks are small tmpfs and need root; failing calls need strace. What is missing is
//! skipped. `PALD_FULL_DISKS` says how many sizes of a disk are tried at the start, and
//! `PALD_FAILING_CALLS` how many calls of each kind fail, one in each run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Home, Reply};
use crate::faults::{Known, Mount, Random, count, lost, no_strace, run, spawn_tracer, wait};
use crate::skip::skip;

/// Sizes up to this one are tried: from no room for a lock file to room for a store.
const LARGEST_KIB: u64 = 640;
/// How many changes are tried before a disk counts as large enough.
const TRIES: usize = 40;

/// A home on a tmpfs with this limit, such as `size=64k` or `nr_inodes=9`.
fn mount(home: &Home, limit: &str) -> Result<Mount, String> {
    let mount = Mount::new(&["-t", "tmpfs", "-o", limit, "pald-test"], home.path())?;
    fs::create_dir(home.file("")).map_err(|cause| cause.to_string())?;
    Ok(mount)
}

/// There is room again on the disk of a home.
fn make_room(home: &Home) {
    let roomy = "remount,size=64m,nr_inodes=10000";
    run(Command::new("mount").args(["-o", roomy]).arg(home.path()));
}

/// Sets services until one is refused; what is known of them, and the refusal.
fn set_until_refused(daemon: &Daemon, tries: usize) -> (Known, Option<Refusal>) {
    let mut known = Known::new();
    for number in 0..tries {
        let service = format!("new{number}");
        let reply = daemon.set(&service);
        if reply.status == 500 {
            return (known, Some(Refusal { service, reply }));
        }
        known.insert(service, Some(reply.port()));
    }
    (known, None)
}

/// A change that failed because of the disk.
struct Refusal {
    service: String,
    reply: Reply,
}

impl Refusal {
    /// The failed change says why and is not visible; later ones are refused with the same
    /// reason; lookups go on; the log says it once.
    fn check(&self, daemon: &Daemon, known: &Known) {
        let body = &self.reply.body;
        let start = "Changes are not accepted, because the store failed: ";
        assert!(body.starts_with(start), "{body}");
        assert_eq!(body.lines().filter(|line| !line.starts_with("hint: ")).count(), 1, "{body}");
        let asked = Instant::now();
        for other in [&self.service, "later"] {
            assert_eq!((daemon.set(other).status, &daemon.set(other).body), (500, body));
            assert_eq!(daemon.get(&format!("/get?service={other}")).status, 404);
        }
        if let Some(port) = known.values().flatten().next() {
            assert_eq!(
                (daemon.client.del(*port).status, &daemon.client.del(*port).body),
                (500, body)
            );
        }
        assert!(asked.elapsed() < Duration::from_secs(5), "refusing took {:?}", asked.elapsed());
        assert_eq!(lost(&daemon.client, known), Vec::<String>::new());
        // The log has a thread of its own.
        let failed = |log: &str| log.matches("The store failed").count();
        while failed(&daemon.log()) == 0 && asked.elapsed() < Duration::from_secs(30) {
            std::thread::yield_now();
        }
        let log = daemon.log();
        assert_eq!(failed(&log), 1, "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// A start that ended says why in one message, with the right exit code.
fn check_refused_start(limit: &str, status: ExitStatus, log: &str) {
    assert!(matches!(status.code(), Some(65 | 74 | 75 | 78)), "{limit}: {status}: {log}");
    let messages = log.lines().filter(|line| line.starts_with("Error: ")).count();
    assert_eq!(messages, 1, "{limit}: {log}");
    assert!(!log.contains("panicked"), "{limit}: {log}");
}

/// After a restart everything that was acknowledged is there; how many more changes are.
///
/// A change that was refused while its sync failed may have reached the disk all the same.
fn check_restart(home: &Home, known: &Known) -> usize {
    let daemon = home.start();
    assert_eq!(lost(&daemon.client, known), Vec::<String>::new());
    let after = daemon.set("after");
    assert_eq!(after.status, 200, "{}", after.body);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    let dump = pald::dump::parse(home.dump().as_bytes()).unwrap();
    dump.entries.len() - known.len() - 1
}

/// Has calls of a daemon fail as strace's `inject` says; what it does is written to `calls`.
fn spawn_injector(daemon: &Daemon, inject: &str, calls: &Path) -> Child {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", inject, "-p", &daemon.pid().to_string(), "-o"]).arg(calls);
    spawn_tracer(strace)
}

#[test]
fn a_start_on_a_full_disk_serves_or_says_why_not() {
    let mut random = Random::new();
    let sizes = count("PALD_FULL_DISKS", 14);
    let size = |_| format!("size={}k", 4 + random.below(LARGEST_KIB / 4) * 4);
    // The last one has room for a start.
    let sized = (0..sizes).map(size).chain(["size=700k".to_owned()]);
    let limits: Vec<_> = sized.collect();
    let inodes = (3..16).step_by(40_usize.div_ceil(sizes)).map(|n| format!("nr_inodes={n}"));
    let (mut refused, mut served, mut filled) = (0, 0, 0);
    for (number, limit) in limits.into_iter().chain(inodes).enumerate() {
        let home = Home::wide();
        let _mount = match mount(&home, &limit) {
            Ok(mount) => mount,
            Err(reason) => return skip(reason),
        };
        let mut known = Known::new();
        if number % 2 == 0 {
            let old = "old1 1\nold2 2\n";
            if fs::write(home.file("dump"), old).is_err() {
                continue;
            }
            known.extend([("old1".to_owned(), Some(1)), ("old2".to_owned(), Some(2))]);
        }
        match home.try_start(home.command()) {
            Err((status, log)) => {
                check_refused_start(&limit, status, &log);
                refused += 1;
            }
            Ok(daemon) => {
                let mut tries = TRIES;
                if limit.starts_with("size=") {
                    // Whatever is free is taken; many changes find room in the store's file.
                    let filler = vec![1; 1024 * 1024];
                    fs::write(home.path().join("filler"), filler).unwrap_err();
                    tries = 10_000;
                }
                let (new, refusal) = set_until_refused(&daemon, tries);
                known.extend(new);
                if let Some(refusal) = refusal {
                    refusal.check(&daemon, &known);
                    filled += 1;
                }
                served += 1;
                daemon.stop();
            }
        }
        make_room(&home);
        check_restart(&home, &known);
    }
    println!("{refused} starts refused, {served} served, of which {filled} ran out of room");
    assert!(refused > 0 && filled > 0);
}

#[test]
fn a_disk_that_fills_up_ends_changes_and_nothing_else() {
    let home = Home::wide();
    let _mount = match mount(&home, "size=1m") {
        Ok(mount) => mount,
        Err(reason) => return skip(reason),
    };
    let daemon = home.start();
    let before = daemon.set("before").port();
    // Whatever is free is taken, to the last byte.
    let filler = home.path().join("filler");
    fs::write(&filler, vec![1; 2 * 1024 * 1024]).unwrap_err();
    let (mut known, refusal) = set_until_refused(&daemon, 10_000);
    println!("{} changes found room on the full disk", known.len());
    known.insert("before".to_owned(), Some(before));
    let refusal = refusal.unwrap();
    refusal.check(&daemon, &known);
    // Room alone does not mend what is in memory.
    fs::remove_file(&filler).unwrap();
    refusal.check(&daemon, &known);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    check_restart(&home, &known);
}

#[test]
fn a_call_that_fails_in_a_commit_ends_changes_and_nothing_else() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let faults = [
        "fdatasync:error=EIO",
        "pwrite64:error=EIO",
        "pwrite64:error=ENOSPC",
        "sync_file_range:error=EIO",
    ];
    let calls = count("PALD_FAILING_CALLS", 3);
    let (mut refused, mut came_back) = (BTreeMap::new(), 0);
    for (fault, number) in faults.into_iter().flat_map(|f| (1..=calls).map(move |n| (f, n))) {
        let home = Home::new(100);
        let daemon = home.start();
        let inject = format!("inject={fault}:when={number}");
        let mut tracer = spawn_injector(&daemon, &inject, Path::new("/dev/null"));
        let (known, refusal) = set_until_refused(&daemon, 4 * calls);
        if let Some(refusal) = refusal {
            refusal.check(&daemon, &known);
            *refused.entry(fault).or_insert(0) += 1;
        }
        let (code, log) = daemon.stop();
        assert_eq!(code, Some(0), "{inject}: {log}");
        wait(&mut tracer);
        came_back += check_restart(&home, &known);
    }
    println!("{calls} failing calls of each kind: {refused:?} refused, {came_back} came back");
    assert_eq!(refused.len(), faults.len(), "{refused:?}");
}

/// What notices that a store has lost its end has to be right, or changes end.
#[test]
fn a_record_that_cant_be_written_ends_changes_and_nothing_else() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let home = Home::new(100);
    let daemon = home.start();
    let before = daemon.set("before").port();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "inject=pwrite64:error=EIO", "-P"]);
    strace.arg(home.file("db.record")).args(["-p", &daemon.pid().to_string()]);
    let mut tracer = spawn_tracer(strace);
    // It is on disk, and answered, before it is noted.
    let noticed = daemon.set("noticed").port();
    let known =
        Known::from([("before".to_owned(), Some(before)), ("noticed".to_owned(), Some(noticed))]);
    let reply = daemon.set("refused");
    assert!(reply.body.contains("Can't write the record beside the store: "), "{}", reply.body);
    Refusal { service: "refused".to_owned(), reply }.check(&daemon, &known);
    assert_eq!(daemon.get("/v1/health").status, 503);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    wait(&mut tracer);
    assert_eq!(check_restart(&home, &known), 0);
}
