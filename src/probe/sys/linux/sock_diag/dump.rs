//! Lists all sockets of the machine, to find what uses a port.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use netlink_packet_core::{
    DoneBuffer, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer,
    NetlinkSerializable, Parseable,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_UDP, SOCK_DIAG_BY_FAMILY, SockDiagMessage,
};

use super::{SockDiag, TcpState, invalid, refusal};
use crate::port::Port;

/// The kernel fills datagrams of at most 32 KiB, whatever is offered above that.
const MAX_DATAGRAM_BYTES: usize = 32 * 1024;
/// The state of a TCP socket that is bound and neither listens nor connects (`TCP_BOUND_INACTIVE`).
/// Linux before 6.8 does not list these.
const BOUND_INACTIVE: u8 = 13;
/// The library's `all` leaves out this state, which it does not know.
const ALL: StateFlags = StateFlags::from_bits_retain(u32::MAX);
/// The type of a [`TcpQuestion`] and of its answers (`TCPDIAG_GETSOCK` of linux/inet_diag.h).
const GET_TCP: u16 = 18;
/// The bytes with the milliseconds that a timer has left. The library drops them for TIME_WAIT.
const EXPIRES: std::ops::Range<usize> = 52..56;

/// What to list of the two protocols that have ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// TCP sockets that listen, which the kernel keeps apart from all others: to list them takes 30 µs,
    /// where all of TCP takes 2 ms and more. For the bar of 10 ms for `pald check`.
    Listeners,
    /// UDP. Its sockets are ESTABLISHED if they are connected, and else CLOSE.
    Udp,
}

/// One socket of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedSocket {
    /// Its own address, in the socket's family: an IPv4 connection of an IPv6 socket is mapped.
    pub local: SocketAddr,
    /// Its peer, or all zeros.
    pub peer: SocketAddr,
    /// Its state; CLOSE for a TCP socket that is only bound.
    pub state: TcpState,
    /// Its user, and 0 in TIME_WAIT, which is not root; see [`DiagSocket`](super::DiagSocket).
    pub uid: u32,
    /// The inode of its file, 0 if no process has it open any longer.
    pub inode: u64,
    /// How long TIME_WAIT still lasts, in whole milliseconds; `None` in any other state.
    pub time_wait: Option<Duration>,
}

impl SockDiag {
    /// Lists the sockets of all users in this network namespace, IPv4 first; with `port`, only those
    /// whose own port it is.
    ///
    /// The kernel filters by port, but walks over every socket to do so: 30 µs where there are few,
    /// 1-4 ms at 6,900, and another 1 ms if 700 are only bound. Not for an async worker.
    ///
    /// # Errors
    /// As for [`SockDiag::lookup`], and `NotFound` if the kernel lacks `tcp_diag` or `udp_diag`. The
    /// rest of a failed dump may still arrive, so its `SockDiag` must not be used again.
    pub fn dump(
        &mut self,
        transport: Transport,
        port: Option<Port>,
    ) -> io::Result<Vec<DumpedSocket>> {
        let mut sockets = Vec::new();
        match transport {
            Transport::Tcp => self.list(TcpQuestion { states: ALL, port }, &mut sockets)?,
            Transport::Listeners => {
                self.list(TcpQuestion { states: StateFlags::LISTEN, port }, &mut sockets)?;
            }
            Transport::Udp => {
                for family in [AF_INET, AF_INET6] {
                    self.list(udp_question(family, port), &mut sockets)?;
                }
            }
        }
        sockets.sort_by_key(|socket| socket.local.is_ipv6());
        // Linux 6.18 lists the ones that are only bound whatever their port is.
        sockets.retain(|socket| port.is_none_or(|port| socket.local.port() == port.number()));
        Ok(sockets)
    }

    fn list(
        &mut self,
        question: impl NetlinkSerializable,
        sockets: &mut Vec<DumpedSocket>,
    ) -> io::Result<()> {
        self.send(question, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        loop {
            let mut rest = self.receive(&mut buffer)?;
            while !rest.is_empty() {
                let message = NetlinkBuffer::new_checked(rest).map_err(invalid)?;
                let length = usize::try_from(message.length()).map_err(invalid)?;
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if message.sequence_number() != self.sequence {
                    continue;
                }
                match message.message_type() {
                    SOCK_DIAG_BY_FAMILY | GET_TCP => sockets.push(socket(message.payload())?),
                    NLMSG_DONE => return end(message.payload()),
                    NLMSG_ERROR => return Err(refusal(message.payload())?),
                    other => return Err(invalid(format!("is of the type {other}"))),
                }
            }
        }
    }
}

/// The kernel's older question for TCP sockets (`inet_diag_req`), which has no family: both are listed in
/// one walk over its tables. To ask for each family takes twice as long, which `pald list` feels.
///
/// Of its 60 bytes, the own port is at 4, in network order, and the states are at 52.
struct TcpQuestion {
    states: StateFlags,
    port: Option<Port>,
}

impl NetlinkSerializable for TcpQuestion {
    fn message_type(&self) -> u16 {
        GET_TCP
    }

