//! Which user is at the other end of a connection, of one from a client or of one to a server.
//!
//! Not here: which users may make changes, and which are believed.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::fstat;

use super::sys::PeerLookup;

/// Finds the users at the other ends of connections.
#[derive(Debug, Default)]
pub struct Peers {
    lookup: Mutex<PeerLookup>,
}

/// Our end of a connection.
#[derive(Debug)]
pub struct OwnEnd {
    connection: Connection,
    /// The user at the other end, once it is known.
    user: OnceLock<u32>,
}

/// One connection, as our end sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Our address.
    pub local: SocketAddr,
    /// The address of the other end.
    pub peer: SocketAddr,
    /// The inode of our socket, which a later connection with the same addresses does not have.
    pub inode: u64,
}

/// What the system says about the other end of a connection that this process made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// A process of this user has accepted the connection.
    Accepted(u32),
    /// No process has accepted it yet; this user listens for it.
    Listening(u32),
    /// One of its ends is closed, so whose the other end was is unknown.
    Closed,
    /// The other end is not a socket of this machine and network namespace, or a redirect leads to
    /// it.
    Elsewhere,
    /// The system does not list our own end, which is alive if it is still connected *afterwards*:
    /// then the system lists no sockets at all.
    Unlisted,
}

impl Peers {
    /// Looks up a connection that this process makes to itself, which takes 200 ms at most.
    ///
    /// # Errors
    /// Why users are unknown. That may pass: each lookup tries again.
    pub fn check(&self) -> io::Result<()> {
        self.with_lookup(PeerLookup::check)
    }

    /// Returns the user at the other end of a connection; `None` if either end is closed.
    ///
    /// A user that is found is kept with `own_end`, and not looked up again.
    ///
    /// # Errors
    /// The system does not answer, or has no answer that pald knows how to ask for. The next call
    /// tries again.
    pub fn user(&self, own_end: &OwnEnd) -> io::Result<Option<u32>> {
        if let Some(user) = own_end.user.get() {
            return Ok(Some(*user));
        }
        let user = self.with_lookup(|lookup| lookup.user(own_end.connection))?;
        Ok(user.map(|user| *own_end.user.get_or_init(|| user)))
    }

    /// Finds whose the other end of a connection is that this process made.
    ///
    /// # Errors
    /// As for [`Peers::user`].
    pub fn server(&self, connection: Connection) -> io::Result<Server> {
        self.with_lookup(|lookup| lookup.server(connection))
    }

    /// Returns the user who listens where a connection to this address would end.
    ///
    /// # Errors
    /// As for [`Peers::user`].
    pub fn listener(&self, address: SocketAddr) -> io::Result<Option<u32>> {
        self.with_lookup(|lookup| lookup.listener(address))
    }

    fn with_lookup<T>(&self, ask: impl FnOnce(&mut PeerLookup) -> T) -> T {
        ask(&mut self.lookup.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Connection {
    /// Returns a connection that this process made.
    ///
    /// # Errors
    /// It is no longer connected.
    pub fn of(stream: &TcpStream) -> io::Result<Self> {
        let inode = fstat(stream)?.st_ino;
        Ok(Self { local: stream.local_addr()?, peer: stream.peer_addr()?, inode })
    }
}

impl OwnEnd {
    /// Returns our end of a connection with these addresses, which was just accepted.
    ///
    /// # Errors
    /// The system does not tell the socket's inode.
    pub fn of(socket: impl AsFd, local: SocketAddr, peer: SocketAddr) -> io::Result<Self> {
        let connection = Connection { local, peer, inode: fstat(socket)?.st_ino };
        Ok(Self { connection, user: OnceLock::new() })
    }
}
