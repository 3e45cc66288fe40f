//! What axe-core, the usual checker of accessibility, has to say about the page.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::tab::Tab;
use super::{SKIPPED, release_button, url};
use crate::daemon::Home;
use crate::skip::skip;

/// What axe-core does not accept, with where that is.
const RUN: &str = "const [done] = arguments;
    axe.run({ resultTypes: ['violations', 'incomplete'] }).then(({ violations, passes }) => done([
        passes.length,
        violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`),
    ]), (error) => done([0, [String(error)]]))";

/// The text of axe-core, from the registry of npm; none without npm or a network.
fn axe_core(folder: &Path) -> Option<String> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "axe-core@4"]);
    let output = npm.arg("--prefix").arg(folder).stdin(Stdio::null()).output();
    if !output.is_ok_and(|output| output.status.success()) {
        return None;
    }
    Some(std::fs::read_to_string(folder.join("node_modules/axe-core/axe.min.js")).unwrap())
}

#[test]
fn axe_finds_nothing_to_object_to() {
    let folder = tempfile::tempdir().unwrap();
    let Some(axe) = axe_core(folder.path()) else {
        return skip("npm is not installed, or does not get axe-core");
    };
    let home = Home::new(99);
    let daemon = home.start();
    let Some(tab) = Tab::open(&url(&home)) else { return skip(SKIPPED) };
    tab.wait("return document.querySelector('#empty').checkVisibility()");
    tab.js(&axe);
    let check = |what: &str| {
        for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)] {
            look_like(&tab, scheme, width);
            let found = tab.js_later(RUN);
            println!("{what}, {scheme}, {width} px: {} rules hold", found[0]);
            assert_eq!(found[1], json!([]), "{what}, {scheme}, {width} px");
            assert!(found[0].as_u64() > Some(10), "{found}");
            let width_of_page = tab.js("return document.documentElement.scrollWidth");
            assert!(width_of_page.as_u64() <= Some(width), "{what}: {width_of_page} px wide");
        }
    };
    check("empty");

    for number in 0..9 {
        daemon.set(&format!("shop.part-{number}")).port();
    }
    daemon.set(&"x".repeat(255)).port();
    let _running = std::net::TcpListener::bind(("127.0.0.1", home.min)).unwrap();
    let _blocked = std::net::UdpSocket::bind(("127.0.0.1", home.min + 1)).unwrap();
    tab.wait("return document.querySelectorAll('tbody .running, tbody .blocked').length === 2");
    check("services");

    tab.write("#name", "a b");
    tab.click("document.querySelector('#register button')");
    tab.wait("return document.querySelector('#mistake').textContent !== ''");
    check("a mistake");
    tab.js(&format!("{}.click()", release_button("shop.part-0")));
    check("the dialog");
    tab.keys(super::ESCAPE);

    assert_eq!(daemon.stop().0, Some(0));
    tab.wait("return document.querySelector('#gone').checkVisibility()");
    check("the daemon gone");
    tab.close(&[super::REFUSED, super::UNREACHABLE]);
}

fn look_like(tab: &Tab, scheme: &str, width: u64) {
    let feature = json!({"name": "prefers-color-scheme", "value": scheme});
    tab.cdp("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    let size: Value =
        json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
    tab.cdp("Emulation.setDeviceMetricsOverride", &size);
}
