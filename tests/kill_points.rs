//! kill -9 before each system call that changes a file or a socket, one run for each.
//!
//! strace counts the calls of each thread by itself, so one thread's early calls would hide the
//! later ones of another. That is why the same script is run through with several views: on the
//! main thread alone or on all threads from the start, and, once pald serves, on all threads, on
//! the committer and on the writer of the dump.
//!
//! Needs strace and the right to trace, or else it is skipped. The suite always tries the points where
//! a change becomes whole, and every n-th of the others from a random first one on;
//! `PALD_KILL_POINT_STEP` is n, and 1 tries all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Daemon, Home, PALD};
use crate::faults::{
    Known, Random, copy_folder, count, keep, lost, no_strace, pald_of, spawn_tracer, wait,
};
use crate::recovery::kept;
use crate::skip::skip;

mod scene;

use scene::{IMPORTED, Scene};

const CALLS: [&str; 15] = [
    "write",
    "writev",
    "pwrite64",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "rename",
    "renameat",
    "renameat2",
    "ftruncate",
    "truncate",
    "unlink",
    "unlinkat",
    "mkdir",
    "sendto",
];

/// The calls that make a change whole: of a file, and of the store.
const MAKE_WHOLE: [&str; 4] = ["rename", "renameat", "renameat2", "fdatasync"];

