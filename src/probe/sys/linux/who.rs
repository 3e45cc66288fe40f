//! The evidence for a port's state on Linux: the kernel's sockets, then a connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;

use super::sock_diag::{DumpedSocket, SockDiag, TcpState, Transport};
use crate::port::Port;
use crate::probe::who::{Holder, PortState, Reason, UnknownReason};

mod evidence;
mod processes;
#[cfg(test)]
mod tests;

use evidence::{ByPort, Found, Holders, nearest};

/// How long a connect to a loopback address may take.
const CONNECT_TIME: Duration = Duration::from_millis(200);

/// Tells who has a port, of all users' sockets, by a netlink socket that is kept.
#[derive(Debug)]
pub struct Who {
    /// `None` until the first question, and after one that failed.
    sock_diag: Option<SockDiag>,
}

impl Who {
    /// Opens nothing yet; that is done, and if need be again, by the questions.
    pub fn open() -> Self {
        Self { sock_diag: None }
    }

    /// What the port is used for now, by passive evidence alone: nothing is bound, and where there
    /// is no socket at all, 127.0.0.1 and ::1 are connected to, and the connections reset.
    ///
    /// `own` says by its inode whether a socket is a hold of ours, which is passed over. Looks at
    /// all sockets of the machine, and at the open files of its processes to find the holder, so
    /// it takes up to milliseconds, and 400 ms where a firewall drops the connects. It does not
    /// belong on a worker.
    pub fn state(&mut self, port: Port, own: &dyn Fn(u64) -> bool) -> PortState {
        let by_sockets = |who: &mut Self| who.by_sockets(port, own).transpose();
        if let Some(state) = by_sockets(self) {
            return state.unwrap_or_else(not_listed);
        }
        match by_connect(port) {
            // What answered may be a server that has just started.
            state @ PortState::Blocked { .. } => {
                by_sockets(self).map_or(state, |state| state.unwrap_or_else(not_listed))
            }
            state => state,
        }
    }

    /// What each of these ports is used for, in their order, as [`Who::state`] tells it of one; but
    /// with one look at the sockets and at the processes for all of them.
    ///
    /// Ports without a socket are connected to for 200 ms altogether, which is enough for about
    /// 3,000; further ones count as free.
    pub fn states(&mut self, ports: &[Port], own: &dyn Fn(u64) -> bool) -> Vec<PortState> {
        match self.all_by_sockets(ports, own) {
            Ok(states) => {
                let deadline = Instant::now() + CONNECT_TIME;
                let by_connect = |port| match Instant::now() < deadline {
                    true => by_connect(port),
                    false => PortState::Free,
                };
                let states = ports.iter().zip(states);
                states.map(|(port, state)| state.unwrap_or_else(|| by_connect(*port))).collect()
            }
            Err(error) => vec![not_listed(error); ports.len()],
        }
    }

    /// The state if any socket has the port.
    fn by_sockets(
        &mut self,
        port: Port,
        own: &dyn Fn(u64) -> bool,
    ) -> io::Result<Option<PortState>> {
        let mut tcp = self.dump(Transport::Tcp, Some(port))?;
        tcp.retain(|socket| socket.inode == 0 || !own(socket.inode));
        let is = |state| nearest(&tcp, state).is_some();
        let udp = match is(TcpState::Listen) || is(TcpState::Close) {
            true => Vec::new(),
            false => self.dump(Transport::Udp, Some(port))?,
        };
        let Some(found) = Found::among(&tcp, &udp) else { return Ok(None) };
        let others = match found.connection().and_then(|socket| Port::new(socket.peer.port())) {
            Some(port) => self.dump(Transport::Tcp, Some(port))?,
            None => Vec::new(),
        };
        let holders = Holders::of(found.socket().into_iter());
        Ok(Some(found.state(&others, &holders)))
    }

    /// The states of those ports that any socket has.
    fn all_by_sockets(
        &mut self,
        ports: &[Port],
        own: &dyn Fn(u64) -> bool,
    ) -> io::Result<Vec<Option<PortState>>> {
        let mut tcp = self.dump(Transport::Tcp, None)?;
        tcp.retain(|socket| socket.inode == 0 || !own(socket.inode));
        let (tcp, udp) = (ByPort::new(tcp), ByPort::new(self.dump(Transport::Udp, None)?));
        let found: Vec<_> = ports
            .iter()
            .map(|port| Found::among(tcp.at(port.number()), udp.at(port.number())))
            .collect();
        let holders = Holders::of(found.iter().flatten().filter_map(Found::socket));
        let state = |found: Found<'_>| {
            let others = found.connection().map_or(&[][..], |socket| tcp.at(socket.peer.port()));
            found.state(others, &holders)
        };
        Ok(found.into_iter().map(|found| found.map(state)).collect())
    }

    fn dump(&mut self, transport: Transport, port: Option<Port>) -> io::Result<Vec<DumpedSocket>> {
        // A dump that failed may leave answers behind, so only after a good one it is put back.
        let mut sock_diag = self.sock_diag.take().map_or_else(SockDiag::open, Ok)?;
        let sockets = sock_diag.dump(transport, port)?;
        self.sock_diag = Some(sock_diag);
        Ok(sockets)
    }
}

/// Who listens on a TCP address, or on all addresses with this port.
pub fn listener_on(address: SocketAddr) -> Option<Holder> {
    let port = Port::new(address.port())?;
    let mut sockets = Who::open().dump(Transport::Tcp, Some(port)).ok()?;
    sockets.retain(|socket| includes(socket.local.ip(), address.ip()));
    let listener = nearest(&sockets, TcpState::Listen)?;
    Some(Holders::of(std::iter::once(listener)).holder(listener))
}

fn not_listed(error: io::Error) -> PortState {
    PortState::Unknown(UnknownReason::NotListed(error.kind()))
}

/// Whether a socket that is bound to `bound` is in the way of `ip`.
fn includes(bound: IpAddr, ip: IpAddr) -> bool {
    bound.to_canonical() == ip.to_canonical() || bound.is_unspecified()
}

/// The state of a port that no socket has.
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

/// Whether a connect to a loopback address is answered; it is reset at once.
fn answers(address: SocketAddr) -> io::Result<bool> {
    match TcpStream::connect_timeout(&address, CONNECT_TIME) {
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

/// Whether the machine has no ::1.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::NETUNREACH)
    )
}
