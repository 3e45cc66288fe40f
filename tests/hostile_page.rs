//! A hostile page in a real browser: nothing that it can send changes the registry.
//!
//! The page tries each way of sending a request that a page has, a vector, from each of [`PLACES`]. Each
//! request names its vector and asks for a change of its own, so that what came through shows in the
//! registry. The same page is run twice: as it is, when pald must refuse all that comes, and once with
//! what tells a browser from curl taken out of its requests, when the registry must change. The
//! second run shows that the first could fail. Without Chromium both are skipped.
//!
//! | file | what it is |
//! | --- | --- |
//! | `tests/data/hostile_page.js` | the page: its vectors |
//! | `site` | the server of the page, to which it reports what it tried and what it could read |
//! | `browser` | Chromium, for which all names of the tests lead to the loopback |
//! | `relay` | between the browser and pald: records each vector that came to pald, and its status |
//! | `server` | the HTTP server below `site` and `relay` |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::daemon::{Daemon, Home};
use crate::skip::skip;

pub(crate) mod browser;
mod relay;
pub(crate) mod server;
pub(crate) mod site;

use browser::Browser;
use relay::{Guise, Record};
use site::Site;

/// More ports than all vectors of all places could take.
const PORTS: u16 = 999;
/// How many services each place tries to release.
const VICTIMS: usize = 4;
const SKIPPED: &str = "chromium is not installed";

/// Where a page comes from, and where it looks for pald. `{site}` is the port of the hostile site
/// and `{pald}` the one that leads to pald.
const PLACES: &[(&str, &str, &str)] = &[
    // The same host on another port is the same site to a browser.
    ("same-site", "http://127.0.0.1:{site}", "http://127.0.0.1:{pald}"),
    // A trustworthy origin to the browser, where service workers and worklets are to be had.
    ("localhost", "http://localhost:{site}", "http://127.0.0.1:{pald}"),
    ("evil", "http://evil.test:{site}", "http://localhost:{pald}"),
    // DNS rebinding: pald is the page's own origin. Only on names below `localhost` do its
    // requests have Sec-Fetch headers, and those say `same-origin`.
    ("rebind", "http://rebind.test:{pald}", "http://rebind.test:{pald}"),
    ("below-localhost", "http://rebind.localhost:{pald}", "http://rebind.localhost:{pald}"),
];

/// Services and their ports.
type Registered = BTreeMap<String, u16>;

/// What the pages of all places did.
struct Attack {
    before: Registered,
    after: Registered,
    /// The vectors that a page started.
    tried: BTreeSet<String>,
    /// The vectors that came to pald, and its statuses.
    answered: BTreeMap<String, BTreeSet<u16>>,
    /// The vectors by which a page learned a service's port.
    learned: Vec<String>,
}

impl Attack {
    /// Runs the page in all places, one after the other; none if there is no browser.
    fn run(guise: Guise) -> Option<Self> {
        let home = Home::new(PORTS);
        let daemon = home.start();
        let before = register(&daemon);
        let (site, record) = (Site::start(), Arc::new(Record::default()));
        let relay = relay::start(home.listen, site.server.port, guise, Arc::clone(&record));
        let pages = pages(&before, site.server.port, relay.port);

        let (mut tried, mut learned) = (BTreeSet::new(), Vec::new());
        let browser = Browser::open(&pages[0])?;
        for (number, page) in pages.iter().enumerate() {
            let Some(report) = site.wait_for_report() else {
                panic!("{page} did not run to its end\n{}", browser.close())
            };
            record.settle(&report.tried);
            println!("{}: the browser does not offer {:?}", PLACES[number].0, report.failed);
            let kept = before["kept"].to_string();
            let reads = report.read.iter().filter(|(_, text)| *text == kept);
            learned.extend(reads.map(|(vector, _)| vector.clone()));
            tried.extend(report.tried.iter().cloned());
            report.answer(pages.get(number + 1));
        }
        drop(browser);

        // The dump at the end has everything that pald knows.
        assert_eq!(daemon.stop().0, Some(0));
        let after = registered(&home);
        let attack = Self { before, after, tried, answered: record.statuses(), learned };
        attack.tell();
        Some(attack)
    }

