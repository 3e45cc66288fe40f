//! What uses a port: by the sockets that this user may see, or else by a connect.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connect::{Knocked, knock};
use super::sockets::Sockets;
use crate::port::Port;
use crate::probe::claim::Occupied;
use crate::probe::knocks::Knocks;
use crate::probe::who::{Holder, Look, PortState, UnknownReason};

/// How long the connects of one look may take in all.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// Finds out what uses ports.
#[derive(Debug)]
pub struct Who {
    knocks: Arc<Knocks>,
}

impl Who {
    /// Makes one that knows nothing of ports yet.
    pub fn open() -> Self {
        Self::with(Arc::default())
    }

    /// Makes one that shares what is known of ports.
    pub fn with(knocks: Arc<Knocks>) -> Self {
        Self { knocks }
    }

    /// Finds the state of a port. No socket is one of pald's holds, since it has none here.
    pub fn state(&mut self, port: Port, look: Look, _is_own: &dyn Fn(u64) -> bool) -> PortState {
        let deadline = Instant::now() + LOOK_TIME;
        let unseen = || match look {
            Look::Knock => by_knock(port, &self.knocks, deadline),
            Look::Quiet => PortState::Free,
        };
        self.by_sockets(&[port], |_| unseen()).remove(&port).expect("each port gets a state")
    }

    /// Returns none: [`Who::states`] says it of each port for which there is no time.
    pub fn unseen(&self) -> &[Port] {
        &[]
    }

    /// Finds the states of ports, one for each; those for which there was no time are unknown.
    pub fn states(
        &mut self,
        ports: &[Port],
        _is_own: &dyn Fn(u64) -> bool,
    ) -> HashMap<Port, PortState> {
        let deadline = Instant::now() + LOOK_TIME;
        self.by_sockets(ports, |port| by_knock(port, &self.knocks, deadline))
    }

    /// Finds the states of ports by their sockets; `unseen` finds that of a port without one.
    fn by_sockets(
        &self,
        ports: &[Port],
        unseen: impl Fn(Port) -> PortState,
    ) -> HashMap<Port, PortState> {
        let sockets = match Sockets::list() {
            Ok(sockets) => {
                self.knocks.note_listing(None);
                sockets
            }
            Err(error) => {
                self.knocks.note_listing(Some(&error));
                let unknown = PortState::Unknown(UnknownReason::NotListed(error.to_string()));
                return ports.iter().map(|port| (*port, unknown.clone())).collect();
            }
        };
        let state = |port| sockets.state(port).unwrap_or_else(|| unseen(port));
        let mut states = ports.iter().map(|port| (*port, state(*port))).collect();
        look_again(&mut states);
        states
    }
}

/// Lists the sockets again where a port answered that had none: its server may have started since.
fn look_again(states: &mut HashMap<Port, PortState>) {
    let is_hidden =
        |state: &PortState| matches!(state, PortState::Unknown(UnknownReason::Hidden { .. }));
    if states.values().any(is_hidden)
        && let Ok(sockets) = Sockets::list()
    {
        for (port, state) in states.iter_mut().filter(|(_, state)| is_hidden(state)) {
            if let Some(seen) = sockets.state(*port) {
                *state = seen;
            }
        }
    }
}

/// Finds the state of a port of which this user sees no socket: it may still be another user's.
fn by_knock(port: Port, knocks: &Knocks, deadline: Instant) -> PortState {
    if Instant::now() >= deadline {
        return PortState::Unknown(UnknownReason::NoTime);
    }
    match knock(port, knocks) {
        Knocked::Refused => PortState::Free,
        Knocked::Occupied(Occupied::Redirected(address)) => {
            PortState::Unknown(UnknownReason::Hidden { address })
        }
        Knocked::Occupied(occupied) => {
            PortState::Blocked { reason: occupied.into(), holders: Vec::new() }
        }
        Knocked::Failed(address, error) => {
            let cause = error.to_string();
            PortState::Unknown(UnknownReason::NotConnected { address, cause })
        }
    }
}

/// Returns the holder of the listener on an address, if it is a process that this user may look into.
pub fn listener_on(address: SocketAddr) -> Option<Holder> {
    Sockets::list().ok()?.listener_on(address)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_free_or_running_and_unknown_without_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let port = Port::new(address.port()).unwrap();
        let state = |port| Who::open().state(port, Look::Knock, &|_| false);
        assert!(matches!(state(port), PortState::Running(_)));
        // As if it were another user's.
        let hidden = PortState::Unknown(UnknownReason::Hidden { address });
        let knocks = Knocks::default();
        assert_eq!(by_knock(port, &knocks, Instant::now() + LOOK_TIME), hidden);
        // Seen again, it is ours.
        let free = Port::new(1).unwrap();
        let mut states = HashMap::from([(port, hidden), (free, PortState::Free)]);
        look_again(&mut states);
        assert!(matches!(states[&port], PortState::Running(_)), "{states:?}");
        assert_eq!(states[&free], PortState::Free);
        let no_time = PortState::Unknown(UnknownReason::NoTime);
        assert_eq!(by_knock(port, &knocks, Instant::now()), no_time);
        drop(listener);
        // Another program may take the port in between, but hardly each of a hundred.
        let is_free = (0..100).any(|_| {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            state(Port::new(address.port()).unwrap()) == PortState::Free
        });
        assert!(is_free);
    }
}
