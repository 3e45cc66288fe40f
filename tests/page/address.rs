//! Addresses of changes in a browser: they lead to the page, with the form filled in, and change
//! nothing without a press of its button.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::tab::Tab;
use super::{REFUSED, SKIPPED, services};
use crate::daemon::Home;
use crate::hostile_page::server::Server;
use crate::skip::skip;

/// What the form to register shows, and what the page says.
const FORM: &str = "return ['name', 'port', 'mistake'].map(id => { const e = document.getElementById(id); return e.value ?? e.textContent })";

/// A site that redirects each request as its query says, and a record of those requests.
fn redirecting_site() -> (Server, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let server = Server::start(move |request| {
        let query: Vec<_> = request.query().collect();
        let [(_, status), (_, to)] = &query[..] else { return Vec::new() };
        record.lock().unwrap().push(format!("{status} {to}"));
        format!(
            "HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        .into_bytes()
    });
    (server, asked)
}

/// The site was opened by its address, and all that the browser says is that no page led there.
#[test]
fn a_redirect_of_a_site_that_was_opened_by_its_address_changes_nothing() {
    let home = Home::new(9);
    let daemon = home.start();
    let victim = daemon.set("victim").port();
    let before = services(&daemon.client);
    let (site, asked) = redirecting_site();
    let Some(tab) = Tab::open("about:blank") else { return skip(SKIPPED) };
    let free = home.max;
    let mut expected = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let wanted = [
            format!("set?service=evil{status}"),
            format!("set?service=evil{status}%26port={free}"),
            format!("del?port={victim}"),
        ];
        for path in wanted {
            let to = format!("http://localhost:{}/{path}", home.listen);
            tab.go(&format!("http://evil.test:{}/?status={status}&to={to}", site.port));
            let at = format!("http://localhost:{}/", home.listen);
            tab.wait(&format!("return location.href === '{at}'"));
            let field = if path.starts_with("del") { "leaving" } else { "name" };
            tab.wait(&format!("return document.getElementById('{field}').value !== ''"));
            // A key that is held down presses nothing.
            assert_eq!(tab.js("return document.activeElement.tagName"), json!("BODY"), "{path}");
            assert_eq!(services(&daemon.client), before, "{status} {path}");
            expected.push(format!("{status} {}", to.replace("%26", "&")));
        }
    }
    assert_eq!(*asked.lock().unwrap(), expected);
    assert_eq!(expected.len(), 15);
    tab.close(&[REFUSED]);
}

#[test]
fn an_address_leads_to_the_form_and_one_press_does_it() {
    let home = Home::new(9);
    let daemon = home.start();
    let door = format!("http://localhost:{}", home.listen);
    let Some(tab) = Tab::open(&format!("{door}/set?service=x")) else {
        return skip(SKIPPED);
    };
    assert_eq!(tab.js(FORM), json!(["x", "", ""]));
    assert_eq!(daemon.get("/get?service=x").status, 404);
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelector('.name')?.textContent === 'x'");
    assert_eq!(daemon.get("/get?service=x").port(), home.min);
    // To load the page again asks for nothing.
    tab.go(&format!("{door}/"));
    assert_eq!(tab.js(FORM), json!(["", "", ""]));

    let port = home.min + 4;
    tab.go(&format!("{door}/set?service=y%2Ez&port={port}"));
    assert_eq!(tab.js(FORM), json!(["y.z", port.to_string(), ""]));
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelectorAll('.name').length === 2");
    assert_eq!(daemon.get("/get?service=y.z").port(), port);

    tab.go(&format!("{door}/set?service=x&new=true"));
    tab.click("document.querySelector('#register button')");
    let expected = format!("x is already registered on port {}", home.min);
    tab.wait(&format!(
        "return document.querySelector('#mistake').textContent.startsWith('{expected}')"
    ));

    tab.go(&format!("{door}/del?port={port}"));
    tab.wait("return document.querySelector('#leaves').textContent === 'y.z'");
    assert_eq!(daemon.get("/get?service=y.z").port(), port);
    tab.click("document.querySelector('#leave button')");
    tab.wait("return document.querySelectorAll('.name').length === 1");
    assert_eq!(daemon.get("/get?service=y.z").status, 404);
    assert_eq!(tab.js("return document.querySelector('#leave').checkVisibility()"), json!(false));
    tab.close(&[REFUSED]);
}

