//! `pald prune`, and `/v1/prune`.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::json;

use super::{names, pald, post, revision, set_for, set_for_missing};
use crate::command_line::terminal::on_terminal;
use crate::daemon::{Daemon, Home};

/// Each way in which a folder can be missing, and what becomes of its service.
#[test]
fn what_is_gone_is_released_and_the_rest_is_kept_with_its_reason() {
    let home = Home::new(15);
    let Daemon { client, .. } = &home.start();
    let top = home.path().canonicalize().unwrap();
    let folder = |name: &str| top.join(name);
    for (project, name) in [
        ("a", "there"),
        ("b", "gone"),
        ("c", "file"),
        ("d", "link"),
        ("e", "disk/x"),
        ("f", "runs"),
    ] {
        set_for(client, project, &folder(name));
        if name != "there" {
            fs::remove_dir(folder(name)).unwrap();
        }
    }
    fs::write(folder("file"), "").unwrap();
    symlink("there", folder("link")).unwrap();
    fs::remove_dir(folder("disk")).unwrap();
    let _orphan = TcpListener::bind(("127.0.0.1", home.min + 5)).unwrap();
    set_for(client, "g", &top.join(OsStr::from_bytes(b"\xff \x1b[2J")));
    fs::remove_dir(top.join(OsStr::from_bytes(b"\xff \x1b[2J"))).unwrap();
    set_for_missing(client, "h", &PathBuf::from("/no-such-folder"));
    let long = folder("there").join("n".repeat(900));
    set_for_missing(client, "i", &long);
    client.set("j");

    let pid = std::process::id();
    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    let orphan = format!("49206 is in use by {name} (pid {pid})");
    let disk = "the folder above is missing too: a disk that is not mounted, or a container's path";
    let rows = [
        ("49202  b.web", "~/gone", "-"),
        ("49203  c.web", "~/file", "something else has the folder's place"),
        ("49204  d.web", "~/link", "something else has the folder's place"),
        ("49205  e.web", "~/disk/x", disk),
        ("49206  f.web", "~/runs", &orphan),
        ("49207  g.web", "~/\u{fffd} \\u{1b}[2J", "-"),
        ("49208  h.web", "/no-such-folder", "a folder right below / may be a container's"),
        (
            "49209  i.web",
            &format!("~/there/{}", "n".repeat(900)),
            "pald can't look there: invalid filename",
        ),
    ];
    let (code, stdout, stderr) = pald(&home, "prune");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let seen: Vec<_> = stdout.lines().map(words).collect();
    assert_eq!(seen[0], "PORT NAME FOLDER KEPT BECAUSE");
    if cfg!(all(target_os = "linux", not(feature = "portable"))) {
        let expected: Vec<_> =
            rows.iter().map(|(a, b, c)| words(&format!("{a} {b} {c}"))).collect();
        assert_eq!(&seen[1..], expected);
    }
    let hints =
        "hint: `pald del c.web d.web e.web f.web h.web i.web` releases those that are kept\n";
    let how = "hint: `pald prune --yes` releases 2 services\n";
    assert_eq!((code, stderr), (Some(0), format!("{hints}{how}")));
    assert_eq!((names(client).len(), revision(client)), (10, 10));

    let (code, again, stderr) = pald(&home, "prune --yes");
    assert_eq!((code, again), (Some(0), stdout));
    assert_eq!(stderr, format!("{hints}pald: released 2 services\n"));
    let left = ["a.web", "c.web", "d.web", "e.web", "f.web", "h.web", "i.web", "j"];
    assert_eq!(names(client), left);
    // It was one change, and the ports are remembered.
    assert_eq!(revision(client), 11);
    assert_eq!(set_for(client, "b", &folder("gone")), home.min + 1);
    // Without a word on stdout where there is nothing to say.
    pald(&home, "del c.web d.web e.web f.web h.web i.web");
    let nothing = "pald: no service's folder is gone\n".to_owned();
    assert_eq!(pald(&home, "prune --yes"), (Some(0), String::new(), nothing));
}

/// Between what a person sees and the prune, checkouts come back, start and go.
#[test]
fn a_prune_looks_again_and_takes_nothing_that_was_not_seen() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let top = home.path().canonicalize().unwrap();
    let folder = |name: &str| top.join(name);
    for project in ["a", "b", "c", "d"] {
        set_for(client, project, &folder(project));
        fs::remove_dir(folder(project)).unwrap();
    }
    let seen = client.get("/v1/prune").json();
    let seen: Vec<_> = seen["services"].as_array().unwrap().iter().collect();
    let encoded = pald::folder::Folder::of(&folder("a")).unwrap().to_string();
    let first = json!({
        "name": "a.web", "port": home.min, "folder": encoded, "kept": null, "reason": null,
    });
    assert_eq!((seen.len(), seen[0]), (4, &first));
    fs::create_dir(folder("a")).unwrap();
    let _server = TcpListener::bind(("127.0.0.1", home.min + 1)).unwrap();
    let wish = json!({ "services": ["a.web", "b.web", "c.web", "nobody"] });
    let pruned = post(client, "/v1/prune", &wish);
    assert_eq!((pruned.status, &pruned.json()["released"]), (200, &json!(["c.web"])));
    let kept = &pruned.json()["kept"];
    assert_eq!(kept.as_array().map(Vec::len), Some(1), "{kept}");
    assert_eq!((&kept[0]["name"], &kept[0]["kept"]), (&json!("b.web"), &json!("in_use")));
    assert_eq!(names(client), ["a.web", "b.web", "d.web"]);
    // What is no name, no list or too much is refused, and changes nothing.
    for (wish, status) in [
        (json!({ "services": ["d.web", "a b"] }), 400),
        (json!({ "services": "d.web" }), 400),
        (json!({ "services": ["d.web"], "yes": true }), 400),
        (json!({ "services": ["d".repeat(2 * 1024 * 1024)] }), 413),
    ] {
        assert_eq!(post(client, "/v1/prune", &wish).status, status);
    }
    assert_eq!(names(client).len(), 3);
}

#[test]
fn at_a_terminal_a_prune_asks_first() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let folder = home.path().canonicalize().unwrap().join("gone");
    set_for(client, "shop", &folder);
    fs::remove_dir(&folder).unwrap();
    let prune = |typed: &str| {
        let mut command = home.command();
        on_terminal(command.current_dir(home.path()).arg("prune"), typed)
    };
    let question = "Release 1 service? [y/N] ";
    for typed in ["n\n", "\n", "\x04"] {
        let (code, shown) = prune(typed);
        assert!(shown.contains(question) && shown.ends_with("Nothing was released\n"), "{shown}");
        assert_eq!((code, names(client).len()), (Some(1), 1));
    }
    let released = format!("y\n{question}pald: released 1 service\n");
    assert_eq!(prune("y\n"), (Some(0), released));
    assert_eq!(names(client).len(), 0);
}
