//! Which user a connection is from: unknown here.

use std::io;

use crate::probe::peers::Connection;

/// Finds no users: there is no way to ask for them that works on every Unix.
#[derive(Debug, Default)]
pub struct PeerLookup;

impl PeerLookup {
    /// Fails.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn check(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn user(&mut self, _connection: Connection) -> io::Result<Option<u32>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
