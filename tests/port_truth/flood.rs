//! Outbound connections never take a port that is registered, nor leave it in TIME_WAIT.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::time::Instant;

use crate::daemon::Home;
use crate::faults::count;
use crate::skip::skip;

use super::network::{Network, keep_clients_far, let_clients_come_near};
use super::{home, occupier};

/// Where the connections of a flood go.
const PEER: u16 = 20_001;
/// How many connections a flood has; no chance in the world misses 799 ports of 28,232.
const LARGE: usize = 10_000;

/// Makes and closes that many outbound connections, and three tenths as many `bind(0)`.
///
/// Returns the ports that the kernel has given to them. The connections leave a TIME_WAIT each.
pub(super) fn flood(connections: usize) -> Vec<u16> {
    let peer = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PEER)).unwrap();
    let mut ports = Vec::new();
    for number in 0..connections {
        let stream = TcpStream::connect((destination(number), PEER)).unwrap();
        ports.push(stream.local_addr().unwrap().port());
        let (accepted, _) = peer.accept().unwrap();
        occupier::close(stream, accepted).unwrap();
    }
    for number in 0..connections * 3 / 10 {
        let ip: IpAddr = if number.is_multiple_of(2) {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        ports.push(TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port());
    }
    ports
}

/// Where a connection goes: one of five to ::1, the others each to another address.
///
/// The kernel takes sources for the same destination one after the other, and for another one
/// anywhere; so few connections come to all parts of its range.
fn destination(number: usize) -> IpAddr {
    if number.is_multiple_of(5) {
        return Ipv6Addr::LOCALHOST.into();
    }
    let byte = |value: usize| u8::try_from(value % 250 + 1).unwrap();
    Ipv4Addr::new(127, byte(number / 62_500), byte(number / 250), byte(number)).into()
}

/// What a flood does to a pald with all its ports registered.
struct Outcome {
    /// How many connections and `bind(0)` got a registered port.
    taken: usize,
    /// On how many registered ports no server could start afterwards.
    unusable: usize,
}

fn measure(hold_ports: &str) -> Result<Outcome, String> {
    let network = Network::new()?;
    Ok(network.run(|| {
        keep_clients_far();
        let home = home(49_201, 49_999);
        let mut command = home.command();
        command.env("PALD_HOLD_PORTS", hold_ports);
        let daemon = home.start_command(command);
        let registered = register_all(&home);
        let_clients_come_near();
        let (connections, start) = (count("PALD_FLOOD", LARGE), Instant::now());
        let taken = flood(connections).iter().filter(|port| registered.contains(port)).count();
        // A server with SO_REUSEADDR, as the standard library's is, on the address that conflicts
        // with every other one.
        let starts = |port: &&u16| TcpListener::bind((Ipv6Addr::UNSPECIFIED, **port)).is_ok();
        let unusable = registered.len() - registered.iter().filter(starts).count();
        println!(
            "hold_ports={hold_ports}: {connections} connections took {taken} of {} ports and left \
             {unusable} unusable, {:?}",
            registered.len(),
            start.elapsed()
        );
        drop(daemon);
        Outcome { taken, unusable }
    }))
}

/// Registers a service on each port of the range.
fn register_all(home: &Home) -> BTreeSet<u16> {
    let register = |port: u16| {
        let client = crate::daemon::Client::new(home.listen);
        let services = (port..=home.max).step_by(8);
        services.map(|number| client.set(&format!("service.{number}")).port()).collect::<Vec<_>>()
    };
    let registered: BTreeSet<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (home.min..home.min + 8).map(|port| scope.spawn(move || register(port))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(registered, (home.min..=home.max).collect());
    registered
}

#[test]
fn a_flood_of_connections_takes_no_registered_port() {
    match measure("true") {
        Ok(outcome) => assert_eq!((outcome.taken, outcome.unusable), (0, 0)),
        Err(reason) => skip(reason),
    }
}

/// The flood is one: without holds it takes ports.
#[test]
fn without_holds_a_flood_takes_registered_ports() {
    match measure("false") {
        Ok(outcome) => assert!(outcome.taken > 0 && outcome.unusable > 0),
        Err(reason) => skip(reason),
    }
}
