//! The state of any port and who has it, in types and in words.
//!
//! Not here: whether pald may hand a port out. Nothing here binds or listens, so that no service is
//! ever disturbed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

mod holder;

pub use holder::{Holder, Process, User};

/// What a port of this network namespace is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// Nothing has it.
    ///
    /// On Linux before 6.8 a TCP socket that is bound and does not listen can't be seen.
    Free,
    /// A server listens on it, on at least one address.
    Running(Holder),
    /// No server listens on it, and something is in the way.
    Blocked {
        /// What is in the way.
        reason: Reason,
        /// Whose it is; `None` if it is nobody's any longer, or can't be told.
        holder: Option<Holder>,
    },
    /// It can't be told.
    Unknown(UnknownReason),
}

/// Why a port on which no server listens is not free.
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
    /// A connection that a server accepted which listens no longer.
    ///
    /// Told from an outbound one by the client's socket, so only on this machine.
    Accepted {
        /// The client's address.
        peer: SocketAddr,
    },
    /// A connection whose process has closed it, and whose other end has not done so yet.
    Closing {
        /// The address at the other end.
        peer: SocketAddr,
    },
    /// The rest of closed connections, which the kernel keeps for up to 60 s (RFC 9293 section
    /// 3.3.2).
    TimeWait {
        /// How long the last of them still stays.
        left: Duration,
    },
    /// A connect is answered on this loopback address, and there is no socket: the rules of a
    /// firewall lead elsewhere, as for a container's published port.
    Redirect {
        /// The address that was connected to.
        address: SocketAddr,
    },
}

/// Why the state of a port can't be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownReason {
    /// The system has no way to ask that pald knows.
    Unsupported,
    /// The kernel did not list the sockets.
    NotListed(io::ErrorKind),
    /// There is no socket, and a connect was neither answered nor refused within 200 ms.
    NotConnected {
        /// The loopback address that was connected to.
        address: SocketAddr,
        /// What the system said.
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
                write!(f, "blocked by {reason} of {holder}")
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
            Self::Unsupported => f.write_str("this system does not tell who has a port"),
            Self::NotListed(cause) => write!(f, "the kernel does not list its sockets ({cause})"),
            Self::NotConnected { address, cause } => {
                write!(f, "no socket is there, but a connection to {address} fails ({cause})")
            }
        }
    }
}
