//! Does a lookup, a set or a del cost more when many services are registered?

use std::time::Duration;

use crate::load::{Connections, Load, Until};
use crate::pald::{Home, RANGE, SMALL_RANGE, lookups, request};
use crate::process::Server;
use crate::table::{Bar, Figures, Table, micros, shown};

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_millis(300);
/// How many services are set and deleted in a round.
const CHANGES: usize = 150;
/// What all others are held to.
const FEW: usize = 100;
const MANY: [usize; 3] = [800, 16_000, 60_000];

/// Microseconds for each request, round by round.
#[derive(Default)]
struct Cost {
    lookup: Figures,
    lookup_cpu: Figures,
    set: Figures,
    set_cpu: Figures,
    del: Figures,
    del_cpu: Figures,
}

pub(crate) fn compare(table: &mut Table) {
    let few_home = Home::new(FEW, SMALL_RANGE);
    let few = few_home.start_and_settle();
    for services in MANY {
        let home = Home::new(services, RANGE);
        let many = home.start_and_settle();
        let (mut few_cost, mut many_cost) = (Cost::default(), Cost::default());
        for _ in 0..ROUNDS {
            measure(&few, FEW, &mut few_cost);
            measure(&many, services, &mut many_cost);
        }
        let bar = if services == 60_000 { Bar::AtMost(1.2) } else { Bar::None };
        let mut row = |what: &str, many: &Figures, few: &Figures| {
            let from = format!("{} us; {} us at {FEW}", shown(many.median()), shown(few.median()));
            let what = format!("{what} at {services} services over one at {FEW}");
            table.row(&what, &many.over(few), bar, &from);
        };
        row("lookup: time", &many_cost.lookup, &few_cost.lookup);
        row("lookup: CPU", &many_cost.lookup_cpu, &few_cost.lookup_cpu);
        row("set: median time", &many_cost.set, &few_cost.set);
        row("set: CPU", &many_cost.set_cpu, &few_cost.set_cpu);
        row("del: median time", &many_cost.del, &few_cost.del);
        row("del: CPU", &many_cost.del_cpu, &few_cost.del_cpu);
    }
}

fn measure(server: &Server, services: usize, cost: &mut Cost) {
    let load = |clients, until| Load {
        address: server.address,
        clients,
        connections: Connections::Kept,
        until,
    };
    let cpu = |before: u64, requests: f64| {
        f64::from(u32::try_from(server.cpu_nanos() - before).unwrap()) / 1e3 / requests
    };
    let before = server.cpu_nanos();
    let done = load(16, Until::Time(TIME)).ask(&lookups(services));
    cost.lookup_cpu.push(cpu(before, done.requests()));
    cost.lookup.push(1e6 / done.rate());

    let changes = load(1, Until::Requests(CHANGES));
    let before = server.cpu_nanos();
    let mut sets = (0..CHANGES).map(|number| request(&format!("/set?service=set-{number}")));
    let done = changes.ask_each(&mut sets);
    cost.set_cpu.push(cpu(before, done.requests()));
    cost.set.push(micros(done.quantile(0.5)));

    let before = server.cpu_nanos();
    let mut dels = done.bodies.iter().map(|port| request(&format!("/del?port={port}")));
    let done = changes.ask_each(&mut dels);
    cost.del_cpu.push(cpu(before, done.requests()));
    cost.del.push(micros(done.quantile(0.5)));
    // The dump is written once more, and no other server is to bear that.
    server.settle();
}
