//! How the file descriptors that the system allows are shared out.

use std::io::{self, stderr};
use std::thread;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::debug;

/// How many connections are open at once.
const MAX_CONNECTIONS: usize = 256;
/// How many descriptors are kept for the store and the workers, where there are enough.
const RESERVE: usize = 64;
/// How many are kept where there are not: the workers are not open yet, and the dump needs two.
const SMALL_RESERVE: usize = 20;
/// How many connections there are even then.
const MIN_CONNECTIONS: usize = 32;

/// What the connections and the holds may use. The rest is for the store, which stops accepting
/// changes when it runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Descriptors {
    pub(in crate::cli) connections: usize,
    pub(in crate::cli) holds: usize,
}

impl Descriptors {
    /// Raises the limit as far as this user may, and shares it out.
    pub(in crate::cli) fn share_out() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
        // Where it can't be raised, less is shared out.
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
        let limit = limit.current.and_then(|limit| usize::try_from(limit).ok());
        let open = std::fs::read_dir("/dev/fd").map_or(0, Iterator::count);
        Self::of(limit.unwrap_or(usize::MAX), open)
    }

    /// Has the kernel make room for as many as may be open, with holds on so many ports.
    ///
    /// Linux doubles the table of a process that has threads only after a grace period of RCU, some
    /// 20 ms in which nothing can be opened (`expand_fdtable` in its `fs/file.c`). Now nobody waits.
    pub(in crate::cli) fn make_room(self, ports: usize) {
        let most = RESERVE + self.connections + self.holds.min(ports);
        let make = move || {
            if let Err(cause) = grow_table(most) {
                debug!(%cause, most, "There is no room yet for more descriptors");
            }
        };
        if let Err(cause) = thread::Builder::new().name("descriptors".into()).spawn(make) {
            debug!(%cause, "Room for more descriptors will be made when they are needed");
        }
    }

    fn of(limit: usize, open: usize) -> Self {
        let left = limit.saturating_sub(open);
        let at_least = left.saturating_sub(SMALL_RESERVE).min(MIN_CONNECTIONS);
        let connections = left.saturating_sub(RESERVE).max(at_least).min(MAX_CONNECTIONS);
        Self { connections, holds: left.saturating_sub(RESERVE + connections) }
    }
}

/// Opens a descriptor of this number, or of a higher one, for a moment: the table is never made
/// smaller.
fn grow_table(number: usize) -> io::Result<()> {
    let number = number.try_into().map_err(io::Error::other)?;
    fcntl_dupfd_cloexec(stderr(), number)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
