//! Any Unix: ports are claimed by binding and connecting alone, and only the sockets of processes that
//! this user may look into are known.

mod claim;
mod connect;
mod ephemeral;
mod peers;
mod sockets;
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
/// Whether the system can leave ports out of its ephemeral range.
pub const RESERVES_PORTS: bool = false;
/// What pald can't do on this system, for people.
pub const LACKS: Option<&str> = Some(
    "On this system pald holds no port, lets every user of this machine make changes, and sees only \
     what your own processes use",
);
