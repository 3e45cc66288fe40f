//! Which of the sockets that have a port decides its state.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use super::processes::{self, FoundProcess};
use crate::port::Port;
use crate::probe::sys::linux::sock_diag::{DumpedSocket, TcpState, canonical};
use crate::probe::who::{Holder, PortState, Reason, User};

/// What decides the state of a port that at least one socket has.
#[derive(Debug)]
pub(super) enum Evidence<'a> {
    /// The listening sockets of servers. 127.0.0.1 and ::1 may have one each.
    Listeners(Vec<&'a DumpedSocket>),
    /// TCP sockets that are only bound.
    Bound(Vec<&'a DumpedSocket>),
    /// UDP sockets.
    Udp(Vec<&'a DumpedSocket>),
    /// One end of a connection.
    Connection(&'a DumpedSocket),
    /// Closed connections, the last of which stays for this long.
    TimeWait(Duration),
}

impl<'a> Evidence<'a> {
    /// Picks what decides among the sockets of one port; `None` if there are no sockets.
    pub(super) fn among(tcp: &'a [DumpedSocket], udp: &'a [DumpedSocket]) -> Option<Self> {
        let of_state = |state| tcp.iter().filter(move |socket| socket.state == state);
        let listeners: Vec<_> = of_state(TcpState::Listen).collect();
        if !listeners.is_empty() {
            return Some(Self::Listeners(listeners));
        }
        let bound: Vec<_> = of_state(TcpState::Close).collect();
        if !bound.is_empty() {
            return Some(Self::Bound(bound));
        }
        if !udp.is_empty() {
            return Some(Self::Udp(udp.iter().collect()));
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

    /// Returns the sockets whose holders use the port.
    pub(super) fn sockets(&self) -> &[&'a DumpedSocket] {
        match self {
            Self::Listeners(sockets) | Self::Bound(sockets) | Self::Udp(sockets) => sockets,
            Self::Connection(socket) => std::slice::from_ref(socket),
            Self::TimeWait(_) => &[],
        }
    }

    /// Returns the state of the port.
    pub(super) fn state(&self, port: Port, holders: &Holders) -> PortState {
        let found = || holders.of_sockets(self.sockets());
        let blocked = |reason| PortState::Blocked { reason, holders: found() };
        match self {
            Self::Listeners(_) => PortState::Running(found()),
            Self::Bound(_) => blocked(Reason::Bound),
            // The service's own process, and not one whose socket happens to have this port.
            Self::Udp(sockets) if holders.were_told(sockets, port) => PortState::Running(found()),
            Self::Udp(_) => blocked(Reason::Udp),
            Self::Connection(socket) => {
                let peer = canonical(socket.peer);
                blocked(match socket.inode {
                    0 => Reason::Closing { peer },
                    _ => Reason::Connection { peer },
                })
            }
            Self::TimeWait(left) => blocked(Reason::TimeWait { left: *left }),
        }
    }
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
    /// The processes that have each socket open, by its inode.
    processes: HashMap<u64, Vec<Rc<FoundProcess>>>,
    users: HashMap<u32, User>,
    /// When the machine was started, in seconds since 1970.
    booted: OnceCell<Option<u64>>,
}

impl Holders {
    /// The holders of these sockets, of which the process `without` has none.
    pub(super) fn of<'a>(
        sockets: impl Iterator<Item = &'a DumpedSocket>,
        without: Option<u32>,
    ) -> Self {
        let wanted: BTreeMap<u64, u32> = sockets
            .filter(|socket| socket.inode != 0)
            .map(|socket| (socket.inode, socket.uid))
            .collect();
        // A name may take a directory service to find, so each is looked up once.
        let uids: BTreeSet<u32> = wanted.values().copied().collect();
        let users = uids.into_iter().map(|uid| (uid, User::of(uid))).collect();
        let processes = processes::with_sockets(&wanted, without);
        Self { processes, users, booted: OnceCell::new() }
    }

    /// Returns the holders of these sockets: all processes that have one, the oldest first, and then the users of sockets whose processes are not visible.
    ///
    /// A service manager that keeps the sockets of the services that it starts comes last: the
    /// service is who uses them.
    pub(super) fn of_sockets(&self, sockets: &[&DumpedSocket]) -> Vec<Holder> {
        let mut found: BTreeMap<u32, (&FoundProcess, u32)> = BTreeMap::new();
        let mut invisible = BTreeSet::new();
        // A socket without an inode has no holder; a uid of 0 does not mean root there.
        for socket in sockets.iter().filter(|socket| socket.inode != 0) {
            match self.processes.get(&socket.inode) {
                Some(processes) => {
                    found.extend(
                        processes.iter().map(|process| (process.pid, (&**process, socket.uid))),
                    );
                }
                None => drop(invisible.insert(socket.uid)),
            }
        }
        let mut visible: Vec<_> = found.into_values().collect();
        let pids: BTreeSet<u32> = visible.iter().map(|(process, _)| process.pid).collect();
        let is_manager = |process: &FoundProcess| {
            process.is_manager() && visible.iter().any(|(other, _)| other.is_below(process))
        };
        let managers: BTreeSet<u32> = visible
            .iter()
            .filter(|(process, _)| is_manager(process))
            .map(|(process, _)| process.pid)
            .collect();
        visible.sort_by_key(|(process, _)| {
            let is_child = pids.contains(&process.parent);
            (managers.contains(&process.pid), process.started, is_child, process.pid)
        });
        let visible = visible
            .into_iter()
            .map(|(process, uid)| (self.user(uid), Box::new(process.shown(self.booted()).clone())))
            .map(|(user, process)| Holder { user, process: Some(process) });
        let invisible = invisible.into_iter();
        visible.chain(invisible.map(|uid| Holder { user: self.user(uid), process: None })).collect()
    }

    /// Whether a process that has one of these sockets was started with this port.
    fn were_told(&self, sockets: &[&DumpedSocket], port: Port) -> bool {
        let processes = sockets.iter().filter_map(|socket| self.processes.get(&socket.inode));
        processes.flatten().any(|process| process.was_told(port))
    }

    fn booted(&self) -> Option<u64> {
        *self.booted.get_or_init(|| procfs::boot_time_secs().ok())
    }

    fn user(&self, uid: u32) -> User {
        self.users.get(&uid).cloned().unwrap_or_else(|| User::of(uid))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::SocketAddr;

    use super::*;

    const TICKS: u64 = 1_000;

    /// The pids of these processes, given as (pid, parent, started, name), in the order in which they
    /// are named if all have one socket.
    fn order(processes: &[(u32, u32, u64, &str)]) -> Vec<u32> {
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        let socket = DumpedSocket {
            local: address,
            peer: address,
            state: TcpState::Listen,
            uid: 0,
            inode: 7,
            time_wait: None,
        };
        let found = processes.iter().map(|(pid, parent, started, name)| {
            Rc::new(FoundProcess::for_test(*pid, *parent, *started, name))
        });
        let processes = HashMap::from([(7, found.collect())]);
        let holders = Holders { processes, users: HashMap::new(), booted: OnceCell::new() };
        let holders = holders.of_sockets(&[&socket]);
        holders.iter().filter_map(|holder| Some(holder.process.as_ref()?.pid)).collect()
    }

    #[test]
    fn the_oldest_process_is_named_first_and_a_service_manager_last() {
        // Pids that no process has, so that none is looked up.
        let [low, high, other] = [4_000_000_001, 4_000_000_009, 4_000_000_005];
        let (now, later) = (TICKS, TICKS + 1);
        type Row<'a> = (&'a [(u32, u32, u64, &'a str)], &'a [u32]);
        let rows: &[Row<'_>] = &[
            // Pids begin anew, so a child can have a lower one than its server.
            (&[(low, high, later, "sleep"), (high, 2, now, "node")], &[high, low]),
            // Both started in one tick.
            (&[(low, high, now, "sleep"), (high, 2, now, "node")], &[high, low]),
            (&[(high, 2, now, "a"), (low, 2, now, "b")], &[low, high]),
            // A service manager, of the system and of a user, kept the socket of its service.
            (&[(1, 0, 0, "init"), (high, 1, later, "node")], &[high, 1]),
            (&[(low, 2, now, "systemd"), (high, low, later, "node")], &[high, low]),
            // It is not this service's.
            (&[(low, 2, now, "systemd"), (high, other, later, "node")], &[low, high]),
            (&[(low, 2, now, "systemd")], &[low]),
            // Any other process above another is the server.
            (&[(low, 2, now, "nginx"), (high, low, later, "nginx")], &[low, high]),
        ];
        for (processes, expected) in rows {
            assert_eq!(order(processes), *expected, "{processes:?}");
        }
    }
}
