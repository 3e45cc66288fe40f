//! What registered ports are used for, remembered for a second: to find out takes milliseconds.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::PortSet;
use super::holds::HoldsWatch;
use crate::port::Port;
use crate::probe::{PortState, Who};
use crate::registration::Registration;

/// The oldest answer that is given again.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Asks for the states of ports.
#[derive(Debug)]
pub(super) struct Surveyor {
    holds: HoldsWatch,
    last: Mutex<Option<Survey>>,
}

#[derive(Debug)]
struct Survey {
    made_at: Instant,
    ports: PortSet,
    states: Arc<HashMap<Port, PortState>>,
}

impl Surveyor {
    pub(super) fn new(holds: HoldsWatch) -> Self {
        Self { holds, last: Mutex::new(None) }
    }

    /// What these services' ports are used for, as of up to a second ago; those that are left out are
    /// free. Blocks.
    ///
    /// Callers that ask at the same time wait for one look.
    pub(super) fn states(
        &self,
        registrations: &[Arc<Registration>],
    ) -> Arc<HashMap<Port, PortState>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Survey { made_at, ports, states }) = last.as_ref()
            && made_at.elapsed() < MAX_AGE
            && registrations.iter().all(|registration| ports.contains(registration.port))
        {
            return Arc::clone(states);
        }
        let ports: Vec<Port> = registrations.iter().map(|registration| registration.port).collect();
        // They are asked for once the sockets are listed, so that no hold among them is missed.
        let holds = OnceCell::new();
        let is_own = |inode| holds.get_or_init(|| self.holds.inodes()).contains(&inode);
        let states = Arc::new(Who::open().states(&ports, &is_own));
        let ports = ports.into_iter().collect();
        *last = Some(Survey { made_at: Instant::now(), ports, states: Arc::clone(&states) });
        states
    }

    /// What one port is used for, right now. Blocks.
    pub(super) fn state(&self, port: Port) -> PortState {
        Who::open().state(port, &|inode| self.holds.inode_at(port) == Some(inode))
    }
}
