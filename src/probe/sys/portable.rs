//! Any Unix: ports are claimed by binding and connecting alone, and no socket's owner is known.

mod claim;
mod peers;
mod who;

pub use claim::{Claimer, hold};
pub use peers::PeerLookup;
pub use who::{Who, listener_on};

/// Whether a bound socket keeps a port for its service, and lets only the service in.
///
/// On macOS and the BSDs it keeps servers away too: a bind with `SO_REUSEADDR` to an exact address
/// conflicts with it.
pub const HOLDS_PORTS: bool = false;
/// Whether the system tells which user a connection is from.
pub const TELLS_USERS: bool = false;
