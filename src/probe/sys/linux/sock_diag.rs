//! Looks up one TCP socket through netlink's sock_diag: its user, its inode and its state.
//!
//! Not here: which of that pald believes, and the processes that have a socket open.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{
    ErrorBuffer, NLM_F_REQUEST, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, Parseable,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY, SockDiagMessage,
};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

pub use procfs::net::TcpState;

mod dump;
#[cfg(test)]
mod tests;

pub use dump::{DumpedSocket, Transport};

/// How long an answer may take. The kernel answers within the `send`, so only a fault takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// How many signals, and how many answers to earlier questions, a lookup passes over.
const MAX_ATTEMPTS: usize = 16;
/// An answer about one socket takes about 120 bytes, and twice that for root, who is told more.
const MAX_ANSWER_BYTES: usize = 4096;
/// The index of `lo`, which is 1 in each network namespace (`LOOPBACK_IFINDEX` in the kernel).
///
/// All connections within a machine run over `lo`. A lookup that names it also finds the sockets
/// that `SO_BINDTODEVICE` binds to it; all others match any interface.
const LOOPBACK_INTERFACE: u32 = 1;
/// Matches any socket with the addresses (`INET_DIAG_NOCOOKIE`).
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// What the kernel says about one TCP socket.
///
/// Measured on Linux 6.18 with a client whose user is 65534, the same on IPv4 and IPv6:
///
/// | the client | state | inode | uid |
/// | --- | --- | --- | --- |
/// | is connected | ESTABLISHED | its own | 65534 |
/// | called `shutdown(SHUT_WR)` | FIN_WAIT1, then FIN_WAIT2 | its own | 65534 |
/// | closed or ended, its last words not yet acknowledged | FIN_WAIT1 | 0 | 65534 |
/// | closed or ended, about 40 ms later | FIN_WAIT2 | 0 | 0 |
/// | closed, then we did | TIME_WAIT | 0 | 0 |
/// | is open, we have closed | CLOSE_WAIT | its own | 65534 |
/// | closed after we did, or reset the connection | there is none | | |
///
/// So a uid without an inode names no user, and 0 there does not mean root. For a moment between
/// the third row and the fourth no socket is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagSocket {
    /// The user who made the socket, as our user namespace numbers it; 65534 for users outside it
    /// (`/proc/sys/kernel/overflowuid`).
    pub uid: u32,
    /// The inode of its file, or 0 if no process has it open any longer.
    pub inode: u64,
    /// Its state of RFC 9293 section 3.3.2.
    pub state: TcpState,
}

impl DiagSocket {
    /// Returns the user of a client's socket; `None` unless a process still has it open.
    ///
    /// It is the user of our connection only if our own end is alive *after* the lookup: else the
    /// client may have reset the connection, and another user may have its port by now. Our end can
    /// be looked up too, but only its inode tells it from that of a later connection with the same
    /// addresses.
    pub fn owner(&self) -> Option<u32> {
        let is_open =
            matches!(self.state, TcpState::Established | TcpState::FinWait1 | TcpState::FinWait2);
        (is_open && self.inode != 0).then_some(self.uid)
    }
}

/// A netlink socket to the kernel's sock_diag, for any number of lookups. It needs no privileges.
#[derive(Debug)]
pub struct SockDiag {
    socket: OwnedFd,
    sequence: u32,
}

