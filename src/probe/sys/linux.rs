//! Linux: netlink's sock_diag lists every socket, and `/proc` shows whose they are.

mod claim;
mod ephemeral;
mod knock;
mod peers;
pub mod sock_diag;
mod who;

pub use claim::{Claimer, hold};
pub use ephemeral::ephemeral;
pub use peers::PeerLookup;
pub use who::{Who, listener_on};

/// Whether pald holds ports: a bound socket keeps others away, and lets the service in.
pub const HOLDS_PORTS: bool = true;
/// Whether the system tells which user a connection is from.
pub const TELLS_USERS: bool = true;
/// Whether the system can leave ports out of its ephemeral range.
pub const RESERVES_PORTS: bool = true;
/// What pald can't do on this system, for people: nothing.
pub const LACKS: Option<&str> = None;
