//! What uses a port, by the kernel's list of sockets, and then by a connect.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::knock::{Knocked, Knocker};
use super::sock_diag::{DumpedSocket, SockDiag, TcpState, Transport};
use crate::port::Port;
use crate::probe::claim::Occupied;
use crate::probe::knocks::Knocks;
use crate::probe::who::{Holder, Look, PortState, Reason, UnknownReason};

mod evidence;
mod origin;
mod processes;
#[cfg(test)]
mod tests;

use evidence::{ByPort, Evidence, Holders, nearest};

/// How long the knocks of one look may go on: enough for about 3,000 ports.
const KNOCKING_TIME: Duration = Duration::from_millis(200);
/// How many ports are knocked at side by side: with a descriptor on each loopback address.
const SIDE_BY_SIDE: usize = 16;
/// How often a port is knocked at where a server came and went each time.
const MAX_KNOCKS: usize = 6;
/// How often the sockets of a port are listed where they were others each time.
const MAX_LOOKS: usize = 4;

/// Finds what uses ports, among the sockets of all users.
#[derive(Debug)]
pub struct Who {
    /// `None` before the first look and after one that failed.
    sock_diag: Option<SockDiag>,
    knocker: Knocker,
    /// How long the knocks of one look may go on.
    knocking_time: Duration,
    unseen: Vec<Port>,
}

impl Who {
    /// Makes one. It opens its netlink socket at the first look, and a new one after a failure.
    pub fn open() -> Self {
        Self::with(Arc::default())
    }

    /// Makes one that shares with others what is met at ports.
    pub fn with(knocks: Arc<Knocks>) -> Self {
        let knocker = Knocker::new(knocks);
        Self { sock_diag: None, knocker, knocking_time: KNOCKING_TIME, unseen: Vec::new() }
    }

    /// Finds the state of a port by passive evidence alone: nothing is bound. If no socket has the
    /// port, 127.0.0.1 and ::1 are connected to, and the connections reset; but at most once a minute.
    ///
    /// `is_own` tells by its inode whether a socket is a hold of ours, which does not count. Lists
    /// all sockets of the machine, and the open files of its processes to find the holder, so it
    /// takes up to some milliseconds, and 0.1 s where a firewall drops the connects. Not for an async
    /// worker.
    pub fn state(&mut self, port: Port, look: Look, is_own: &dyn Fn(u64) -> bool) -> PortState {
        let seen = match self.by_sockets(&[port], is_own) {
            Err(error) => return not_listed(&error),
            Ok(seen) => seen,
        };
        if let Some(state) = seen.into_values().next() {
            return state;
        }
        if look == Look::Quiet {
            return self.knocker.knocks.obstacle(port).map_or(PortState::Free, blocked);
        }
        let knocked = self.by_knocks(&[port], is_own);
        match self.unseen[..] {
            [] => knocked.into_values().next().unwrap_or(PortState::Free),
            _ => PortState::Unknown(UnknownReason::NoTime),
        }
    }

    /// Finds the states of ports as [`Who::state`] does, but lists the sockets and the processes only
    /// once or twice. Those that are left out are free, unless they are [`Who::unseen`]: most are, and
    /// they take no memory.
    ///
    /// All connects together take 0.3 s at most, which is enough for about 3,000 ports without a
    /// socket.
    pub fn states(
        &mut self,
        ports: &[Port],
        is_own: &dyn Fn(u64) -> bool,
    ) -> HashMap<Port, PortState> {
        let mut states = match self.by_sockets(ports, is_own) {
            Ok(states) => states,
            Err(error) => {
                let unknown = not_listed(&error);
                return ports.iter().map(|port| (*port, unknown.clone())).collect();
            }
        };
        let unseen: Vec<Port> =
            ports.iter().copied().filter(|port| !states.contains_key(port)).collect();
        states.extend(self.by_knocks(&unseen, is_own));
        states
    }

