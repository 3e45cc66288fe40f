//! Port truth: what pald hands out is usable and stays so, in network namespaces of each test's own.
//!
//! A test makes a `Network`, two namespaces and a wire between them, and runs in the first: there any
//! port is free, so its numbers are fixed, and it may change what the kernel does. It needs root and
//! `ip`; some rows need `nft`.
//!
//! | file | what it is |
//! | --- | --- |
//! | `network` | the namespaces, and what is set in them |
//! | `occupier`, `redirect` | the ways in which others can have a port |
//! | `oracle` | whether a port is usable, found out without pald |
//! | `server` | servers as people have them, and a client that asks them |
//! | `verdict` | pald hands out the ports that the oracle calls usable, and no others |
//! | `restart` | a server that starts and stops on its port is never disturbed |
//! | `flood` | connections never get a registered port, and do without holds |
//! | `firewall` | what a firewall does to the loopback makes no port taken, and nothing slow |
//! | `refused` | what the system refuses is told as what it is |
//! | `measure` | no test: on how many ports that pald hands out servers start |
//!
//! Longer runs: `PALD_RESTARTS=1000` for the starts of a server on its registered port,
//! `PALD_FLOOD=20000` for the outbound connections (with three tenths as many `bind(0)`), and
//! `--ignored` for the measure. All of them are told in one line each:
//! `cargo test port_truth -- --include-ignored --nocapture`.

mod firewall;
mod flood;
mod measure;
mod network;
mod occupier;
mod oracle;
mod redirect;
mod refused;
mod restart;
mod server;
mod verdict;

use crate::daemon::Home;

/// A home for a pald that listens right below its range, in a namespace where any port is free.
fn home(min: u16, max: u16) -> Home {
    let mut home = Home::new(1);
    (home.listen, home.min, home.max) = (min - 1, min, max);
    home
}
