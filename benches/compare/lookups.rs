//! Is a lookup as fast as the HTTP around it?

use std::thread;
use std::time::Duration;

use rustix::thread::CpuSet;

use crate::bare;
use crate::load::{Connections, Load, Until};
use crate::pald::{Home, RANGE, lookups};
use crate::process::Server;
use crate::table::{Bar, Figures, Table, shown};

/// Many and short: what else the machine does then weighs the same on all candidates of a round.
const ROUNDS: usize = 61;
const TIME: Duration = Duration::from_millis(80);
/// How many services are registered.
const SERVICES: usize = 800;

/// Requests a second, and the server's CPU time for each in microseconds, round by round.
#[derive(Default)]
struct Cost {
    rate: Figures,
    cpu: Figures,
}

pub(crate) fn compare(table: &mut Table) {
    let home = Home::new(SERVICES, RANGE);
    let servers = [home.start_and_settle(), bare::start(pald::http::workers())];
    // (what, clients, connections, on one CPU, bar of the rate, bar of the CPU time)
    use Connections::{Fresh, Kept};
    let (rate, cpu, none) = (Bar::AtLeast(0.9), Bar::AtMost(1.15), Bar::None);
    let rows = [
        ("1 client on one CPU", 1, Kept, true, rate, none),
        ("1 client", 1, Kept, false, none, none),
        ("16 clients", 16, Kept, false, rate, cpu),
        ("64 clients", 64, Kept, false, rate, cpu),
        ("1 client, fresh connections", 1, Fresh, false, rate, none),
        ("16 clients, fresh connections", 16, Fresh, false, rate, none),
    ];
    for (what, clients, connections, is_pinned, rate_bar, cpu_bar) in rows {
        let mut costs: [Cost; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (server, cost) in servers.iter().zip(&mut costs) {
                measure(server, clients, connections, is_pinned, cost);
            }
        }
        let [pald, bare] = costs;
        let (rates, times) = ([&pald.rate, &bare.rate], [&pald.cpu, &bare.cpu]);
        let [ours, theirs] = rates.map(|figures| shown(figures.median()));
        let from = format!("{ours} requests/s; bare: {theirs}");
        let row = format!("lookup, {what}: rate over bare");
        table.row(&row, &pald.rate.over(&bare.rate), rate_bar, &from);
        let [ours, theirs] = times.map(|figures| shown(figures.median()));
        let from = format!("{ours} us of CPU; bare: {theirs}");
        let row = format!("lookup, {what}: CPU over bare");
        table.row(&row, &pald.cpu.over(&bare.cpu), cpu_bar, &from);
    }
}

fn measure(
    server: &Server,
    clients: usize,
    connections: Connections,
    is_pinned: bool,
    cost: &mut Cost,
) {
    let requests = lookups(SERVICES);
    let load = Load { address: server.address, clients, connections, until: Until::Time(TIME) };
    let all = rustix::thread::sched_getaffinity(None).unwrap();
    let (before, done) = thread::scope(|scope| {
        // A thread of its own, since its CPU may be set.
        let clients = scope.spawn(|| {
            if is_pinned {
                let mut one = CpuSet::new();
                one.set(first_cpu(&all));
                server.pin(&one);
                rustix::thread::sched_setaffinity(None, &one).unwrap();
            }
            let before = server.cpu_nanos();
            (before, load.ask(&requests))
        });
        clients.join().unwrap()
    });
    let nanos = u32::try_from(server.cpu_nanos() - before).unwrap();
    if is_pinned {
        server.pin(&all);
    }
    cost.rate.push(done.rate());
    cost.cpu.push(f64::from(nanos) / 1e3 / done.requests());
}

fn first_cpu(cpus: &CpuSet) -> usize {
    (0..CpuSet::MAX_CPU).find(|&cpu| cpus.is_set(cpu)).unwrap()
}