    /// The ports of the last look for which there was no time.
    pub fn unseen(&self) -> &[Port] {
        &self.unseen
    }

    /// Finds the states of ports that no socket has, or had a moment ago. Those that are left out are
    /// free.
    fn by_knocks(
        &mut self,
        ports: &[Port],
        is_own: &dyn Fn(u64) -> bool,
    ) -> HashMap<Port, PortState> {
        self.unseen.clear();
        let started = Instant::now();
        let (mut states, mut answered) = (HashMap::new(), HashMap::new());
        let mut left = Vec::new();
        for port in ports {
            match self.knocker.knocks.obstacle(*port) {
                Some(occupied) => drop(states.insert(*port, blocked(occupied))),
                None if self.knocker.knocks.was_refused(*port) => {}
                None => left.push(*port),
            }
        }
        for _ in 0..MAX_KNOCKS {
            let mut odd = HashMap::new();
            for group in left.chunks(SIDE_BY_SIDE) {
                if started.elapsed() >= self.knocking_time {
                    self.unseen.extend(group);
                    continue;
                }
                let knocked = self.knocker.knock(group);
                for (port, knocked) in group.iter().zip(&knocked) {
                    if let Knocked::Here(address) = knocked {
                        answered.insert(*port, *address);
                    }
                }
                odd.extend(group.iter().zip(knocked).filter_map(|(port, knocked)| {
                    self.met(*port, knocked).map(|state| (*port, state))
                }));
            }
            if odd.is_empty() {
                return states;
            }
            // A server that has just started may have answered, so the sockets are listed again.
            let ports: Vec<Port> = odd.keys().copied().collect();
            match self.by_sockets(&ports, is_own) {
                Ok(seen) => {
                    odd.retain(|port, _| !seen.contains_key(port));
                    seen.keys().for_each(|port| self.knocker.knocks.forget(*port));
                    states.extend(seen);
                }
                Err(error) => {
                    let unknown = not_listed(&error);
                    odd.values_mut().for_each(|state| *state = unknown.clone());
                }
            }
            // Where a server answered that has gone, nobody knows whether another one would answer.
            let (gone, known) = odd.into_iter().partition(|(_, state)| *state == PortState::Free);
            states.extend::<HashMap<_, _>>(known);
            left = HashMap::into_keys(gone).collect();
            if left.is_empty() {
                return states;
            }
        }
        // What answers and resets time after time, and has no socket, is a redirect.
        for port in left {
            if let Some(address) = answered.get(&port) {
                let redirected = Knocked::Occupied(Occupied::Redirected(*address));
                states.extend(self.met(port, redirected).map(|state| (port, state)));
            }
        }
        states
    }

    /// Remembers what was met at a port, and returns its state unless it is free. It is free for now
    /// if a server answered.
    fn met(&self, port: Port, knocked: Knocked) -> Option<PortState> {
        match knocked {
            Knocked::Refused => {
                self.knocker.knocks.remember(port, Ok(()));
                None
            }
            Knocked::Occupied(occupied) => {
                self.knocker.knocks.remember(port, Err(occupied));
                Some(blocked(occupied))
            }
            Knocked::Here(_) => Some(PortState::Free),
            Knocked::Failed(address, error) => {
                let cause = error.to_string();
                Some(PortState::Unknown(UnknownReason::NotConnected { address, cause }))
            }
        }
    }

    /// Finds the states of those ports that sockets have.
    ///
    /// A socket that is only bound may belong to a server that is just starting, which listens in a
    /// moment: it is looked at again, until it does or is seen twice.
    fn by_sockets(
        &mut self,
        ports: &[Port],
        is_own: &dyn Fn(u64) -> bool,
    ) -> io::Result<HashMap<Port, PortState>> {
        let mut states = self.by_sockets_now(ports, is_own)?;
        for _ in 1..MAX_LOOKS {
            let is_bound = |_: &Port, state: &mut PortState| {
                matches!(state, PortState::Blocked { reason: Reason::Bound, .. })
            };
            let bound: HashMap<_, _> = states.extract_if(is_bound).collect();
            if bound.is_empty() {
                break;
            }
            let ports: Vec<Port> = bound.keys().copied().collect();
            let seen = self.by_sockets_now(&ports, is_own)?;
            let is_settled = seen.iter().all(|(port, state)| bound.get(port) == Some(state));
            states.extend(seen);
            if is_settled {
                break;
            }
        }
        Ok(states)
    }

