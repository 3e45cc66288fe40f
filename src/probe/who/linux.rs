//! The evidence for a port's state on Linux: the kernel's sockets, then a connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;

use super::{Doubt, Holder, PortState, Reason, User, processes};
use crate::port::Port;
use crate::probe::sock_diag::{DumpedSocket, SockDiag, TcpState, Transport, canonical};

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
        let refused = |error: io::Error| PortState::Unknown(Doubt::NotListed(error.kind()));
        if let Some(state) = by_sockets(self) {
            return state.unwrap_or_else(refused);
        }
        match by_connect(port) {
            // What answered may be a server that has just started.
            state @ PortState::Blocked { .. } => {
                by_sockets(self).map_or(state, |state| state.unwrap_or_else(refused))
            }
            state => state,
        }
    }

    /// The state if any socket has the port.
    fn by_sockets(
        &mut self,
        port: Port,
        own: &dyn Fn(u64) -> bool,
    ) -> io::Result<Option<PortState>> {
        let mut sockets = self.dump(Transport::Tcp, port)?;
        sockets.retain(|socket| socket.inode == 0 || !own(socket.inode));
        if let Some(listener) = nearest(&sockets, TcpState::Listen) {
            return Ok(Some(PortState::Running(holder(listener))));
        }
        let udp = match nearest(&sockets, TcpState::Close) {
            Some(_) => Vec::new(),
            None => self.dump(Transport::Udp, port)?,
        };
        let found = nearest(&sockets, TcpState::Close)
            .map(|bound| (Reason::Bound, bound))
            .or_else(|| udp.first().map(|socket| (Reason::Udp, socket)));
        if let Some((reason, socket)) = found {
            return Ok(Some(PortState::Blocked { reason, holder: holder_of(socket) }));
        }
        let is_waiting = |socket: &&DumpedSocket| socket.state == TcpState::TimeWait;
        // An open connection tells more than one that nobody has any longer.
        let connections = sockets.iter().filter(|socket| !is_waiting(socket));
        if let Some(connection) = connections.max_by_key(|socket| socket.inode != 0) {
            let reason = self.connected(connection)?;
            return Ok(Some(PortState::Blocked { reason, holder: holder_of(connection) }));
        }
        let left = sockets.iter().filter(is_waiting).filter_map(|socket| socket.time_wait).max();
        Ok(left.map(|left| PortState::Blocked { reason: Reason::TimeWait { left }, holder: None }))
    }

    /// What kind of connection it is.
    ///
    /// The kernel does not tell which end of a connection called the other. A client on this
    /// machine is known by its own socket, as long as nobody listens where it calls from.
    fn connected(&mut self, connection: &DumpedSocket) -> io::Result<Reason> {
        let (local, peer) = (canonical(connection.local), canonical(connection.peer));
        if connection.inode == 0 {
            return Ok(Reason::Closing { peer });
        }
        let Some(port) = Port::new(peer.port()) else {
            return Ok(Reason::Outbound { peer });
        };
        let others = self.dump(Transport::Tcp, port)?;
        let is_client =
            |other: &DumpedSocket| (canonical(other.local), canonical(other.peer)) == (peer, local);
        let is_accepted =
            others.iter().any(is_client) && nearest(&others, TcpState::Listen).is_none();
        Ok(if is_accepted { Reason::Accepted { peer } } else { Reason::Outbound { peer } })
    }

    fn dump(&mut self, transport: Transport, port: Port) -> io::Result<Vec<DumpedSocket>> {
        // A dump that failed may leave answers behind, so only after a good one it is put back.
        let mut sock_diag = self.sock_diag.take().map_or_else(SockDiag::open, Ok)?;
        let sockets = sock_diag.dump(transport, Some(port))?;
        self.sock_diag = Some(sock_diag);
        Ok(sockets)
    }
}

/// Who listens on a TCP address, or on all addresses with this port.
pub fn listener_on(address: SocketAddr) -> Option<Holder> {
    let mut sockets = Who::open().dump(Transport::Tcp, Port::new(address.port())?).ok()?;
    sockets.retain(|socket| includes(socket.local.ip(), address.ip()));
    nearest(&sockets, TcpState::Listen).map(holder)
}

/// Whether a socket that is bound to `bound` is in the way of `ip`.
fn includes(bound: IpAddr, ip: IpAddr) -> bool {
    bound.to_canonical() == ip.to_canonical() || bound.is_unspecified()
}

/// Of the sockets in this state, the one that a client of `localhost` reaches first.
fn nearest(sockets: &[DumpedSocket], state: TcpState) -> Option<&DumpedSocket> {
    let of_state = sockets.iter().filter(|socket| socket.state == state);
    of_state.min_by_key(|socket| match socket.local.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => 0,
        IpAddr::V6(Ipv6Addr::LOCALHOST) => 1,
        ip if ip.is_unspecified() => 2,
        _ => 3,
    })
}

fn holder(socket: &DumpedSocket) -> Holder {
    let process = processes::with_socket(socket.inode, socket.uid);
    Holder { user: User::of(socket.uid), process }
}

/// Nobody's is a socket without an inode, also where its uid reads 0.
fn holder_of(socket: &DumpedSocket) -> Option<Holder> {
    (socket.inode != 0).then(|| holder(socket))
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
                state = PortState::Unknown(Doubt::NotConnected { address, cause });
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
