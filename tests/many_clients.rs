//! Many clients at once.

use std::collections::BTreeSet;
use std::sync::Barrier;

use crate::daemon::{Client, Home};

/// What each of `count` clients gets, all starting at once.
fn at_once<T: Send>(count: usize, ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let ask = &ask;
        let barrier = &barrier;
        let threads: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    barrier.wait();
                    ask(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn clients_that_set_the_same_name_get_one_port() {
    let home = Home::new(100);
    let _daemon = home.start();
    let ports = at_once(64, |_| Client::new(home.listen).set("shop").port());
    assert_eq!(ports, [home.min; 64]);
}

#[test]
fn more_names_than_ports_give_every_port_once() {
    let home = Home::new(300);
    let daemon = home.start();
    let replies = at_once(50, |client| {
        let connection = Client::new(home.listen);
        let names = (0..7).map(|number| format!("service{}", client * 7 + number));
        names.map(|name| connection.set(&name)).collect::<Vec<_>>()
    });
    let replies: Vec<_> = replies.into_iter().flatten().collect();
    let ports: BTreeSet<_> = replies.iter().filter(|r| r.status == 200).map(|r| r.port()).collect();
    assert_eq!(ports, (home.min..=home.max).collect());
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 300);
    assert_eq!(replies.iter().filter(|reply| reply.status == 412).count(), 50);
    daemon.stop();
    assert_eq!(home.dump().lines().count(), 300);
}

#[test]
fn a_port_that_is_set_and_released_by_many_has_one_owner_at_a_time() {
    let home = Home::new(4);
    let daemon = home.start();
    let granted = at_once(8, |client| {
        let connection = Client::new(home.listen);
        let name = format!("service{client}");
        let mut granted = 0;
        for _ in 0..50 {
            let reply = connection.set(&name);
            if reply.status == 200 {
                granted += 1;
                assert_eq!(connection.get(&format!("/get?service={name}")).port(), reply.port());
                assert_eq!(connection.del(reply.port()).body, "OK\n");
            } else {
                assert_eq!(reply.status, 412, "{}", reply.body);
            }
        }
        granted
    });
    assert!(granted.iter().sum::<u32>() > 0);
    // All have been released: the range is whole again.
    let all: Vec<_> = (0..4).map(|number| daemon.set(&format!("last{number}")).port()).collect();
    assert_eq!(all, (home.min..=home.max).collect::<Vec<_>>());
}
