//! What uses a port, by the kernel's list of sockets, and then by a connect.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use tracing::warn;

use super::sock_diag::{DumpedSocket, SockDiag, TcpState, Transport};
use crate::port::Port;
use crate::probe::who::{Holder, PortState, Reason, UnknownReason};

mod evidence;
mod processes;
#[cfg(test)]
mod tests;

use evidence::{ByPort, Evidence, Holders, nearest};

/// How long a connect to a loopback address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

/// Finds what uses ports, among the sockets of all users.
#[derive(Debug)]
pub struct Who {
    /// `None` before the first look and after one that failed.
    sock_diag: Option<SockDiag>,
}

impl Who {
    /// Makes one. It opens its netlink socket at the first look, and a new one after a failure.
    pub fn open() -> Self {
        Self { sock_diag: None }
    }

    /// Finds the state of a port by passive evidence alone: nothing is bound. If no socket has the
    /// port, 127.0.0.1 and ::1 are connected to, and the connections reset.
    ///
    /// `is_own` tells by its inode whether a socket is a hold of ours, which does not count. Lists
    /// all sockets of the machine, and the open files of its processes to find the holder, so it
    /// takes up to some milliseconds, and 400 ms where a firewall drops the connects. Not for an
    /// async worker.
    pub fn state(&mut self, port: Port, is_own: &dyn Fn(u64) -> bool) -> PortState {
        let by_sockets = |who: &mut Self| who.by_sockets(port, is_own).transpose();
        if let Some(state) = by_sockets(self) {
            return state.unwrap_or_else(not_listed);
        }
        match by_connect(port) {
            // A server that has just started may have answered, so the sockets are listed again.
            state @ PortState::Blocked { .. } => {
                by_sockets(self).map_or(state, |state| state.unwrap_or_else(not_listed))
            }
            state => state,
        }
    }

    /// Finds the states of ports as [`Who::state`] does, but lists the sockets and the processes only
    /// once. Those that are left out are free: most are, and they take no memory.
    ///
    /// All connects together take 200 ms at most, which is enough for about 3,000 ports without a
    /// socket; further ones count as free.
    pub fn states(
        &mut self,
        ports: &[Port],
        is_own: &dyn Fn(u64) -> bool,
    ) -> HashMap<Port, PortState> {
        let mut states = match self.all_by_sockets(ports, is_own) {
            Ok(states) => states,
            Err(error) => {
                let unknown = not_listed(error);
                return ports.iter().map(|port| (*port, unknown.clone())).collect();
            }
        };
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        for port in ports {
            if Instant::now() >= deadline {
                break;
            }
            if !states.contains_key(port)
                && let state @ (PortState::Blocked { .. } | PortState::Unknown(_)) =
                    by_connect(*port)
            {
                states.insert(*port, state);
            }
        }
        states
    }

    /// Finds the state of a port by the sockets that have it; `None` if there are none.
    fn by_sockets(
        &mut self,
        port: Port,
        is_own: &dyn Fn(u64) -> bool,
    ) -> io::Result<Option<PortState>> {
        let mut tcp = self.dump(Transport::Tcp, Some(port))?;
        tcp.retain(|socket| socket.inode == 0 || !is_own(socket.inode));
        let is = |state| nearest(&tcp, state).is_some();
        let udp = match is(TcpState::Listen) || is(TcpState::Close) {
            true => Vec::new(),
            false => self.dump(Transport::Udp, Some(port))?,
        };
        let Some(evidence) = Evidence::among(&tcp, &udp) else { return Ok(None) };
        let others = match evidence.connection().and_then(|socket| Port::new(socket.peer.port())) {
            Some(port) => self.dump(Transport::Tcp, Some(port))?,
            None => Vec::new(),
        };
        let holders = Holders::of(evidence.socket().into_iter());
        Ok(Some(evidence.state(&others, &holders)))
    }

    /// Finds the states of those ports that sockets have.
    fn all_by_sockets(
        &mut self,
        ports: &[Port],
        is_own: &dyn Fn(u64) -> bool,
    ) -> io::Result<HashMap<Port, PortState>> {
        let mut tcp = self.dump(Transport::Tcp, None)?;
        tcp.retain(|socket| socket.inode == 0 || !is_own(socket.inode));
        let (tcp, udp) = (ByPort::new(tcp), ByPort::new(self.dump(Transport::Udp, None)?));
        let evidence: Vec<_> = ports
            .iter()
            .filter_map(|port| {
                let evidence = Evidence::among(tcp.at(port.number()), udp.at(port.number()));
                evidence.map(|evidence| (*port, evidence))
            })
            .collect();
        let holders = Holders::of(evidence.iter().filter_map(|(_, evidence)| evidence.socket()));
        let state = |evidence: Evidence<'_>| {
            let others = evidence.connection().map_or(&[][..], |socket| tcp.at(socket.peer.port()));
            evidence.state(others, &holders)
        };
        Ok(evidence.into_iter().map(|(port, evidence)| (port, state(evidence))).collect())
    }

    fn dump(&mut self, transport: Transport, port: Option<Port>) -> io::Result<Vec<DumpedSocket>> {
        // A failed dump may leave answers behind, so its netlink socket is not used again.
        let mut sock_diag = self.sock_diag.take().map_or_else(SockDiag::open, Ok)?;
        let sockets = sock_diag.dump(transport, port)?;
        self.sock_diag = Some(sock_diag);
        Ok(sockets)
    }
}

/// Finds the holder of the TCP listener that clients of an address reach.
pub fn listener_on(address: SocketAddr) -> Option<Holder> {
    let port = Port::new(address.port())?;
    let mut sockets = Who::open().dump(Transport::Tcp, Some(port)).ok()?;
    sockets.retain(|socket| includes(socket.local.ip(), address.ip()));
    let listener = nearest(&sockets, TcpState::Listen)?;
    Some(Holders::of(std::iter::once(listener)).holder(listener))
}

/// Returns that the state is unknown. The log says so once: each look would repeat it.
fn not_listed(error: io::Error) -> PortState {
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| {
        warn!(cause = %error, "Can't list sockets, so what uses a port is unknown");
    });
    PortState::Unknown(UnknownReason::NotListed(error.kind()))
}

/// Returns whether a socket that is bound to `bound` gets connections to `ip`.
fn includes(bound: IpAddr, ip: IpAddr) -> bool {
    bound.to_canonical() == ip.to_canonical() || bound.is_unspecified()
}

/// Finds the state of a port that no socket has.
fn by_connect(port: Port) -> PortState {
    let mut state = PortState::Free;
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let address = SocketAddr::new(ip, port.number());
        match answers(address) {
            Ok(true) => {
                let reason = Reason::Redirect { address };
                return PortState::Blocked { reason, holder: None };
            }
            Ok(false) => {}
            Err(error) => {
                let cause = error.kind();
                state = PortState::Unknown(UnknownReason::NotConnected { address, cause });
            }
        }
    }
    state
}

/// Connects to a loopback address, resets the connection, and returns whether anything answered.
fn answers(address: SocketAddr) -> io::Result<bool> {
    match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
        Ok(stream) => {
            set_socket_linger(&stream, Some(Duration::ZERO))?;
            // The kernel may give the very port to the client, which is then connected to itself.
            Ok(stream.local_addr()? != address)
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if address.is_ipv6() && is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether a connect to ::1 failed because the machine has no such address.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::NETUNREACH)
    )
}
