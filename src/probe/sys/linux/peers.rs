//! Which user is at the other end of a connection, as the kernel tells it.

use std::cell::OnceCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use procfs::net::TcpState;
use rustix::fs::fstat;
use tracing::debug;

use super::proc_net::uid_by_proc;
use super::sock_diag::{DiagSocket, SockDiag};

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

/// Our end of a connection.
#[derive(Debug)]
pub struct OwnEnd {
    /// The inode of our socket, by which it is told from that of a later connection.
    inode: u64,
    /// The user at the other end, once it was told.
    user: OnceCell<u32>,
}

/// What is known about the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Its user.
    User(u32),
    /// Its user can't be told.
    Unknown,
    /// Its user can be asked for, off the async workers.
    Slow(Ends),
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
    /// The inode of our socket.
    inode: u64,
}

impl Peers {
    /// Tries the ways on a connection of this process, and keeps the first that tells its user.
    pub fn open() -> Self {
        let by_netlink = || {
            let mut sock_diag = SockDiag::open()?;
            let (_client, server) = own_connection()?;
            let ends = Ends::of(&server)?;
            let found = ends.user(|local, peer| sock_diag.lookup(local, peer))?;
            io::Result::Ok(found.map(|user| (user, sock_diag)))
        };
        let by_tables = || {
            let (_client, server) = own_connection()?;
            Ends::of(&server)?.user(uid_by_proc)
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

    /// The user at the other end of a connection, of which these are the addresses.
    ///
    /// It is asked for once, so that a lookup on a new connection need not wait for it, and kept.
    pub fn of(&self, own_end: &OwnEnd, local: SocketAddr, peer: SocketAddr) -> Peer {
        let ends = Ends { local, peer, inode: own_end.inode };
        match (self, own_end.user.get()) {
            (_, Some(user)) => Peer::User(*user),
            (Self::SockDiag(sock_diag), None) => {
                let mut sock_diag = sock_diag.lock().unwrap_or_else(PoisonError::into_inner);
                let found = ends.user(|local, peer| sock_diag.lookup(local, peer));
                let found = found.unwrap_or_else(|cause| {
                    debug!(%cause, "sock_diag does not answer");
                    None
                });
                found.map_or(Peer::Unknown, |user| Peer::User(*own_end.user.get_or_init(|| user)))
            }
            (Self::Tables, None) => Peer::Slow(ends),
            (Self::Unknown, None) => Peer::Unknown,
        }
    }
}

impl OwnEnd {
    /// Our end of a connection that was just accepted.
    ///
    /// # Errors
    /// What the system said.
    pub fn of(connection: impl AsFd) -> io::Result<Self> {
        Ok(Self { inode: fstat(connection)?.st_ino, user: OnceCell::new() })
    }
}

impl Peer {
    /// Whether [`Peer::user`] has to read tables.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::Slow(_))
    }

    /// The user, if it can be told. Reads tables where need be, which takes milliseconds.
    pub fn user(self) -> Option<u32> {
        match self {
            Self::User(user) => Some(user),
            Self::Unknown => None,
            Self::Slow(ends) => ends.user(uid_by_proc).ok().flatten(),
        }
    }
}

impl Ends {
    /// Those of a connection of this process.
    fn of(connection: &TcpStream) -> io::Result<Self> {
        let (local, peer) = (connection.local_addr()?, connection.peer_addr()?);
        Ok(Self { local, peer, inode: fstat(connection)?.st_ino })
    }

    /// The user at the other end, if both are alive.
    ///
    /// Ours is looked at last: while it is alive nobody else can have got the other one's port. A
    /// later connection may have the same addresses, but not the same inode.
    fn user(
        self,
        mut lookup: impl FnMut(SocketAddr, SocketAddr) -> io::Result<Option<DiagSocket>>,
    ) -> io::Result<Option<u32>> {
        let owner = lookup(self.peer, self.local)?.and_then(|theirs| theirs.owner());
        let is_alive = lookup(self.local, self.peer)?.is_some_and(|ours| {
            ours.inode == self.inode
                && matches!(ours.state, TcpState::Established | TcpState::CloseWait)
        });
        Ok(owner.filter(|_| is_alive))
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
        let of = |peers: &Peers| peers.of(&OwnEnd::of(&server).unwrap(), local, peer);
        assert_eq!(of(&best), Peer::User(own));
        assert_eq!(of(&Peers::Tables).user(), Some(own));
        assert_eq!(of(&Peers::Unknown).user(), None);

        // What was told once is kept.
        let own_end = OwnEnd::of(&server).unwrap();
        assert_eq!(best.of(&own_end, local, peer), Peer::User(own));
        drop(client);
        assert_eq!(best.of(&own_end, local, peer), Peer::User(own));
        assert_eq!(of(&best).user(), None);
        assert_eq!(of(&Peers::Tables).user(), None);
    }

    #[test]
    fn the_user_of_a_later_connection_with_the_same_addresses_is_not_believed() {
        let (_client, server) = own_connection().unwrap();
        let (_other_client, other) = own_connection().unwrap();
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        for peers in [Peers::open(), Peers::Tables] {
            let earlier = OwnEnd::of(&other).unwrap();
            assert_eq!(peers.of(&earlier, local, peer).user(), None);
        }
    }
}
