//! What the machine says about ports and sockets: who has a port, and whose a connection is.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub mod sock_diag;

#[cfg_attr(target_os = "linux", path = "probe/peers/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "probe/peers/elsewhere.rs")]
mod peers;
mod who;

mod claim;
mod ephemeral;

pub use claim::{Claimer, Hold, Occupied, hold};
pub use ephemeral::{Overlap, overlap};
pub use peers::{OwnEnd, Peer, Peers};
pub use who::{Holder, PortState, Process, Reason, UnknownReason, User, Who, listener_on};
