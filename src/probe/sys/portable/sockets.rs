//! The sockets of the processes that this user may look into: one's own, and for root all.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use listeners::{Listener, Protocol, SocketState};

use crate::port::Port;
use crate::probe::who::{Holder, Origin, PortState, Process, Reason, User};

/// A list of sockets, by their local ports.
pub(super) struct Sockets {
    by_port: HashMap<u16, Vec<Listener>>,
}

impl Sockets {
    /// Lists them. Sockets that no process has, such as those in TIME_WAIT, are not among them.
    ///
    /// # Errors
    /// The system does not list its processes.
    pub(super) fn list() -> io::Result<Self> {
        let mut by_port: HashMap<u16, Vec<Listener>> = HashMap::new();
        let sockets = listeners::get_all().map_err(|error| io::Error::other(error.to_string()))?;
        for socket in sockets {
            by_port.entry(socket.socket.port()).or_default().push(socket);
        }
        Ok(Self { by_port })
    }

    /// Returns the state of a port by its sockets, if it has any.
    pub(super) fn state(&self, port: Port) -> Option<PortState> {
        let sockets = self.by_port.get(&port.number())?;
        let of = |is: fn(&Listener) -> bool| holders(sockets.iter().filter(|socket| is(socket)));
        let listening = of(is_listening);
        if !listening.is_empty() {
            return Some(PortState::Running(listening));
        }
        let kinds =
            [(Reason::Bound, of(is_bound)), (Reason::Tcp, of(is_tcp)), (Reason::Udp, of(|_| true))];
        let (reason, holders) = kinds.into_iter().find(|(_, holders)| !holders.is_empty())?;
        Some(PortState::Blocked { reason, holders })
    }

    /// Returns the holder of the TCP listener that clients of an address reach.
    pub(super) fn listener_on(&self, address: SocketAddr) -> Option<Holder> {
        let sockets = self.by_port.get(&address.port())?;
        let reaches = |socket: &&Listener| includes(socket.socket.ip(), address.ip());
        let listening = sockets.iter().filter(|socket| is_listening(socket)).filter(reaches);
        holders(listening).into_iter().next()
    }
}

fn is_tcp(socket: &Listener) -> bool {
    socket.protocol == Protocol::TCP
}

fn is_listening(socket: &Listener) -> bool {
    is_tcp(socket) && socket.state == SocketState::Listen
}

fn is_bound(socket: &Listener) -> bool {
    is_tcp(socket) && socket.state == SocketState::Closed
}

/// Returns whether a socket that is bound to `bound` gets connections to `ip`.
fn includes(bound: IpAddr, ip: IpAddr) -> bool {
    bound.to_canonical() == ip.to_canonical() || bound.is_unspecified()
}

/// Returns the holders of these sockets, by their process IDs: the lowest mostly started first.
fn holders<'a>(sockets: impl Iterator<Item = &'a Listener>) -> Vec<Holder> {
    let processes: BTreeMap<_, _> =
        sockets.map(|socket| (socket.process.pid, &socket.process.name)).collect();
    let holder = |(pid, name): (u32, &String)| {
        let (name, command) = (name.clone(), String::new());
        let process = Process { pid, name, command, since: None, origin: Origin::default() };
        Some(Holder { user: User::of(user_of(pid)?), process: Some(Box::new(process)) })
    };
    processes.into_iter().filter_map(holder).collect()
}

/// Returns the user of a process; `None` if it has ended.
fn user_of(pid: u32) -> Option<u32> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        // Other users' processes do not show their sockets.
        return Some(own.as_raw());
    }
    let pid = pid.to_string();
    let output = Command::new("/bin/ps").args(["-o", "uid=", "-p", &pid]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn state(address: SocketAddr) -> Option<PortState> {
        Sockets::list().unwrap().state(Port::new(address.port()).unwrap())
    }

    fn is_us(holder: &Holder) -> bool {
        let is_own_user = holder.user.uid == rustix::process::geteuid().as_raw();
        is_own_user && holder.process.as_ref().is_some_and(|it| it.pid == std::process::id())
    }

    #[test]
    fn a_listener_on_any_address_is_running_and_ours() {
        for ip in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let ip: IpAddr = ip.parse().unwrap();
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let running = state(address).unwrap();
            let PortState::Running(holders) = &running else { panic!("{running:?}") };
            assert!(holders.len() == 1 && is_us(&holders[0]), "{running:?}");
        }
    }

    /// The crate's own lookup by port named the client of a server that had the port as its source.
    #[test]
    fn neither_a_client_nor_a_udp_socket_is_running() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let blocked = state(client.local_addr().unwrap()).unwrap();
        let PortState::Blocked { reason: Reason::Tcp, holders } = &blocked else {
            panic!("{blocked:?}");
        };
        assert!(holders.len() == 1 && is_us(&holders[0]), "{blocked:?}");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let blocked = state(socket.local_addr().unwrap()).unwrap();
        assert!(
            matches!(&blocked, PortState::Blocked { reason: Reason::Udp | Reason::Tcp, .. }),
            "{blocked:?}"
        );
    }

    #[test]
    fn a_listener_is_found_only_by_the_addresses_that_lead_to_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sockets = Sockets::list().unwrap();
        assert!(sockets.listener_on(address).as_ref().is_some_and(is_us));
        let beside = SocketAddr::new("::1".parse().unwrap(), address.port());
        assert_eq!(sockets.listener_on(beside), None);
    }
}