    fn by_sockets_now(
        &mut self,
        ports: &[Port],
        is_own: &dyn Fn(u64) -> bool,
    ) -> io::Result<HashMap<Port, PortState>> {
        let only = match ports {
            [port] => Some(*port),
            _ => None,
        };
        let not_own = |socket: &DumpedSocket| socket.inode == 0 || !is_own(socket.inode);
        // Where a port has listeners, they alone decide; the kernel finds them at once.
        let mut tcp = match only {
            Some(_) => self.dump(Transport::Listeners, only)?,
            None => Vec::new(),
        };
        tcp.retain(not_own);
        let mut udp = Vec::new();
        if tcp.is_empty() {
            tcp = self.dump(Transport::Tcp, only)?;
            tcp.retain(not_own);
            udp = self.dump(Transport::Udp, only)?;
        }
        let (tcp, udp) = (ByPort::new(tcp), ByPort::new(udp));
        let evidence: Vec<_> = ports
            .iter()
            .filter_map(|port| {
                let evidence = Evidence::among(tcp.at(port.number()), udp.at(port.number()));
                evidence.map(|evidence| (*port, evidence))
            })
            .collect();
        let sockets = evidence.iter().flat_map(|(_, evidence)| evidence.sockets().iter().copied());
        let holders = Holders::of(sockets, self.without(ports));
        let state = |(port, evidence): (Port, Evidence<'_>)| (port, evidence.state(port, &holders));
        Ok(evidence.into_iter().map(state).collect())
    }

    /// The process that has none of the sockets of these ports, for sure: the daemon, which has many holds
    /// and listens on its own port alone. To look at each of its files takes 5 ms where it holds 800 ports;
    /// for the bars of 10 ms for `pald check` and 15 ms for `pald list`.
    fn without(&self, ports: &[Port]) -> Option<u32> {
        let own_port = self.knocker.knocks.own_port()?;
        (!ports.contains(&own_port)).then(std::process::id)
    }

    /// Lists sockets; what fails is tried once more.
    fn dump(&mut self, transport: Transport, port: Option<Port>) -> io::Result<Vec<DumpedSocket>> {
        let dumped = self.try_dump(transport, port).or_else(|_| self.try_dump(transport, port));
        self.knocker.knocks.note_listing(dumped.as_ref().err());
        dumped
    }

    fn try_dump(
        &mut self,
        transport: Transport,
        port: Option<Port>,
    ) -> io::Result<Vec<DumpedSocket>> {
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
    let mut sockets = Who::open().dump(Transport::Listeners, Some(port)).ok()?;
    sockets.retain(|socket| includes(socket.local.ip(), address.ip()));
    let listener = nearest(&sockets, TcpState::Listen)?;
    Holders::of(std::iter::once(listener), None).of_sockets(&[listener]).into_iter().next()
}

/// Returns that the state is unknown.
fn not_listed(error: &io::Error) -> PortState {
    PortState::Unknown(UnknownReason::NotListed(error.to_string()))
}

/// Returns the state of a port that no socket has.
fn blocked(occupied: Occupied) -> PortState {
    PortState::Blocked { reason: Reason::from(occupied), holders: Vec::new() }
}

/// Returns whether a socket that is bound to `bound` gets connections to `ip`.
fn includes(bound: IpAddr, ip: IpAddr) -> bool {
    bound.to_canonical() == ip.to_canonical() || bound.is_unspecified()
}
