//! What the machine says about ports and sockets: what uses a port, whether it can be claimed, and
//! which user a connection is from. What differs between systems is in `sys`.

mod claim;
mod ephemeral;
mod knocks;
mod peers;
pub mod sys;
mod who;

pub use claim::{Hold, Occupied};
pub use ephemeral::{Ephemeral, Overlap, ReservedPorts, overlap};
pub use knocks::{Family, Knocks, LeftOut};
pub use peers::{Connection, OwnEnd, Peers, Server};
pub use sys::{Claimer, HOLDS_PORTS, LACKS, RESERVES_PORTS, TELLS_USERS, Who, hold, listener_on};
pub use who::{Holder, Look, Origin, Place, PortState, Process, Reason, UnknownReason, User};
