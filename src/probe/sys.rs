//! Picks the system that pald runs on: Linux, or any Unix. The feature `portable` picks the latter on
//! Linux too, for tests.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub mod linux;
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub mod portable;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub use linux::{
    Claimer, HOLDS_PORTS, LACKS, PeerLookup, RESERVES_PORTS, TELLS_USERS, Who, ephemeral, hold,
    listener_on,
};
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub use portable::{
    Claimer, HOLDS_PORTS, LACKS, PeerLookup, RESERVES_PORTS, TELLS_USERS, Who, ephemeral, hold,
    listener_on,
};
