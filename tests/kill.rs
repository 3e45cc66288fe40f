//! kill -9 in the middle of everything: what was acknowledged is there afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::daemon::{Client, Home};

const WRITERS: u16 = 8;

/// How often pald is killed; `PALD_KILL_CYCLES` asks for a long run.
fn cycles() -> u32 {
    let wish = std::env::var("PALD_KILL_CYCLES").ok();
    wish.map_or(50, |number| number.parse().expect("PALD_KILL_CYCLES is a number"))
}

/// What one writer knows of its services: the port of each, `None` once it is released.
///
/// What was asked for and not answered may have happened or not, and is no longer known.
type Known = BTreeMap<String, Option<u16>>;

/// Sets and releases services until pald is gone; how many changes were acknowledged.
fn write_until_killed(client: &Client, prefix: &str, known: &mut Known) -> usize {
    let mut acknowledged = 0;
    for number in 0.. {
        let service = format!("{prefix}.{number}");
        known.remove(&service);
        let Ok(reply) = client.try_get(&format!("/set?service={service}")) else { break };
        let port = reply.port();
        known.insert(service.clone(), Some(port));
        acknowledged += 1;
        if number % 3 != 0 {
            known.remove(&service);
            let Ok(reply) = client.try_get(&format!("/del?port={port}")) else { break };
            assert_eq!(reply.body, "OK\n");
            known.insert(service, None);
            acknowledged += 1;
        }
    }
    acknowledged
}

fn check(client: &Client, known: &Known) {
    for (service, port) in known {
        let reply = client.get(&format!("/get?service={service}"));
        match port {
            Some(port) => assert_eq!(reply.port(), *port, "{service}"),
            None => assert_eq!(reply.status, 404, "{service} was released"),
        }
    }
}

#[test]
fn no_acknowledged_change_is_lost_and_nothing_is_doubled() {
    let home = Home::new(20_000);
    let mut random = std::process::id();
    let mut all = Known::new();
    let mut acknowledged = 0;
    for cycle in 0..cycles() {
        let daemon = home.start();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let life = Duration::from_micros(u64::from(random >> 8) % 120_000);
        let mut known: Vec<Known> = vec![Known::new(); usize::from(WRITERS)];
        acknowledged += std::thread::scope(|scope| {
            let writers: Vec<_> = known
                .iter_mut()
                .zip(0..WRITERS)
                .map(|(known, writer)| {
                    let client = Client::new(home.listen);
                    let prefix = format!("w{writer}.c{cycle}");
                    scope.spawn(move || write_until_killed(&client, &prefix, known))
                })
                .collect();
            // This is the moment of the kill, not a wait for anything.
            std::thread::sleep(life);
            daemon.kill();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum::<usize>()
        });
        let daemon = home.start();
        known.iter().for_each(|known| check(&daemon.client, known));
        all.extend(known.into_iter().flatten());
        daemon.kill();
    }

    let daemon = home.start();
    check(&daemon.client, &all);
    daemon.stop();
    let dump = pald::dump::parse(home.dump().as_bytes()).unwrap();
    let registered = all.values().flatten().count();
    assert!(dump.entries.len() >= registered, "names and ports in a dump are unique");
    println!("{} kills, {acknowledged} acknowledged changes, none lost", cycles());
    assert!(acknowledged > 0);
}
