//! kill -9 in the middle of everything: what was acknowledged is there afterwards.
//!
//! `PALD_KILL_CYCLES` says how often pald is killed.

use std::time::Duration;

use crate::daemon::{Client, Home};
use crate::faults::{Known, Random, count, lost, write_until_killed};

const WRITERS: u16 = 8;

#[test]
fn no_acknowledged_change_is_lost_and_nothing_is_doubled() {
    let home = Home::wide();
    let mut random = Random::new();
    let cycles = count("PALD_KILL_CYCLES", 50);
    let mut all = Known::new();
    let mut acknowledged = 0;
    for cycle in 0..cycles {
        let daemon = home.start();
        let life = Duration::from_micros(random.below(120_000));
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
        for mut known in known {
            assert_eq!(lost(&daemon.client, &known), Vec::<String>::new());
            // Most are released again, so that the range lasts for any number of cycles.
            for (_, port) in known.iter_mut().filter(|(service, _)| !service.ends_with('0')) {
                if let Some(port) = port.take() {
                    assert_eq!(daemon.client.del(port).body, "OK\n");
                }
            }
            all.extend(known);
        }
        daemon.kill();
    }

    let daemon = home.start();
    assert_eq!(lost(&daemon.client, &all), Vec::<String>::new());
    daemon.stop();
    let dump = pald::dump::parse(home.dump().as_bytes()).unwrap();
    let registered = all.values().flatten().count();
    assert!(dump.entries.len() >= registered, "names and ports in a dump are unique");
    println!("{cycles} kills, {acknowledged} acknowledged changes, none lost");
    assert!(acknowledged > 0);
}
