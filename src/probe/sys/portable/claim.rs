//! Claims a port by strict binds and connects, a socket at a time. Nothing is held.
//!
//! From the sources of XNU, not run there: a bind of `0.0.0.0` beside our own `[::]` socket is
//! `EADDRINUSE`; a strict `[::]` bind fails if single IPv4 addresses are bound, but not if `0.0.0.0`
//! is; a connect to a port that is bound and does not listen is dropped in silence. So each address
//! is bound, and no socket of ours is open when the next one is tried.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use socket2::{SockAddr, Socket, Type};

use super::connect::{Knocked, is_missing, knock};
use crate::port::Port;
use crate::probe::claim::{Hold, Occupied, unbound};
use crate::probe::knocks::Knocks;

/// The addresses to bind, in this order.
const ADDRESSES: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
];

/// Claims ports, one after the other.
#[derive(Debug, Default)]
pub struct Claimer {
    knocks: Arc<Knocks>,
}

impl Claimer {
    /// Makes one that shares what is known of ports.
    pub fn new(knocks: Arc<Knocks>) -> Self {
        Self { knocks }
    }

    /// Does nothing: each port is asked when it is claimed.
    pub fn look_ahead(&mut self, _ports: impl Iterator<Item = Port>) {}

    /// Makes sure that no other program uses a port. The hold that it returns has no socket.
    ///
    /// Takes up to 80 ms where connects to the port are dropped in silence, once a minute. Only for a port without
    /// a service: a strict bind makes a service fail that is just starting on it.
    ///
    /// # Errors
    /// The outer error is the system's, such as no descriptor left; the inner one says why the port
    /// is not free.
    pub fn claim(&mut self, port: Port) -> io::Result<Result<Hold, Occupied>> {
        for kind in [Type::STREAM, Type::DGRAM] {
            for ip in ADDRESSES {
                let address = SocketAddr::new(ip, port.number());
                match bind(address, kind) {
                    Ok(socket) => drop(socket),
                    Err(error) if is_missing(&error, ip) => {}
                    Err(error) => return Occupied::by_bind(error, kind).map(Err),
                }
            }
        }
        match knock(port, &self.knocks) {
            Knocked::Refused => Ok(Ok(Hold::new(None))),
            Knocked::Occupied(occupied) => Ok(Err(occupied)),
            Knocked::Failed(_, error) => Err(error),
        }
    }
}

/// Returns `None`: a bound socket would keep the service away too.
///
/// # Errors
/// None.
pub fn hold(_port: Port) -> io::Result<Option<Hold>> {
    Ok(None)
}

/// Binds a socket strictly, without `SO_REUSEADDR`.
fn bind(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = unbound(address, kind)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    fn claim(address: SocketAddr) -> Result<Hold, Occupied> {
        Claimer::default().claim(Port::new(address.port()).unwrap()).unwrap()
    }

    /// The portable claim kept its own `[::]` socket open while it bound the next address, so every
    /// port counted as taken and nothing could be registered.
    #[test]
    fn a_free_port_is_claimed_time_and_again() {
        // Another test may get the port in between, but hardly each of a hundred.
        let is_claimed_twice = (0..100).any(|_| {
            let address = TcpListener::bind("[::]:0").unwrap().local_addr().unwrap();
            claim(address).is_ok() && claim(address).is_ok()
        });
        assert!(is_claimed_twice);
    }

    #[test]
    fn a_port_with_a_socket_on_any_address_is_occupied() {
        for ip in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"] {
            let ip: IpAddr = ip.parse().unwrap();
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let occupied = claim(listener.local_addr().unwrap()).unwrap_err();
            assert_eq!(occupied, Occupied::Tcp, "{ip}");
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            let occupied = claim(socket.local_addr().unwrap()).unwrap_err();
            assert!(matches!(occupied, Occupied::Udp | Occupied::Tcp), "{ip}");
        }
    }

    #[test]
    fn nothing_is_held() {
        assert!(hold(Port::MAX).unwrap().is_none());
    }
}
