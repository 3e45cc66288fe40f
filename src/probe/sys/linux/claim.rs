//! Claims a port with a strict bind on all addresses, and keeps the socket as the hold.
//!
//! Measured on Linux 6.18: a strict bind of `[::]`, for IPv4 too and without `SO_REUSEADDR`, fails
//! if any TCP socket of this network namespace has the port, in whatever state; the same for UDP.
//! A rule that redirects a port without a socket, such as a container's, shows only in a connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::port::Port;
use crate::probe::claim::{Hold, Occupied, errno, is_refused, unbound};

/// How long a connect may take. Where nothing listens, it is refused at once.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

/// Claims ports, one after the other.
#[derive(Debug, Default)]
pub struct Claimer {
    /// A socket for 127.0.0.1 and one for ::1. A socket whose connect was refused can connect again,
    /// so that a claim need not make two of its own.
    connectors: [Option<Socket>; 2],
}

impl Claimer {
    /// Makes sure that no other program uses a port, and holds it.
    ///
    /// Takes some 50 µs, and up to 0.4 s where connects to the port are dropped in silence. Only for
    /// a port without a service: a strict bind makes a service fail that is just starting on it.
    ///
    /// # Errors
    /// The outer error is the system's, such as no descriptor left; the inner one says why the port
    /// is not free.
    pub fn claim(&mut self, port: Port) -> io::Result<Result<Hold, Occupied>> {
        let socket = match bind_everywhere(port, Type::STREAM, Binding::Strict) {
            Ok(socket) => socket,
            Err(error) => return Occupied::by_bind(error, Type::STREAM).map(Err),
        };
        if let Err(error) = bind_everywhere(port, Type::DGRAM, Binding::Strict) {
            return Occupied::by_bind(error, Type::DGRAM).map(Err);
        }
        if let Some(address) = self.redirected(port)? {
            return Ok(Err(Occupied::Redirected(address)));
        }
        // Set before the bind, it would let the bind succeed beside other sockets.
        socket.set_reuse_address(true)?;
        Ok(Ok(Hold { socket: Some(socket) }))
    }

    /// Returns the first loopback address at which a connect is not refused at once.
    fn redirected(&mut self, port: Port) -> io::Result<Option<SocketAddr>> {
        let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        for (ip, kept) in loopbacks.into_iter().zip(&mut self.connectors) {
            let address = SocketAddr::new(ip, port.number());
            let connector = match kept.take().map_or_else(|| connector(address), Ok) {
                // The machine has no such loopback address.
                Err(error) if errno(&error) == Some(Errno::AFNOSUPPORT) => continue,
                other => other?,
            };
            if let Err(error) = connector.connect(&SockAddr::from(address)) {
                if !is_refused(&error, address) {
                    return Ok(Some(address));
                }
                *kept = Some(connector);
            } else {
                // Resets the connection, so that no TIME_WAIT of ours stays on any port.
                connector.set_linger(Some(Duration::ZERO))?;
                return Ok(Some(address));
            }
        }
        Ok(None)
    }
}

/// Holds the port of a registered service without disturbing the service.
///
/// Returns `None` while another socket lets no second one in, such as the service's own listener.
///
/// # Errors
/// The system's error, such as no descriptor left.
pub fn hold(port: Port) -> io::Result<Option<Hold>> {
    match bind_everywhere(port, Type::STREAM, Binding::Shared) {
        Ok(socket) => Ok(Some(Hold { socket: Some(socket) })),
        Err(error) if matches!(errno(&error), Some(Errno::ADDRINUSE | Errno::ACCESS)) => Ok(None),
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

fn connector(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // It bounds a connect too, see socket(7).
    socket.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

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
        let holds: Vec<Hold> =
            ports.iter().map(|port| claimer.claim(*port).unwrap().unwrap()).collect();
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
        let second = hold(port).unwrap().unwrap();
        assert!(matches!(claim(port).unwrap(), Err(Occupied::Tcp)));
        drop(second);
        assert!(claim(port).unwrap().is_ok());
    }
}
