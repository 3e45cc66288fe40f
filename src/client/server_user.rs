//! Whose program is at the other end of a connection, and whether the client believes it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use crate::probe::{self, Connection, Peers, Process, Server, User};
use crate::users::Users;

/// Checks the other ends of connections before anything is sent.
#[derive(Debug)]
pub(super) struct ServerCheck {
    peers: Peers,
    believed: Users,
    unknown: Mutex<Option<UnknownUser>>,
}

/// A program of a user who is not believed has pald's address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct OtherUser {
    /// The address.
    pub address: SocketAddr,
    /// The user.
    pub user: User,
    /// The program, if the system shows it.
    pub process: Option<Box<Process>>,
}

/// Why whose program answers is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownUser {
    /// It is on another machine, or behind a redirect.
    #[error("it is not a program on this machine, or a redirect leads to it")]
    Elsewhere,
    /// The system has no list of sockets that pald can ask for.
    #[error("this system doesn't say whose a connection is")]
    Unsupported,
    /// The kernel does not list its sockets.
    #[error("the kernel doesn't list its sockets ({0})")]
    NotListed(io::ErrorKind),
    /// The user is outside this user namespace, as this process's own is.
    #[error("this user namespace has no users")]
    Unmapped,
}

/// What is known of a connection that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// A process that is believed, or about which nothing is known, has accepted it.
    Accepted,
    /// Whoever accepts it is still to be checked.
    Waiting(Connection),
}

impl ServerCheck {
    /// Believes these users, this process's own and root.
    pub(super) fn new(believed: Users) -> Self {
        Self { peers: Peers::default(), believed: believed.with_own(), unknown: Mutex::default() }
    }

    /// Returns why the user of the newest connection is unknown, if it is.
    pub(super) fn unknown(&self) -> Option<UnknownUser> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks a new connection to an address.
    ///
    /// # Errors
    /// [`OtherUser`] in [`ureq::Error::Other`], or the other end is closed.
    pub(super) fn check(
        &self,
        stream: &TcpStream,
        address: SocketAddr,
    ) -> Result<Checked, ureq::Error> {
        self.note(None);
        let Ok(connection) = Connection::of(stream) else { return self.closed(address) };
        // A lookup can fail once for a reason that passes, such as a signal.
        let server = self.peers.server(connection).or_else(|_| self.peers.server(connection));
        match server {
            Ok(Server::Accepted(user)) => {
                self.believe(user, connection.peer).map(|()| Checked::Accepted)
            }
            Ok(Server::Listening(user)) => {
                self.believe(user, connection.peer).map(|()| Checked::Waiting(connection))
            }
            // Our own end is alive, and the kernel doesn't list it.
            Ok(Server::Unlisted) if stream.peer_addr().is_ok() => {
                self.note(Some(UnknownUser::NotListed(io::ErrorKind::NotFound)));
                Ok(Checked::Accepted)
            }
            Ok(Server::Closed | Server::Unlisted) => self.closed(address),
            Ok(Server::Elsewhere) => {
                self.note(Some(UnknownUser::Elsewhere));
                Ok(Checked::Waiting(connection))
            }
            Err(error) => {
                self.note(Some(match error.kind() {
                    io::ErrorKind::Unsupported => UnknownUser::Unsupported,
                    kind => UnknownUser::NotListed(kind),
                }));
                Ok(Checked::Accepted)
            }
        }
    }

    /// Checks who has accepted a connection, once an answer arrives on it.
    ///
    /// The one who accepts it need not be the one who listened. That one may have closed it by now,
    /// after its last word; then the listener's user has to do.
    ///
    /// # Errors
    /// [`OtherUser`].
    pub(super) fn check_accepted(&self, connection: Connection) -> Result<(), ureq::Error> {
        match self.peers.server(connection) {
            Ok(Server::Accepted(user)) => self.believe(user, connection.peer),
            _ => Ok(()),
        }
    }

    /// Checks who listens on an address where no connection came about, and on the other loopback
    /// address of its port.
    ///
    /// Who never accepts lets no more connections come about after a while. And pald needs both
    /// addresses, so a stranger on one of them keeps it from starting.
    ///
    /// # Errors
    /// [`OtherUser`].
    pub(super) fn check_unanswered(&self, address: SocketAddr) -> Result<(), ureq::Error> {
        self.check_listener(address)?;
        let ip: IpAddr = match address.ip().to_canonical() {
            ip if !ip.is_loopback() => return Ok(()),
            IpAddr::V4(_) => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv4Addr::LOCALHOST.into(),
        };
        self.check_listener(SocketAddr::new(ip, address.port()))
    }

    /// Refuses a connection that was closed; whoever still listens there is named.
    fn closed(&self, address: SocketAddr) -> Result<Checked, ureq::Error> {
        self.check_listener(address)?;
        Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
    }

    fn check_listener(&self, address: SocketAddr) -> Result<(), ureq::Error> {
        // Who listens on all addresses here has nothing to do with another machine.
        if !address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        match self.peers.listener(address) {
            Ok(Some(user)) => self.believe(user, address),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    fn believe(&self, user: u32, address: SocketAddr) -> Result<(), ureq::Error> {
        if self.believed.include(Some(user)) {
            return Ok(());
        }
        if Users::cannot_tell(user) {
            self.note(Some(UnknownUser::Unmapped));
            return Ok(());
        }
        let holder = probe::listener_on(address).filter(|holder| holder.user.uid == user);
        let process = holder.and_then(|holder| holder.process);
        let other = OtherUser { address, user: User::of(user), process };
        Err(ureq::Error::Other(Box::new(other)))
    }

    fn note(&self, unknown: Option<UnknownUser>) {
        *self.unknown.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
    }
}

impl fmt::Display for OtherUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, user, process } = self;
        write!(f, "{address} is in use by ")?;
        match process {
            Some(process) => write!(f, "{process}")?,
            None => f.write_str("a program")?,
        }
        write!(f, " of {user}, not by a pald of yours or root's")
    }
}

#[cfg(all(test, target_os = "linux", not(feature = "portable")))]
mod tests {
    use std::net::TcpListener;

    use rustix::process::Uid;
    use rustix::thread::set_thread_res_uid;

    use super::*;

    /// The kernel names a listener on all addresses for any address that is asked for.
    #[test]
    fn who_listens_here_is_not_taken_for_a_program_of_another_machine() {
        // Only root can be another user.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let stranger = std::thread::spawn(|| {
            let user = Uid::from_raw(1234);
            set_thread_res_uid(user, user, user).unwrap();
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap()
        });
        let listener = stranger.join().unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = ServerCheck::new(Users::default());
        for (ip, is_refused) in [([127, 0, 0, 1], true), ([192, 0, 2, 1], false)] {
            let address = SocketAddr::from((ip, port));
            assert_eq!(check.check_unanswered(address).is_err(), is_refused, "{address}");
            let closed = check.closed(address).unwrap_err();
            assert_eq!(matches!(closed, ureq::Error::Other(_)), is_refused, "{address}");
        }
    }
}