impl SockDiag {
    /// Opens the netlink socket.
    ///
    /// # Errors
    /// Netlink is missing or forbidden. A kernel without `tcp_diag` opens the socket and then finds
    /// no TCP socket at all, so a first lookup should be of one that is known to exist.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let protocol = Some(netlink::SOCK_DIAG);
        let socket =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        // A connected netlink socket takes messages from its peer alone, which is the kernel.
        rustix::net::connect(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Finds the TCP socket with exactly these addresses, as the socket itself sees them.
    ///
    /// To find a client, `local` is the client's address and `peer` is ours. An IPv4 address equals
    /// the IPv6 address that it is mapped to (`::ffff:127.0.0.1`), as it does for the kernel. Only
    /// connections within this machine and network namespace are found. Takes 3-4 µs, however many
    /// sockets there are.
    ///
    /// # Errors
    /// `InvalidInput` if one address is IPv4 and the other IPv6, `TimedOut` after 100 ms,
    /// `InvalidData` for an answer that can't be read, or the kernel's own error. None of them
    /// disturbs the next lookup.
    pub fn lookup(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<Option<DiagSocket>> {
        let (local, peer) = (canonical(local), canonical(peer));
        if local.is_ipv4() != peer.is_ipv4() {
            let message = format!("{local} and {peer} are not of one family");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.ask(local, peer, |message, sequence| read_answer(message, sequence, local, peer))
    }

    /// Finds the listener that a connection from this machine to `address` would reach, also one
    /// that listens on all addresses.
    ///
    /// # Errors
    /// As for [`SockDiag::lookup`].
    pub fn listener(&mut self, address: SocketAddr) -> io::Result<Option<DiagSocket>> {
        let address = canonical(address);
        // Where there is no such connection, the kernel names the listener, and there is none from
        // port 0.
        let nowhere: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let peer = SocketAddr::new(nowhere, 0);
        let found = self.ask(address, peer, |message, sequence| {
            Ok(match answer(message, sequence)? {
                Answer::Stale => None,
                Answer::Nothing => Some(None),
                Answer::Socket(found) => Some(Some(socket(&found)?)),
            })
        })?;
        Ok(found.filter(|found| found.state == TcpState::Listen))
    }

    /// Asks for one socket, and reads answers until one is to this question.
    fn ask(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
        read: impl Fn(&[u8], u32) -> io::Result<Option<Option<DiagSocket>>>,
    ) -> io::Result<Option<DiagSocket>> {
        self.send(question(local, peer), NLM_F_REQUEST)?;
        let mut buffer = [0; MAX_ANSWER_BYTES];
        for _ in 0..MAX_ATTEMPTS {
            let message = self.receive(&mut buffer)?;
            if let Some(found) = read(message, self.sequence)? {
                return Ok(found);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "The kernel answers only earlier questions"))
    }

    /// Sends a question under a new sequence number.
    fn send(&mut self, question: impl NetlinkSerializable, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        // The kernel takes it at once, so no signal can come between.
        rustix::net::send(&self.socket, &bytes, SendFlags::empty())?;
        Ok(())
    }

    /// Receives one datagram.
    fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        for _ in 0..MAX_ATTEMPTS {
            // With TRUNC the true length is returned, which shows that a datagram was cut.
            match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Ok((_, length)) => return buffer.get(..length).ok_or_else(|| invalid("is cut")),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// Returns the address without a scope, and as IPv4 if it is an IPv4 address mapped into IPv6.
pub(in crate::probe) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn question(local: SocketAddr, peer: SocketAddr) -> SockDiagMessage {
    SockDiagMessage::InetRequest(InetRequest {
        family: if local.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: local.port(),
            destination_port: peer.port(),
            source_address: local.ip(),
            destination_address: peer.ip(),
            interface_id: LOOPBACK_INTERFACE,
            cookie: ANY_COOKIE,
        },
    })
}

/// Parses a datagram as the answer to the lookup with this sequence number and these canonical
/// addresses; the outer `None` means that it answers another one.
///
/// This is [`SockDiag::lookup`] without its netlink socket, so that any bytes can be parsed.
///
/// # Errors
/// `InvalidData` for an answer that can't be parsed, or the error that the kernel sent.
pub fn read_answer(
    message: &[u8],
    sequence: u32,
    local: SocketAddr,
    peer: SocketAddr,
) -> io::Result<Option<Option<DiagSocket>>> {
    Ok(match answer(message, sequence)? {
        Answer::Stale => None,
        Answer::Nothing => Some(None),
        // Where there is no such connection, the kernel names a listener on the local address. It
        // has no peer, and may be another program's.
        Answer::Socket(found) if !has_addresses(&found.socket_id, local, peer) => Some(None),
        Answer::Socket(found) => Some(Some(socket(&found)?)),
    })
}

/// The content of one datagram.
#[derive(Debug)]
enum Answer {
    /// It answers an earlier question.
    Stale,
    /// There is no such socket.
    Nothing,
    Socket(InetResponseHeader),
}

/// Parses a datagram as the answer to the question with this sequence number.
fn answer(message: &[u8], sequence: u32) -> io::Result<Answer> {
    let message = NetlinkBuffer::new_checked(message).map_err(invalid)?;
    if message.sequence_number() != sequence {
        return Ok(Answer::Stale);
    }
    match message.message_type() {
        // The attributes after the header are not needed, so whether they are right is not checked.
        SOCK_DIAG_BY_FAMILY => {
            InetResponseHeader::parse(message.payload()).map(Answer::Socket).map_err(invalid)
        }
        NLMSG_ERROR => match refusal(message.payload())? {
            error if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(Answer::Nothing),
            error => Err(error),
        },
        other => Err(invalid(format!("is of the type {other}"))),
    }
}

/// Parses the error that the kernel sent instead of an answer.
fn refusal(payload: &[u8]) -> io::Result<io::Error> {
    let error = ErrorBuffer::new_checked(payload).map_err(invalid)?;
    let code = error.code().map_or(0, |code| code.get().saturating_neg());
    Ok(io::Error::from_raw_os_error(code))
}

fn has_addresses(id: &SocketId, local: SocketAddr, peer: SocketAddr) -> bool {
    let is = |ip: IpAddr, port, address| canonical(SocketAddr::new(ip, port)) == address;
    is(id.source_address, id.source_port, local)
        && is(id.destination_address, id.destination_port, peer)
}

fn socket(found: &InetResponseHeader) -> io::Result<DiagSocket> {
    let state = TcpState::from_u8(found.state)
        .ok_or_else(|| invalid(format!("has the TCP state {}", found.state)))?;
    Ok(DiagSocket { uid: found.uid, inode: found.inode.into(), state })
}

fn invalid(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("An answer of sock_diag {what}"))
}
