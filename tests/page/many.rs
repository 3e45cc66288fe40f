//! How long the page takes with many services.

use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::{Value, json};

use super::tab::Tab;
use super::{SKIPPED, url};
use crate::daemon::Home;
use crate::skip::skip;

/// Types each of these, and takes the longest time until what fits is laid out, in ms.
const FILTER: &str = "const filter = document.querySelector('#filter');
    const times = ['s', 'sv', 'svc', 'svc1', 'svc12', 'svc123', 'running', '.db idle', ''].map((text) => {
        const start = performance.now();
        filter.value = text;
        filter.dispatchEvent(new Event('input'));
        document.body.offsetHeight;
        return performance.now() - start;
    });
    return Math.max(...times)";
const SORT: &str = "const start = performance.now();
    document.querySelector('[data-key=name] button').click();
    document.body.offsetHeight;
    return performance.now() - start";

/// The page with so many services: ms until its table is shown, while it filters, and as it sorts.
fn times(count: u16) -> Option<[f64; 3]> {
    // These ports are another test's as well, and are only written down here.
    let home = Home::new(1);
    let lines = (0..count).map(|number| format!("svc{number}.db\t{}\n", 33_000 + number));
    let mut options = std::fs::File::options();
    let mut dump =
        options.write(true).create_new(true).mode(0o600).open(home.file("dump")).unwrap();
    std::io::Write::write_all(&mut dump, lines.collect::<String>().as_bytes()).unwrap();
    let mut command = home.command();
    command.env("PALD_HOLD_PORTS", "false");
    command.env("PALD_PORT_MIN", "33000").env("PALD_PORT_MAX", "49199");
    let daemon = home.start_command(command);

    let tab = Tab::open(&url(&home))?;
    tab.wait("return window.shownAt !== undefined");
    let pool = daemon.get("/v1/services?name=none").json()["pool"].clone();
    assert_eq!(pool["used"], json!(count));
    let shown = tab.js("return document.querySelectorAll('tbody tr').length");
    assert_eq!(shown, json!(200));
    tab.click("document.querySelector('#more')");
    assert_eq!(tab.js("return document.querySelectorAll('tbody tr').length"), json!(400));
    let figures = ["return window.shownAt", FILTER, SORT].map(|figure| number(&tab.js(figure)));
    tab.js("document.querySelector('#filter').value = 'svc1234.db'");
    tab.js("document.querySelector('#filter').dispatchEvent(new Event('input'))");
    let found = tab.js("return document.querySelectorAll('tbody tr').length");
    assert_eq!(found, json!(u8::from(count > 1234)));
    tab.close(&[]);
    Some(figures)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn sixteen_thousand_services_are_still_usable() {
    for count in [800, 16_000] {
        let Some([shown, filter, sort]) = times(count) else { return skip(SKIPPED) };
        println!(
            "{count} services: the table shows after {shown:.0} ms, filters within {filter:.0} ms and sorts in {sort:.0} ms"
        );
    }
}
