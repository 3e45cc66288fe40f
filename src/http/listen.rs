//! The sockets that pald listens on: both loopback addresses and nothing else.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::v1::shapes::{self, Seen};
use super::viewers::Sight;
use crate::port::Port;
use crate::probe::{self, Holder, Look, PortState, UnknownReason};

mod handed_over;

pub use handed_over::UnexpectedSocket;

/// How long a connection or its TIME_WAIT may be in the way: TIME_WAIT lasts 60 s.
const PATIENCE: Duration = Duration::from_secs(75);
/// How often it is tried again.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a program that listens takes to accept a connection within this machine.
const ANSWER_TIME: Duration = Duration::from_millis(200);

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
    /// No program listens there, and yet the port can't be had: pald's port lies where the kernel
    /// takes ports for connections from.
    #[error("Port {} on {} is not free yet{}", .address.port(), .address.ip(), because(*address, state))]
    NotYet {
        /// The address.
        address: SocketAddr,
        /// What is in the way.
        state: Box<PortState>,
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

/// Says what is in the way, as the end of a sentence.
fn because(address: SocketAddr, state: &PortState) -> String {
    let port = Port::new(address.port());
    let port = port.map(|port| shapes::port(port, Seen::of(state), None, false, Sight::Whole));
    let usage = port.and_then(|port| port.usage());
    usage.map_or_else(String::new, |usage| format!(": {usage}"))
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" by {holder}")).unwrap_or_default()
}

impl Listeners {
    /// Listens on both loopback addresses, or on 127.0.0.1 only if the machine has no ::1.
    ///
    /// Uses sockets on these addresses that a service manager handed over. Where a connection or what
    /// the kernel remembers of one is in the way, waits for 75 s at most, and first calls `waits`.
    ///
    /// # Errors
    /// An address is in use or refused: another program there would get clients of ours. Or a
    /// socket elsewhere was handed over.
    pub fn bind(port: Port, waits: impl FnOnce(&ListenError)) -> Result<Self, ListenError> {
        let addresses = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, port.number())),
            SocketAddr::from((Ipv6Addr::LOCALHOST, port.number())),
        ];
        let handed_over = handed_over::take(addresses)
            .map_err(|(number, unexpected)| ListenError::HandedOver { number, unexpected, port })?;
        let (deadline, mut waits) = (Instant::now() + PATIENCE, Some(waits));
        loop {
            match bind_all(addresses, &handed_over) {
                Err(error @ ListenError::NotYet { .. }) if Instant::now() < deadline => {
                    if let Some(waits) = waits.take() {
                        waits(&error);
                    }
                    thread::sleep(PAUSE);
                }
                bound => return bound.map(Self),
            }
        }
    }

    /// Returns the addresses on which pald listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    pub(super) fn into_sockets(self) -> Vec<TcpListener> {
        self.0
    }
}

/// Listens on both addresses or on neither, so that no client waits while another one is waited for.
fn bind_all(
    [v4, v6]: [SocketAddr; 2],
    [ours_v4, ours_v6]: &[Option<TcpListener>; 2],
) -> Result<Vec<TcpListener>, ListenError> {
    let of = |address: SocketAddr, ours: &Option<TcpListener>| match ours {
        Some(socket) => {
            socket.try_clone().map_err(|source| ListenError::Refused { address, source })
        }
        None => bind(address),
    };
    let mut sockets = vec![of(v4, ours_v4)?];
    match of(v6, ours_v6) {
        Ok(socket) => sockets.push(socket),
        Err(ListenError::Refused { source, .. }) if is_missing(&source) => {}
        Err(error) => return Err(error),
    }
    Ok(sockets)
}

fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => in_use(address),
        _ => ListenError::Refused { address, source },
    })
}

/// Tells a program that listens on an address from what passes.
fn in_use(address: SocketAddr) -> ListenError {
    let holder = probe::listener_on(address);
    // Not every system tells who listens.
    if holder.is_some() || TcpStream::connect_timeout(&address, ANSWER_TIME).is_ok() {
        return ListenError::InUse { address, holder };
    }
    let unknown = PortState::Unknown(UnknownReason::Unsupported);
    let state = Port::new(address.port())
        .map_or(unknown, |port| probe::Who::open().state(port, Look::Knock, &|_| false));
    ListenError::NotYet { address, state: Box::new(state) }
}

/// Whether the machine has no such address, because IPv6 is off or missing.
fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}
