//! What a firewall does to the loopback makes no port taken that is not, and nothing slow.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::daemon::{Client, Daemon, Home};
use crate::skip::skip;

use super::home;
use super::network::{self, Network, ip_here, keep_clients_far, sysctl};

/// How many services are registered in each case.
const SERVICES: u16 = 8;

/// Does something to this thread's namespace; why that can't be, in words.
type Fault = fn() -> Result<(), String>;

/// What makes connections to ::1 fail, each for all ports.
const IPV6_FAILS: &[(&str, Fault)] = &[
    ("dropped on the way in", || nft(&drop_v6("input", "drop"))),
    ("dropped on the way out", || nft(&drop_v6("output", "drop"))),
    ("rejected on the way in", || nft(&drop_v6("input", "reject"))),
    ("rejected on the way out", || nft(&drop_v6("output", "reject"))),
    ("not permitted", || nft(&drop_v6("input", "reject with icmpv6 admin-prohibited"))),
    ("reset on the way in", || nft(&drop_v6("input", "meta l4proto tcp reject with tcp reset"))),
    ("without an address", || ip_here("-6 addr del ::1/128 dev lo")),
    ("without rules", || {
        // Linux looks at its rules only once there is one more than by default.
        ip_here("-6 rule add pref 40000 lookup 77")?;
        ip_here("-6 rule del pref 0")?;
        ip_here("-6 rule del pref 32766")
    }),
    ("without a prefix", || ip_here("-6 route flush table local")),
    ("switched off", || {
        sysctl("ipv6/conf/all/disable_ipv6", "1");
        Ok(())
    }),
];

fn drop_v6(hook: &str, verdict: &str) -> String {
    format!(
        "add table ip6 pald
         add chain ip6 pald all_of_it {{ type filter hook {hook} priority 0; }}
         add rule ip6 pald all_of_it ip6 daddr ::1 {verdict}
        "
    )
}

/// Swallows connections to these ports of 127.0.0.1.
fn swallow(ports: &str) -> String {
    format!(
        "add table ip pald
         add chain ip pald some {{ type filter hook input priority 0; }}
         add rule ip pald some tcp dport {ports} drop
        "
    )
}

/// Gives this thread's namespace rules.
fn nft(rules: &str) -> Result<(), String> {
    match network::nft(rules) {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Err(format!("nft: {cause}")),
        Err(cause) => panic!("{rules}: {cause}"),
    }
}

/// How long the slowest change and lookup took, and the end.
struct Times {
    set: Duration,
    lookup: Duration,
    end: Duration,
}

/// Registers services one after the other while another client looks one up, and ends pald.
fn measure(home: &Home, daemon: Daemon, expected: &[u16]) -> (Times, String) {
    let is_over = AtomicBool::new(false);
    let (ports, set, lookup) = std::thread::scope(|scope| {
        let lookups = scope.spawn(|| {
            let (client, mut slowest) = (Client::new(home.listen), Duration::ZERO);
            while !is_over.load(Ordering::Relaxed) {
                let started = Instant::now();
                assert!([200, 404].contains(&client.get("/get?service=service.0").status));
                slowest = slowest.max(started.elapsed());
            }
            slowest
        });
        let mut slowest = Duration::ZERO;
        let register = |number: usize| {
            let started = Instant::now();
            let reply = daemon.set(&format!("service.{number}"));
            slowest = slowest.max(started.elapsed());
            reply.port()
        };
        let ports: Vec<u16> = (0..expected.len()).map(register).collect();
        is_over.store(true, Ordering::Relaxed);
        (ports, slowest, lookups.join().unwrap())
    });
    assert_eq!(ports, expected, "{}", daemon.log());
    let started = Instant::now();
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    (Times { set, lookup, end: started.elapsed() }, log)
}

fn show(what: &str, times: &Times) {
    let Times { set, lookup, end } = times;
    println!("{what}: slowest set {set:?}, slowest lookup {lookup:?}, end {end:?}");
}

#[test]
fn a_family_that_fails_for_all_ports_says_nothing_about_one() {
    for (what, fail) in IPV6_FAILS {
        let Some(network) = Network::or_skip() else { return };
        network.run(|| {
            keep_clients_far();
            let home = home(22_001, 22_020);
            let daemon = home.start();
            if let Err(reason) = fail() {
                return skip(format!("{what}: {reason}"));
            }
            let address = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, home.listen));
            let reached =
                std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
            assert!(reached.is_err(), "{what} is no fault");
            let expected: Vec<u16> = (home.min..home.min + SERVICES).collect();
            let (times, log) = measure(&home, daemon, &expected);
            show(what, &times);
            let warnings = log.matches("Connections to ::1 do not even reach pald itself").count();
            assert!(warnings <= 1, "{what}: {log}");
            if what.contains("dropped") {
                assert_eq!(warnings, 1, "{what}: {log}");
            }
            assert!(!log.contains("Skipped"), "{what}: {log}");
        });
    }
}

#[test]
fn swallowed_ports_are_skipped_side_by_side() {
    // (range, swallowed, the ports that are given out)
    let rows: [(u16, u16, &str, &[u16]); 2] = [
        (22_001, 22_020, "22001-22010", &[22_011, 22_012, 22_013]),
        (49_201, 49_999, "49201-49998", &[49_999]),
    ];
    for (min, max, swallowed, expected) in rows {
        let Some(network) = Network::or_skip() else { return };
        network.run(|| {
            keep_clients_far();
            let home = home(min, max);
            let daemon = home.start();
            if let Err(reason) = nft(&swallow(swallowed)) {
                return skip(reason);
            }
            let client = daemon.client.clone();
            // Who asks for a port by its number gets it; the list says what is in its way.
            assert_eq!(client.get(&format!("/set?service=asked&port={min}")).status, 200);
            for path in [format!("/v1/ports/{min}"), "/v1/services/asked".to_owned()] {
                assert_eq!(client.get(&path).json()["reason_code"], "swallowed");
            }
            let list = client.get("/v1/services").json();
            assert_eq!(list["services"][0]["state"], "blocked");
            assert_eq!(client.del(min).status, 200);
            let (times, log) = measure(&home, daemon, expected);
            show(swallowed, &times);
            // The first port is remembered for who had it.
            let reason = format!("connections to 127.0.0.1:{} get no answer", min + 1);
            assert!(log.contains(&reason), "{log}");
        });
    }
}
