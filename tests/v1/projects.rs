//! `POST /v1/services`: the services of a project for one checkout.

use serde_json::{Value, json};

use super::{JSON, assert_problem, names};
use crate::daemon::{Client, Daemon, Home, Reply, wait_for_dump};

fn post(client: &Client, wish: &Value) -> Reply {
    client.send("POST", "/v1/services", JSON, wish.to_string().as_bytes())
}

fn set(folder: &str, labels: &[&str], services: &[&str]) -> Value {
    let services: Vec<_> = services.iter().map(|name| json!({ "name": name })).collect();
    json!({ "folder": folder, "project": "shop", "labels": labels, "services": services })
}

fn revision(client: &Client) -> u64 {
    client.get("/v1/health").json()["revision"].as_u64().unwrap()
}

#[test]
fn the_services_of_a_checkout_are_one_change_and_remember_its_folder() {
    let home = Home::new(9);
    let daemon = home.start();
    let client = &daemon.client;
    let wish = json!({
        "folder": "/home/ann/my%20shop", "project": "shop", "labels": ["", "my"], "services": [
            {"name": "web", "addresses": ["10.0.0.1"], "hold": false},
            {"name": "db", "prefer": home.max},
            {"name": "mail", "shared": true},
        ],
    });
    let made = post(client, &wish);
    assert_eq!(made.status, 201, "{}", made.body);
    let services = made.json()["services"].clone();
    assert_eq!(names(&made.json()), ["shop.web", "shop.db", "shop.mail"]);
    let folder = json!("/home/ann/my%20shop");
    let web = &services[0];
    assert_eq!((&web["port"], &web["folder"]), (&json!(home.min), &folder));
    assert_eq!((&web["addresses"], &web["hold"]), (&json!(["10.0.0.1"]), &json!(false)));
    assert_eq!((&services[1]["port"], &services[1]["folder"]), (&json!(home.max), &folder));
    assert_eq!(services[2]["folder"], Value::Null);
    assert_eq!(revision(client), 1);
    let again = post(client, &wish);
    assert_eq!((again.status, &again.json()["services"]), (200, &services));
    assert_eq!(revision(client), 1);
    // Another folder gets the next label, and all but the shared service anew.
    let other = json!({
        "folder": "/home/ann/b", "project": "shop", "labels": ["", "b"],
        "services": [{"name": "web", "prefer": 5000}, {"name": "mail", "shared": true}],
    });
    let made = post(client, &other);
    assert_eq!((made.status, names(&made.json())), (201, vec!["shop.b.web", "shop.mail"]));
    assert_eq!(made.json()["services"][0]["port"], home.min + 2);
    // Folders come back from the dump.
    let before = client.get("/v1/services?state=false").json()["services"].clone();
    wait_for_dump(&home, |dump| {
        dump.contains("folder=/home/ann/b") && dump.contains("revision=2 ")
    });
    daemon.stop();
    std::fs::remove_dir_all(home.file("db")).unwrap();
    let Daemon { client, .. } = &home.start();
    let after = client.get("/v1/services?state=false").json()["services"].clone();
    for (before, after) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        let shown = |it: &Value| ["name", "port", "folder", "addresses"].map(|key| it[key].clone());
        assert_eq!(shown(before), shown(after));
    }
}

#[test]
fn a_set_that_is_refused_changes_nothing() {
    let home = Home::new(2);
    let Daemon { client, .. } = &home.start();
    let folder = "/home/ann/shop";
    let with = |key: &str, value: Value| {
        let mut wish = set(folder, &["", "x"], &["web"]);
        wish[key] = value;
        wish
    };
    let name = "1 to 100 letters, digits, _ and -";
    let rows = [
        (
            with("folder", json!("shop")),
            "A folder must be an absolute path without `.`, `..` and doubled slashes".to_owned(),
        ),
        (
            with("folder", json!("/my shop")),
            "A folder must be percent-encoded as pald does it".to_owned(),
        ),
        (with("project", json!("my.shop")), format!("project is \"my.shop\"; it must be {name}")),
        (
            with("labels", json!([])),
            "labels is \"[]\"; it must be a list of at least one label".to_owned(),
        ),
        (
            with("labels", json!(["a.b"])),
            "a label is \"a.b\"; it must be empty, or up to 46 letters, digits, _ and -".to_owned(),
        ),
        (with("services", json!([{"name": ""}])), format!("name is \"\"; it must be {name}")),
    ];
    for (wish, detail) in rows {
        assert_problem(&post(client, &wish), 400, "about:blank", &detail);
    }
    let outside = with("services", json!([{"name": "web", "prefer": 0}]));
    let kind = "urn:pald:error:port-out-of-range";
    assert_problem(&post(client, &outside), 400, kind, "Port 0 is outside 1-65535");
    let unknown = post(client, &with("user", json!("ann")));
    assert!(unknown.json()["detail"].as_str().unwrap().contains("unknown field `user`"));
    let full = post(client, &set(folder, &[""], &["web", "api", "db"]));
    assert_eq!((full.status, &full.json()["type"]), (409, &json!("urn:pald:error:pool-exhausted")));
    assert_eq!((revision(client), names(&client.get("/v1/services").json())), (0, vec![]));
    let method = client.request("DELETE", "/v1/services", "");
    assert_eq!((method.status, method.header("allow")), (405, Some("GET, HEAD, POST")));
}

/// A project that was moved got a label at its new place, and its ports stayed with the old one.
#[test]
fn a_checkout_that_is_gone_is_named() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let old = home.path().join("old");
    std::fs::create_dir(&old).unwrap();
    let old_folder = pald::folder::Folder::of(&old).unwrap().to_string();
    assert_eq!(post(client, &set(&old_folder, &["", "x"], &["web"])).status, 201);
    // It is in the way, and it is there.
    let made = post(client, &set("/home/ann/other", &["", "y"], &["web"]));
    assert_eq!(names(&made.json()), ["shop.y.web"]);
    std::fs::remove_dir(&old).unwrap();
    let refused = post(client, &set("/home/ann/shop", &["", "x"], &["web"]));
    let detail = "shop is registered for the checkout ~/old, which is gone";
    assert_problem(&refused, 409, "urn:pald:error:name-taken", detail);
    // So is one that has the next label.
    std::fs::create_dir(&old).unwrap();
    let next = home.path().join("next");
    std::fs::create_dir(&next).unwrap();
    let next_folder = pald::folder::Folder::of(&next).unwrap().to_string();
    assert_eq!(post(client, &set(&next_folder, &["", "x"], &["web"])).status, 201);
    std::fs::remove_dir(&next).unwrap();
    let refused = post(client, &set("/home/ann/shop", &["", "x"], &["web"]));
    let detail = "shop is registered for the checkout ~/next, which is gone";
    assert_problem(&refused, 409, "urn:pald:error:name-taken", detail);
    assert_eq!(post(client, &set("/home/ann/shop", &["", "z9", "x"], &["web"])).status, 201);
    // Where the folder above is missing too, a disk may not be mounted.
    assert_eq!(post(client, &set("/no/such/place", &["z"], &["web"])).status, 201);
    let next = json!({
        "folder": "/home/ann/third", "project": "shop", "labels": ["z"], "services": [{"name": "web"}],
    });
    assert_eq!(names(&post(client, &next).json()), ["shop.z-2.web"]);
}