    fn buffer_len(&self) -> usize {
        60
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        buffer[4..6].copy_from_slice(&self.port.map_or(0, Port::number).to_be_bytes());
        buffer[52..56].copy_from_slice(&self.states.bits().to_ne_bytes());
    }
}

fn udp_question(family: u8, port: Option<Port>) -> SockDiagMessage {
    SockDiagMessage::InetRequest(InetRequest {
        family,
        protocol: IPPROTO_UDP,
        extensions: ExtensionFlags::empty(),
        states: ALL,
        socket_id: SocketId { source_port: port.map_or(0, Port::number), ..SocketId::new_v6() },
    })
}

fn socket(payload: &[u8]) -> io::Result<DumpedSocket> {
    let header = InetResponseHeader::parse(payload).map_err(invalid)?;
    let state = match header.state {
        BOUND_INACTIVE => TcpState::Close,
        number => TcpState::from_u8(number)
            .ok_or_else(|| invalid(format!("has the TCP state {number}")))?,
    };
    let expires = payload.get(EXPIRES).and_then(|bytes| bytes.try_into().ok());
    let left = expires.map(|bytes| Duration::from_millis(u32::from_ne_bytes(bytes).into()));
    Ok(DumpedSocket {
        local: SocketAddr::new(header.socket_id.source_address, header.socket_id.source_port),
        peer: SocketAddr::new(
            header.socket_id.destination_address,
            header.socket_id.destination_port,
        ),
        time_wait: left.filter(|_| state == TcpState::TimeWait),
        state,
        uid: header.uid,
        inode: header.inode.into(),
    })
}

/// Parses the last message of a dump, which says whether it broke off.
fn end(payload: &[u8]) -> io::Result<()> {
    let code = DoneBuffer::new_checked(payload).map_err(invalid)?.code();
    if code < 0 { Err(io::Error::from_raw_os_error(code.saturating_neg())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::testing::eventually;

    fn dump(transport: Transport, address: SocketAddr) -> Vec<DumpedSocket> {
        let port = Port::parse(address.port().to_string()).unwrap();
        SockDiag::open().unwrap().dump(transport, Some(port)).unwrap()
    }

    #[test]
    fn a_listener_and_both_ends_of_a_connection_are_listed() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(bind).unwrap();
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).unwrap();
            let (server, _) = listener.accept().unwrap();
            let rows = dump(Transport::Tcp, address);
            let has = |state, inode| rows.iter().any(|s| (&s.state, s.inode) == (&state, inode));
            assert!(rows.iter().all(|socket| socket.local.port() == address.port()));
            assert!(has(TcpState::Listen, rustix::fs::fstat(&listener).unwrap().st_ino));
            assert!(has(TcpState::Established, rustix::fs::fstat(&server).unwrap().st_ino));
            let rows = dump(Transport::Tcp, client.local_addr().unwrap());
            let found = rows.iter().find(|socket| socket.peer == address).unwrap();
            assert_eq!(found.uid, rustix::process::geteuid().as_raw());
            assert_eq!((found.local, found.time_wait), (client.local_addr().unwrap(), None));
        }
    }

    #[test]
    fn udp_sockets_and_bound_sockets_are_listed() {
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let rows = dump(Transport::Udp, udp.local_addr().unwrap());
        let inode = rustix::fs::fstat(&udp).unwrap().st_ino;
        assert!(rows.iter().any(|s| s.inode == inode && s.state == TcpState::Close));
        let bound =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bound.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let address = bound.local_addr().unwrap().as_socket().unwrap();
        let rows = dump(Transport::Tcp, address);
        let inode = rustix::fs::fstat(&bound).unwrap().st_ino;
        assert!(rows.iter().any(|s| s.inode == inode && s.state == TcpState::Close));
        // The kernel lists the bound socket for any other port too.
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let rows = dump(Transport::Tcp, other.local_addr().unwrap());
        assert!(rows.iter().all(|socket| socket.local.port() != address.port()));
    }

    #[test]
    fn a_dump_of_many_datagrams_is_complete() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..300)
            .map(|_| (TcpStream::connect(address).unwrap(), listener.accept().unwrap()))
            .collect();
        let rows = SockDiag::open().unwrap().dump(Transport::Tcp, None).unwrap();
        let listed: HashSet<_> = rows.iter().map(|socket| socket.inode).collect();
        // A socket may be listed twice, as others come and go meanwhile.
        let inode = |client: &TcpStream| rustix::fs::fstat(client).unwrap().st_ino;
        assert!(clients.iter().all(|(client, _)| listed.contains(&inode(client))));
    }

    #[test]
    fn time_wait_is_listed_with_the_time_that_is_left() {
        use std::io::Read;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        drop(client);
        // The client's last packet may take a moment to arrive.
        let waiting = || {
            let mut rows = dump(Transport::Tcp, address).into_iter();
            rows.find(|socket| socket.state == TcpState::TimeWait)
        };
        let waiting = eventually(waiting, Option::is_some).unwrap();
        assert!(waiting.time_wait.is_some_and(|left| left > Duration::from_secs(50)));
        assert!(waiting.time_wait.is_some_and(|left| left <= Duration::from_secs(60)));
        assert_eq!((waiting.uid, waiting.inode), (0, 0));
    }
}
