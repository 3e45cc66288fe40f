//! The holds on registered ports: taken with the claim or soon after, taken again after a restart,
//! and released with the registration.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use rustix::io::Errno;
use thiserror::Error;
use tracing::{debug, warn};

use crate::port::Port;
use crate::probe::{self, Hold};

/// The pause before a refused port is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// The pause before the first holds after a start: thousands of them would slow down the first
/// answers.
const FIRST: Duration = Duration::from_millis(100);

/// How many ports are held, and which can't be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldsStatus {
    /// How many ports may be held; 0 where pald holds none.
    pub max: usize,
    /// How many are held.
    pub held: usize,
    /// Ports that pald has tried to hold and can't: others use them, or the system refused.
    pub missing: Vec<Port>,
    /// Those of them that the system refused, and why.
    pub refused: Vec<(Port, HoldError)>,
}

/// Why the system refuses a hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HoldError {
    /// The limit on open files is reached.
    #[error("{0}")]
    OpenFiles(String),
    /// pald's user may not bind the port.
    #[error("{0}")]
    NotPermitted(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<io::Error> for HoldError {
    fn from(error: io::Error) -> Self {
        let text = error.to_string();
        match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::OpenFiles(text),
            Some(Errno::ACCESS | Errno::PERM) => Self::NotPermitted(text),
            _ => Self::Other(text),
        }
    }
}

/// Answers questions about the holds, from any thread.
#[derive(Debug, Clone)]
pub(super) struct HoldsWatch(Arc<Shared>);

impl HoldsWatch {
    pub(super) fn status(&self) -> HoldsStatus {
        let State { held, missing, max_holds, .. } = &*self.0.lock();
        let of_system = |(port, why): (&Port, &Option<_>)| why.clone().map(|why| (*port, why));
        HoldsStatus {
            max: *max_holds,
            held: held.len(),
            missing: missing.keys().copied().collect(),
            refused: missing.iter().filter_map(of_system).collect(),
        }
    }

