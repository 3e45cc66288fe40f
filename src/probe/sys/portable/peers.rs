//! Which user is at the other end of a connection: unknown here.

use std::io;
use std::net::SocketAddr;

use crate::probe::peers::{Connection, Server};

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

    /// Fails.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn server(&mut self, _connection: Connection) -> io::Result<Server> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Fails.
    ///
    /// # Errors
    /// `Unsupported`, always.
    pub fn listener(&mut self, _address: SocketAddr) -> io::Result<Option<u32>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
