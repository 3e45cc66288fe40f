//! The text of a dump. What is read can be written, and is then read as the same.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use pald::dump::{self, DumpEntry};
use pald::registration::Registration;
use pald::seal::Seal;
use pald::timestamp::Timestamp;
use pald_fuzz::spell;

const WORDS: &[&str] = &[
    "shop\t49201\t\t# pald: since=2026-11-22T10:00:00Z",
    "# pald:",
    "since=",
    " hold=off",
    " hold=on",
    " folder=/home/ann/shop",
    " folder=",
    " id=9f3c0123456789ab",
    " revision=",
    " entries=",
    " check=",
    " revision=7 entries=1 check=f3a90c11",
    "2026-11-22T10:00:00Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59",
    "+00:00",
    "49201",
    "65535",
    "00080",
    "127.0.0.1,",
    "18446744073709551615",
    "4294967295",
];

fuzz_target!(|input: &[u8]| {
    let text = spell(input, WORDS);
    let dump = match dump::parse(&text) {
        Ok(dump) => dump,
        Err(bad_lines) => {
            assert!(bad_lines.is_sorted_by(|a, b| a.number < b.number) && !bad_lines.is_empty());
            let _messages: Vec<_> = bad_lines.iter().map(|line| line.error.to_string()).collect();
            return;
        }
    };
    let names: BTreeSet<_> = dump.entries.iter().map(|entry| &entry.service).collect();
    let ports: BTreeSet<_> = dump.entries.iter().map(|entry| entry.port).collect();
    assert_eq!((names.len(), ports.len()), (dump.entries.len(), dump.entries.len()));

    let now = Timestamp::from_unix_seconds(1_795_341_600).unwrap();
    let mut registrations: Vec<Registration> =
        dump.entries.into_iter().map(|entry| entry.into_registration(now)).collect();
    registrations.sort_by_key(|registration| registration.port);
    let seal = Seal::of(dump.seal.map_or(1, |seal| seal.revision), &registrations);
    let again = dump::parse(dump::render(&registrations, seal).as_bytes()).unwrap();
    let expected: Vec<_> = registrations.iter().map(written).collect();
    assert_eq!(again.entries, expected);
    let claimed = again.seal.map(|seal| (seal.revision, seal.entries, seal.check));
    let is_empty = registrations.is_empty();
    assert_eq!(claimed, (!is_empty).then_some((seal.revision, seal.entries, seal.check())));
});

/// The entry as a dump of pald says it: holding is what goes without saying.
fn written(registration: &Registration) -> DumpEntry {
    let Registration { service, port, addresses, created_at, hold, folder } = registration.clone();
    let hold = (!hold).then_some(false);
    DumpEntry { service, port, addresses, created_at: Some(created_at), hold, folder }
}
