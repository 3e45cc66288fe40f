//! Elsewhere than on Linux pald has no way to tell who has a port.

use std::net::SocketAddr;

use crate::port::Port;
use crate::probe::who::{Holder, PortState, UnknownReason};

/// Elsewhere than on Linux nothing is known about a port.
#[derive(Debug)]
pub struct Who;

impl Who {
    /// There is nothing to open.
    pub fn open() -> Self {
        Self
    }

    /// It is not known.
    pub fn state(&mut self, _port: Port, _own: &dyn Fn(u64) -> bool) -> PortState {
        PortState::Unknown(UnknownReason::Unsupported)
    }

    /// They are not known.
    pub fn states(&mut self, ports: &[Port], _own: &dyn Fn(u64) -> bool) -> Vec<PortState> {
        vec![PortState::Unknown(UnknownReason::Unsupported); ports.len()]
    }
}

/// Nobody is known.
pub fn listener_on(_address: SocketAddr) -> Option<Holder> {
    None
}
