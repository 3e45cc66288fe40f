//! What pald makes of each occupier.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use crate::daemon::{Daemon, Home};

use super::network::{Network, keep_clients_far, sysctl};
use super::occupier::{OCCUPIERS, Occupier};
use super::{home, oracle};

/// The occupiers that this machine can have, each on a port of its own.
struct Occupied {
    rows: Vec<(&'static Occupier, u16)>,
    _kept: Vec<OwnedFd>,
}

/// Occupies every port from `first` on, as long as there are occupiers.
fn occupy_all(network: &Network, first: u16, missing: &[ErrorKind]) -> Occupied {
    let (mut rows, mut kept) = (Vec::new(), Vec::new());
    for (occupier, port) in OCCUPIERS.iter().zip(first..) {
        match occupier.occupy(network, port) {
            Ok(sockets) => {
                rows.push((occupier, port));
                kept.extend(sockets);
            }
            Err(cause) if missing.contains(&cause.kind()) => {
                println!("not to be had here: {}: {cause}", occupier.name);
            }
            Err(cause) => panic!("{}: {cause}", occupier.name),
        }
    }
    // A verdict of pald says something only if each occupier is what it is taken for.
    for (occupier, port) in &rows {
        assert_eq!(oracle::is_usable(*port), !occupier.occupies, "{}", occupier.name);
    }
    Occupied { rows, _kept: kept }
}

/// Registers services until pald has no port any more; their ports, and what it says then.
fn hand_out_all(daemon: &Daemon) -> (BTreeSet<u16>, String) {
    let mut ports = BTreeSet::new();
    loop {
        let reply = daemon.set(&format!("service.{}", ports.len()));
        if reply.status == 412 {
            return (ports, reply.body);
        }
        assert!(ports.insert(reply.port()), "{reply:?}");
    }
}

/// Lets pald hand out all ports of its range and compares them with the rows.
fn check(home: &Home, occupied: &Occupied) {
    let daemon = home.start();
    let (handed_out, message) = hand_out_all(&daemon);
    let mut wrong = Vec::new();
    let mut usable: BTreeSet<u16> = (home.min..=home.max).collect();
    for (occupier, port) in &occupied.rows {
        if handed_out.contains(port) == occupier.occupies {
            let verdict = if occupier.occupies { "handed out" } else { "skipped" };
            wrong.push(format!("{port} was {verdict}: {}", occupier.name));
        }
        if occupier.occupies {
            usable.remove(port);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(handed_out, usable);
    let (registered, others) = (usable.len(), usize::from(home.max - home.min) + 1 - usable.len());
    for number in [registered, others] {
        assert!(message.contains(&number.to_string()), "{number} is not in: {message}");
    }
    // What is registered is not judged again, whatever is on it, and what was skipped is nobody's.
    assert_eq!(daemon.set("service.0").port(), *usable.first().unwrap());
    assert_eq!(daemon.get("/get?service=service.0").port(), *usable.first().unwrap());
    assert_eq!(daemon.get(&format!("/get?service=service.{registered}")).status, 404);
}

/// A range with a few ports more than there are occupiers.
fn home_for_all() -> Home {
    home(30_001, 30_000 + u16::try_from(OCCUPIERS.len()).unwrap() + 5)
}

#[test]
fn every_occupier_gets_its_verdict() {
    let Some(network) = Network::or_skip() else { return };
    network.run(|| {
        keep_clients_far();
        let home = home_for_all();
        let occupied = occupy_all(&network, home.min, &[ErrorKind::Unsupported]);
        assert!(occupied.rows.len() + 1 >= OCCUPIERS.len(), "only nft may be missing");
        check(&home, &occupied);
    });
}

#[test]
fn without_ipv6_every_occupier_gets_its_verdict() {
    let Some(network) = Network::or_skip() else { return };
    network.run(|| {
        keep_clients_far();
        // A new home looks for a port on ::1, which must still be there.
        let home = home_for_all();
        sysctl("ipv6/conf/all/disable_ipv6", "1");
        let occupied =
            occupy_all(&network, home.min, &[ErrorKind::Unsupported, ErrorKind::AddrNotAvailable]);
        assert!(occupied.rows.len() >= 20, "{}", occupied.rows.len());
        check(&home, &occupied);
    });
}
