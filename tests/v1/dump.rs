//! `/v1/dump`: taking a dump over while pald runs.

use serde_json::json;

use super::{assert_problem, delete, names};
use crate::daemon::{Daemon, Home, wait_for_dump};

#[test]
fn a_dump_is_taken_over_whole_or_not_at_all() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let (a, b, c) = (home.min, home.min + 1, home.min + 2);
    let import = |query: &str, dump: &str| {
        client.send("PUT", &format!("/v1/dump{query}"), "", dump.as_bytes())
    };
    let merged = import("", &format!("a {a}\nb {b} 10.0.0.1 # mine\n"));
    let expected = json!({"added": ["a", "b"], "changed": [], "removed": [], "kept": 0,
        "revision": 1, "dry_run": false});
    assert_eq!((merged.status, merged.json()), (200, expected));

    // What is there stays; what contradicts it refuses all of it.
    let merged = import("?mode=merge", &format!("a {a}\nc {c}\n")).json();
    assert_eq!((&merged["added"], &merged["kept"]), (&json!(["c"]), &json!(2)));
    let refused = import("", &format!("d {}\na {c}\nx {b}\n", home.min + 5));
    let detail = format!(
        "a is registered on port {a}, not {c}; x can't have port {b}, which is b's; nothing was imported"
    );
    assert_problem(&refused, 409, "urn:pald:error:name-taken", &detail);
    let refused = import("?mode=replace", &format!("d {}\n", home.listen));
    let detail = format!(
        "d can't have port {}, where pald itself listens; nothing was imported",
        home.listen
    );
    assert_problem(&refused, 409, "urn:pald:error:port-taken", &detail);
    let bad = import("", "a 1\nb\nc 70000\n");
    assert_problem(
        &bad,
        400,
        "urn:pald:error:dump-invalid",
        "The dump has 2 bad lines; nothing was imported",
    );
    assert_eq!(
        bad.json()["lines"][1],
        json!({"line": 3, "reason": "port 70000 is outside 1-65535"})
    );
    assert_eq!(names(&client.get("/v1/services").json()), ["a", "b", "c"]);

    // Ports may be exchanged; what the dump does not say stays.
    let swapped = format!("a {b}\nb {a} 10.0.0.1\nnew {}\n", home.min + 7);
    let dry = import("?mode=replace&dry_run=true", &swapped).json();
    let expected = json!({"added": ["new"], "changed": ["a", "b"], "removed": ["c"], "kept": 0,
        "revision": 2, "dry_run": true});
    assert_eq!(dry, expected);
    assert_eq!(client.get("/get?service=a").port(), a);
    let replaced = import("?mode=replace", &swapped).json();
    assert_eq!((&replaced["changed"], &replaced["revision"]), (&json!(["a", "b"]), &json!(3)));
    assert_eq!(client.get("/get?service=a").port(), b);
    assert_eq!(names(&client.get("/v1/services").json()), ["b", "a", "new"]);

    // A dump of pald's own comes back as it was; a part of it does not.
    let dump = client.get("/v1/dump").body;
    wait_for_dump(&home, |written| written == dump);
    delete(client, "/v1/services/new");
    let part = dump.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    let detail = "The dump is incomplete, or was edited after pald wrote it; nothing was imported";
    assert_problem(&import("", &part), 400, "urn:pald:error:dump-invalid", detail);
    assert_eq!(import("?mode=replace", &dump).json()["added"], json!(["new"]));
    let nothing = import("?mode=replace", &client.get("/v1/dump").body).json();
    assert_eq!((&nothing["kept"], &nothing["revision"]), (&json!(3), &json!(5)));
    let empty = import("?mode=replace", "");
    let detail = "The dump has no services; nothing was imported";
    assert_problem(&empty, 400, "urn:pald:error:dump-invalid", detail);
    let only = import("?mode=replace", &format!("a {b}\n")).json();
    assert_eq!((&only["removed"], &only["kept"]), (&json!(["b", "new"]), &json!(1)));
}

/// The memory of a process that is in use, in KiB.
#[cfg(target_os = "linux")]
fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// One transaction of all would leave ten times as much.
#[cfg(target_os = "linux")]
#[test]
fn an_import_takes_little_more_memory_than_what_it_brings() {
    let home = Home::new(1);
    let daemon = home.start();
    let dump: String = (0..16_000).map(|n| format!("service-{n}\t{}\t\n", 33_000 + n)).collect();
    let reply = daemon.client.try_import(&dump).unwrap();
    assert_eq!(reply.json()["revision"], 1);
    wait_for_dump(&home, |dump| dump.contains(" entries=16000 "));
    let after_import = resident_kib(&daemon);
    assert_eq!(daemon.stop().0, Some(0));
    let after_restart = resident_kib(&home.start());
    let bar = after_restart * 3 / 2;
    assert!(after_import <= bar, "{after_import} KiB, and {after_restart} KiB after a restart");
}
