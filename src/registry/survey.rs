//! What ports are used for. To find out walks over all processes, so who asks at once shares a look, and
//! who asks again and again may take one that is a second old.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::PortSet;
use super::holds::HoldsWatch;
use crate::port::Port;
use crate::probe::{Knocks, Look, PortState, UnknownReason, Who};

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// From after the question.
    Now,
    /// From up to a second before it.
    UpToASecond,
}

/// Asks for the states of ports.
#[derive(Debug)]
pub(super) struct Surveyor {
    holds: HoldsWatch,
    knocks: Arc<Knocks>,
    last: Mutex<Option<Survey>>,
}

/// What some ports are used for.
#[derive(Debug, Clone, Default)]
pub struct States {
    by_port: HashMap<Port, PortState>,
    /// Those for which there was no time. There can be tens of thousands of them.
    unseen: PortSet,
}

impl States {
    /// Returns what a port is used for that was asked for.
    pub fn get(&self, port: Port) -> &PortState {
        const UNSEEN: PortState = PortState::Unknown(UnknownReason::NoTime);
        match self.by_port.get(&port) {
            Some(state) => state,
            None if self.unseen.contains(port) => &UNSEEN,
            None => &PortState::Free,
        }
    }
}

#[derive(Debug)]
struct Survey {
    /// When the first of the states was looked up.
    made_at: Instant,
    ports: PortSet,
    states: Arc<States>,
}

impl Surveyor {
    pub(super) fn new(holds: HoldsWatch, knocks: Arc<Knocks>) -> Self {
        Self { holds, knocks, last: Mutex::new(None) }
    }

    /// What these ports are used for. Blocks.
    ///
    /// Callers that ask at the same time wait for one look.
    pub(super) fn states(&self, ports: &[Port], age: Age) -> Arc<States> {
        let now = Instant::now();
        let oldest = match age {
            Age::Now => now,
            Age::UpToASecond => now.checked_sub(Duration::from_secs(1)).unwrap_or(now),
        };
        self.states_since(ports, oldest)
    }

    /// What these ports were used for at this time or later.
    fn states_since(&self, ports: &[Port], oldest: Instant) -> Arc<States> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        drop(last.take_if(|survey| survey.made_at < oldest));
        let survey = last.get_or_insert_with(Survey::new);
        let missing = ports.iter().copied().filter(|port| !survey.ports.contains(*port));
        let missing: Vec<Port> = missing.collect();
        if !missing.is_empty() {
            self.look(&missing, Arc::make_mut(&mut survey.states));
            missing.into_iter().for_each(|port| survey.ports.insert(port));
        }
        Arc::clone(&survey.states)
    }

    fn look(&self, ports: &[Port], states: &mut States) {
        // They are asked for once the sockets are listed, so that no hold among them is missed.
        let holds = OnceCell::new();
        let is_own = |inode| holds.get_or_init(|| self.holds.inodes()).contains(&inode);
        let mut who = self.who();
        states.by_port.extend(who.states(ports, &is_own));
        who.unseen().iter().for_each(|port| states.unseen.insert(*port));
    }

    fn who(&self) -> Who {
        Who::with(Arc::clone(&self.knocks))
    }

    /// What one port is used for, right now. Blocks.
    pub(super) fn state(&self, port: Port, look: Look) -> PortState {
        self.who().state(port, look, &|inode| self.holds.inode_at(port) == Some(inode))
    }
}

impl Survey {
    fn new() -> Self {
        Self { made_at: Instant::now(), ports: PortSet::default(), states: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::registry::holds::Holds;

    impl Surveyor {
        fn has_looked_at(&self, port: Port) -> bool {
            let last = self.last.lock().unwrap();
            last.as_ref().is_some_and(|survey| survey.ports.contains(port))
        }
    }

    fn surveyor() -> Surveyor {
        let holds = Holds::start(std::iter::empty(), 0).unwrap().watch();
        Surveyor::new(holds, Arc::default())
    }

    /// Each refused request had its own walk over /proc.
    #[test]
    fn callers_that_ask_at_once_share_one_look() {
        let (surveyor, asked_at) = (surveyor(), Instant::now());
        let all: Vec<_> = thread::scope(|scope| {
            let ask = || surveyor.states_since(&[Port::MIN], asked_at);
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(surveyor.has_looked_at(Port::MIN));
        assert!(all.iter().all(|states| Arc::ptr_eq(states, &all[0])));
    }

    /// For up to a second, a list contradicted what was asked of one port.
    #[test]
    fn a_state_is_looked_up_unless_it_is_new_enough() {
        let (surveyor, before) = (surveyor(), Instant::now());
        surveyor.states(&[], Age::Now);
        assert!(!surveyor.has_looked_at(Port::MIN));
        surveyor.states_since(&[Port::MIN], before);
        surveyor.states_since(&[Port::MAX], before);
        assert!(surveyor.has_looked_at(Port::MIN) && surveyor.has_looked_at(Port::MAX));
        surveyor.states(&[Port::MAX], Age::Now);
        assert!(!surveyor.has_looked_at(Port::MIN) && surveyor.has_looked_at(Port::MAX));
    }
}
