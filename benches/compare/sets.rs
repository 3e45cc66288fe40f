//! Does a durable set cost what the disk costs, and less when many wait for it?

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pald::port::{Port, PortRange};
use pald::registry::{RegisterOptions, Registry, RegistryOptions, Target};
use pald::service_name::ServiceName;

use crate::load::{Connections, Done, Load, Until};
use crate::pald::{Home, RANGE, request};
use crate::process::Server;
use crate::table::{Bar, Figures, Table, micros, shown};

/// Each round is long enough for the dump to be written in it.
const ROUNDS: usize = 15;
const TIME: Duration = Duration::from_millis(400);

pub(crate) fn compare(table: &mut Table) {
    let home = Home::new(0, RANGE);
    let server = home.start_and_settle();
    let folder = tempfile::tempdir_in(home.folder.path()).unwrap();
    let registry = registry(folder.path());
    // (clients, bar of the rate through HTTP, bar of the 99th percentile in milliseconds)
    let rows = [
        (1, Bar::AtLeast(0.3), Bar::None),
        (8, Bar::AtLeast(0.7), Bar::None),
        (64, Bar::AtLeast(1.0), Bar::AtMost(25.0)),
    ];
    for (clients, http_bar, tail_bar) in rows {
        let mut rates: [Figures; 3] = Default::default();
        let mut medians: [Figures; 3] = Default::default();
        let mut tails: [Figures; 3] = Default::default();
        for _ in 0..ROUNDS {
            let all = [raw(folder.path()), commits(&registry, clients), sets(&server, clients)];
            for (index, done) in all.iter().enumerate() {
                rates[index].push(done.rate());
                medians[index].push(micros(done.quantile(0.5)));
                tails[index].push(micros(done.quantile(0.99)));
            }
        }
        let [raw, commits, sets] = &rates;
        let from = |index: usize| {
            format!(
                "{}/s, p50 {} us, p99 {} us; raw {}/s, p50 {} us",
                shown(rates[index].median()),
                shown(medians[index].median()),
                shown(tails[index].median()),
                shown(raw.median()),
                shown(medians[0].median())
            )
        };
        let row = format!("committer alone, {clients} waiting: rate over raw");
        table.row(&row, &commits.over(raw), Bar::None, &from(1));
        let row = format!("set over HTTP, {clients} clients: rate over raw");
        table.row(&row, &sets.over(raw), http_bar, &from(2));
        let row = format!("set over HTTP, {clients} clients: p99, ms");
        table.row(&row, &tails[2].scaled(1e-3), tail_bar, &from(2));
    }
}

/// What the disk does: 4 KiB more in a file, synced, again and again.
fn raw(folder: &Path) -> Done {
    let mut file = File::create(folder.join("raw")).unwrap();
    let (started, mut done) = (Instant::now(), Done::default());
    while started.elapsed() < TIME {
        let sent = Instant::now();
        file.write_all(&[0x5a; 4096]).unwrap();
        file.sync_data().unwrap();
        done.latencies.push(sent.elapsed());
    }
    done.elapsed = started.elapsed();
    done
}

fn registry(folder: &Path) -> Registry {
    let (min, max) = (Port::new(1024).unwrap(), Port::MAX);
    Registry::open(RegistryOptions {
        port_range: PortRange::new(min, max).unwrap(),
        port_listen: Port::MIN,
        data_dir: folder.join("db"),
        max_holds: 0,
        dump_file: folder.join("dump"),
    })
    .unwrap()
}

/// Changes that name their ports, by threads that wait for them: no door, no claims and no holds.
fn commits(registry: &Registry, clients: usize) -> Done {
    let ports = Mutex::new((1024..=u16::MAX).filter_map(Port::new));
    let pinned = Mutex::new(Vec::new());
    let (started, done) = (Instant::now(), Mutex::new(Done::default()));
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut latencies = Vec::new();
                while started.elapsed() < TIME {
                    let Some(port) = ports.lock().unwrap().next() else { break };
                    let service = ServiceName::parse(format!("service-{port}")).unwrap();
                    let sent = Instant::now();
                    let options =
                        RegisterOptions { port: Some(port), ..RegisterOptions::default() };
                    registry.register(service, options).wait().unwrap();
                    latencies.push(sent.elapsed());
                    pinned.lock().unwrap().push(port);
                }
                done.lock().unwrap().latencies.extend(latencies);
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.elapsed = started.elapsed();
    let release = |port| registry.release(vec![Target::Port(port)]);
    let released: Vec<_> = pinned.into_inner().unwrap().into_iter().map(release).collect();
    released.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    done
}

/// Sets as curl makes them, over kept connections.
fn sets(server: &Server, clients: usize) -> Done {
    let load =
        |until| Load { address: server.address, clients, connections: Connections::Kept, until };
    let mut sets = (0_u32..).map(|number| request(&format!("/set?service=set-{number}")));
    let done = load(Until::Time(TIME)).ask_each(&mut sets);
    let mut dels = done.bodies.iter().map(|port| request(&format!("/del?port={port}")));
    load(Until::Requests(done.bodies.len())).ask_each(&mut dels);
    done
}
