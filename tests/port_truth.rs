//! Port truth: what pald hands out is usable and stays so, in network namespaces of each test's own.
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
