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
    /// Another program has the port.
    #[error("Port {} on {} is already in use{}", .address.port(), .address.ip(), by(.holder.as_ref()))]
    InUse {
        /// The address in use.
        address: SocketAddr,
        /// What uses it, if pald can tell.
        holder: Option<Holder>,
    },
    /// The system refuses for another reason, such as a port below 1024.
    #[error("Can't listen on {address}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The service manager handed over a socket that pald must not listen on.
    #[error(
        "Handed-over socket {number} {unexpected}; pald listens on 127.0.0.1:{port} and [::1]:{port} only"
    )]
    HandedOver {
        /// Its place among the sockets handed over, from 1.
        number: usize,
        /// What is wrong with it.
        unexpected: UnexpectedSocket,
        /// Where pald listens.
        port: Port,
    },
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" by {holder}")).unwrap_or_default()
}

impl Listeners {
    /// Listens on both loopback addresses, or on 127.0.0.1 only if the machine has no ::1.
    ///
    /// Uses sockets on these addresses that a service manager handed over.
    ///
    /// # Errors
    /// An address is in use or refused: another program there would get clients of ours. Or a
    /// socket elsewhere was handed over.
    pub fn bind(port: Port) -> Result<Self, ListenError> {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port.number()));
        let [ours_v4, ours_v6] = handed_over::take([v4, v6])
            .map_err(|(number, unexpected)| ListenError::HandedOver { number, unexpected, port })?;
        let mut sockets = vec![ours_v4.map_or_else(|| bind(v4), Ok)?];
        match ours_v6.map_or_else(|| bind(v6), Ok) {
            Ok(socket) => sockets.push(socket),
            Err(ListenError::Refused { source, .. }) if is_missing(&source) => {}
            Err(error) => return Err(error),
        }
        Ok(Self(sockets))
    }

    /// Returns the addresses on which pald listens.
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

/// Whether the machine has no such address, because IPv6 is off or missing.
fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}
