//! Which user a connection is from, by netlink.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use procfs::net::TcpState;
use rustix::fs::fstat;

use super::sock_diag::{DiagSocket, SockDiag};
use crate::probe::peers::Connection;

/// How long the connection to ourselves may take. A firewall may drop it.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

/// Looks up the users of connections with one netlink socket, 4-5 µs each.
///
/// There is no second way: `/proc/net/tcp` takes milliseconds to read, more the more sockets there
/// are, and names the same users.
#[derive(Debug, Default)]
pub struct PeerLookup {
    /// `None` before the first lookup and after one that failed.
    sock_diag: Option<SockDiag>,
}

impl PeerLookup {
    /// Looks up the user of a connection from this process to itself.
    ///
    /// # Errors
    /// The lookup fails, or does not find our own socket and user: a kernel without `tcp_diag` finds
    /// no sockets at all.
    pub fn check(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let peer = listener.local_addr()?;
        // It need not be accepted: its own end is looked up, and that is complete.
        let client = TcpStream::connect_timeout(&peer, CONNECT_TIMEOUT)?;
        let (local, inode) = (client.local_addr()?, fstat(&client)?.st_ino);
        let found = self.ask(|sock_diag| sock_diag.lookup(local, peer))?;
        let own_user = rustix::process::geteuid().as_raw();
        if found.is_some_and(|ours| ours.inode == inode && ours.owner() == Some(own_user)) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "sock_diag doesn't find pald's own socket"))
        }
    }

    /// Returns the user at the other end of a connection; `None` if either end is closed.
    ///
    /// # Errors
    /// Netlink is missing, doesn't answer within 100 ms, or answers with an error.
    pub fn user(&mut self, connection: Connection) -> io::Result<Option<u32>> {
        self.ask(|sock_diag| user(connection, |local, peer| sock_diag.lookup(local, peer)))
    }

    /// Asks over the kept socket, or a new one, and keeps it only if it answers.
    fn ask<T>(&mut self, ask: impl FnOnce(&mut SockDiag) -> io::Result<T>) -> io::Result<T> {
        let mut sock_diag = self.sock_diag.take().map_or_else(SockDiag::open, Ok)?;
        let answer = ask(&mut sock_diag)?;
        self.sock_diag = Some(sock_diag);
        Ok(answer)
    }
}

/// Finds the user at the other end, if both ends are alive.
///
/// Our end is looked up last: while it is alive, nobody else can have the other end's port. A later
/// connection may have the same addresses, but not the same inode.
fn user(
    Connection { local, peer, inode }: Connection,
    mut lookup: impl FnMut(SocketAddr, SocketAddr) -> io::Result<Option<DiagSocket>>,
) -> io::Result<Option<u32>> {
    let owner = lookup(peer, local)?.and_then(|theirs| theirs.owner());
    let is_alive = lookup(local, peer)?.is_some_and(|ours| {
        ours.inode == inode && matches!(ours.state, TcpState::Established | TcpState::CloseWait)
    });
    Ok(owner.filter(|_| is_alive))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{OwnEnd, Peers};

    /// Both ends of a connection from this process to itself.
    fn own_connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn own_end(server: &TcpStream, addresses: &TcpStream) -> OwnEnd {
        let (local, peer) = (addresses.local_addr().unwrap(), addresses.peer_addr().unwrap());
        OwnEnd::of(server, local, peer).unwrap()
    }

    #[test]
    fn the_user_of_a_connection_is_kept_until_its_end() {
        let own = Some(rustix::process::geteuid().as_raw());
        let (client, server) = own_connection();
        let peers = Peers::default();
        peers.check().unwrap();
        let known = own_end(&server, &server);
        assert_eq!(peers.user(&known).unwrap(), own);
        drop(client);
        assert_eq!(peers.user(&known).unwrap(), own);
        assert_eq!(peers.user(&own_end(&server, &server)).unwrap(), None);
    }

    #[test]
    fn the_user_of_a_later_connection_with_the_same_addresses_is_not_believed() {
        let (_client, server) = own_connection();
        let (_other_client, other) = own_connection();
        let earlier = own_end(&other, &server);
        assert_eq!(Peers::default().user(&earlier).unwrap(), None);
    }

    /// A failure at the start used to last as long as the process: netlink was not asked again, and
    /// changes stayed slow, or refused.
    #[test]
    fn netlink_is_asked_again_after_a_failure() {
        let (_client, server) = own_connection();
        let connection = Connection {
            local: server.local_addr().unwrap(),
            peer: server.peer_addr().unwrap(),
            inode: fstat(&server).unwrap().st_ino,
        };
        let mut lookup = PeerLookup::default();
        let failed = lookup.ask(|_| io::Result::<()>::Err(io::ErrorKind::TimedOut.into()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(lookup.sock_diag.is_none());
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(lookup.user(connection).unwrap(), Some(own));
    }
}