    /// The vectors that have changed the registry.
    fn changes(&self) -> BTreeSet<&str> {
        let added = self.after.keys().filter(|service| !self.before.contains_key(*service));
        let removed = self.before.keys().filter(|service| !self.after.contains_key(*service));
        added.chain(removed).map(String::as_str).collect()
    }

    fn tell(&self) {
        println!(
            "{} vectors were tried, {} came to pald, {} changed the registry, {} read a port",
            self.tried.len(),
            self.answered.len(),
            self.changes().len(),
            self.learned.len()
        );
    }
}

#[test]
fn a_hostile_page_changes_nothing_and_learns_nothing() {
    let Some(attack) = Attack::run(Guise::Browser) else { return skip(SKIPPED) };
    assert_eq!(attack.changes(), BTreeSet::new());
    assert_eq!(attack.after, attack.before);
    assert_eq!(attack.learned, Vec::<String>::new());
    // It was pald that refused them, and not the browser that did not send them.
    let refused = BTreeSet::from([403]);
    let others: Vec<_> = attack.answered.iter().filter(|(_, seen)| **seen != refused).collect();
    assert!(others.is_empty(), "not refused: {others:?}");
    assert!(attack.answered.len() >= 250, "{}", attack.answered.len());
}

/// The page is as hostile as it says: only what its requests carry gives it away.
#[test]
fn without_the_guard_the_same_page_changes_the_registry() {
    let Some(attack) = Attack::run(Guise::Curl) else { return skip(SKIPPED) };
    assert!(attack.changes().len() >= 200, "{:?}", attack.changes());
    for (place, _, _) in PLACES {
        let released = attack.changes().into_iter().filter(|name| is_victim(name, place));
        assert_eq!(released.count(), VICTIMS, "{place}");
    }
    assert!(!attack.learned.is_empty(), "no page has read a port");
}

/// Registers a service whose port a page would like to know, and victims for each place.
fn register(daemon: &Daemon) -> Registered {
    let victims = PLACES.iter().flat_map(|(place, _, _)| (0..VICTIMS).map(|i| victim(place, i)));
    let services = std::iter::once("kept".to_owned()).chain(victims);
    let with_port = |service: String| {
        let port = daemon.set(&service).port();
        (service, port)
    };
    services.map(with_port).collect()
}

fn victim(place: &str, number: usize) -> String {
    format!("{place}.victim-{number}")
}

fn is_victim(name: &str, place: &str) -> bool {
    name.strip_prefix(place).is_some_and(|rest| rest.starts_with(".victim-"))
}

/// The services in the dump.
fn registered(home: &Home) -> Registered {
    let dump = home.dump();
    let lines = dump.lines().filter(|line| !line.starts_with('#'));
    let entry = |line: &str| {
        let mut fields = line.split('\t');
        (fields.next().unwrap().to_owned(), fields.next().unwrap().parse().unwrap())
    };
    lines.map(entry).collect()
}

/// The address of the page in each place, with its settings.
fn pages(before: &Registered, site: u16, pald: u16) -> Vec<String> {
    let with_ports =
        |url: &str| url.replace("{site}", &site.to_string()).replace("{pald}", &pald.to_string());
    let page = |(place, origin, door): &(&str, &str, &str)| {
        let victims = (0..VICTIMS).map(|number| before[&victim(place, number)].to_string());
        let victims = victims.collect::<Vec<_>>().join(",");
        let (origin, door) = (with_ports(origin), with_ports(door));
        format!("{origin}/hostile/page?place={place}&door={door}&kept=kept&victims={victims}")
    };
    PLACES.iter().map(page).collect()
}
