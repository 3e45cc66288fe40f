//! Claims a port with a strict bind on all addresses, and keeps the socket as the hold.
//!
//! Measured on Linux 6.18: a strict bind of `[::]`, for IPv4 too and without `SO_REUSEADDR`, fails
//! if any TCP socket of this network namespace has the port, in whatever state; the same for UDP.
//! A rule that redirects a port without a socket, such as a container's, shows only in a connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use socket2::{SockAddr, Socket, Type};

use super::knock::{Knocked, Knocker};
use crate::port::Port;
use crate::probe::claim::{Hold, Occupied, errno, unbound};
use crate::probe::knocks::Knocks;

/// How many ports are asked side by side at first, and at most.
const AHEAD: usize = 16;
const MAX_AHEAD: usize = 128;
/// From this limit on open files on, there are enough of them for the most: three for each port.
const MANY_FILES: u64 = 4096;

/// Claims ports, one after the other.
#[derive(Debug)]
pub struct Claimer {
    knocker: Knocker,
    /// How many ports to ask side by side the next time.
    ahead: usize,
}

impl Default for Claimer {
    /// Makes one that knows no listener of pald's own.
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Claimer {
    /// Makes one that shares what is met at ports with others.
    pub fn new(knocks: Arc<Knocks>) -> Self {
        Self { knocker: Knocker::new(knocks), ahead: AHEAD }
    }

    /// Makes sure that no other program uses a port, and holds it.
    ///
    /// Takes some 50 µs, and up to 0.1 s where connects to the port are not answered; what was in the
    /// way of a connect is in the way for a minute. Only for a port without a service: a strict bind
    /// makes a service fail that is just starting on it.
    ///
    /// # Errors
    /// The outer error is the system's, such as no descriptor left; the inner one says why the port
    /// is not free.
    pub fn claim(&mut self, port: Port) -> io::Result<Result<Hold, Occupied>> {
        let obstacle = self.knocker.knocks.obstacle(port);
        // Whether a bind is allowed is asked each time.
        if let Some(occupied) = obstacle.filter(|occupied| *occupied != Occupied::Forbidden) {
            return Ok(Err(occupied));
        }
        let socket = match bind_strictly(port)? {
            Ok(socket) => socket,
            Err(occupied) => {
                if occupied == Occupied::Forbidden {
                    self.knocker.knocks.remember(port, Err(occupied));
                }
                return Ok(Err(occupied));
            }
        };
        let knocked = self.knocker.knock(&[port]).pop();
        if let Some(occupied) = knocked.map_or(Ok(None), |it| self.occupied(port, it))? {
            return Ok(Err(occupied));
        }
        self.knocker.knocks.remember(port, Ok(()));
        self.ahead = AHEAD;
        // Set before the bind, it would let the bind succeed beside other sockets.
        socket.set_reuse_address(true)?;
        Ok(Ok(Hold::new(Some(socket))))
    }

    /// Finds out side by side at which of the first of these ports connects are not answered, where
    /// they were not answered at the port before: each takes its time.
    pub fn look_ahead(&mut self, ports: impl Iterator<Item = Port>) {
        let mut ports = ports.peekable();
        if ports.peek().is_none_or(|first| self.knocker.knocks.obstacle(*first).is_some()) {
            // They were found out.
            return;
        }
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let max = if limit < MANY_FILES { AHEAD } else { MAX_AHEAD };
        // While it is bound, no server starts on a port, and no connect of ours comes from it.
        let bind = |port: Port| Some((port, bind_strictly(port).ok()?.ok()?));
        let ports = ports.take(self.ahead.min(max));
        let (ports, _sockets): (Vec<_>, Vec<_>) = ports.filter_map(bind).unzip();
        for (port, knocked) in ports.iter().zip(self.knocker.knock(&ports)) {
            // What fails is told when the port is claimed.
            let _ = self.occupied(*port, knocked);
        }
        self.ahead = MAX_AHEAD;
    }

    /// Remembers what is in the way at a port that was bound.
    fn occupied(&self, port: Port, knocked: Knocked) -> io::Result<Option<Occupied>> {
        let occupied = match knocked {
            Knocked::Refused => return Ok(None),
            Knocked::Occupied(occupied) => occupied,
            // The port is bound, so a redirect leads to another one.
            Knocked::Here(address) => Occupied::Redirected(address),
            Knocked::Failed(address, error) => return Err(unconnected(address, error)),
        };
        self.knocker.knocks.remember(port, Err(occupied));
        Ok(Some(occupied))
    }
}

/// Says which address can't be connected to.
fn unconnected(address: SocketAddr, error: io::Error) -> io::Error {
    let ip = address.ip();
    let what = match errno(&error) {
        Some(Errno::ADDRNOTAVAIL) => {
            format!("there is no port left from which to connect to {ip}")
        }
        _ => format!("can't connect to {ip}: {error}"),
    };
    io::Error::new(error.kind(), what)
}

/// Binds a port on all addresses, for TCP and UDP, if no other socket has it; returns the TCP socket.
fn bind_strictly(port: Port) -> io::Result<Result<Socket, Occupied>> {
    let socket = match bind_everywhere(port, Type::STREAM, Binding::Strict) {
        Ok(socket) => socket,
        Err(error) => return Occupied::by_bind(error, Type::STREAM).map(Err),
    };
    match bind_everywhere(port, Type::DGRAM, Binding::Strict) {
        Ok(_) => Ok(Ok(socket)),
        Err(error) => Occupied::by_bind(error, Type::DGRAM).map(Err),
    }
}

/// Holds the port of a registered service without disturbing the service.
///
/// Returns `None` while another socket lets no second one in, such as the service's own listener.
///
/// # Errors
/// The system's error, such as no descriptor left, or that this user may not bind the port.
pub fn hold(port: Port) -> io::Result<Option<Hold>> {
    match bind_everywhere(port, Type::STREAM, Binding::Shared) {
        Ok(socket) => Ok(Some(Hold::new(Some(socket)))),
        Err(error) if errno(&error) == Some(Errno::ADDRINUSE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a socket binds beside others that have `SO_REUSEADDR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    /// It binds only if no other socket has the port.
    Strict,
    /// It binds beside sockets that do the same and do not listen.
    Shared,
}

/// Binds a socket to the port on all addresses of both families, or of IPv4 where there is no IPv6.
fn bind_everywhere(port: Port, kind: Type, binding: Binding) -> io::Result<Socket> {
    let bind = |ip: IpAddr| {
        let address = SocketAddr::new(ip, port.number());
        let socket = unbound(address, kind)?;
        if binding == Binding::Shared {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(address))?;
        io::Result::Ok(socket)
    };
    match bind(Ipv6Addr::UNSPECIFIED.into()) {
        Err(error) if errno(&error) == Some(Errno::AFNOSUPPORT) => {
            bind(Ipv4Addr::UNSPECIFIED.into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::testing::{eventually, wait_until};

    fn claim(port: Port) -> io::Result<Result<Hold, Occupied>> {
        Claimer::default().claim(port)
    }

    /// A free port, held.
    fn held() -> (Port, Hold) {
        loop {
            let listener = TcpListener::bind("[::]:0").unwrap();
            let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
            drop(listener);
            if let Ok(hold) = claim(port).unwrap() {
                return (port, hold);
            }
        }
    }

    #[test]
    fn a_port_with_a_socket_on_any_address_is_occupied() {
        let addresses = ["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0", "[::1]:0", "[::]:0"];
        for address in addresses {
            let socket = TcpListener::bind(address).unwrap();
            let port = Port::new(socket.local_addr().unwrap().port()).unwrap();
            assert!(matches!(claim(port).unwrap(), Err(Occupied::Tcp)), "{address}");
            let socket = UdpSocket::bind(address).unwrap();
            let port = Port::new(socket.local_addr().unwrap().port()).unwrap();
            assert!(
                matches!(claim(port).unwrap(), Err(Occupied::Udp | Occupied::Tcp)),
                "{address}"
            );
        }
    }

    #[test]
    fn one_claimer_claims_port_after_port() {
        let mut claimer = Claimer::default();
        let held: Vec<_> = (0..3).map(|_| held()).collect();
        let ports: Vec<Port> = held.iter().map(|(port, _)| *port).collect();
        for _ in 0..2 {
            let claims: Vec<_> = ports.iter().map(|port| claimer.claim(*port).unwrap()).collect();
            assert!(claims.iter().all(|claim| matches!(claim, Err(Occupied::Tcp))));
        }
        drop(held);
        let claim = |port: &Port| eventually(|| claimer.claim(*port).unwrap(), Result::is_ok);
        let holds: Vec<_> = ports.iter().map(claim).collect();
        assert_eq!(holds.len(), 3);
    }

    #[test]
    fn a_held_port_is_open_to_servers_and_not_to_a_second_claim() {
        let (port, _hold) = held();
        assert!(matches!(claim(port).unwrap(), Err(Occupied::Tcp)));
        for ip in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let ip: IpAddr = ip.parse().unwrap();
            let server = TcpListener::bind((ip, port.number())).unwrap();
            let reached = if ip.is_ipv6() { "::1" } else { "127.0.0.1" };
            let client = TcpStream::connect((reached, port.number())).unwrap();
            assert_eq!(server.accept().unwrap().1, client.local_addr().unwrap());
        }
    }

    #[test]
    fn a_running_service_is_left_alone_and_its_port_held_once_it_has_ended() {
        let (port, first) = held();
        let server = TcpListener::bind(("127.0.0.1", port.number())).unwrap();
        drop(first);
        assert!(hold(port).unwrap().is_none());
        drop(server);
        let second = eventually(|| hold(port).unwrap(), Option::is_some);
        assert!(matches!(claim(port).unwrap(), Err(Occupied::Tcp)));
        drop(second);
        wait_until(|| claim(port).unwrap().is_ok());
    }
}
