//! What the machine says about ports and sockets: who listens, and whose a connection is.

use std::fmt;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub mod sock_diag;

#[cfg_attr(target_os = "linux", path = "probe/peers/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "probe/peers/elsewhere.rs")]
mod peers;

mod claim;
mod ephemeral;

pub use claim::{Hold, Occupied, claim, hold};
pub use ephemeral::{Overlap, overlap};
pub use peers::{Peer, Peers};

/// A process that has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its short name, as the system shows it.
    pub process: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.process.escape_default(), self.pid)
    }
}

/// The process that listens on a TCP address, or on all addresses with this port, where the system shows it to us.
///
/// Processes of other users are visible to root alone, and elsewhere than on Linux none is.
pub fn listener_on(address: SocketAddr) -> Option<Holder> {
    #[cfg(target_os = "linux")]
    return linux::listener_on(address);
    #[cfg(not(target_os = "linux"))]
    return {
        let _ = address;
        None
    };
}
