//! What does pald cost beside a bare server, beside the raw disk, and as its registry grows?
//!
//! Starts the real pald and all that it is compared with on this machine, prints one table, and
//! takes a few minutes; README.md says how to read it. It runs on Linux, where a load and a server can
//! be kept on CPUs of their own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod flat;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod lookups;
#[cfg(target_os = "linux")]
mod pald;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod sets;
#[cfg(target_os = "linux")]
mod starts;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[cfg(target_os = "linux")]
use table::Table;

/// How many files pald may open here. With more it would hold ports, for a registry of 60,000,
/// that the machine needs for its own connections.
#[cfg(target_os = "linux")]
const MAX_FILES: u64 = 20_000;

/// A name to ask for it alone, and what compares.
#[cfg(target_os = "linux")]
type Part = (&'static str, fn(&mut Table));

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: pald is compared with others on Linux only");
}

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, port, workers] = &arguments[..]
        && role == bare::ROLE
    {
        return bare::serve(port.parse().unwrap(), workers.parse().unwrap());
    }
    limit_files();
    let parts: [Part; 5] = [
        ("lookups", lookups::compare),
        ("sets", sets::compare),
        ("flat", flat::compare),
        ("starts", starts::compare),
        ("idle", idle::compare),
    ];
    // Without a name all parts are run.
    let is_named = |name: &str| arguments.iter().any(|argument| argument == name);
    let is_all = !parts.iter().any(|(name, _)| is_named(name));
    let mut table = Table::start();
    for (name, compare) in parts {
        if is_all || is_named(name) {
            compare(&mut table);
        }
    }
    table.finish();
}

#[cfg(target_os = "linux")]
fn limit_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(MAX_FILES, |maximum| maximum.min(MAX_FILES));
    let lowered = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::Nofile, lowered).unwrap();
}
