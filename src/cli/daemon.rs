//! The daemon's process: its log, signals, file descriptors and notices to the service manager.
//! The registry and the HTTP service are elsewhere.

pub(super) mod descriptors;
mod error;
mod locks;
pub(super) mod log;
pub(super) mod notify;
pub(super) mod ownership;
pub(super) mod signals;
pub(super) mod threads;

pub(super) use error::ServeError;
pub(super) use locks::Locks;
