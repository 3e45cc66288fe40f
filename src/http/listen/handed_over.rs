//! Sockets that a service manager has opened and hands over as descriptors (sd_listen_fds(3)).

use std::fmt;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

/// How many connections wait to be accepted, as for the sockets that pald opens itself.
const BACKLOG: i32 = 128;

/// Why a socket that was handed over is none to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnexpectedSocket {
    /// It is no TCP socket: a file, a UDP or a Unix socket.
    NotTcp,
    /// It can't listen, as a connection can't.
    NotListening,
    /// It listens elsewhere.
    Elsewhere(SocketAddr),
    /// Another one listens there too.
    Twice(SocketAddr),
}

impl fmt::Display for UnexpectedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTcp => f.write_str("is no TCP socket"),
            Self::NotListening => f.write_str("does not listen"),
            Self::Elsewhere(address) => write!(f, "is on {address}"),
            Self::Twice(address) => write!(f, "is the second one on {address}"),
        }
    }
}

/// The sockets on `addresses` that were handed over to this process; nothing else may have been.
///
/// To be called once: the variables that name the descriptors are taken away.
///
/// # Errors
/// The place of the first socket that is none of these, from 1, and what it is.
pub(super) fn take<const N: usize>(
    addresses: [SocketAddr; N],
) -> Result<[Option<TcpListener>; N], (usize, UnexpectedSocket)> {
    let mut handed_over = ListenFd::from_env();
    let mut taken = [const { None }; N];
    for index in 0..handed_over.len() {
        let stranger = |stranger| (index + 1, stranger);
        let socket = match handed_over.take_tcp_listener(index) {
            Ok(Some(socket)) => socket,
            Ok(None) => continue,
            Err(_) => return Err(stranger(UnexpectedSocket::NotTcp)),
        };
        let address = socket.local_addr().map_err(|_| stranger(UnexpectedSocket::NotTcp))?;
        let place = addresses.iter().position(|own| *own == address);
        let place = place.and_then(|place| taken.get_mut(place));
        let place = place.ok_or_else(|| stranger(UnexpectedSocket::Elsewhere(address)))?;
        rustix::net::listen(&socket, BACKLOG)
            .map_err(|_| stranger(UnexpectedSocket::NotListening))?;
        if place.replace(socket).is_some() {
            return Err(stranger(UnexpectedSocket::Twice(address)));
        }
    }
    Ok(taken)
}
