//! The page at `/` in a real Chromium: what is done in it is asked for through curl's door, and the
//! other way round.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::{Client, Home};
use crate::skip::skip;

mod address;
mod axe;
mod beside;
mod checkouts;
mod left_over;
mod many;
mod tab;

use tab::{ENTER, ESCAPE, TAB, Tab};

const SKIPPED: &str = "chromium or chromedriver is not installed";
/// What Chromium itself writes on the console when pald refuses something, or is not there.
const REFUSED: &str = "the server responded with a status of 4";
const UNREACHABLE: &str = "net::ERR_";

fn url(home: &Home) -> String {
    format!("http://localhost:{}/", home.listen)
}

/// The names in the table, from the top.
const NAMES: &str = "return [...document.querySelectorAll('tbody .name')].map(e => e.textContent)";

/// The button that releases a service, found by its label.
fn release_button(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('.release')].find(e => e.ariaLabel === 'Release {name}')"
    )
}

fn services(client: &Client) -> Value {
    client.get("/v1/services?state=false").json()["services"].clone()
}

#[test]
fn the_page_comes_with_what_it_may_do_and_by_links_alone() {
    let home = Home::new(1);
    let client = &home.start().client;
    for path in ["/", "/page/style.css", "/page/main.js", "/page/address.js", "/page/left_over.js"]
    {
        let reply = client.get(path);
        let policy = reply.header("content-security-policy").unwrap();
        let (all, ancestors) = ("default-src 'none'; ", "frame-ancestors 'none'; ");
        assert!(policy.starts_with(all) && policy.contains(ancestors), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(reply.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert_eq!((reply.status, reply.header("x-content-type-options")), (200, Some("nosniff")));
        let head = client.request("HEAD", path, "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        let posted = client.request("POST", path, "");
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));

        let from_elsewhere = |dest: &str| {
            let site = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
            client.request("GET", path, &format!("{site}Sec-Fetch-Dest: {dest}\r\n")).status
        };
        let linked = if path == "/" { 200 } else { 403 };
        assert_eq!((from_elsewhere("document"), from_elsewhere("iframe")), (linked, 403), "{path}");
    }
}

#[test]
fn the_page_registers_and_releases_services() {
    let home = Home::new(9);
    let daemon = home.start();
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelector('#empty').checkVisibility()");
    let line = format!("curl -d service=shop localhost:{}/set", home.listen);
    assert_eq!(tab.js("return document.querySelector('#curl').textContent"), json!(line));

    tab.write("#name", "shop.web");
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelector('.name')?.textContent === 'shop.web'");
    assert_eq!(daemon.get("/get?service=shop.web").port(), home.min);
    let port = home.max;
    tab.write("#name", "shop.db");
    tab.write("#port", &port.to_string());
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelectorAll('.name').length === 2");
    assert_eq!(daemon.get("/get?service=shop.db").port(), port);
    assert_eq!(
        tab.js("return [...document.querySelectorAll('.port a')].map(e => e.href)"),
        json!([format!("http://localhost:{}/", home.min), format!("http://localhost:{port}/")])
    );

    // Another service's port is refused with its name, where the port was typed.
    tab.write("#name", "other");
    tab.write("#port", &port.to_string());
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.activeElement.matches('#port[aria-invalid=true]')");
    let said = tab.js("return document.querySelector('#mistake').textContent");
    let expected = format!("Port {port} is already registered to shop.db");
    assert!(said.as_str().unwrap().starts_with(&expected), "{said}");
    assert_eq!(daemon.get("/get?service=other").status, 404);

    // Who thinks better of it has changed nothing.
    tab.click(&release_button("shop.web"));
    let question = tab.js("return document.querySelector('dialog[open] h2').textContent");
    assert_eq!(question, json!("Release shop.web?"));
    tab.click("document.querySelector('dialog button[autofocus]')");
    assert_eq!(daemon.get("/get?service=shop.web").port(), home.min);
    tab.click(&release_button("shop.web"));
    tab.click("document.querySelector('#release')");
    tab.wait("return document.querySelectorAll('.name').length === 1");
    assert_eq!(daemon.get("/get?service=shop.web").status, 404);
    assert_eq!(tab.js("return document.activeElement.ariaLabel"), json!("Release shop.db"));
    tab.close(&[REFUSED]);
}

#[test]
fn what_happens_elsewhere_is_seen_and_what_is_hidden_asks_nothing() {
    let home = Home::new(9);
    let daemon = home.start();
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelector('#version').textContent !== '–'");
    let mut times: Vec<Duration> = (0..5)
        .map(|number| {
            let (service, start) = (format!("service-{number}"), Instant::now());
            daemon.set(&service).port();
            tab.wait(&format!(
                "return [...document.querySelectorAll('.name')].some(e => e.textContent === '{service}')"
            ));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("seen after {times:?}");
    // The machine may be busy with other tests, but not all of the time.
    assert!(times[2] < Duration::from_secs(3), "{times:?}");

    let listener = std::net::TcpListener::bind(("127.0.0.1", home.min)).unwrap();
    tab.wait("return document.querySelector('tbody tr').matches('.running')");
    let holder = "return document.querySelector('.holder').textContent";
    let pid = std::process::id().to_string();
    assert!(tab.js(holder).as_str().unwrap().contains(&pid), "{}", tab.js(holder));
    drop(listener);
    tab.wait("return document.querySelector('tbody tr').matches('.idle')");

    // A tab that nobody looks at; Chromium without a window has none, so it is told so.
    let show = |is_hidden| {
        tab.js(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {is_hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'))"
        ))
    };
    show(true);
    let asked = "const [done] = arguments; setTimeout(() => done(performance.getEntriesByType('resource').length), 1500)";
    let before = tab.js_later(asked);
    assert_eq!(daemon.get(&format!("/del?port={}", home.min)).body, "OK\n");
    assert_eq!(tab.js_later(asked), before);
    show(false);
    tab.wait("return document.querySelectorAll('.name').length === 4");
    tab.close(&[]);
}

#[test]
fn a_daemon_that_stops_and_starts_again_is_noticed_both_ways() {
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("shop").port();
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelector('.name')?.textContent === 'shop'");
    assert_eq!(daemon.stop().0, Some(0));
    tab.wait("return document.querySelector('#gone').checkVisibility()");
    let said = tab.js("return document.querySelector('#gone').textContent");
    assert!(said.as_str().unwrap().starts_with("pald has not answered since "), "{said}");
    // What can't be done is said, and is not lost.
    tab.write("#name", "later");
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelector('#mistake').textContent === 'pald does not answer'");

    let daemon = home.start();
    daemon.set("web").port();
    tab.wait("return !document.querySelector('#gone').checkVisibility()");
    tab.wait("return document.querySelectorAll('.name').length === 2");
    assert_eq!(tab.js(NAMES), json!(["shop", "web"]));
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelectorAll('.name').length === 3");
    assert_eq!(daemon.get("/get?service=later").port(), home.min + 2);
    tab.close(&[UNREACHABLE]);
}

#[test]
fn a_name_is_only_ever_a_text() {
    let home = Home::new(9);
    let daemon = home.start();
    let long = "x".repeat(255);
    let names = ["__proto__", "..", ".", "constructor", &long];
    for name in names {
        daemon.set(name).port();
    }
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelectorAll('.name').length === 5");
    assert_eq!(tab.js(NAMES), json!(names));
    let seen =
        "return [...document.querySelectorAll('.name')].every(e => e.scrollWidth <= e.clientWidth)";
    assert_eq!(tab.js(seen), json!(true), "a name is cut off");

    let before = services(&daemon.client);
    let wrong = [
        ("<img src=x onerror=alert(1)>", "Service name \"<img src=x onerror=alert(1)>\" contains"),
        ("a/../../del?port=1", "Service name \"a/../../del?port=1\" contains a slash"),
        ("..", "A browser can’t send this name; run “pald set ..” in a shell"),
        ("", "Type a name"),
    ];
    for (name, expected) in wrong {
        tab.write("#name", name);
        tab.click("document.querySelector('#register button')");
        tab.wait(&format!(
            "return document.querySelector('#mistake').textContent.startsWith({})",
            json!(expected)
        ));
        assert_eq!(services(&daemon.client), before, "{name}");
    }
    assert_eq!(tab.js("return document.images.length"), json!(0));

    for (gone, name) in names.into_iter().enumerate() {
        tab.click(&release_button(name));
        assert_eq!(tab.js("return document.querySelector('#target').textContent"), json!(name));
        tab.click("document.querySelector('#release')");
        let left = names.len() - gone - 1;
        tab.wait(&format!("return document.querySelectorAll('.name').length === {left}"));
        assert_eq!(daemon.get(&format!("/get?service={name}")).status, 404, "{name}");
    }
    tab.close(&[REFUSED]);
}

#[test]
fn the_keyboard_alone_is_enough() {
    let home = Home::new(9);
    let daemon = home.start();
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelector('#empty').checkVisibility()");
    tab.tab_to("#name");
    tab.keys(&format!("shop{TAB}{}{ENTER}", home.min + 4));
    tab.wait("return document.querySelectorAll('.name').length === 1");
    assert_eq!(daemon.get("/get?service=shop").port(), home.min + 4);
    // The focus is where the next name is typed.
    tab.wait("return document.activeElement.id === 'name'");
    tab.keys(&format!("web{ENTER}"));
    tab.wait("return document.querySelectorAll('.name').length === 2");
    assert_eq!(daemon.get("/get?service=web").port(), home.min);

    // Sorting and the filter.
    assert_eq!(tab.js(NAMES), json!(["web", "shop"]));
    tab.tab_to("[data-key=name] button");
    tab.keys(ENTER);
    assert_eq!(tab.js(NAMES), json!(["shop", "web"]));
    tab.keys(ENTER);
    assert_eq!(tab.js(NAMES), json!(["web", "shop"]));
    assert_eq!(tab.js("return document.activeElement.parentElement.ariaSort"), json!("descending"));
    tab.tab_to("#filter");
    tab.keys("SHOP");
    assert_eq!(tab.js(NAMES), json!(["shop"]));
    assert_eq!(tab.js("return document.querySelector('#count').textContent"), json!("1 of 2"));

    tab.tab_to(".release");
    tab.keys(ENTER);
    tab.wait("return document.activeElement.textContent === 'Keep it'");
    tab.keys(ESCAPE);
    tab.wait("return document.activeElement.className === 'release'");
    assert_eq!(daemon.get("/get?service=shop").port(), home.min + 4);
    tab.keys(&format!("{ENTER}{TAB}{ENTER}"));
    tab.wait("return document.querySelectorAll('.name').length === 0");
    assert_eq!(daemon.get("/get?service=shop").status, 404);
    tab.wait("return document.activeElement.id === 'name'");
    tab.close(&[]);
}
