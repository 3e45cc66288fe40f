//! Which user is at the other end of a connection, by netlink.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use procfs::net::TcpState;
use rustix::fs::fstat;

use super::sock_diag::{DiagSocket, SockDiag, canonical};
use crate::probe::peers::{Connection, Server};

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

    /// Finds whose the other end of a connection is that this process made.
    ///
    /// # Errors
    /// As for [`PeerLookup::user`].
    pub fn server(&mut self, connection: Connection) -> io::Result<Server> {
        let Connection { local, peer, .. } = connection;
        self.ask(|sock_diag| {
            server(connection, |asked| match asked {
                Asked::Theirs => sock_diag.lookup(peer, local),
                Asked::Listener => sock_diag.listener(peer),
                Asked::Ours => sock_diag.lookup(local, peer),
            })
        })
    }

    /// Returns the user who listens where a connection to this address would end.
    ///
    /// # Errors
    /// As for [`PeerLookup::user`].
    pub fn listener(&mut self, address: SocketAddr) -> io::Result<Option<u32>> {
        self.ask(|sock_diag| Ok(sock_diag.listener(address)?.map(|found| found.uid)))
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
    let is_alive = lookup(local, peer)?.is_some_and(|ours| is_alive(&ours, inode));
    Ok(owner.filter(|_| is_alive))
}

/// Whether our end, which has this inode, is still connected.
fn is_alive(ours: &DiagSocket, inode: u64) -> bool {
    ours.inode == inode && matches!(ours.state, TcpState::Established | TcpState::CloseWait)
}

/// What [`server`] asks for: one of the two ends, or the listener on the other end's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Theirs,
    Listener,
    Ours,
}

/// How often a connection may change between two questions before it counts as closed.
const MAX_CHANGES: usize = 16;

/// Finds whose the other end of our connection is.
///
/// Until a process accepts it, the other end has no inode and no true user; whoever listens will
/// have it. The listener counts only if the other end is the same before and after the listener was
/// looked up: one that closes takes along what it has not accepted, so it was the same listener all
/// the while. Else somebody could accept, answer, and leave the port to the user's own pald. An end
/// that is closed says nothing, whoever listens by now. Our own end is looked up last, as in
/// [`user`].
fn server(
    Connection { local, peer, inode }: Connection,
    mut ask: impl FnMut(Asked) -> io::Result<Option<DiagSocket>>,
) -> io::Result<Server> {
    let (local, peer) = (canonical(local).ip(), canonical(peer).ip());
    let is_here = peer.is_loopback() || peer == local;
    for _ in 0..MAX_CHANGES {
        let theirs = ask(Asked::Theirs)?;
        let server = match &theirs {
            Some(open) if open.inode != 0 => open.owner().map_or(Server::Closed, Server::Accepted),
            Some(orphan) if !is_waiting(orphan) => Server::Closed,
            None if !is_here => Server::Elsewhere,
            // It waits, or the kernel remembers nothing of it yet, as with SYN cookies.
            Some(_) | None => {
                let listener = ask(Asked::Listener)?;
                if ask(Asked::Theirs)? != theirs {
                    continue;
                }
                match listener {
                    Some(listener) => Server::Listening(listener.uid),
                    None if theirs.is_none() => Server::Elsewhere,
                    // Its listener hides, as it can behind `SO_BINDTODEVICE`.
                    None => Server::Closed,
                }
            }
        };
        return Ok(match ask(Asked::Ours)? {
            Some(ours) if is_alive(&ours, inode) => server,
            Some(_) => Server::Closed,
            None => Server::Unlisted,
        });
    }
    Ok(Server::Closed)
}

