//! `pald mv`, and `/v1/services/NAME/rename`.

use std::fs;

use serde_json::{Value, json};

use super::{names, pald, post, revision, set_for};
use crate::daemon::{Daemon, Home, wait_for_dump};

#[test]
fn a_renamed_service_keeps_all_but_its_name() {
    let home = Home::new(9);
    let daemon = home.start();
    let client = &daemon.client;
    let folder = home.path().canonicalize().unwrap().join("shop");
    let port = set_for(client, "shop", &folder);
    let wish = json!({ "addresses": ["10.0.0.1"], "hold": false });
    super::put(client, "/v1/services/shop.web", &wish);
    let before = client.get("/v1/services/shop.web?state=false").json();
    let (code, stdout, stderr) = pald(&home, "mv shop.web store.frontend");
    let said = "pald: shop.web is now store.frontend, on 49201\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", said));
    let mut after = client.get("/v1/services/store.frontend?state=false").json();
    after["name"] = json!("shop.web");
    assert_eq!(after, before);
    assert_eq!((names(client).len(), revision(client)), (1, 3));
    // The old name is new again; it doesn't get the port back, which is another's.
    assert_eq!(client.set("shop.web").port(), port + 1);
    // To the same name is no change.
    let same = post(client, "/v1/services/shop.web/rename", &json!({ "name": "shop.web" }));
    assert_eq!((same.status, revision(client)), (200, 4));
    wait_for_dump(&home, |dump| {
        dump.starts_with("store.frontend\t") && dump.contains("revision=4 ")
    });
    let (_, log) = daemon.stop();
    assert!(log.contains("renamed from=shop.web to=store.frontend port="), "{log}");
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=store.frontend").port(), port);
    assert_eq!(names(&daemon.client), ["store.frontend", "shop.web"]);
}

#[test]
fn a_rename_that_is_refused_changes_nothing() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let top = home.path().canonicalize().unwrap();
    for (project, folder) in [("shop", "shop"), ("paint", "paint")] {
        set_for(client, project, &top.join(folder));
    }
    let other = json!({
        "folder": pald::folder::Folder::of(&top.join("fix")).unwrap().to_string(),
        "project": "shop", "labels": ["fix"], "services": [{ "name": "web" }, { "name": "db" }],
    });
    assert_eq!(post(client, "/v1/services", &other).status, 201);
    let before = (names(client), revision(client));
    let refused = |code, message: &str| (Some(code), String::new(), format!("Error: {message}\n"));
    let taken = "paint.web is already registered on port 49202\n\
                 hint: Release it with `pald del paint.web`, or choose another name";
    let foreign = |name: &str, folder: &str| {
        format!(
            "{name} is no name for this checkout, since ~/{folder} has another label\n\
             hint: `pald list` shows the names of its checkout's other services"
        )
    };
    let rows = [
        ("mv shop.web paint.web", 4, taken.to_owned()),
        ("mv shop.wbe x", 1, "shop.wbe is not registered\nhint: Did you mean shop.web?".to_owned()),
        // It would be one of another checkout, or the other of this one would have two labels.
        ("mv paint.web shop.fix.api", 4, foreign("shop.fix.api", "fix")),
        ("mv shop.fix.web shop.web2", 4, foreign("shop.web2", "shop")),
        ("mv shop.fix.web shop.b.web", 4, foreign("shop.b.web", "fix")),
        (
            "mv shop.web my/app",
            2,
            "Service name \"my/app\" contains a slash; use letters, digits and . _ -\n\
             hint: Try `my.app`"
                .to_owned(),
        ),
    ];
    for (line, code, message) in rows {
        assert_eq!(pald(&home, line), refused(code, &message), "{line}");
    }
    let path = "/v1/services/shop.web/rename";
    for (wish, status) in [
        (json!({ "name": "a b" }), 400),
        (json!({ "name": "paint.web" }), 409),
        (json!({}), 400),
        (json!({ "name": "x", "port": 1 }), 400),
        (json!(["x"]), 400),
    ] {
        assert_eq!(post(client, path, &wish).status, status, "{wish}");
    }
    assert_eq!(post(client, "/v1/services/nobody/rename", &json!({ "name": "x" })).status, 404);
    let method = client.request("GET", path, "");
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!((names(client), revision(client)), before);
    // All of its own may be renamed within the checkout, or out of the project.
    assert_eq!(pald(&home, "mv shop.fix.web shop.fix.site").0, Some(0));
    assert_eq!(pald(&home, "mv shop.fix.db db").0, Some(0));
    assert_eq!(names(client), ["shop.web", "paint.web", "shop.fix.site", "db"]);
}

#[test]
fn in_a_project_short_names_are_its_own() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    fs::create_dir(home.path().join("shop")).unwrap();
    let file = |service: &str| {
        let text = format!("project = \"shop\"\n[services]\n{service} = {{}}\n");
        fs::write(home.path().join("shop/pald.toml"), text).unwrap();
    };
    file("web");
    assert_eq!(pald(&home, "-C shop set").1, "web  49201\n");
    let (code, _, stderr) = pald(&home, "-C shop mv wbe site");
    assert_eq!(code, Some(1));
    assert!(stderr.ends_with("hint: Did you mean web?\n"), "{stderr}");
    let said = "pald: shop.web is now shop.site, on 49201\n\
                hint: Rename web in ~/shop/pald.toml too\n"
        .to_owned();
    assert_eq!(pald(&home, "-C shop mv web site"), (Some(0), String::new(), said));
    file("site");
    assert_eq!(pald(&home, "-C shop set").1, "site  49201\n");
    let (_, stdout, _) = pald(&home, "-C shop mv --json -g shop.site site");
    let renamed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&renamed["name"], names(client)), (&json!("site"), vec!["site".to_owned()]));
}

#[test]
fn another_word_for_a_command_is_understood() {
    let home = Home::new(3);
    for (word, command) in [("rename", "mv"), ("delete", "del"), ("gc", "prune"), ("lsit", "list")]
    {
        let (code, _, stderr) = pald(&home, &format!("{word} a b"));
        let tip = format!("'{command}'");
        assert!(stderr.contains("tip: ") && stderr.contains(&tip), "{word}: {stderr}");
        assert_eq!(code, Some(2));
    }
}
