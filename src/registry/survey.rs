//! What ports are used for, remembered for a second: to find out walks over all processes.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::PortSet;
use super::holds::HoldsWatch;
use crate::port::Port;
use crate::probe::{Knocks, Look, PortState, UnknownReason, Who};

/// The oldest answer that is given again.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Asks for the states of ports.
#[derive(Debug)]
pub(super) struct Surveyor {
    holds: HoldsWatch,
    knocks: Arc<Knocks>,
    max_age: Duration,
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
        Self { holds, knocks, max_age: MAX_AGE, last: Mutex::new(None) }
    }

    /// What these ports are used for, as of up to a second ago. Blocks.
    ///
    /// Callers that ask at the same time wait for one look.
    pub(super) fn states(&self, ports: &[Port]) -> Arc<States> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        drop(last.take_if(|survey| survey.made_at.elapsed() >= self.max_age));
        let survey = last.get_or_insert_with(Survey::new);
        let missing = ports.iter().copied().filter(|port| !survey.ports.contains(*port));
        let missing: Vec<Port> = missing.collect();
        if !missing.is_empty() {
            self.look(&missing, Arc::make_mut(&mut survey.states));
            missing.into_iter().for_each(|port| survey.ports.insert(port));
        }
        Arc::clone(&survey.states)
    }

    /// What these ports are used for, right now. Blocks.
    pub(super) fn fresh_states(&self, ports: &[Port]) -> States {
        let mut states = States::default();
        self.look(ports, &mut states);
        states
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

    fn surveyor(max_age: Duration) -> Surveyor {
        let holds = Holds::start(std::iter::empty(), 0).unwrap().watch();
        Surveyor { max_age, ..Surveyor::new(holds, Arc::default()) }
    }

    /// Each refused request had its own walk over /proc.
    #[test]
    fn callers_that_ask_at_once_share_one_look() {
        let surveyor = surveyor(Duration::MAX);
        let all: Vec<_> = thread::scope(|scope| {
            let ask = || surveyor.states(&[Port::MIN]);
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(surveyor.has_looked_at(Port::MIN));
        assert!(all.iter().all(|states| Arc::ptr_eq(states, &all[0])));
    }

    #[test]
    fn a_state_is_looked_up_unless_it_is_remembered() {
        let surveyor = surveyor(Duration::MAX);
        surveyor.states(&[]);
        assert!(!surveyor.has_looked_at(Port::MIN));
        surveyor.states(&[Port::MIN]);
        assert!(surveyor.has_looked_at(Port::MIN));
        surveyor.states(&[Port::MAX]);
        assert!(surveyor.has_looked_at(Port::MIN) && surveyor.has_looked_at(Port::MAX));
        let forgetful = Surveyor { max_age: Duration::ZERO, ..surveyor };
        forgetful.states(&[Port::MAX]);
        assert!(!forgetful.has_looked_at(Port::MIN));
    }
}
