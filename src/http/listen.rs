//! The sockets that pald listens on: both loopback addresses and nothing else.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use thiserror::Error;

use crate::port::Port;
use crate::probe::{self, Holder};

mod handed_over;

pub use handed_over::UnexpectedSocket;

/// Listening sockets on 127.0.0.1 and, where the machine has it, on ::1.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

/// Why pald can't listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("Port {} on {} is already in use{}", .address.port(), .address.ip(), by(.holder.as_ref()))]
    InUse {
        /// The address that is taken.
        address: SocketAddr,
        /// Who has it, where that can be known.
        holder: Option<Holder>,
    },
    /// The system refused for another reason, such as a port below 1024.
    #[error("Can't listen on {address}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A socket was handed over that is none of those that pald listens on.
    #[error(
        "Socket {number} of those handed over {stranger}; pald listens on 127.0.0.1:{port} and [::1]:{port} only"
    )]
    HandedOver {
        /// Its place among those that were handed over, from 1.
        number: usize,
        /// What it is.
        stranger: UnexpectedSocket,
        /// Where pald listens.
        port: Port,
    },
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" by {holder}")).unwrap_or_default()
}

impl Listeners {
    /// Listens on both loopback addresses; on 127.0.0.1 alone only if there is no ::1.
    ///
    /// A service manager may have handed over sockets on these addresses, and they are used.
    ///
    /// # Errors
    /// One of the two is taken or refused. A stranger on the other one would get clients of ours.
    /// Or another socket was handed over.
    pub fn bind(port: Port) -> Result<Self, ListenError> {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port.number()));
        let [ours_v4, ours_v6] = handed_over::take([v4, v6])
            .map_err(|(number, stranger)| ListenError::HandedOver { number, stranger, port })?;
        let mut sockets = vec![ours_v4.map_or_else(|| bind(v4), Ok)?];
        match ours_v6.map_or_else(|| bind(v6), Ok) {
            Ok(socket) => sockets.push(socket),
            Err(ListenError::Refused { source, .. }) if is_missing(&source) => {}
            Err(error) => return Err(error),
        }
        Ok(Self(sockets))
    }

    /// Where pald listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    pub(super) fn into_sockets(self) -> Vec<TcpListener> {
        self.0
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => {
            ListenError::InUse { address, holder: probe::listener_on(address) }
        }
        _ => ListenError::Refused { address, source },
    })
}

/// Whether the machine has no such address: IPv6 is switched off, or was never there.
fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}
