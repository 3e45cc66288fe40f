//! The measure: on how many ports that pald hands out usual servers start and are found.
//!
//! `cargo test port_truth::measure -- --ignored --nocapture` prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use crate::daemon::Home;
use crate::skip::skip;

use super::flood::flood;
use super::network::{Network, keep_clients_far, let_clients_come_near};
use super::occupier::{OCCUPIERS, Occupier};
use super::server::{self, Server};
use super::{home, oracle};

/// How many ports are occupied, and how many are handed out then.
const OCCUPIED: usize = 500;
const HANDED_OUT: usize = 40;
/// How many connections there are between hand-out and start.
const FLOOD: usize = 6_000;

#[derive(Debug)]
struct Figures {
    /// The part of the ports on which all servers start and are not confused with others.
    truth: f64,
    /// How many usable ports were skipped.
    refused: usize,
    /// How many skipped ports all servers would have started on, by what is on them.
    startable: BTreeMap<&'static str, usize>,
}

/// Ports and what is on them.
struct Crowd {
    occupiers: BTreeMap<u16, &'static Occupier>,
    _kept: Vec<OwnedFd>,
}

/// Occupies ports of the range, well mixed, by all occupiers in turn.
fn crowd(network: &Network, home: &Home) -> Crowd {
    // Multiples of a number that has no divisor in common with 799 come to each port once.
    let ports = (0..799_u32).map(|number| home.min + u16::try_from(number * 311 % 799).unwrap());
    let (mut occupiers, mut kept) = (BTreeMap::new(), Vec::new());
    let (real, apparent): (Vec<_>, Vec<_>) = OCCUPIERS.iter().partition(|row| row.occupies);
    let mut rows = real.into_iter().cycle();
    for (number, port) in ports.enumerate() {
        loop {
            // What only looks like an occupier is spread over the ports that are usable.
            let row = match number {
                ..OCCUPIED => rows.next().unwrap(),
                number => apparent[number % apparent.len()],
            };
            match row.occupy(network, port) {
                Ok(sockets) => {
                    occupiers.insert(port, row);
                    kept.extend(sockets);
                    break;
                }
                Err(cause) if cause.kind() == ErrorKind::Unsupported => (),
                Err(cause) => panic!("{}: {cause}", row.name),
            }
        }
    }
    let usable = occupiers.keys().filter(|port| oracle::is_usable(**port)).count();
    assert_eq!(usable, 799 - OCCUPIED, "the occupiers are not what they are taken for");
    let kinds: BTreeSet<_> =
        occupiers.values().filter(|row| row.occupies).map(|row| row.name).collect();
    assert!(kinds.len() >= 20, "{kinds:?}");
    Crowd { occupiers, _kept: kept }
}

/// Whether all servers can be started on a port, one after the other, and are reached there.
fn is_true(servers: &mut [Box<dyn Server>], port: u16, tell: bool) -> bool {
    servers.iter_mut().all(|server| match server::try_server(server.as_mut(), port) {
        Ok(()) => true,
        Err(failure) => {
            if tell {
                println!("{failure}");
            }
            false
        }
    })
}

fn measure(hold_ports: &str, connections: usize) -> Result<Figures, String> {
    let network = Network::new()?;
    network.run(|| {
        keep_clients_far();
        let mut servers = server::all();
        if servers.len() < 4 {
            return Err("node and python3 are needed".to_owned());
        }
        let home = home(49_201, 49_999);
        let crowd = crowd(&network, &home);
        let mut command = home.command();
        command.env("PALD_HOLD_PORTS", hold_ports);
        let daemon = home.start_command(command);
        let ports: BTreeSet<u16> =
            (0..HANDED_OUT).map(|number| daemon.set(&format!("service.{number}")).port()).collect();
        assert_eq!(ports.len(), HANDED_OUT);
        let skipped = (home.min..*ports.last().unwrap()).filter(|port| !ports.contains(port));
        let skipped: Vec<u16> = skipped.collect();
        let refused = skipped.iter().filter(|port| oracle::is_usable(**port)).count();
        let mut startable = BTreeMap::new();
        if connections == 0 {
            for port in &skipped {
                if is_true(&mut servers, *port, false) {
                    *startable.entry(crowd.occupiers[port].name).or_default() += 1;
                }
            }
        }
        let_clients_come_near();
        flood(connections);
        let good = ports.iter().filter(|port| is_true(&mut servers, **port, true)).count();
        let ratio = |part: usize, whole: usize| {
            f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
        };
        Ok(Figures { truth: ratio(good, ports.len()), refused, startable })
    })
}

#[test]
#[ignore = "it takes minutes"]
fn every_port_handed_out_is_true() {
    let runs = [("true", 0), ("true", FLOOD), ("false", FLOOD)];
    let figures = runs.map(|(hold_ports, connections)| measure(hold_ports, connections));
    let [Ok(quiet), Ok(flooded), Ok(without)] = &figures else {
        return skip(figures.iter().find_map(|run| run.as_ref().err()).unwrap());
    };
    let refused = quiet.refused.max(flooded.refused);
    println!("truth quiet {:.3} flooded {:.3} refused {refused}", quiet.truth, flooded.truth);
    println!("hold_ports=false: truth flooded {:.3} refused {}", without.truth, without.refused);
    // All four servers set SO_REUSEADDR and use TCP alone; others could not start on these.
    println!("skipped and yet good enough for these four servers: {:?}", quiet.startable);
    assert!(quiet.truth >= 1.0 && flooded.truth >= 1.0 && refused == 0);
}
