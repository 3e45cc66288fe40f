//! pald from the outside: the real program, on ports and in folders of each test's own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod arrows;
mod combinations;
mod command_line;
mod completion;
mod daemon;
mod damage;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod documents;
mod door;
mod faults;
mod first_start;
mod full_disk;
mod golden_store;
mod hostile_page;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod impostor;
mod kill;
mod kill_points;
#[cfg(any(feature = "portable", target_os = "macos"))]
mod launchd;
mod life;
mod many_clients;
mod mistakes;
mod names;
mod own_port;
mod page;
mod paper;
mod planted;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod port_truth;
mod power_cut;
mod process_limit;
mod project;
mod recovery;
mod remedies;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod service;
mod skip;
mod supervised;
mod sync;
mod text_routes;
mod v1;
