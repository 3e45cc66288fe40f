//! Picks the system that pald runs on: Linux, or any Unix.
//!
//! The portable one is compiled and unit-tested on Linux too, and `--cfg pald_portable` makes the
//! whole program use it there.

#[cfg(all(target_os = "linux", not(pald_portable)))]
pub mod linux;
pub mod portable;

#[cfg(all(target_os = "linux", not(pald_portable)))]
pub use linux::{Claimer, HOLDS_PORTS, PeerLookup, TELLS_USERS, Who, ephemeral, hold, listener_on};
#[cfg(any(pald_portable, not(target_os = "linux")))]
pub use portable::{
    Claimer, HOLDS_PORTS, PeerLookup, TELLS_USERS, Who, ephemeral, hold, listener_on,
};