/// Which threads are looked at, and from when on.
#[derive(Debug, Clone, Copy)]
enum View {
    MainFromStart,
    AllFromStart,
    AllServing,
    Serving { thread: &'static str },
}

impl View {
    /// Whether a point is tried in each run. With a view of one thread it is always the same point.
    fn always_tries(self, call: &str) -> bool {
        matches!(self, Self::MainFromStart | Self::Serving { .. }) && MAKE_WHOLE.contains(&call)
    }
}

const VIEWS: [View; 5] = [
    View::MainFromStart,
    View::AllFromStart,
    View::AllServing,
    View::Serving { thread: "committer" },
    View::Serving { thread: "dump" },
];

/// One run of the script under strace, with these options of it.
///
/// What pald must know after it is in `known`; a change without an answer is not in it.
fn run_script(scene: &Scene, home: &Home, view: View, options: &[String], known: &mut Known) {
    let mut strace = Command::new("strace");
    strace.args(options);
    let (daemon, tracer) = match view {
        View::MainFromStart | View::AllFromStart => {
            if matches!(view, View::AllFromStart) {
                strace.arg("-f");
            }
            strace.args(["-qq", PALD]);
            home.prepare(&mut strace);
            strace.env("PATH", std::env::var_os("PATH").unwrap());
            match home.try_start(strace) {
                Ok(daemon) => (daemon, None),
                Err(_killed) => return,
            }
        }
        View::AllServing | View::Serving { .. } => {
            let daemon = home.start();
            let tracer = attach(strace, daemon.pid(), view);
            (daemon, Some(tracer))
        }
    };
    match scene.imports {
        true => import(&daemon, known),
        false => change(&daemon, known),
    }
    // strace ends by itself with what it looks at; that pald may be gone already is the point.
    let _ = rustix::process::kill_process(pald_of(home), Signal::TERM);
    daemon.wait();
    if let Some(mut tracer) = tracer {
        wait(&mut tracer);
    }
}

/// Three sets and a del; what was answered goes into `known`.
fn change(daemon: &Daemon, known: &mut Known) {
    let mut first = None;
    for service in ["new1", "new2", "new3"] {
        let Ok(reply) = daemon.client.try_get(&format!("/set?service={service}")) else { return };
        known.insert(service.to_owned(), Some(reply.port()));
        first = first.or(Some(reply.port()));
    }
    let port = first.unwrap();
    let was = known.remove("new1");
    match daemon.client.try_get(&format!("/del?port={port}")) {
        Ok(reply) => {
            assert_eq!((reply.body.as_str(), was), ("OK\n", Some(Some(port))));
            known.insert("new1".to_owned(), None);
        }
        Err(_killed) => {}
    }
}

/// Imports a dump; if that was answered, all its services go into `known`.
fn import(daemon: &Daemon, known: &mut Known) {
    let services = (0..IMPORTED).map(|number| (format!("imported{number}"), 33_000 + number));
    let dump: String = services.clone().map(|(name, port)| format!("{name}\t{port}\t\n")).collect();
    if let Ok(reply) = daemon.client.try_import(&dump) {
        assert_eq!(reply.status, 200, "{}", reply.body);
        known.extend(services.map(|(name, port)| (name, u16::try_from(port).ok())));
    }
}

/// Attaches strace and waits until it has.
fn attach(mut strace: Command, pid: u32, view: View) -> Child {
    let thread = match view {
        View::Serving { thread } => thread_id(pid, thread).to_string(),
        _ => pid.to_string(),
    };
    if matches!(view, View::AllServing) {
        strace.arg("-f");
    }
    strace.args(["-p", &thread]);
    spawn_tracer(strace)
}

/// The id of the thread with this name.
fn thread_id(pid: u32, name: &str) -> u32 {
    let start = Instant::now();
    loop {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(Result::unwrap);
        // A thread may be gone before its name is read.
        let name_of = |thread: &fs::DirEntry| fs::read_to_string(thread.path().join("comm"));
        let mut named = threads.filter(|thread| name_of(thread).is_ok_and(|n| n.trim() == name));
        if let Some(thread) = named.next() {
            return thread.file_name().to_str().unwrap().parse().unwrap();
        }
        // A thread gives itself its name, and may not have come to that yet.
        assert!(start.elapsed() < Duration::from_secs(30), "there is no thread {name}");
        std::thread::yield_now();
    }
}

/// How many calls of each kind the busiest thread makes in a run that nobody harms.
fn count_calls(scene: &Scene, view: View) -> BTreeMap<&'static str, usize> {
    let home = home_of(scene);
    let trace = home.path().join("trace");
    let options =
        ["-o".to_owned(), path(&trace), "-e".to_owned(), format!("trace={}", CALLS.join(","))];
    run_script(scene, &home, view, &options, &mut Known::new());
    let mut by_thread = BTreeMap::<(&str, &str), usize>::new();
    let trace = fs::read_to_string(&trace).unwrap();
    for line in trace.lines() {
        // With `-f` a line starts with the thread.
        let (thread, call) = match line.split_once(' ') {
            Some((thread, rest)) if thread.bytes().all(|b| b.is_ascii_digit()) => (thread, rest),
            _ => ("", line),
        };
        if let Some((call, _)) = call.trim_start().split_once('(') {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let busiest = |call| by_thread.iter().filter(|((_, c), _)| *c == call).map(|(_, n)| *n).max();
    CALLS.into_iter().filter_map(|call| Some((call, busiest(call)?))).collect()
}

fn home_of(scene: &Scene) -> Home {
    let home = Home::new(9);
    copy_folder(scene.folder.path(), &home.file(""));
    home
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Kills pald at one point and starts it twice again; what is wrong then, and whether it was killed.
fn try_point(scene: &Scene, view: View, call: &str, number: usize) -> (Vec<String>, bool) {
    let home = home_of(scene);
    let mut known = scene.known.clone();
    let trace = home.path().join("trace");
    let options = [
        "-o".to_owned(),
        path(&trace),
        "-e".to_owned(),
        format!("trace={call}"),
        "-e".to_owned(),
        format!("inject={call}:signal=KILL:when={number}"),
    ];
    run_script(scene, &home, view, &options, &mut known);
    let was_killed = fs::read_to_string(&trace).unwrap().contains("killed by SIGKILL");
    let point = format!("{}, {view:?}, {call} {number}", scene.name);
    let left = files_below(&home.file(""));
    let aside = tempfile::tempdir().unwrap();
    copy_folder(&home.file(""), aside.path());
    let wrong: Vec<_> =
        (1..=2).flat_map(|start| check_start(&home, scene, &known, start)).collect();
    if !wrong.is_empty() {
        keep(aside.path(), &point);
    }
    (wrong.into_iter().map(|what| format!("{point}: {what}; {left:?}")).collect(), was_killed)
}

/// Starts pald once more: what is not there that must be, and what is gone without a word.
fn check_start(home: &Home, scene: &Scene, known: &Known, start: usize) -> Vec<String> {
    let daemon = match home.try_start(home.command()) {
        Ok(daemon) => daemon,
        Err((status, log)) => return vec![format!("start {start} ends with {status}: {log}")],
    };
    let mut wrong = lost(&daemon.client, known);
    let imported = daemon.get("/list").body.matches("imported").count();
    if ![0, IMPORTED].contains(&imported) {
        wrong.push(format!("{imported} services of an import"));
    }
    let (code, log) = daemon.stop();
    if code != Some(0) {
        wrong.push(format!("ended with {code:?}"));
    }
    let damaged = kept(home, "db.damaged-");
    let damaged: Vec<_> =
        damaged.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    if damaged.len() != usize::from(scene.restores) {
        wrong.push(format!("{damaged:?} set aside"));
    }
    let newest = scene.lost.map(|revision| format!("its newest revision was {revision}."));
    let untold = damaged.into_iter().chain(newest.as_deref()).filter(|word| !log.contains(word));
    wrong.extend(untold.map(|word| format!("no word of {word}")));
    if !scene.restores && log.contains(" WARN ") {
        wrong.push("a warning for no reason".to_owned());
    }
    wrong.into_iter().map(|what| format!("start {start}: {what}: {log}")).collect()
}

/// All files and their sizes, to be told in a failure.
fn files_below(folder: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| match path.is_dir() {
        true => files_below(&path),
        false => vec![(path.clone(), path.metadata().unwrap().len())],
    });
    below.collect()
}

/// Kills pald at points of one scene, and starts it again.
fn try_points(scene: fn() -> Scene) {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let scene = scene();
    let step = count("PALD_KILL_POINT_STEP", 40);
    let mut next = Random::new().index(step);
    let (mut points, mut tried, mut killed, mut wrong) = (0, 0, 0, Vec::new());
    let views = match (scene.restores, scene.imports) {
        // Once a restored store is served, it is as any other.
        (true, _) => &VIEWS[..2],
        (_, true) => &VIEWS[2..],
        _ => &VIEWS[..],
    };
    for &view in views {
        let calls = count_calls(&scene, view);
        println!("{}, {view:?}: {calls:?}", scene.name);
        for (call, number) in calls.iter().flat_map(|(call, n)| (1..=*n).map(|n| (*call, n))) {
            points += 1;
            if !view.always_tries(call) {
                if next > 0 {
                    next -= 1;
                    continue;
                }
                next = step - 1;
            }
            let (found, was_killed) = try_point(&scene, view, call, number);
            tried += 1;
            killed += usize::from(was_killed);
            wrong.extend(found);
        }
    }
    println!("{}: {tried} of {points} points tried, {killed} kills", scene.name);
    assert_eq!(wrong, Vec::<String>::new());
    // A thread may have made fewer calls than in the run that counted them.
    assert!(killed * 2 > tried, "{killed} kills at {tried} points");
}

#[test]
fn a_kill_before_any_call_of_a_first_start_loses_nothing() {
    try_points(Scene::first_start);
}

#[test]
fn a_kill_before_any_call_of_a_later_start_loses_nothing() {
    try_points(Scene::second_start);
}

#[test]
fn a_kill_before_any_call_of_an_import_loses_nothing() {
    try_points(Scene::import);
}

#[test]
fn a_kill_before_any_call_of_a_restore_loses_nothing() {
    try_points(Scene::no_data);
}

#[test]
fn a_kill_before_any_call_of_a_restore_over_bad_data_loses_nothing() {
    try_points(Scene::bad_data);
}

#[test]
fn a_kill_before_any_call_of_a_restore_of_a_lost_end_loses_nothing() {
    try_points(Scene::lost_end);
}
