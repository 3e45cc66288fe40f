//! Knocks at ports of the loopback addresses, one after the other.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::port::Port;
use crate::probe::claim::{Occupied, errno};
use crate::probe::knocks::{Family, Knocks, LeftOut};

/// How long a connect may take. Where nothing listens, it is refused at once.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(40);

/// What knocking at a port met.
#[derive(Debug)]
pub(super) enum Knocked {
    /// Nothing listens there.
    Refused,
    /// Connections are answered by something, or swallowed.
    Occupied(Occupied),
    /// This address can't be connected to.
    Failed(SocketAddr, io::Error),
}

/// Connects to a port on both loopback addresses. What was in the way is remembered for a minute, in
/// which nobody is knocked at again.
///
/// A family in which pald's own listener is not reached says nothing about a port, and is left out for
/// a minute.
pub(super) fn knock(port: Port, knocks: &Knocks) -> Knocked {
    if let Some(obstacle) = knocks.obstacle(port) {
        return Knocked::Occupied(obstacle);
    }
    for family in Family::ALL {
        let address = SocketAddr::new(family.loopback(), port.number());
        if knocks.is_left_out(family) == Some(true) {
            continue;
        }
        let occupied = match is_answered(address) {
            Ok(false) => continue,
            Ok(true) => Occupied::Redirected(address),
            Err(_) if !reaches_itself(family, knocks) => continue,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Occupied::Swallowed(address),
            Err(error) => return Knocked::Failed(address, error),
        };
        knocks.remember(port, Err(occupied));
        return Knocked::Occupied(occupied);
    }
    Knocked::Refused
}

/// Connects to pald's own listener in a family, and leaves the family out if it is not reached.
fn reaches_itself(family: Family, knocks: &Knocks) -> bool {
    let Some(port) = knocks.own_port() else { return true };
    let why = match is_answered(SocketAddr::new(family.loopback(), port.number())) {
        Ok(true) => {
            knocks.take_in(family);
            return true;
        }
        Ok(false) => "refused".to_owned(),
        Err(error) => error.to_string(),
    };
    knocks.leave_out(family, LeftOut::Unreached(why));
    false
}

/// Returns whether a connect to a loopback address is answered; if the machine has no such IPv6
/// address, it is not.
///
/// # Errors
/// `TimedOut` if it is neither answered nor refused, or else what the system said.
fn is_answered(address: SocketAddr) -> io::Result<bool> {
    let connector = match Socket::new(Domain::for_address(address), Type::STREAM, None) {
        Err(error) if is_missing(&error, address.ip()) => return Ok(false),
        other => other?,
    };
    match connector.connect_timeout(&SockAddr::from(address), CONNECT_TIMEOUT) {
        Err(error) if is_refused(&error, address) => return Ok(false),
        other => other?,
    }
    // Resets the connection, so that no TIME_WAIT of ours stays on any port.
    connector.set_linger(Some(Duration::ZERO))?;
    // The system may give the very port to the connector, which is then connected to itself.
    Ok(connector.local_addr()?.as_socket() != Some(address))
}

/// Returns whether a connect to a loopback address failed because nothing listens there, or because
/// the machine has no such address.
fn is_refused(error: &io::Error, address: SocketAddr) -> bool {
    match errno(error) {
        Some(Errno::CONNREFUSED) => true,
        // IPv6 is switched off.
        Some(Errno::ADDRNOTAVAIL | Errno::NETUNREACH | Errno::HOSTUNREACH) => address.is_ipv6(),
        _ => false,
    }
}

/// Returns whether a call failed because the machine has no such IPv6 address.
pub(super) fn is_missing(error: &io::Error, ip: IpAddr) -> bool {
    ip.is_ipv6() && matches!(errno(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn port_of(listener: &TcpListener) -> Port {
        Port::new(listener.local_addr().unwrap().port()).unwrap()
    }

    /// A listener whose queue is full: the kernel drops further connects in silence.
    fn swallowing() -> (TcpListener, Vec<TcpStream>) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue = std::iter::from_fn(connect).collect();
        (listener, queue)
    }

    #[test]
    fn a_connect_is_answered_only_by_a_listener() {
        for family in Family::ALL {
            let listener = TcpListener::bind((family.loopback(), 0)).unwrap();
            let (address, port) = (listener.local_addr().unwrap(), port_of(&listener));
            let knocks = Knocks::default();
            for _ in 0..2 {
                let met = knock(port, &knocks);
                let redirected = Occupied::Redirected(address);
                assert!(
                    matches!(met, Knocked::Occupied(occupied) if occupied == redirected),
                    "{met:?}"
                );
                assert_eq!(knocks.obstacle(port), Some(redirected));
            }
            drop(listener);
            // Another program may take the port in between, but hardly each of a hundred.
            let is_refused = (0..100).any(|_| {
                let free = TcpListener::bind((family.loopback(), 0)).map(|free| port_of(&free));
                matches!(knock(free.unwrap(), &Knocks::default()), Knocked::Refused)
            });
            assert!(is_refused, "{family:?}");
        }
    }

    #[test]
    fn a_swallowed_port_is_occupied_unless_pald_itself_is_not_reached() {
        let (listener, _queue) = swallowing();
        let own = TcpListener::bind("127.0.0.1:0").unwrap();
        let knocks = Knocks::new(port_of(&own));
        let swallowed = Occupied::Swallowed(listener.local_addr().unwrap());
        let met = knock(port_of(&listener), &knocks);
        assert!(matches!(met, Knocked::Occupied(occupied) if occupied == swallowed), "{met:?}");
        assert_eq!(knocks.is_left_out(Family::V4), Some(false));

        let (unreached, _its_queue) = swallowing();
        let knocks = Knocks::new(port_of(&unreached));
        let met = knock(port_of(&listener), &knocks);
        assert!(matches!(met, Knocked::Refused), "{met:?}");
        assert_eq!(knocks.is_left_out(Family::V4), Some(true));
    }
}
