//! Pages of other sites: a link leads to the page, and nothing else of it is to be had.

use serde_json::json;

use super::tab::Tab;
use super::{NAMES, REFUSED, SKIPPED, UNREACHABLE, services, url};
use crate::daemon::Home;
use crate::hostile_page::server::Server;
use crate::hostile_page::site::Site;
use crate::skip::skip;

#[test]
fn the_hostile_page_beside_it_changes_nothing() {
    let home = Home::new(99);
    let daemon = home.start();
    let kept = daemon.set("kept").port();
    let victims: Vec<_> = (0..4).map(|number| daemon.set(&format!("victim-{number}"))).collect();
    let victims: Vec<_> = victims.iter().map(|reply| reply.port().to_string()).collect();
    let before = services(&daemon.client);
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelectorAll('.name').length === 5");

    let site = Site::start();
    let (port, door, victims) = (site.server.port, home.listen, victims.join(","));
    let page = tab.open_beside();
    for (place, origin) in [("same-site", "localhost"), ("evil", "evil.test")] {
        tab.go(&format!(
            "http://{origin}:{port}/hostile/page?place={place}&door=http://localhost:{door}&kept=kept&victims={victims}"
        ));
        let report = site.wait_for_report().expect("the page did not run to its end");
        assert!(report.tried.len() > 50, "{}", report.tried.len());
        assert!(report.read.iter().all(|(_, text)| text.trim() != kept.to_string()), "{report:?}");
        report.answer(None);
        // The page leaves by itself, and must not do so on its successor's way.
        tab.wait("return location.href === 'about:blank'");
    }
    tab.switch(&page);
    assert_eq!(services(&daemon.client), before);
    daemon.set("after").port();
    tab.wait("return document.querySelectorAll('.name').length === 6");
    assert_eq!(tab.js("return violations"), json!([]));
}

/// By which names the other site is visited: it is another site, or the same on another port.
const HOSTS: [&str; 3] = ["evil.test", "127.0.0.1", "localhost"];

/// A site whose page links to pald, frames it, uses its files and opens it in a window.
fn other_site(door: u16) -> Server {
    let pald = format!("http://localhost:{door}");
    Server::start(move |request| {
        let body = match request.path() {
            "/link" => format!("<a href='{pald}/'>pald</a>"),
            "/frame" => format!("<iframe src='{pald}/'></iframe>"),
            "/files" => format!(
                "<link rel=stylesheet href='{pald}/page/style.css'><script src='{pald}/page/main.js' type=module></script><script src='{pald}/page/dom.js'></script>"
            ),
            "/window" => {
                format!("<button onclick=\"opened = window.open('{pald}/')\">pald</button>")
            }
            _ => String::new(),
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
        format!("{head}<!doctype html><link rel=icon href=data:,>{body}").into_bytes()
    })
}

#[test]
fn a_link_leads_to_the_page_and_nothing_else_does() {
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("shop").port();
    let site = other_site(home.listen);
    let Some(tab) = Tab::open("about:blank") else { return skip(SKIPPED) };
    for host in HOSTS {
        let at = |path: &str| format!("http://{host}:{}{path}", site.port);
        tab.go(&at("/frame"));
        tab.enter_frame(&json!(0));
        let framed = tab.js("return document.body.innerText.split('\\n')[0]");
        assert_eq!(framed, json!("Refused: a web page of another site may not use pald"), "{host}");
        tab.enter_frame(&json!(null));

        tab.go(&at("/files"));
        let rules =
            tab.js("try { return document.styleSheets[0].cssRules.length } catch { return 0 }");
        assert_eq!(rules, json!(0), "{host}");

        tab.go(&at("/link"));
        tab.click("document.querySelector('a')");
        tab.wait("return document.querySelector('.name') !== null");
        assert_eq!(tab.js(NAMES)[0], json!("shop"));
        let service = format!("from-{host}");
        tab.write("#name", &service);
        tab.click("document.querySelector('#register button')");
        tab.wait("return document.querySelector('#name').value === ''");
        assert_eq!(daemon.get(&format!("/get?service={service}")).status, 200);
    }
    // These windows stay, so they come last.
    for host in HOSTS {
        tab.go(&format!("http://{host}:{}/window", site.port));
        tab.click("document.querySelector('button')");
        // The page cuts the tie to who has opened it.
        tab.wait("return opened.closed");
    }
    // The other site's pages have much to complain of.
    tab.close(&[&format!(":{}/", site.port), REFUSED, UNREACHABLE]);
}
