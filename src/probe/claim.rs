//! What a claim gives, and what stops it.
//!
//! Not here: how a port is claimed, which each system does in its own way.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use thiserror::Error;

/// Keeps a port for its service until it is dropped.
///
/// On Linux it is a bound socket that never listens. The kernel gives its port to no `connect` and
/// no bind to port 0, while a server that sets `SO_REUSEADDR`, as nearly all do, binds and listens
/// beside it. It takes one descriptor, which children do not inherit. Other systems have no socket
/// here, and keep nothing.
#[derive(Debug)]
pub struct Hold {
    _socket: Option<Socket>,
    inode: Option<u64>,
}

impl Hold {
    pub(super) fn new(socket: Option<Socket>) -> Self {
        let stat = socket.as_ref().and_then(|socket| rustix::fs::fstat(socket).ok());
        Self { _socket: socket, inode: stat.map(|stat| stat.st_ino) }
    }

    /// Returns the inode of its socket, by which it is known in a list of all sockets; `None` if
    /// there is no socket, or the system does not tell.
    pub fn inode(&self) -> Option<u64> {
        self.inode
    }
}

/// Why a port can't be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Occupied {
    /// A TCP socket has it: a listener, a connection, TIME_WAIT, or one that is only bound.
    #[error("a TCP socket has it")]
    Tcp,
    /// A UDP socket has it.
    #[error("a UDP socket has it")]
    Udp,
    /// A connect to this address is answered, and no socket of this machine has the port.
    #[error("connections to {0} are redirected")]
    Redirected(SocketAddr),
    /// A connect to this address is neither answered nor refused, as if a firewall dropped it.
    #[error("connections to {0} get no answer")]
    Swallowed(SocketAddr),
    /// This user may not use it, such as a port below 1024.
    #[error("this user may not use it")]
    Forbidden,
}

impl Occupied {
    /// Sorts the error of a strict bind: another socket has the port, or this user may not use it.
    ///
    /// # Errors
    /// The error itself, if it says nothing about the port, such as no descriptor left.
    pub(super) fn by_bind(error: io::Error, kind: Type) -> io::Result<Self> {
        match errno(&error) {
            Some(Errno::ADDRINUSE) if kind == Type::DGRAM => Ok(Self::Udp),
            Some(Errno::ADDRINUSE) => Ok(Self::Tcp),
            Some(Errno::ACCESS) => Ok(Self::Forbidden),
            _ => Err(error),
        }
    }
}

/// Makes a socket for an address; one for `[::]` will have all IPv4 addresses too.
pub(super) fn unbound(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}