#[test]
fn what_an_address_has_wrong_is_shown_as_typed_and_said() {
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("shop").port();
    let before = services(&daemon.client);
    let Some(tab) = Tab::open("about:blank") else { return skip(SKIPPED) };
    let port = "A port is a number from 1 to 65535";
    let name = "Type a name: 1 to 255 letters, digits and . _ -";
    let rows: &[(&str, Value, &str)] = &[
        (
            "service=%3Cimg+src=x+onerror=alert(1)%3E",
            json!(["<img src=x onerror=alert(1)>", ""]),
            "Service name \"<img src=x onerror=alert(1)>\" contains",
        ),
        ("service=a/b", json!(["a/b", ""]), "Service name \"a/b\" contains a slash"),
        ("service=..", json!(["..", ""]), ""),
        ("service=", json!(["", ""]), name),
        ("", json!(["", ""]), name),
        ("service=a&port=080", json!(["a", "080"]), port),
        ("service=a&port=%2B1", json!(["a", "+1"]), port),
        ("service=a&port=", json!(["a", ""]), port),
        ("service=a&port=65536", json!(["a", "65536"]), "Port 65536 is outside 1-65535"),
        ("service=a&service=b", json!(["a", ""]), "Parameter `service` occurs more than once"),
        ("service=a&new=%22", json!(["a", ""]), "Parameter `new` is \"\\\"\"; use true or false"),
        ("service=a&form=release", json!(["a", ""]), ""),
    ];
    for (query, form, said) in rows {
        tab.go(&format!("http://localhost:{}/set?{query}", home.listen));
        tab.wait(&format!(
            "return document.querySelector('#mistake').textContent.startsWith({})",
            json!(said)
        ));
        let shown = tab.js(FORM);
        assert_eq!((&shown[0], &shown[1]), (&form[0], &form[1]), "{query}");
    }
    for (query, shown, said) in [
        ("port=1", "1", "Port 1 is not registered"),
        ("port=0", "0", port),
        ("port=%3Cb%3E", "<b>", port),
        ("service=shop", "", port),
    ] {
        tab.go(&format!("http://localhost:{}/del?{query}", home.listen));
        tab.wait(&format!("return document.querySelector('#mistake').textContent === '{said}'"));
        assert_eq!(tab.js("return document.querySelector('#leaving').value"), json!(shown));
        tab.click("document.querySelector('#leave button')");
        tab.wait("return document.activeElement.id === 'leaving'");
    }
    assert_eq!(tab.js("return document.images.length"), json!(0));
    assert_eq!(services(&daemon.client), before);
    tab.close(&[REFUSED]);
}

/// Only somebody who was sent by no page finds a form filled in: the press on a button must not be
/// meant for what another page showed there a moment ago.
#[test]
fn a_link_of_another_site_fills_nothing_in() {
    let home = Home::new(9);
    let daemon = home.start();
    let form = format!("http://localhost:{}/?form=register&service=x", home.listen);
    let change = format!("http://localhost:{}/set?service=x", home.listen);
    let site = Server::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
        let links = format!("<a id=form href='{form}'>form</a><a id=change href='{change}'>x</a>");
        format!("{head}<!doctype html><link rel=icon href=data:,>{links}").into_bytes()
    });
    let Some(tab) = Tab::open("about:blank") else { return skip(SKIPPED) };
    for host in ["evil.test", "127.0.0.1", "localhost"] {
        let at = format!("http://{host}:{}/", site.port);
        tab.go(&at);
        tab.click("document.querySelector('#form')");
        tab.wait("return document.querySelector('#version')?.textContent.includes('.') === true");
        assert_eq!(tab.js(FORM), json!(["", "", ""]), "{host}");
        tab.go(&at);
        tab.click("document.querySelector('#change')");
        let refused = "Refused: a web page of another site may not use pald";
        tab.wait(&format!("return document.body.innerText.startsWith('{refused}')"));
    }
    assert_eq!(daemon.get("/get?service=x").status, 404);
    tab.close(&[REFUSED]);
}
