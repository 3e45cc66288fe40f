//! For tests: waits for what another thread, another process or the kernel is about to do.
//!
//! A socket that is closed, or the lock of a file, may stay for a moment: a process that another test is
//! just starting has a copy of it, until its program begins.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Asks until the answer is as expected, and returns it.
///
/// # Panics
/// It is not within 30 s.
#[track_caller]
pub(crate) fn eventually<T: Debug>(
    mut ask: impl FnMut() -> T,
    is_expected: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask();
        if is_expected(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "still {answer:?}");
        thread::yield_now();
    }
}

/// Asks until the answer is yes.
///
/// # Panics
/// It is not within 30 s.
#[track_caller]
pub(crate) fn wait_until(is_so: impl FnMut() -> bool) {
    eventually(is_so, |is_so| *is_so);
}
