//! Any Unix: ports are claimed by binding and connecting alone, and no socket's owner is known.

mod claim;
mod ephemeral;
mod peers;
mod who;

pub use claim::{Claimer, hold};
pub use ephemeral::ephemeral;
pub use peers::PeerLookup;
pub use who::{Who, listener_on};

/// Whether pald holds ports.
///
/// It does not here: on macOS and the BSDs a bound socket keeps the service away too: a bind
/// with `SO_REUSEADDR` to an exact address conflicts with it.
pub const HOLDS_PORTS: bool = false;
/// Whether the system tells which user a connection is from.
pub const TELLS_USERS: bool = false;
