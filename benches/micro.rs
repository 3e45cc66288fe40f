//! How long does each part of pald take by itself?

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use divan::Bencher;
use divan::counter::ItemsCount;
use pald::addresses::Addresses;
use pald::dump;
use pald::port::{Port, PortRange};
use pald::probe::Claimer;
use pald::registration::Registration;
use pald::registry::{PortSet, RegisterOptions, Registry, RegistryOptions, Target};
use pald::seal::Seal;
use pald::service_name::ServiceName;
use pald::timestamp::Timestamp;

fn main() {
    divan::main();
}

/// How many services are registered.
const SIZES: [u16; 3] = [100, 16_000, 60_000];

fn registrations(size: u16) -> Vec<Registration> {
    (1..=size)
        .map(|number| Registration {
            service: ServiceName::parse(format!("service-{number}.example")).unwrap(),
            port: Port::new(number).unwrap(),
            addresses: Addresses::parse("127.0.0.1,db.local").unwrap(),
            created_at: Timestamp::from_unix_seconds(1_795_341_600).unwrap(),
            hold: true,
            folder: None,
        })
        .collect()
}

/// How long does it take to make sure that a name is legal?
#[divan::bench(args = ["shop", "project-42.service.example"])]
fn parse_name(name: &str) -> ServiceName {
    ServiceName::parse(divan::black_box(name)).unwrap()
}

/// Is a port found as fast among many services as among few?
#[divan::bench(args = SIZES)]
fn lookup(bencher: Bencher, size: u16) {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(folder.path(), size);
    let mut names = registrations(size).into_iter().map(|a| a.service).collect::<Vec<_>>();
    // Neighbours in memory would be found faster than services as they are asked for.
    names.sort_by_key(|name| xxhash_rust::xxh32::xxh32(name.as_str().as_bytes(), 0));
    let mut names = names.iter().cycle();
    bencher.bench_local(|| registry.lookup(divan::black_box(names.next().unwrap())).unwrap());
}

/// What does a change cost that waits for the disk, without the claim of a port?
#[divan::bench(args = SIZES, sample_count = 50, sample_size = 4)]
fn commit(bencher: Bencher, size: u16) {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(folder.path(), size);
    let service = ServiceName::parse("one-more").unwrap();
    let options = RegisterOptions { port: Some(Port::MAX), ..RegisterOptions::default() };
    let mut is_registered = false;
    bencher.bench_local(|| {
        is_registered = !is_registered;
        match is_registered {
            true => drop(registry.register(service.clone(), options.clone()).wait().unwrap()),
            false => drop(registry.release(vec![Target::Port(Port::MAX)]).wait().unwrap()),
        }
    });
}

/// A registry of its own, with this many services.
fn registry(folder: &Path, size: u16) -> Registry {
    let dump_file = folder.join("dump");
    let registrations = registrations(size);
    let seal = Seal::of(1, &registrations);
    std::fs::write(&dump_file, dump::render(&registrations, seal)).unwrap();
    Registry::open(RegistryOptions {
        port_range: PortRange::new(Port::MIN, Port::MAX).unwrap(),
        port_listen: Port::new(65_534).unwrap(),
        data_dir: folder.join("db"),
        max_holds: 0,
        dump_file,
    })
    .unwrap()
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
    let registrations = registrations(size);
    let seal = Seal::of(1, &registrations);
    let items = ItemsCount::new(registrations.len());
    bencher.counter(items).bench_local(|| dump::render(divan::black_box(&registrations), seal));
}

/// How many entries a second are read from the text of a dump?
#[divan::bench(args = SIZES)]
fn parse_dump(bencher: Bencher, size: u16) {
    let registrations = registrations(size);
    let text = dump::render(&registrations, Seal::of(1, &registrations));
    let items = ItemsCount::new(registrations.len());
    bencher.counter(items).bench_local(|| dump::parse(divan::black_box(text.as_bytes())));
}

/// What does the checksum over a whole registry cost at a start?
#[divan::bench(args = SIZES)]
fn seal(bencher: Bencher, size: u16) {
    let registrations = registrations(size);
    let items = ItemsCount::new(registrations.len());
    bencher.counter(items).bench_local(|| Seal::of(1, divan::black_box(&registrations)));
}

/// What does it cost to make sure that nobody uses a port, and to hold it?
#[divan::bench]
fn claim(bencher: Bencher) {
    let mut claimer = Claimer::default();
    // A port below those that the kernel gives away by itself, and that nobody has.
    let port = (20_000..32_000)
        .filter_map(Port::new)
        .find(|port| matches!(claimer.claim(*port), Ok(Ok(_))))
        .unwrap();
    bencher.bench_local(|| claimer.claim(divan::black_box(port)).unwrap().unwrap());
}
