//! Linux: netlink's sock_diag knows every socket, and `/proc` its processes.

mod claim;
mod peers;
pub mod sock_diag;
mod who;

pub use claim::{Claimer, hold};
pub use peers::PeerLookup;
pub use who::{Who, listener_on};

/// Whether a bound socket keeps a port for its service, and lets only the service in.
pub const HOLDS_PORTS: bool = true;
/// Whether the system tells which user a connection is from.
pub const TELLS_USERS: bool = true;