    /// Whether a port is held.
    pub(super) fn is_held(&self, port: Port) -> bool {
        self.0.lock().held.contains_key(&port)
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

/// All holds, and the thread that takes missing ones.
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
    /// Ports to hold that wait for their first try, or for room.
    waiting: BTreeSet<Port>,
    /// Ports that could not be held: others use them, or the system refused, such as for want of a
    /// descriptor, and said so. They are tried again.
    missing: BTreeMap<Port, Option<HoldError>>,
    /// The most holds, so that descriptors are left for the store and for clients.
    max_holds: usize,
    has_warned: bool,
    stop: bool,
}

impl Holds {
    /// Starts the thread, which takes holds on these ports; on none at all if `max_holds` is 0.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn start(ports: impl Iterator<Item = Port>, max_holds: usize) -> io::Result<Self> {
        let waiting = if max_holds == 0 { BTreeSet::new() } else { ports.collect() };
        let state = State { waiting, max_holds, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let thread = thread::Builder::new().name("holds".into()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.take_missing()
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns a handle that answers questions about the holds.
    pub(super) fn watch(&self) -> HoldsWatch {
        HoldsWatch(Arc::clone(&self.shared))
    }

    /// Keeps the hold of a port that was just claimed, or has the thread take one. Where there is no
    /// room, the port waits until another is released.
    pub(super) fn keep(&self, port: Port, hold: Option<Hold>) {
        let mut state = self.shared.lock();
        if state.max_holds == 0 {
            return;
        }
        match hold {
            Some(hold) if state.has_room() => drop(state.held.insert(port, hold)),
            _ => {
                if !state.has_room() {
                    state.warn_once();
                }
                state.waiting.insert(port);
                self.shared.changed.notify_one();
            }
        }
    }

    /// Releases the hold on a port.
    pub(super) fn release(&self, port: Port) {
        let mut state = self.shared.lock();
        state.waiting.remove(&port);
        state.missing.remove(&port);
        drop(state.held.remove(&port));
        // There may be room for one that waits now, and a descriptor for one that found none.
        let refused = state.missing.extract_if(.., |_, why| why.is_some()).map(|(port, _)| port);
        let refused: Vec<Port> = refused.collect();
        state.waiting.extend(refused);
        if !state.waiting.is_empty() {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread has logged its panic.
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
                "The limit on open files leaves no room to hold more ports; the kernel may give them \
                 away while their services are down: raise `ulimit -n`"
            );
        }
    }

    /// Tries to hold a port.
    fn take(&mut self, port: Port) {
        match probe::hold(port) {
            Ok(Some(hold)) => {
                self.missing.remove(&port);
                self.held.insert(port, hold);
            }
            Ok(None) => drop(self.missing.insert(port, None)),
            Err(cause) => {
                debug!(%port, %cause, "Can't hold this port");
                self.missing.insert(port, Some(cause.into()));
            }
        }
    }

    /// Whether the thread has nothing to do but wait.
    fn is_idle(&self) -> bool {
        !self.stop && (self.waiting.is_empty() || !self.has_room())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes holds until the thread is stopped; sleeps while there is none to take.
    fn take_missing(&self) {
        drop(self.changed.wait_timeout_while(self.lock(), FIRST, |state| !state.stop));
        loop {
            self.try_waiting();
            let is_idle = |state: &mut State| state.is_idle();
            let mut state = self.lock();
            if state.missing.is_empty() {
                let waited = self.changed.wait_while(state, is_idle);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = self.changed.wait_timeout_while(state, RETRY, is_idle);
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if timeout.timed_out() {
                    drop(state);
                    self.retry_missing();
                    continue;
                }
            }
            if state.stop {
                return;
            }
        }
    }

    /// Tries the ports that wait, as long as there is room.
    ///
    /// The lock is taken anew for each port, so that a change never waits for thousands of ports.
    fn try_waiting(&self) {
        loop {
            let mut state = self.lock();
            if state.stop {
                return;
            }
            if !state.has_room() && !state.waiting.is_empty() {
                return state.warn_once();
            }
            match state.waiting.pop_first() {
                Some(port) => state.take(port),
                None => return,
            }
        }
    }

    /// Tries the missing ports again.
    fn retry_missing(&self) {
        let missing: Vec<Port> = self.lock().missing.keys().copied().collect();
        for port in missing {
            let mut state = self.lock();
            if state.stop || !state.has_room() {
                return;
            }
            if state.missing.contains_key(&port) {
                state.take(port);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::probe::Claimer;
    use crate::testing::wait_until;

    /// Holds on ports that the kernel gave to nobody else.
    fn claimed<const N: usize>() -> [(Port, Hold); N] {
        std::array::from_fn(|_| {
            loop {
                let listener = TcpListener::bind("[::]:0").unwrap();
                let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
                drop(listener);
                if let Ok(hold) = Claimer::default().claim(port).unwrap() {
                    return (port, hold);
                }
            }
        })
    }

    fn is_unbound(port: Port) -> bool {
        Claimer::default().claim(port).unwrap().is_ok()
    }

    fn start(ports: &[Port], max_holds: usize) -> (Holds, HoldsWatch) {
        let holds = Holds::start(ports.iter().copied(), max_holds).unwrap();
        let watch = holds.watch();
        (holds, watch)
    }

    #[test]
    fn a_port_without_room_is_held_once_another_is_released() {
        if !probe::HOLDS_PORTS {
            return eprintln!("skipped: pald holds no ports on this system");
        }
        // With `ulimit -n 340`, 30 services were registered and 25 released: the 5 that were left
        // had found no room, and were never held.
        let (holds, watch) = start(&[], 1);
        let [(first, first_hold), (second, second_hold)] = claimed();
        holds.keep(first, Some(first_hold));
        holds.keep(second, Some(second_hold));
        assert_eq!(
            watch.status(),
            HoldsStatus { max: 1, held: 1, missing: vec![], refused: vec![] }
        );
        assert!(watch.inode_at(first).is_some() && watch.inode_at(second).is_none());
        holds.release(first);
        wait_until(|| watch.inode_at(second).is_some());
        assert_eq!(watch.status().held, 1);
    }

    #[test]
    fn nothing_is_held_where_holds_are_switched_off() {
        let [(port, hold), (other, _other_hold)] = claimed();
        let (holds, watch) = start(&[other], 0);
        holds.keep(port, Some(hold));
        holds.keep(other, None);
        assert_eq!(
            watch.status(),
            HoldsStatus { max: 0, held: 0, missing: vec![], refused: vec![] }
        );
        wait_until(|| is_unbound(port));
    }

    /// There are as many holds as there is room for, whether they come with a claim or are taken by the
    /// thread, and each that is released makes room for the next.
    #[test]
    fn no_more_ports_are_held_than_there_is_room_for() {
        if !probe::HOLDS_PORTS {
            return eprintln!("skipped: pald holds no ports on this system");
        }
        let ports = claimed::<4>().map(|(port, _)| port);
        ports.into_iter().for_each(|port| wait_until(|| is_unbound(port)));
        let is_held = |watch: &HoldsWatch| ports.map(|port| watch.is_held(port));
        // Taken by the thread, the lowest first.
        let mut ordered = ports;
        ordered.sort_unstable();
        let (holds, watch) = start(&ports, 2);
        wait_until(|| watch.status().held == 2);
        holds.keep(ordered[3], None);
        assert!(watch.is_held(ordered[0]) && watch.is_held(ordered[1]), "{:?}", is_held(&watch));
        for released in [0, 1] {
            holds.release(ordered[released]);
            let next = ordered[released + 2];
            wait_until(|| watch.is_held(next));
            assert_eq!(watch.status().held, 2);
        }
        // A port with its claim's hold, where there is room and where there is none.
        holds.release(ordered[2]);
        let [(first, first_hold), (second, second_hold)] = claimed();
        let inode = first_hold.inode();
        holds.keep(first, Some(first_hold));
        assert_eq!(watch.inode_at(first), inode);
        holds.keep(second, Some(second_hold));
        assert!(!watch.is_held(second));
        assert_eq!(watch.status().held, 2);
        let of_held = [ordered[3], first].map(|port| watch.inode_at(port).unwrap());
        assert_eq!(watch.inodes(), HashSet::from(of_held));
    }

    /// A service's hold is switched off, and on again.
    #[test]
    fn a_hold_that_is_switched_off_can_be_switched_on_again() {
        if !probe::HOLDS_PORTS {
            return eprintln!("skipped: pald holds no ports on this system");
        }
        let (holds, watch) = start(&[], 9);
        let [(port, hold)] = claimed();
        holds.keep(port, Some(hold));
        assert!(watch.is_held(port));
        holds.release(port);
        assert!(!watch.is_held(port));
        wait_until(|| is_unbound(port));
        holds.keep(port, None);
        wait_until(|| watch.is_held(port));
        assert!(!is_unbound(port));
    }

    #[test]
    fn what_the_system_refuses_is_told_by_its_cause() {
        let rows =
            [(Errno::MFILE, true, false), (Errno::ACCESS, false, true), (Errno::IO, false, false)];
        for (errno, is_files, is_permission) in rows {
            let error = HoldError::from(io::Error::from(errno));
            assert_eq!(matches!(error, HoldError::OpenFiles(_)), is_files, "{error:?}");
            assert_eq!(matches!(error, HoldError::NotPermitted(_)), is_permission, "{error:?}");
        }
    }

    #[test]
    fn a_port_in_use_is_missing_until_it_is_released() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let (holds, watch) = start(&[port], 9);
        wait_until(|| watch.status().missing == [port]);
        holds.release(port);
        assert_eq!(
            watch.status(),
            HoldsStatus { max: 9, held: 0, missing: vec![], refused: vec![] }
        );
    }

    #[test]
    fn a_port_that_was_in_use_is_tried_again_while_there_is_room() {
        if !probe::HOLDS_PORTS {
            return eprintln!("skipped: pald holds no ports on this system");
        }
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let (holds, watch) = start(&[port], 1);
        wait_until(|| watch.status().missing == [port]);
        let [(other, other_hold)] = claimed();
        drop(listener);
        holds.keep(other, Some(other_hold));
        holds.shared.retry_missing();
        assert_eq!((watch.is_held(port), watch.status().missing), (false, vec![port]));
        holds.release(other);
        wait_until(|| {
            holds.shared.retry_missing();
            watch.is_held(port)
        });
        assert_eq!(watch.status().missing, []);
    }
}
