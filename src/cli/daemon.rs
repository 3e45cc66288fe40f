//! What the process that serves needs besides its registry and its HTTP service: its log, its
//! signals, its file descriptors, and its word to the service manager.

pub(super) mod descriptors;
mod error;
pub(super) mod log;
pub(super) mod notify;
pub(super) mod signals;

pub(super) use error::ServeError;
