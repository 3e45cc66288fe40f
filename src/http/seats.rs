//! How many connections other users may have, so that they never shut the owner out.
//!
//! To ask whose a connection is takes two questions to the kernel, so it is asked only once many
//! are open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::guard::Guard;
use crate::probe::OwnEnd;

/// The share of all connections that others may have: 64 of 256.
const SHARE_OF_OTHERS: usize = 4;
/// A flood is over once no connection was refused for this long.
const QUIET: Duration = Duration::from_secs(60);

/// The open connections, on all threads.
pub(super) struct Seats {
    guard: Arc<Guard>,
    /// How many connections others may have.
    max_others: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_number: HashMap<u64, Occupant>,
    next: u64,
    refused_at: Option<Instant>,
}

/// Whose connection it is.
struct Occupant {
    own_end: Arc<OwnEnd>,
    whose: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    NotAsked,
    /// Of who may make changes.
    Own,
    Others,
}

/// The place of one open connection; it is free again once this is dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
}

impl Seats {
    pub(super) fn new(guard: Arc<Guard>, max_connections: usize) -> Self {
        let max_others = (max_connections / SHARE_OF_OTHERS).max(1);
        Self { guard, max_others, taken: Mutex::default() }
    }

    /// Returns a seat for a connection, or none if it is one too many of other users.
    pub(super) fn take(self: &Arc<Self>, own_end: &Arc<OwnEnd>) -> Option<Seat> {
        let mut taken = self.taken();
        let whose = match taken.by_number.len() < self.max_others {
            true => Whose::NotAsked,
            false => self.whose(own_end),
        };
        if whose == Whose::Others && !self.has_room(&mut taken) {
            self.tell(&mut taken);
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        taken.by_number.insert(number, Occupant { own_end: Arc::clone(own_end), whose });
        Some(Seat { seats: Arc::clone(self), number })
    }

    /// Returns whether others may have one more; asks whose the connections are only if it matters.
    fn has_room(&self, taken: &mut Taken) -> bool {
        let count = |taken: &Taken, other| {
            taken.by_number.values().filter(|one| one.whose == other).count()
        };
        if count(taken, Whose::Others) + count(taken, Whose::NotAsked) < self.max_others {
            return true;
        }
        for one in taken.by_number.values_mut().filter(|one| one.whose == Whose::NotAsked) {
            one.whose = self.whose(&one.own_end);
        }
        count(taken, Whose::Others) < self.max_others
    }

    fn whose(&self, own_end: &OwnEnd) -> Whose {
        if self.guard.counts_as_owner(own_end) { Whose::Own } else { Whose::Others }
    }

    /// Says in the log that connections are refused, once for a flood of them.
    fn tell(&self, taken: &mut Taken) {
        let last = taken.refused_at.replace(Instant::now());
        if last.is_none_or(|last| last.elapsed() > QUIET) {
            warn!(
                max = self.max_others,
                "Other users have as many connections open as they may; more of theirs are closed \
                 at once"
            );
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().by_number.remove(&self.number);
    }
}
