//! Which of the sockets that have a port decides its state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::processes;
use crate::probe::sys::linux::sock_diag::{DumpedSocket, TcpState, canonical};
use crate::probe::who::{Holder, PortState, Process, Reason, User};

/// What decides the state of a port that at least one socket has.
#[derive(Debug)]
pub(super) enum Evidence<'a> {
    /// A server's listening socket.
    Listener(&'a DumpedSocket),
    /// A TCP socket that is only bound.
    Bound(&'a DumpedSocket),
    /// A UDP socket.
    Udp(&'a DumpedSocket),
    /// One end of a connection.
    Connection(&'a DumpedSocket),
    /// Closed connections, the last of which stays for this long.
    TimeWait(Duration),
}

impl<'a> Evidence<'a> {
    /// Picks what decides among the sockets of one port; `None` if there are no sockets.
    pub(super) fn among(tcp: &'a [DumpedSocket], udp: &'a [DumpedSocket]) -> Option<Self> {
        if let Some(listener) = nearest(tcp, TcpState::Listen) {
            return Some(Self::Listener(listener));
        }
        if let Some(bound) = nearest(tcp, TcpState::Close) {
            return Some(Self::Bound(bound));
        }
        if let Some(socket) = udp.first() {
            return Some(Self::Udp(socket));
        }
        let is_waiting = |socket: &&DumpedSocket| socket.state == TcpState::TimeWait;
        // An open connection has a holder to name, and one without an inode has none.
        let connections = tcp.iter().filter(|socket| !is_waiting(socket));
        if let Some(connection) = connections.max_by_key(|socket| socket.inode != 0) {
            return Some(Self::Connection(connection));
        }
        tcp.iter()
            .filter(is_waiting)
            .filter_map(|socket| socket.time_wait)
            .max()
            .map(Self::TimeWait)
    }

    /// Returns the socket whose holder uses the port.
    pub(super) fn socket(&self) -> Option<&'a DumpedSocket> {
        match self {
            Self::Listener(socket)
            | Self::Bound(socket)
            | Self::Udp(socket)
            | Self::Connection(socket) => Some(socket),
            Self::TimeWait(_) => None,
        }
    }

    /// Returns the connection, if a process has it open.
    pub(super) fn connection(&self) -> Option<&'a DumpedSocket> {
        match self {
            Self::Connection(socket) if socket.inode != 0 => Some(socket),
            _ => None,
        }
    }

    /// Returns the state of the port. `others` are the sockets on the port of a connection's peer.
    pub(super) fn state(&self, others: &[DumpedSocket], holders: &Holders) -> PortState {
        let blocked = |reason, socket: &DumpedSocket| {
            // A socket without an inode has no holder; a uid of 0 does not mean root there.
            let holder = (socket.inode != 0).then(|| holders.holder(socket));
            PortState::Blocked { reason, holder }
        };
        match *self {
            Self::Listener(listener) => PortState::Running(holders.holder(listener)),
            Self::Bound(socket) => blocked(Reason::Bound, socket),
            Self::Udp(socket) => blocked(Reason::Udp, socket),
            Self::Connection(socket) => blocked(kind_of_connection(socket, others), socket),
            Self::TimeWait(left) => {
                PortState::Blocked { reason: Reason::TimeWait { left }, holder: None }
            }
        }
    }
}

/// Returns what kind of connection it is.
///
/// The kernel does not tell which end made the connection. A client on this machine is recognized
/// by its own socket, unless there is a listener on the port that it connects from.
fn kind_of_connection(connection: &DumpedSocket, others: &[DumpedSocket]) -> Reason {
    let (local, peer) = (canonical(connection.local), canonical(connection.peer));
    if connection.inode == 0 {
        return Reason::Closing { peer };
    }
    let is_client =
        |other: &DumpedSocket| (canonical(other.local), canonical(other.peer)) == (peer, local);
    let is_accepted = others.iter().any(is_client) && nearest(others, TcpState::Listen).is_none();
    if is_accepted { Reason::Accepted { peer } } else { Reason::Outbound { peer } }
}

/// Returns the socket in this state that a client of `localhost` reaches first.
pub(super) fn nearest(sockets: &[DumpedSocket], state: TcpState) -> Option<&DumpedSocket> {
    let of_state = sockets.iter().filter(|socket| socket.state == state);
    of_state.min_by_key(|socket| match socket.local.ip().to_canonical() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => 0,
        IpAddr::V6(Ipv6Addr::LOCALHOST) => 1,
        ip if ip.is_unspecified() => 2,
        _ => 3,
    })
}

/// Sockets by the port that they have.
pub(super) struct ByPort(HashMap<u16, Vec<DumpedSocket>>);

impl ByPort {
    pub(super) fn new(sockets: Vec<DumpedSocket>) -> Self {
        let mut by_port: HashMap<u16, Vec<_>> = HashMap::new();
        for socket in sockets {
            by_port.entry(socket.local.port()).or_default().push(socket);
        }
        Self(by_port)
    }

    /// Returns the sockets of a port, in the kernel's order.
    pub(super) fn at(&self, port: u16) -> &[DumpedSocket] {
        self.0.get(&port).map_or(&[], Vec::as_slice)
    }
}

/// The holders of some sockets, found in one walk over the machine's processes.
pub(super) struct Holders {
    processes: HashMap<u64, Process>,
    users: HashMap<u32, User>,
}

impl Holders {
    pub(super) fn of<'a>(sockets: impl Iterator<Item = &'a DumpedSocket>) -> Self {
        let wanted: BTreeMap<u64, u32> = sockets
            .filter(|socket| socket.inode != 0)
            .map(|socket| (socket.inode, socket.uid))
            .collect();
        // A name may take a directory service to find, so each is looked up once.
        let uids: BTreeSet<u32> = wanted.values().copied().collect();
        let users = uids.into_iter().map(|uid| (uid, User::of(uid))).collect();
        Self { processes: processes::with_sockets(&wanted), users }
    }

    /// Returns the holder of one of these sockets.
    pub(super) fn holder(&self, socket: &DumpedSocket) -> Holder {
        let known = self.users.get(&socket.uid).cloned();
        Holder {
            user: known.unwrap_or_else(|| User::of(socket.uid)),
            process: self.processes.get(&socket.inode).cloned(),
        }
    }
}
