//! Which user is at the other end of a connection, as the kernel tells it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};

use procfs::net::TcpState;
use tracing::debug;

use crate::probe::linux::uid_by_proc;
use crate::probe::sock_diag::SockDiag;

/// Tells the users of connections, in the best way that this machine allows.
#[derive(Debug)]
pub enum Peers {
    /// By one kept netlink socket, in microseconds.
    SockDiag(Mutex<SockDiag>),
    /// By the tables under `/proc/net`, in milliseconds.
    Tables,
    /// Not at all.
    Unknown,
}

/// What is known about the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Its user.
    User(u32),
    /// Its user can't be told.
    Unknown,
    /// Its user can be asked for, off the async workers.
    Slow {
        /// Our end.
        local: SocketAddr,
        /// Its end.
        peer: SocketAddr,
    },
}

impl Peers {
    /// Tries the ways on a connection of this process, and keeps the first that tells its user.
    pub fn open() -> Self {
        let by_netlink = || {
            let mut sock_diag = SockDiag::open()?;
            let (client, server) = own_connection()?;
            let found = sock_diag.lookup(client.local_addr()?, server.local_addr()?)?;
            io::Result::Ok(found.and_then(|socket| socket.owner()).map(|user| (user, sock_diag)))
        };
        let by_tables = || {
            let (client, server) = own_connection()?;
            let found = uid_by_proc(client.local_addr()?, server.local_addr()?)?;
            io::Result::Ok(found.and_then(|socket| socket.owner()))
        };
        let own = rustix::process::geteuid().as_raw();
        match by_netlink() {
            Ok(Some((user, sock_diag))) if user == own => Self::SockDiag(Mutex::new(sock_diag)),
            _ => match by_tables() {
                Ok(Some(user)) if user == own => Self::Tables,
                _ => Self::Unknown,
            },
        }
    }

    /// The user at the other end of a connection that was just accepted.
    pub fn of(&self, local: SocketAddr, peer: SocketAddr) -> Peer {
        match self {
            Self::SockDiag(sock_diag) => {
                let mut sock_diag = sock_diag.lock().unwrap_or_else(PoisonError::into_inner);
                let found = sock_diag.lookup(peer, local).unwrap_or_else(|cause| {
                    debug!(%cause, "sock_diag does not answer");
                    None
                });
                found.and_then(|socket| socket.owner()).map_or(Peer::Unknown, Peer::User)
            }
            Self::Tables => Peer::Slow { local, peer },
            Self::Unknown => Peer::Unknown,
        }
    }
}

impl Peer {
    /// Whether [`Peer::user`] has to read tables.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::Slow { .. })
    }

    /// The user, if it can be told. Reads tables where need be, which takes milliseconds.
    pub fn user(self) -> Option<u32> {
        match self {
            Self::User(user) => Some(user),
            Self::Unknown => None,
            Self::Slow { local, peer } => {
                let owner = uid_by_proc(peer, local).ok()??.owner();
                // If our end is gone, the other one may be a stranger's by now.
                let ours = uid_by_proc(local, peer).ok()??.state;
                let is_open = matches!(ours, TcpState::Established | TcpState::CloseWait);
                owner.filter(|_| is_open)
            }
        }
    }
}

/// Both ends of a connection from this process to itself.
fn own_connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_tells_our_own_user() {
        let own = rustix::process::geteuid().as_raw();
        let (client, server) = own_connection().unwrap();
        let (local, peer) = (server.local_addr().unwrap(), client.local_addr().unwrap());
        let best = Peers::open();
        assert!(matches!(best, Peers::SockDiag(_)));
        assert_eq!(best.of(local, peer), Peer::User(own));
        assert_eq!(Peers::Tables.of(local, peer).user(), Some(own));
        assert_eq!(Peers::Unknown.of(local, peer).user(), None);
        drop(client);
        drop(server);
        assert_eq!(best.of(local, peer).user(), None);
        assert_eq!(Peers::Tables.of(local, peer).user(), None);
    }
}
