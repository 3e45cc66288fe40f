//! The state of a port and what uses it, as values with their texts.
//!
//! Not here: whether pald may give a port out. To find a state, nothing is bound and nothing
//! listens, so that no service is ever disturbed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

mod holder;

pub use holder::{Holder, Process, User};

/// What uses a port of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// Nothing uses it.
    ///
    /// Linux before 6.8 does not list a TCP socket that is bound and does not listen.
    Free,
    /// A server listens on it, on at least one address.
    Running(Holder),
    /// No server listens on it, and something keeps servers away.
    Blocked {
        /// What keeps them away.
        reason: Reason,
        /// Whose it is; `None` if it belongs to no process any longer, or nothing is known.
        holder: Option<Holder>,
    },
    /// Its state is unknown.
    Unknown(UnknownReason),
}

/// What keeps servers away from a port on which none listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A TCP socket that is bound and neither listens nor is connected.
    Bound,
    /// A UDP socket, connected or not.
    Udp,
    /// A connection that has the port as its source.
    Outbound {
        /// The address at the other end.
        peer: SocketAddr,
    },
    /// A connection that a server accepted which no longer listens.
    ///
    /// Only the client's own socket tells it from an outbound one, so the client is on this machine.
    Accepted {
        /// The client's address.
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
}

/// Why the state of a port is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownReason {
    /// pald knows no way to ask this system.
    Unsupported,
    /// The kernel did not list the sockets.
    NotListed(io::ErrorKind),
    /// No socket has the port, and a connect was neither answered nor refused within 200 ms.
    NotConnected {
        /// The loopback address that was connected to.
        address: SocketAddr,
        /// The error of the connect.
        cause: io::ErrorKind,
    },
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Running(holder) => write!(f, "in use by {holder}"),
            Self::Blocked { reason, holder: None } => write!(f, "blocked by {reason}"),
            Self::Blocked { reason, holder: Some(holder) } => {
                write!(f, "blocked by {reason}: {holder}")
            }
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound => f.write_str("a bound socket that does not listen"),
            Self::Udp => f.write_str("a UDP socket"),
            Self::Outbound { peer } => write!(f, "an outbound connection to {peer}"),
            Self::Accepted { peer } => write!(f, "a connection from {peer}"),
            Self::Closing { peer } => write!(f, "a closing connection with {peer}"),
            Self::TimeWait { left } => {
                write!(f, "TIME_WAIT for another {} s", left.as_millis().div_ceil(1000))
            }
            Self::Redirect { address } => {
                let ip = address.ip();
                write!(f, "a redirect of {ip} without a socket, such as a container's")
            }
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_text() {
        let user = |name: Option<&str>| User { uid: 1000, name: name.map(str::to_owned) };
        let process = Process { pid: 8812, name: "node".to_owned(), since: None };
        let node = Holder { user: user(Some("ann")), process: Some(process) };
        let ann = Holder { user: user(Some("ann")), process: None };
        let unnamed = Holder { user: user(None), process: None };
        let peer: SocketAddr = "127.0.0.1:5432".parse().unwrap();
        let cause = io::ErrorKind::TimedOut;
        let blocked = |reason, holder: Option<&Holder>| PortState::Blocked {
            reason,
            holder: holder.cloned(),
        };
        let left = Duration::from_millis(30_001);
        let rows = [
            (PortState::Free, "free"),
            (PortState::Running(node.clone()), "in use by node (pid 8812)"),
            (PortState::Running(ann.clone()), "in use by user ann; process not visible"),
            (PortState::Running(unnamed), "in use by user 1000; process not visible"),
            (
                blocked(Reason::Outbound { peer }, Some(&node)),
                "blocked by an outbound connection to 127.0.0.1:5432: node (pid 8812)",
            ),
            (
                blocked(Reason::Bound, Some(&ann)),
                "blocked by a bound socket that does not listen: user ann; process not visible",
            ),
            (blocked(Reason::TimeWait { left }, None), "blocked by TIME_WAIT for another 31 s"),
            (
                blocked(Reason::Redirect { address: peer }, None),
                "blocked by a redirect of 127.0.0.1 without a socket, such as a container's",
            ),
            (
                PortState::Unknown(UnknownReason::NotListed(cause)),
                "unknown: the kernel does not list its sockets (timed out)",
            ),
            (
                PortState::Unknown(UnknownReason::NotConnected { address: peer, cause }),
                "unknown: no socket has it, but a connect to 127.0.0.1:5432 fails (timed out)",
            ),
        ];
        for (state, text) in rows {
            assert_eq!(state.to_string(), text);
        }
    }
}
