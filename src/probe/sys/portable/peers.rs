//! Elsewhere than on Linux pald has no way to tell which user is at the other end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Elsewhere than on Linux no user can be told.
#[derive(Debug)]
pub struct Peers;

/// Elsewhere than on Linux nothing need be known about our end of a connection.
#[derive(Debug)]
pub struct OwnEnd;

/// Elsewhere than on Linux nothing is known about the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer;

impl Peers {
    /// There is nothing to open.
    pub fn open() -> Self {
        Self
    }

    /// Nothing is known.
    pub fn of(&self, _own_end: &OwnEnd, _local: SocketAddr, _peer: SocketAddr) -> Peer {
        Peer
    }
}

impl OwnEnd {
    /// Our end of a connection.
    ///
    /// # Errors
    /// None.
    pub fn of(_connection: impl AsFd) -> io::Result<Self> {
        Ok(Self)
    }
}

impl Peer {
    /// Nothing has to be read.
    pub fn is_slow(self) -> bool {
        false
    }

    /// Nobody.
    pub fn user(self) -> Option<u32> {
        None
    }
}
