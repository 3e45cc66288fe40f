//! What a full range says about who may need its ports no longer.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use pald::addresses::Addresses;
use pald::port::Port;
use pald::registration::Registration;
use pald::registry::Snapshot;
use pald::seal::Seal;
use pald::service_name::ServiceName;
use pald::timestamp::Timestamp;
use serde_json::json;

use super::{pald, post, put, revision, set_for};
use crate::daemon::{Daemon, Home};
use crate::faults::{no_strace, spawn_tracer, wait};
use crate::skip::skip;

#[test]
fn a_full_range_names_services_whose_folder_is_gone() {
    let home = Home::new(5);
    let Daemon { client, .. } = &home.start();
    let top = home.path().canonicalize().unwrap();
    for project in ["a", "b", "c", "d"] {
        set_for(client, project, &top.join(project));
    }
    client.set("there");
    let full =
        "No ports available: all 5 ports in 49201-49205 are registered (5) or in use by others (0)";
    let release =
        "Release one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
    let refused = |more: &str| format!("Error: {full}\nhint: {release}{more}\n");
    assert_eq!(pald(&home, "set new"), (Some(5), String::new(), refused("")));
    for project in ["a", "b", "c", "d"] {
        fs::remove_dir(top.join(project)).unwrap();
    }
    // What runs on is no candidate.
    let _server = TcpListener::bind(("127.0.0.1", home.min)).unwrap();
    let more = "; the folder is gone of b.web, c.web, d.web: `pald prune` releases them";
    assert_eq!(pald(&home, "set new"), (Some(5), String::new(), refused(more)));
    let text = client.get("/set?service=new");
    assert_eq!(text.status, 412);
    assert!(text.body.ends_with(&format!("config.toml{more}\n")), "{}", text.body);
    let problem = client.send("PUT", "/v1/services/new", "", b"").json();
    let named: Vec<_> = problem["candidates"].as_array().unwrap().iter().collect();
    assert_eq!(
        (named.len(), &named[0]["name"], &named[0]["gone"]),
        (3, &json!("b.web"), &json!(true))
    );
    pald(&home, "prune --yes");
    assert_eq!(client.set("new").port(), home.min + 1);
}

#[test]
fn a_project_that_does_not_fit_is_told_which_services_of_the_range_are_left_over() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let top = home.path().canonicalize().unwrap();
    for project in ["outside", "a", "b", "c"] {
        set_for(client, project, &top.join(project));
        if project == "outside" {
            let wish = json!({ "port": home.max + 1, "move": true });
            assert_eq!(put(client, "/v1/services/outside.web", &wish).status, 200);
        }
    }
    fs::remove_dir(top.join("outside")).unwrap();
    fs::remove_dir(top.join("b")).unwrap();
    client.del(home.min);
    let before = revision(client);
    fs::create_dir(top.join("d")).unwrap();
    let folder = pald::folder::Folder::of(&top.join("d")).unwrap().to_string();
    let services = json!([{ "name": "web" }, { "name": "db" }]);
    let wish = json!({ "folder": folder, "project": "d", "labels": [""], "services": services });
    let refused = post(client, "/v1/services", &wish);
    let named = &refused.json()["candidates"];
    assert_eq!((refused.status, named.as_array().map(Vec::len)), (409, Some(1)), "{named}");
    assert_eq!((&named[0]["name"], &named[0]["port"]), (&json!("b.web"), &json!(home.min + 1)));
    let file = "project = \"d\"\n[services]\nweb = {}\ndb = {}\n";
    fs::write(top.join("d/pald.toml"), file).unwrap();
    let more = "config.toml; the folder is gone of b.web: `pald prune` releases them\n";
    for line in ["-C d set", "-C d set --json", "-C d run web -- true"] {
        let (code, stdout, stderr) = pald(&home, line);
        assert_eq!((code, stdout.as_str()), (Some(5), ""), "{line}");
        assert!(stderr.ends_with(more), "{line}: {stderr}");
    }
    assert_eq!(revision(client), before);
}

/// The error waited for the disk of each folder, as long as that took.
#[test]
fn a_full_range_is_told_while_the_disk_of_a_folder_does_not_answer() {
    if let Some(reason) = no_strace() {
        return skip(reason);
    }
    let home = Home::new(1);
    let daemon = home.start();
    let folder = home.path().canonicalize().unwrap().join("a");
    set_for(&daemon.client, "a", &folder);
    fs::remove_dir(&folder).unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "inject=%%stat:delay_enter=100000000", "-P"]);
    strace.arg(&folder).args(["-p", &daemon.pid().to_string()]);
    let mut tracer = spawn_tracer(strace);
    let refused = daemon.set("new");
    // Its end lets the call go on.
    tracer.kill().unwrap();
    wait(&mut tracer);
    assert_eq!(refused.status, 412);
    assert!(refused.body.ends_with("~/.pald/config.toml\n"), "{}", refused.body);
}

#[test]
fn a_full_range_names_what_was_registered_long_ago_and_does_not_run() {
    let home = Home::new(4);
    let registration = |name: &str, offset: u16, since: &str| {
        Arc::new(Registration {
            service: ServiceName::parse(name).unwrap(),
            port: Port::new(home.min + offset).unwrap(),
            addresses: Addresses::default(),
            created_at: Timestamp::parse(&format!("{since}T10:00:00Z")).unwrap(),
            hold: true,
            folder: None,
        })
    };
    let registrations = vec![
        registration("younger", 0, "2024-03-01"),
        registration("oldest", 1, "2019-01-01"),
        registration("runs", 2, "2015-01-01"),
    ];
    let seal = Seal::of(1, registrations.iter().map(AsRef::as_ref));
    let dump = Snapshot { registrations, seal }.parts().collect::<String>();
    fs::write(home.file("dump"), dump).unwrap();
    let Daemon { client, .. } = &home.start();
    client.set("new");
    let _server = TcpListener::bind(("127.0.0.1", home.min + 2)).unwrap();
    let (code, _, stderr) = pald(&home, "set newer");
    let more = "; registered long ago, and nothing runs there: oldest (2019-01-01), younger (2024-03-01); `pald del oldest`\n";
    assert!(stderr.ends_with(more), "{stderr}");
    assert_eq!(code, Some(5));
}
