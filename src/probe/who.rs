//! The state of a port and what uses it, as values with their texts.
//!
//! Not here: whether pald may give a port out. To find a state, nothing is bound and nothing
//! listens, so that no service is ever disturbed.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::claim::Occupied;

mod holder;

pub use holder::{Holder, Origin, Place, Process, User};

/// What uses a port of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// Nothing uses it.
    ///
    /// Linux before 6.8 does not list a TCP socket that is bound and does not listen.
    Free,
    /// A server listens on it, on at least one address, or uses it for UDP; with all holders, as in
    /// [`PortState::Blocked`].
    Running(Vec<Holder>),
    /// No server listens on it, and something keeps servers away.
    Blocked {
        /// What keeps them away.
        reason: Reason,
        /// All whose it is, the oldest process first; a service manager that only keeps it comes last.
        /// None if it belongs to no process any longer, or nothing is known.
        holders: Vec<Holder>,
    },
    /// Its state is unknown.
    Unknown(UnknownReason),
}

/// How thoroughly to look at a port that no socket has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Connects to it, if nobody did within the last minute.
    Knock,
    /// Connects to nothing: for those who look again and again.
    Quiet,
}

/// What keeps servers away from a port on which none listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A TCP socket that is bound and neither listens nor is connected.
    Bound,
    /// A UDP socket, connected or not.
    Udp,
    /// A connection. The kernel does not tell which end made it.
    Connection {
        /// The address at the other end.
        peer: SocketAddr,
    },
    /// A connection that its process has closed, and the other end has not.
    Closing {
        /// The address at the other end.
        peer: SocketAddr,
    },
    /// Closed connections, which the kernel remembers for up to 60 s (RFC 9293 section 3.3.2).
    TimeWait {
        /// How long the last of them still stays.
        left: Duration,
    },
    /// A connect to this loopback address is answered, and no socket has the port: a firewall rule
    /// leads elsewhere, as for a container's published port.
    Redirect {
        /// The address that was connected to.
        address: SocketAddr,
    },
    /// A connect to this loopback address is neither answered nor refused, while others are.
    Swallowed {
        /// The address that was connected to.
        address: SocketAddr,
    },
    /// A bind is not permitted to pald's user.
    Forbidden,
    /// A TCP socket of which nothing more is known.
    Tcp,
}

impl From<Occupied> for Reason {
    /// What a claim met.
    fn from(occupied: Occupied) -> Self {
        match occupied {
            Occupied::Tcp => Self::Tcp,
            Occupied::Udp => Self::Udp,
            Occupied::Redirected(address) => Self::Redirect { address },
            Occupied::Swallowed(address) => Self::Swallowed { address },
            Occupied::Forbidden => Self::Forbidden,
        }
    }
}

/// Why the state of a port is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownReason {
    /// pald knows no way to ask this system.
    Unsupported,
    /// The kernel did not list the sockets, and why.
    NotListed(String),
    /// No socket has the port, and a connect failed.
    NotConnected {
        /// The loopback address that was connected to.
        address: SocketAddr,
        /// What the system said.
        cause: String,
    },
    /// A connect to this address is answered, by nothing that pald's user may see.
    Hidden {
        /// The loopback address that was connected to.
        address: SocketAddr,
    },
    /// There are too many ports to look at all of them at once.
    NoTime,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound => f.write_str("a bound socket that does not listen"),
            Self::Udp => f.write_str("a UDP socket"),
            Self::Connection { peer } => write!(f, "a connection with {peer}"),
            Self::Closing { peer } => write!(f, "a closing connection with {peer}"),
            Self::TimeWait { left } => {
                write!(f, "TIME_WAIT for another {} s", left.as_millis().div_ceil(1000))
            }
            Self::Redirect { address } => {
                let ip = address.ip();
                write!(f, "a redirect of {ip} without a socket, such as a container's")
            }
            Self::Swallowed { address } => {
                write!(f, "something like a firewall: connections to {address} get no answer")
            }
            Self::Forbidden => f.write_str("the system: pald's user may not bind it"),
            Self::Tcp => f.write_str("a TCP socket"),
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("pald can't look up sockets on this system"),
            Self::NotListed(cause) => write!(f, "the kernel does not list its sockets ({cause})"),
            Self::NotConnected { address, cause } => {
                write!(f, "no socket has it, but a connect to {address} fails ({cause})")
            }
            Self::Hidden { address } => {
                write!(f, "something answers at {address} that pald's user may not see")
            }
            Self::NoTime => f.write_str("there was no time to look at it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_text() {
        let address: SocketAddr = "127.0.0.1:5432".parse().unwrap();
        let cause = || "timed out".to_owned();
        let left = Duration::from_millis(30_001);
        let rows: [(&dyn fmt::Display, &str); 13] = [
            (&Reason::Bound, "a bound socket that does not listen"),
            (&Reason::Udp, "a UDP socket"),
            (&Reason::Connection { peer: address }, "a connection with 127.0.0.1:5432"),
            (&Reason::Closing { peer: address }, "a closing connection with 127.0.0.1:5432"),
            (&Reason::TimeWait { left }, "TIME_WAIT for another 31 s"),
            (
                &Reason::Redirect { address },
                "a redirect of 127.0.0.1 without a socket, such as a container's",
            ),
            (
                &UnknownReason::Hidden { address },
                "something answers at 127.0.0.1:5432 that pald's user may not see",
            ),
            (
                &Reason::Swallowed { address },
                "something like a firewall: connections to 127.0.0.1:5432 get no answer",
            ),
            (&Reason::Forbidden, "the system: pald's user may not bind it"),
            (&Reason::Tcp, "a TCP socket"),
            (&UnknownReason::NoTime, "there was no time to look at it"),
            (
                &UnknownReason::NotListed(cause()),
                "the kernel does not list its sockets (timed out)",
            ),
            (
                &UnknownReason::NotConnected { address, cause: cause() },
                "no socket has it, but a connect to 127.0.0.1:5432 fails (timed out)",
            ),
        ];
        for (reason, text) in rows {
            assert_eq!(reason.to_string(), text);
        }
    }

    #[test]
    fn a_holder_is_named_as_precisely_as_possible() {
        let user = |name: Option<&str>| User {
            uid: 1000,
            name: name.map(str::to_owned),
            is_outside: false,
        };
        let outside = User { uid: 65534, name: None, is_outside: true };
        let process = Process {
            pid: 8812,
            name: "node".to_owned(),
            command: "node server.js".to_owned(),
            since: None,
            origin: Origin::default(),
        };
        let rows = [
            (user(Some("ann")), Some(Box::new(process)), "node (pid 8812)"),
            (user(Some("ann")), None, "user ann; process not visible"),
            (user(None), None, "user 1000; process not visible"),
            (outside, None, "a user outside this namespace; process not visible"),
        ];
        for (user, process, text) in rows {
            assert_eq!(Holder { user, process }.to_string(), text);
        }
    }
}
