//! What uses a port: unknown here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::port::Port;
use crate::probe::knocks::Knocks;
use crate::probe::who::{Holder, PortState, UnknownReason};

/// Finds nothing out: there is no way to list sockets that works on every Unix.
#[derive(Debug)]
pub struct Who;

impl Who {
    /// Makes one; there is nothing to open.
    pub fn open() -> Self {
        Self
    }

    /// Makes one that knocks at no port.
    pub fn with(_knocks: Arc<Knocks>) -> Self {
        Self
    }

    /// Returns that the state is unknown.
    pub fn state(&mut self, _port: Port, _is_own: &dyn Fn(u64) -> bool) -> PortState {
        PortState::Unknown(UnknownReason::Unsupported)
    }

    /// Returns that the states are unknown, one for each port.
    pub fn states(
        &mut self,
        ports: &[Port],
        _is_own: &dyn Fn(u64) -> bool,
    ) -> HashMap<Port, PortState> {
        let unknown = PortState::Unknown(UnknownReason::Unsupported);
        ports.iter().map(|port| (*port, unknown.clone())).collect()
    }
}

/// Returns `None`: no listener's holder is known.
pub fn listener_on(_address: SocketAddr) -> Option<Holder> {
    None
}
