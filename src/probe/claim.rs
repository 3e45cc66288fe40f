//! Is a port really free, and how does it stay so? The strict probe, and the hold.
//!
//! Measured on Linux 6.18: a strict bind of `[::]`, for IPv4 too and without `SO_REUSEADDR`, meets
//! every TCP socket that has the port in this network namespace, in whatever state; the same for
//! UDP. What redirects a port without a socket, such as a rule of a container, is seen only by
//! connecting.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

use crate::port::Port;

/// How long an answer to a connect is waited for. Without anybody there, it is refused at once.
const CONNECT_TIME: Duration = Duration::from_millis(200);

/// A socket that keeps a port for its service.
///
/// It is bound and never listens. The kernel gives its port to no `connect` and no bind to port 0,
/// while a server that sets `SO_REUSEADDR`, as nearly all do, binds and listens beside it. One
/// descriptor; children do not inherit it. Dropping it gives the port up.
#[derive(Debug)]
pub struct Hold {
    socket: Option<Socket>,
}

impl Hold {
    /// The inode of its socket, by which a list of all sockets knows it as ours; `None` where there
    /// is no socket, or the system does not tell.
    pub fn inode(&self) -> Option<u64> {
        self.socket
            .as_ref()
            .and_then(|socket| rustix::fs::fstat(socket).ok())
            .map(|stat| stat.st_ino)
    }
}

/// Why a port can't be claimed.
#[derive(Debug, Error)]
pub enum Occupied {
    /// A TCP socket has it: a listener, a connection, TIME_WAIT, or one that is only bound.
    #[error("a TCP socket has it")]
    Tcp,
    /// A UDP socket has it.
    #[error("a UDP socket has it")]
    Udp,
    /// Somebody answers there, or swallows what is sent, without a socket on this machine.
    #[error("connections to {0} are redirected")]
    Redirected(SocketAddr),
    /// This user may not use it, such as a port below 1024.
    #[error("this user may not use it")]
    Forbidden,
}

/// Claims ports, one after the other.
#[derive(Debug, Default)]
pub struct Claimer {
    /// A socket for each loopback, which is refused time and again, so that a claim need not make
    /// two of its own.
    connectors: [Option<Socket>; 2],
}

impl Claimer {
    /// Makes sure that nobody else uses a port, and holds it. Some 50 µs, and up to 0.4 s where
    /// connections to the port are swallowed.
    ///
    /// Only for a port that is no service's: a service that is just starting would fail on it.
    ///
    /// # Errors
    /// The outer error is the system's, such as no descriptor left; the inner one is a port that is
    /// not free.
    pub fn claim(&mut self, port: Port) -> io::Result<Result<Hold, Occupied>> {
        let tcp = match bind(port, Type::STREAM, Protocol::TCP, Reuse::Never) {
            Ok(socket) => socket,
            Err(error) => return refused(error, Occupied::Tcp),
        };
        if let Err(error) = bind(port, Type::DGRAM, Protocol::UDP, Reuse::Never) {
            return refused(error, Occupied::Udp);
        }
        // Our own socket would be in the way there, and holds nothing there either.
        let tcp = if cfg!(target_os = "linux") { Some(tcp) } else { None };
        if tcp.is_none() && !is_free_on_each_address(port)? {
            return Ok(Err(Occupied::Tcp));
        }
        if let Some(address) = self.redirected(port)? {
            return Ok(Err(Occupied::Redirected(address)));
        }
        // Only now: set before the bind, it would have hidden others.
        if let Some(tcp) = &tcp {
            tcp.set_reuse_address(true)?;
        }
        Ok(Ok(Hold { socket: tcp }))
    }

    /// The loopback address at which somebody answers, or swallows what is sent. Where there is
    /// nobody, the system says so at once.
    fn redirected(&mut self, port: Port) -> io::Result<Option<SocketAddr>> {
        let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        for (ip, kept) in loopbacks.into_iter().zip(&mut self.connectors) {
            let address = SocketAddr::new(ip, port.number());
            let connector = match kept.take().map_or_else(|| connector(address), Ok) {
                // There is no such loopback.
                Err(error) if errno(&error) == Some(Errno::AFNOSUPPORT) => continue,
                other => other?,
            };
            if !is_refused(&connector, address)? {
                return Ok(Some(address));
            }
            // On Linux a socket that was refused is as good as new.
            *kept = cfg!(target_os = "linux").then_some(connector);
        }
        Ok(None)
    }
}

