//! Takes the sockets that a service manager opened and hands over (sd_listen_fds(3)).

use std::fmt;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

/// How many connections can wait to be accepted; the same as for sockets that pald opens.
const BACKLOG: i32 = 128;

/// Why pald must not listen on a socket that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnexpectedSocket {
    /// It is not a TCP socket, but a file, a UDP or a Unix socket.
    NotTcp,
    /// It can't listen; a connection can't, for example.
    NotListening,
    /// It has another address.
    Elsewhere(SocketAddr),
    /// An earlier socket has the same address.
    Twice(SocketAddr),
}

impl fmt::Display for UnexpectedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTcp => f.write_str("is not a TCP socket"),
            Self::NotListening => f.write_str("does not listen"),
            Self::Elsewhere(address) => write!(f, "is on {address}"),
            Self::Twice(address) => write!(f, "is the second one on {address}"),
        }
    }
}

/// Takes the sockets on `addresses` that were handed over to this process.
///
/// Call it once: it removes the variables that name the descriptors.
///
/// # Errors
/// The place of the first socket that is not one of these, from 1, and what is wrong with it.
pub(super) fn take<const N: usize>(
    addresses: [SocketAddr; N],
) -> Result<[Option<TcpListener>; N], (usize, UnexpectedSocket)> {
    let mut handed_over = ListenFd::from_env();
    let mut taken = [const { None }; N];
    for index in 0..handed_over.len() {
        let unexpected = |unexpected| (index + 1, unexpected);
        let socket = match handed_over.take_tcp_listener(index) {
            Ok(Some(socket)) => socket,
            Ok(None) => continue,
            Err(_) => return Err(unexpected(UnexpectedSocket::NotTcp)),
        };
        let address = socket.local_addr().map_err(|_| unexpected(UnexpectedSocket::NotTcp))?;
        let place = addresses.iter().position(|own| *own == address);
        let place = place.and_then(|place| taken.get_mut(place));
        let place = place.ok_or_else(|| unexpected(UnexpectedSocket::Elsewhere(address)))?;
        rustix::net::listen(&socket, BACKLOG)
            .map_err(|_| unexpected(UnexpectedSocket::NotListening))?;
        if place.replace(socket).is_some() {
            return Err(unexpected(UnexpectedSocket::Twice(address)));
        }
    }
    Ok(taken)
}
