//! `pald del` of several services, and `/v1/release`.

use serde_json::json;

use super::{names, pald, post, revision};
use crate::command_line::terminal::on_terminal;
use crate::daemon::{Daemon, Home};

#[test]
fn services_are_released_together_or_not_at_all() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    for service in ["shop.web", "shop.db", "shop.api", "paint", "49208"] {
        client.set(service);
    }
    let before = revision(client);
    let error = |text: &str| (Some(1), String::new(), format!("Error: {text}\n"));
    let rows = [
        ("del shop.web nobody", "nobody is not registered"),
        ("del shop.web shop.dv", "shop.dv is not registered\nhint: Did you mean shop.db?"),
        ("del paint shop", "shop is not registered\nhint: `pald del 'shop.*'` releases 3 services"),
        ("del shop.web 49209", "Port 49209 is not registered"),
        ("del --yes shop.w* nobody", "nobody is not registered"),
        ("del --port 49209", "Port 49209 is not registered"),
        (
            "del paint nobody.* --yes",
            "No registered service matches \"nobody.*\"\n\
             hint: A pattern matches full names; `pald list` shows them",
        ),
    ];
    for (line, message) in rows {
        let line = line.replace("49209", &home.max.to_string());
        assert_eq!(pald(&home, &line), error(message), "{line}");
    }
    assert_eq!(revision(client), before);
    // A name twice, a port, and a number that is a name.
    let line = format!("del -v paint {} 49208 paint shop.web", home.min + 1);
    let said = "Released paint and its port 49204\nReleased shop.db and its port 49202\n\
                Released 49208 and its port 49205\nReleased shop.web and its port 49201\n";
    assert_eq!(pald(&home, &line), (Some(0), String::new(), said.to_owned()));
    assert_eq!((names(client), revision(client)), (vec!["shop.api".to_owned()], before + 1));
    let (code, stdout, _) = pald(&home, "del --json shop.api");
    let released: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &released[0]["name"]), (Some(0), &json!("shop.api")));
    assert_eq!((released.as_array().map(Vec::len), names(client).len()), (Some(1), 0));
}

#[test]
fn a_pattern_lists_what_it_would_release_and_asks() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let set = || ["shop.web", "shop.db", "paint"].map(|service| client.set(service));
    set();
    let listed = "49201  shop.web\n49202  shop.db\n";
    let message = format!(
        "Error: `pald del` can't ask for confirmation here\n{listed}\
         hint: Add `--yes`, or see what it is with `pald list 'shop.*'`\n"
    );
    assert_eq!(pald(&home, "del shop.*"), (Some(2), String::new(), message));
    let del = |typed: &str| {
        let mut command = home.command();
        let (code, text) = on_terminal(command.args(["del", "shop.*"]), typed);
        (code, super::shown(&home, &text))
    };
    let question = format!("{listed}Release them? [y/N] ");
    let (code, text) = del("n\n");
    assert!(text.contains(&question) && text.ends_with("Nothing was released\n"), "{text}");
    assert_eq!((code, names(client).len()), (Some(1), 3));
    assert_eq!(del("y\n"), (Some(0), format!("y\n{question}")));
    assert_eq!(names(client), ["paint"]);
    set();
    assert_eq!(pald(&home, "del --yes shop.* paint"), (Some(0), String::new(), String::new()));
    assert_eq!(names(client).len(), 0);
}

#[test]
fn the_route_says_what_was_released() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    for service in ["a", "b"] {
        client.set(service).port();
    }
    let missing = post(client, "/v1/release", &json!({ "services": ["a", "c"] }));
    assert_eq!((missing.status, &missing.json()["service"]), (404, &json!("c")));
    let released = post(client, "/v1/release", &json!({ "services": ["b", "a", "b"] }));
    let shown = released.json();
    let shown = [0, 1].map(|index| shown["services"][index]["port"].clone());
    assert_eq!((released.status, shown), (200, [json!(home.min + 1), json!(home.min)]));
    assert_eq!((names(client).len(), revision(client)), (0, 3));
}