/// Holds a port that is a service's already, without disturbing it: `None` while a socket is there
/// that lets no other in, such as the listener of the service itself.
///
/// # Errors
/// What the system said, such as no descriptor left.
pub fn hold(port: Port) -> io::Result<Option<Hold>> {
    match bind(port, Type::STREAM, Protocol::TCP, Reuse::FromTheStart) {
        Ok(socket) => Ok(Some(Hold { socket: Some(socket) })),
        Err(error) if matches!(errno(&error), Some(Errno::ADDRINUSE | Errno::ACCESS)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a socket lets others of its kind in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Never,
    FromTheStart,
}

/// A socket that is bound to the port on all addresses of both families, or of IPv4 where there is
/// no IPv6.
fn bind(port: Port, kind: Type, protocol: Protocol, reuse: Reuse) -> io::Result<Socket> {
    let bound = |domain, address: SocketAddr| {
        let socket = Socket::new(domain, kind, Some(protocol))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        if reuse == Reuse::FromTheStart {
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(address))?;
        io::Result::Ok(socket)
    };
    let v6 = bound(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port.number()).into());
    match v6 {
        Err(error) if errno(&error) == Some(Errno::AFNOSUPPORT) => {
            bound(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port.number()).into())
        }
        other => other,
    }
}

/// Elsewhere than on Linux a bind of `[::]` misses sockets on single addresses, so each is tried, one
/// after the other. From documentation; not run.
fn is_free_on_each_address(port: Port) -> io::Result<bool> {
    let addresses: [IpAddr; 3] =
        [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    for (ip, kind) in addresses.iter().flat_map(|ip| [(ip, Type::STREAM), (ip, Type::DGRAM)]) {
        let address = SocketAddr::new(*ip, port.number());
        let socket = Socket::new(Domain::for_address(address), kind, None)?;
        match socket.bind(&SockAddr::from(address)) {
            Err(error) if errno(&error) == Some(Errno::ADDRINUSE) => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

/// Sorts a failed bind: the port is somebody's, or not for this user, or the system is at its end.
fn refused(error: io::Error, occupied: Occupied) -> io::Result<Result<Hold, Occupied>> {
    match errno(&error) {
        Some(Errno::ADDRINUSE) => Ok(Err(occupied)),
        Some(Errno::ACCESS) => Ok(Err(Occupied::Forbidden)),
        _ => Err(error),
    }
}

fn connector(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Linux it bounds a connect too, see socket(7).
    socket.set_write_timeout(Some(CONNECT_TIME))?;
    Ok(socket)
}

/// Whether nobody answers at an address, or there is no such address.
fn is_refused(connector: &Socket, address: SocketAddr) -> io::Result<bool> {
    let target = SockAddr::from(address);
    let connected = match cfg!(target_os = "linux") {
        true => connector.connect(&target),
        false => connector.connect_timeout(&target, CONNECT_TIME),
    };
    let Err(error) = connected else {
        // Whoever answers is left at once, without a TIME_WAIT of ours on any port.
        connector.set_linger(Some(Duration::ZERO))?;
        return Ok(false);
    };
    Ok(match errno(&error) {
        Some(Errno::CONNREFUSED) => true,
        // There is no such loopback: IPv6 is switched off.
        Some(Errno::ADDRNOTAVAIL | Errno::NETUNREACH | Errno::HOSTUNREACH) => address.is_ipv6(),
        _ => false,
    })
}

fn errno(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn claim(port: Port) -> io::Result<Result<Hold, Occupied>> {
        Claimer::default().claim(port)
    }

    /// A port that the kernel gave to nobody, as a hold.
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
    fn whoever_has_a_port_is_met() {
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
    fn a_held_port_is_for_servers_and_not_for_a_second_claim() {
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
    fn a_running_service_is_not_disturbed_and_held_once_it_is_gone() {
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