/// Whether a socket without an inode waits to be accepted, rather than being closed.
fn is_waiting(orphan: &DiagSocket) -> bool {
    matches!(orphan.state, TcpState::Established | TcpState::SynRecv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{OwnEnd, Peers};
    use crate::testing::eventually;

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
        let user = || peers.user(&own_end(&server, &server)).unwrap();
        eventually(user, Option::is_none);
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

    fn server_of(client: &TcpStream) -> Server {
        PeerLookup::default().server(Connection::of(client).unwrap()).unwrap()
    }

    #[test]
    fn a_server_is_known_by_its_listener_until_it_accepts() {
        let own = rustix::process::geteuid().as_raw();
        // (where it listens, where the client connects to)
        let rows = [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[::]", "::1"),
            // An IPv6 socket that takes IPv4 connections, and the other way round.
            ("[::]", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
        ];
        for (bind, host) in rows {
            let listener = TcpListener::bind(format!("{bind}:0")).unwrap();
            let port = listener.local_addr().unwrap().port();
            let client = TcpStream::connect((host, port)).unwrap();
            assert_eq!(server_of(&client), Server::Listening(own), "{bind} {host}");
            let (server, _) = listener.accept().unwrap();
            assert_eq!(server_of(&client), Server::Accepted(own), "{bind} {host}");
            drop(listener);
            server.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(server_of(&client), Server::Accepted(own), "{bind} {host}");
            drop(server);
            let _next = TcpListener::bind((host, port));
            eventually(|| server_of(&client), |server| *server == Server::Closed);
        }
    }

    /// The answers to the questions, in their order, and what follows from them.
    fn server_by(peer: &str, answers: &[(Asked, Option<&DiagSocket>)]) -> io::Result<Server> {
        let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 40000);
        let connection = Connection { local, peer: peer.parse().unwrap(), inode: 7 };
        let mut answers = answers.iter();
        server(connection, |asked| {
            let (expected, answer) = answers.next().expect("a further question");
            assert_eq!(asked, *expected);
            Ok(answer.cloned())
        })
    }

    /// A listener took the connection, answered it and left; the user's own pald, which listened
    /// there by the time of the question, was taken for the one that had answered.
    #[test]
    fn a_listener_that_came_later_is_not_taken_for_the_server() {
        use Asked::{Listener, Ours, Theirs};
        use TcpState::{Established, FinWait2, Listen, SynRecv};
        let here = "127.0.0.1:49200";
        let socket = |inode, state, uid| DiagSocket { uid, inode, state };
        let (waiting, taken) = (socket(0, Established, 0), socket(9, Established, 1234));
        let (listener, ours) = (socket(8, Listen, 1000), socket(7, Established, 1000));
        let (begun, left) = (socket(0, SynRecv, 0), socket(0, FinWait2, 0));
        let later = socket(6, Established, 1000);
        let (waiting, taken, begun) = (Some(&waiting), Some(&taken), Some(&begun));
        let (listener, ours) = (Some(&listener), Some(&ours));
        type Row<'a> = (&'a str, &'a [(Asked, Option<&'a DiagSocket>)], Server);
        let rows: &[Row<'_>] = &[
            (
                here,
                &[(Theirs, waiting), (Listener, listener), (Theirs, waiting), (Ours, ours)],
                Server::Listening(1000),
            ),
            // It is accepted between the questions.
            (
                here,
                &[
                    (Theirs, waiting),
                    (Listener, listener),
                    (Theirs, taken),
                    (Theirs, taken),
                    (Ours, ours),
                ],
                Server::Accepted(1234),
            ),
            // It is accepted, answered and closed before the first question.
            (here, &[(Theirs, Some(&left)), (Ours, ours)], Server::Closed),
            // It is reset, and the port of our end belongs to another connection by now.
            (here, &[(Theirs, taken), (Ours, Some(&later))], Server::Closed),
            // The handshake is not complete.
            (
                here,
                &[
                    (Theirs, begun),
                    (Listener, listener),
                    (Theirs, waiting),
                    (Theirs, waiting),
                    (Listener, listener),
                    (Theirs, waiting),
                    (Ours, ours),
                ],
                Server::Listening(1000),
            ),
            // The listener hides.
            (
                here,
                &[(Theirs, waiting), (Listener, None), (Theirs, waiting), (Ours, ours)],
                Server::Closed,
            ),
            // SYN cookies: the kernel knows nothing of the connection.
            (
                here,
                &[(Theirs, None), (Listener, listener), (Theirs, None), (Ours, ours)],
                Server::Listening(1000),
            ),
            // A redirect leads to another address.
            (
                here,
                &[(Theirs, None), (Listener, None), (Theirs, None), (Ours, ours)],
                Server::Elsewhere,
            ),
            // Whoever listens on all addresses here has nothing to do with another machine.
            ("192.0.2.1:49200", &[(Theirs, None), (Ours, ours)], Server::Elsewhere),
            // A kernel without `tcp_diag` lists nothing.
            (
                here,
                &[(Theirs, None), (Listener, None), (Theirs, None), (Ours, None)],
                Server::Unlisted,
            ),
        ];
        for (peer, answers, expected) in rows {
            assert_eq!(server_by(peer, answers).unwrap(), *expected, "{answers:?}");
        }
    }
}
