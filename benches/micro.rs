//! How long do the parts of pald take that touch no disk and no other machine?

#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use divan::counter::ItemsCount;
use pald::addresses::Addresses;
use pald::allocation::Allocation;
use pald::dump;
use pald::port::{Port, PortRange};
use pald::registry::PortSet;
use pald::seal::Seal;
use pald::service_name::ServiceName;
use pald::timestamp::Timestamp;

fn main() {
    divan::main();
}

/// How many services are registered.
const SIZES: [u16; 3] = [100, 16_000, 60_000];

fn allocations(size: u16) -> Vec<Allocation> {
    (1..=size)
        .map(|number| Allocation {
            service: ServiceName::parse(format!("service-{number}.example")).unwrap(),
            port: Port::new(number).unwrap(),
            addresses: Addresses::parse("127.0.0.1,db.local").unwrap(),
            created_at: Timestamp::from_unix_seconds(1_795_341_600).unwrap(),
            hold: true,
        })
        .collect()
}

/// Is the lowest free port found as fast in a full range as in an empty one?
#[divan::bench(args = SIZES)]
fn lowest_free(bencher: Bencher, size: u16) {
    let registered: PortSet = (1..=size).map(|number| Port::new(number).unwrap()).collect();
    let port_range = PortRange::new(Port::MIN, Port::MAX).unwrap();
    bencher.bench_local(|| divan::black_box(&registered).lowest_free(port_range));
}

/// How many entries a second are written to the text of a dump?
#[divan::bench(args = SIZES)]
fn render_dump(bencher: Bencher, size: u16) {
    let allocations = allocations(size);
    let seal = Seal::of(1, &allocations);
    let items = ItemsCount::new(allocations.len());
    bencher.counter(items).bench_local(|| dump::render(divan::black_box(&allocations), seal));
}

/// How many entries a second are read from the text of a dump?
#[divan::bench(args = SIZES)]
fn parse_dump(bencher: Bencher, size: u16) {
    let allocations = allocations(size);
    let text = dump::render(&allocations, Seal::of(1, &allocations));
    let items = ItemsCount::new(allocations.len());
    bencher.counter(items).bench_local(|| dump::parse(divan::black_box(text.as_bytes())));
}

/// What does the checksum over a whole registry cost at a start?
#[divan::bench(args = SIZES)]
fn seal(bencher: Bencher, size: u16) {
    let allocations = allocations(size);
    let items = ItemsCount::new(allocations.len());
    bencher.counter(items).bench_local(|| Seal::of(1, divan::black_box(&allocations)));
}

/// What does it cost to make sure that nobody uses a port, and to hold it?
#[divan::bench]
fn claim(bencher: Bencher) {
    // A port below those that the kernel gives away by itself, and that nobody has.
    let port = (20_000..32_000)
        .filter_map(Port::new)
        .find(|port| matches!(pald::probe::claim(*port), Ok(Ok(_))))
        .unwrap();
    bencher.bench_local(|| pald::probe::claim(divan::black_box(port)).unwrap().unwrap());
}
