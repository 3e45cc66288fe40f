//! Whether the system has room for the threads of a daemon.

use std::io;
use std::sync::Mutex;
use std::thread;

/// How many threads a daemon starts: its own, the HTTP service's and sled's, with some to spare for
/// the blocking calls of the first requests.
const NEEDED: usize = 20;

/// Starts as many threads as a daemon needs, all at once, and ends them again.
///
/// sled panics where it can't start a thread, and the HTTP service would listen and never answer. So
/// this is found out before anything is opened.
///
/// # Errors
/// What the system said of the first thread that it refused.
pub(in crate::cli) fn check_room() -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock();
        let wait = || drop(gate.lock());
        let start = || thread::Builder::new().name("room".into()).spawn_scoped(scope, wait);
        let started = (0..NEEDED).try_for_each(|_| start().map(drop));
        drop(closed);
        started
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_room_here() {
        super::check_room().unwrap();
    }
}
