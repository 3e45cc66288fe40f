//! A server that starts and stops on its registered port is never disturbed by pald.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::daemon::{Client, Home};
use crate::faults::count;

use super::network::{Network, let_clients_come_near};
use super::{home, server};

/// How often pald is killed and started again at least, while servers start.
const KILLS: usize = 3;
/// How often pald answers about the service at least, for each of its starts.
const ANSWERS: usize = 5;

/// Until set, clients ask pald and somebody kills it.
struct Trouble<'a> {
    home: &'a Home,
    port: u16,
    over: AtomicBool,
    kills: AtomicUsize,
    answers: AtomicUsize,
}

impl Trouble<'_> {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Asks about the service and changes others, whether pald answers or is just away.
    fn ask(&self, client_number: usize) {
        let _end = End(&self.over);
        let client = Client::new(self.home.listen);
        let other = format!("other.{client_number}");
        while self.goes_on() {
            for path in ["/get?service=shop", "/set?service=shop"] {
                if let Ok(reply) = client.try_get(path) {
                    assert_eq!(reply.port(), self.port, "the service was moved");
                    self.answers.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Changes wait for the disk; half of the clients go on asking meanwhile.
            if client_number.is_multiple_of(2) {
                continue;
            }
            // Where no port is left this is 412, for which pald looks at all of them.
            if let Ok(reply) = client.try_get(&format!("/set?service={other}"))
                && reply.status == 200
            {
                let _ = client.try_get(&format!("/del?port={}", reply.port()));
            }
        }
    }

    /// Kills pald over and over, once it has answered; often while it still takes up its work.
    fn kill(&self) {
        let _end = End(&self.over);
        let mut daemon = self.home.start();
        while self.goes_on() {
            let before = self.answers.load(Ordering::Relaxed);
            let wanted = 1 + 100 * (self.kills.load(Ordering::Relaxed) % 4);
            while self.goes_on() && self.answers.load(Ordering::Relaxed) < before + wanted {
                std::thread::yield_now();
            }
            daemon.kill();
            daemon = self.home.start();
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Ends the trouble for all of its threads when one of them is through, or panics.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts each server in turn until it was often enough; how often, and what failed.
fn start_servers(trouble: &Trouble<'_>) -> (usize, Vec<String>) {
    let _end = End(&trouble.over);
    let wanted = count("PALD_RESTARTS", 100);
    let (mut servers, mut starts, mut failures) = (server::all(), 0, Vec::new());
    let is_enough = |starts| {
        let (kills, answers) = (&trouble.kills, &trouble.answers);
        starts >= wanted
            && kills.load(Ordering::Relaxed) >= KILLS
            && answers.load(Ordering::Relaxed) >= ANSWERS * wanted
    };
    while trouble.goes_on() && !is_enough(starts) {
        for server in &mut servers {
            failures.extend(server::try_server(server.as_mut(), trouble.port).err());
            starts += 1;
        }
    }
    (starts, failures)
}

#[test]
fn a_service_starts_on_its_port_whatever_pald_does_at_the_time() {
    let Some(network) = Network::or_skip() else { return };
    network.run(|| {
        let_clients_come_near();
        // One port for the service and one for two others, so that one is refused at times.
        let home = home(30_001, 30_002);
        let port = {
            let daemon = home.start();
            let port = daemon.set("shop").port();
            assert_eq!(daemon.stop().0, Some(0));
            port
        };
        let trouble = Trouble {
            home: &home,
            port,
            over: AtomicBool::new(false),
            kills: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
        };
        let (starts, failures) = std::thread::scope(|scope| {
            for number in 0..4 {
                let trouble = &trouble;
                scope.spawn(move || trouble.ask(number));
            }
            scope.spawn(|| trouble.kill());
            start_servers(&trouble)
        });
        let (kills, answers) = (trouble.kills.into_inner(), trouble.answers.into_inner());
        println!("{starts} starts, {} failed; {kills} kills, {answers} answers", failures.len());
        assert_eq!(failures, Vec::<String>::new());
    });
}
