//! Whether the system has room for the threads of a daemon.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::thread;

use super::ServeError;
use crate::files;

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

/// Runs what panics where it can't start a thread, and makes an error of that: other programs may
/// have started threads since there was room.
///
/// # Errors
/// What the system said.
pub(in crate::cli) fn caught<T>(start: impl FnOnce() -> T) -> Result<T, ServeError> {
    catch_unwind(AssertUnwindSafe(start)).map_err(|panic| {
        match files::os_error_in(files::panic_text(&*panic)) {
            Some(source) => ServeError::Threads(source),
            None => resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As sled panics where it can't start a thread.
    #[test]
    fn a_panic_for_want_of_threads_is_an_error_and_any_other_goes_on() {
        assert_eq!(caught(|| 7).unwrap(), 7);
        let refused = caught(|| panic!("{:?}", io::Error::from_raw_os_error(11)));
        assert!(matches!(refused, Err(ServeError::Threads(_))), "{refused:?}");
        let other = catch_unwind(|| caught(|| panic!("for the test")));
        assert!(other.is_err());
    }

    #[test]
    fn there_is_room_here() {
        check_room().unwrap();
    }
}
