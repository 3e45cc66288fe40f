//! Divides the file descriptors that the system allows among connections, holds and the store.

use std::io::{self, stderr};
use std::thread;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::debug;

/// The maximum number of open connections.
const MAX_CONNECTIONS: usize = 256;
/// How many descriptors are reserved for the store and the workers, if there are enough.
const RESERVE: usize = 64;
/// How many are reserved if there are fewer: the workers open theirs later, and the dump needs two.
const SMALL_RESERVE: usize = 20;
/// How many connections the small reserve still allows, if there are descriptors for them.
const MIN_CONNECTIONS: usize = 32;

/// How many descriptors connections and holds may use.
///
/// The rest is for the store, which stops accepting changes when it runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Descriptors {
    pub(in crate::cli) connections: usize,
    pub(in crate::cli) holds: usize,
}

impl Descriptors {
    /// Raises the limit as far as this user may, and divides it.
    pub(in crate::cli) fn divide() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
        // If it can't be raised, there is less to divide.
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
        let limit = limit.current.and_then(|limit| usize::try_from(limit).ok());
        let open = std::fs::read_dir("/dev/fd").map_or(0, Iterator::count);
        Self::of(limit.unwrap_or(usize::MAX), open)
    }

    /// Grows the kernel's descriptor table in the background, to what this many registered ports
    /// may need.
    ///
    /// Linux grows the table of a process with threads only after an RCU grace period, some 20 ms
    /// in which nothing can be opened (`expand_fdtable` in its `fs/file.c`). At the start, no
    /// request waits for that.
    pub(in crate::cli) fn make_room(self, ports: usize) {
        let max = self.needed(ports);
        let grow = move || {
            if let Err(cause) = grow_table(max) {
                debug!(%cause, max, "Can't grow the descriptor table yet");
            }
        };
        if let Err(cause) = thread::Builder::new().name("descriptors".into()).spawn(grow) {
            debug!(%cause, "The descriptor table will grow on demand");
        }
    }

    fn needed(self, ports: usize) -> usize {
        RESERVE + self.connections + self.holds.min(ports)
    }

    fn of(limit: usize, open: usize) -> Self {
        let left = limit.saturating_sub(open);
        let at_least = left.saturating_sub(SMALL_RESERVE).min(MIN_CONNECTIONS);
        let connections = left.saturating_sub(RESERVE).max(at_least).min(MAX_CONNECTIONS);
        Self { connections, holds: left.saturating_sub(RESERVE + connections) }
    }
}

/// Opens a descriptor with this number or a higher one, and closes it: the table never shrinks.
fn grow_table(number: usize) -> io::Result<()> {
    let number = number.try_into().map_err(io::Error::other)?;
    fcntl_dupfd_cloexec(stderr(), number)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::has_passed_alone;

    #[test]
    fn the_store_comes_first_then_connections_then_holds() {
        // (limit, already open, connections, holds)
        let rows = [
            (64, 12, 32, 0),
            (64, 40, 4, 0),
            (10, 12, 0, 0),
            (256, 12, 180, 0),
            (1024, 12, 256, 692),
            (20_000, 12, 256, 19_668),
        ];
        for (limit, open, connections, holds) in rows {
            assert_eq!(Descriptors::of(limit, open), Descriptors { connections, holds }, "{limit}");
        }
    }

    #[test]
    fn room_is_made_for_the_ports_that_can_be_held() {
        let descriptors = Descriptors { connections: 256, holds: 800 };
        assert_eq!(
            [0, 7, 800, 9000].map(|ports| descriptors.needed(ports)),
            [320, 327, 1120, 1120]
        );
    }

    #[test]
    fn the_limit_is_raised_as_far_as_this_user_may() {
        if has_passed_alone() {
            return;
        }
        let limit = getrlimit(Resource::Nofile);
        let lowered = rustix::process::Rlimit { current: Some(300), maximum: Some(400) };
        setrlimit(Resource::Nofile, lowered).unwrap();
        let Descriptors { connections, holds } = Descriptors::divide();
        let raised = getrlimit(Resource::Nofile);
        assert_eq!((raised.current, raised.maximum), (Some(400), Some(400)), "{limit:?}");
        // Few are open.
        assert_eq!(connections, MAX_CONNECTIONS);
        assert!((1..400 - RESERVE - MAX_CONNECTIONS).contains(&holds), "{holds}");
    }

    /// The size of this process's descriptor table.
    #[cfg(target_os = "linux")]
    fn table_size() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
        size.unwrap().trim().parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_table_grows_to_the_number_that_is_asked_for() {
        if has_passed_alone() {
            return;
        }
        let before = table_size();
        grow_table(before).unwrap();
        assert!(table_size() > before);
        assert!(grow_table(usize::MAX).is_err());
        let holds = table_size();
        Descriptors { connections: 0, holds }.make_room(holds);
        crate::testing::wait_until(|| table_size() > holds);
    }
}
