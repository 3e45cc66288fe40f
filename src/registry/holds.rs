//! The holds on registered ports: taken with the claim, taken again after a restart, given up with
//! the registration.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use tracing::{debug, warn};

use crate::port::Port;
use crate::probe::{self, Hold};

/// How long a port that could not be held is left alone before the next attempt.
const RETRY: Duration = Duration::from_secs(3);

/// How long the first holds wait: thousands of them would slow down the first answers.
const FIRST: Duration = Duration::from_millis(100);

/// How many ports are held, and which are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldsStatus {
    /// How many ports may be held; 0 where none is.
    pub max: usize,
    /// How many are held.
    pub held: usize,
    /// Ports that pald has tried to hold and can't, because others are on them.
    pub missing: Vec<Port>,
}

/// Tells of the holds from any thread.
#[derive(Debug, Clone)]
pub(super) struct HoldsWatch(Arc<Shared>);

impl HoldsWatch {
    pub(super) fn status(&self) -> HoldsStatus {
        let State { held, refused, max_holds, .. } = &*self.0.lock();
        let missing = refused.iter().copied().collect();
        HoldsStatus { max: *max_holds, held: held.len(), missing }
    }

    /// The inode of the hold on a port.
    pub(super) fn inode_at(&self, port: Port) -> Option<u64> {
        self.0.lock().held.get(&port).and_then(Hold::inode)
    }

    /// The inodes of all holds.
    pub(super) fn inodes(&self) -> HashSet<u64> {
        self.0.lock().held.values().filter_map(Hold::inode).collect()
    }
}

/// All holds, and a thread that takes those that are missing.
#[derive(Debug)]
pub(super) struct Holds {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Port, Hold>,
    /// Ports that are to be held and have not been tried yet.
    untried: BTreeSet<Port>,
    /// Ports that are to be held and could not be: others are on them.
    refused: BTreeSet<Port>,
    /// How many holds there may be, so that descriptors are left for the store and for clients.
    max_holds: usize,
    has_warned: bool,
    stop: bool,
}

impl Holds {
    /// Starts to take holds on these ports, in the background; none at all if `max_holds` is 0.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(ports: impl Iterator<Item = Port>, max_holds: usize) -> io::Result<Self> {
        let untried = if max_holds == 0 { BTreeSet::new() } else { ports.collect() };
        let state = State { untried, max_holds, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = thread::Builder::new().name("holds".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.take_missing()
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// To ask about the holds.
    pub(super) fn watch(&self) -> HoldsWatch {
        HoldsWatch(Arc::clone(&self.shared))
    }

    /// Keeps the hold of a port that was just claimed, or tries to get one where there is none.
    pub(super) fn keep(&self, port: Port, hold: Option<Hold>) {
        let mut state = self.shared.lock();
        if state.max_holds == 0 {
            return;
        }
        match hold {
            Some(hold) if state.has_room() => drop(state.held.insert(port, hold)),
            Some(_) => state.warn_once(),
            None => {
                state.untried.insert(port);
                self.shared.changed.notify_one();
            }
        }
    }

    /// Gives up the hold on a port.
    pub(super) fn release(&self, port: Port) {
        let mut state = self.shared.lock();
        state.untried.remove(&port);
        state.refused.remove(&port);
        drop(state.held.remove(&port));
        if !state.untried.is_empty() {
            // There may be room for another one now.
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged by itself.
            let _ = thread.join();
        }
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.held.len() < self.max_holds
    }

    fn warn_once(&mut self) {
        if !self.has_warned {
            self.has_warned = true;
            warn!(
                max_holds = self.max_holds,
                "There are more services than the limit on open files lets pald hold ports for; \
                 the others work, but the kernel may give their ports away: raise `ulimit -n`"
            );
        }
    }

    /// Tries to take the hold on a port.
    fn take(&mut self, port: Port) {
        match probe::hold(port) {
            Ok(Some(hold)) => {
                self.refused.remove(&port);
                self.held.insert(port, hold);
            }
            Ok(None) => drop(self.refused.insert(port)),
            Err(cause) => {
                debug!(%port, %cause, "This port can't be held");
                self.refused.insert(port);
            }
        }
    }

    /// Whether there is nothing to be done but to wait.
    fn is_idle(&self) -> bool {
        !self.stop && (self.untried.is_empty() || !self.has_room())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes holds until the end of all; sleeps while there is none to be taken.
    fn take_missing(&self) {
        drop(self.changed.wait_timeout_while(self.lock(), FIRST, |state| !state.stop));
        loop {
            self.take_untried();
            let is_idle = |state: &mut State| state.is_idle();
            let mut state = self.lock();
            if state.refused.is_empty() {
                let waited = self.changed.wait_while(state, is_idle);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = self.changed.wait_timeout_while(state, RETRY, is_idle);
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if timeout.timed_out() {
                    drop(state);
                    self.retry_refused();
                    continue;
                }
            }
            if state.stop {
                return;
            }
        }
    }

    /// Takes what has not been tried, as far as there is room.
    ///
    /// The lock is taken anew for each port, so that a change never waits for thousands of them.
    fn take_untried(&self) {
        loop {
            let mut state = self.lock();
            if state.stop {
                return;
            }
            if !state.has_room() && !state.untried.is_empty() {
                return state.warn_once();
            }
            match state.untried.pop_first() {
                Some(port) => state.take(port),
                None => return,
            }
        }
    }

    /// Tries again what could not be held, and is still to be.
    fn retry_refused(&self) {
        let refused = self.lock().refused.clone();
        for port in refused {
            let mut state = self.lock();
            if state.stop || !state.has_room() {
                return;
            }
            if state.refused.contains(&port) {
                state.take(port);
            }
        }
    }
}
