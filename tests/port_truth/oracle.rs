//! Whether a port is usable, found out without pald: the verdict that pald must come to.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How long somebody has time to answer; on this machine nobody needs it.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Whether a strict server could have this port for TCP and UDP, and nobody answers on it.
pub(super) fn is_usable(port: u16) -> bool {
    // The sockets stay bound while we connect, so that no connection can reach itself.
    let (Some(_tcp), Some(_udp)) =
        (strict_bind(Type::STREAM, port), strict_bind(Type::DGRAM, port))
    else {
        return false;
    };
    let loopbacks = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    !loopbacks.into_iter().any(|ip| somebody_answers((ip, port).into()))
}

/// A socket on all addresses, without SO_REUSEADDR; none if somebody has one of them.
fn strict_bind(kind: Type, port: u16) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV6, kind, None).unwrap();
    socket.set_only_v6(false).unwrap();
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let bound = socket.bind(&address.into());
    match bound {
        Ok(()) => Some(socket),
        Err(cause) if cause.kind() == ErrorKind::AddrInUse => None,
        Err(cause) => panic!("{address}: {cause}"),
    }
}

fn somebody_answers(address: SocketAddr) -> bool {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    // What answers must be left without a TIME_WAIT of ours.
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    match socket
        .connect_timeout(&address.into(), ANSWER_TIME)
        .map_err(|cause: io::Error| cause.kind())
    {
        Ok(()) => true,
        // The second is the answer where IPv6 is switched off.
        Err(ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable) => false,
        Err(kind) => panic!("{address}: {kind}"),
    }
}
