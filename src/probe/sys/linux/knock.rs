//! Knocks at ports: connects to them on the loopback addresses, many side by side.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::peers::PeerLookup;
use crate::port::Port;
use crate::probe::claim::{Occupied, errno};
use crate::probe::knocks::{Family, Knocks, LeftOut};
use crate::probe::peers::{Connection, Server};

/// How long a connect to a loopback address may take.
///
/// Where nothing listens it is refused before `connect` returns: on Linux 6.18 with 16 busy threads
/// on 2 CPUs, each of 200,000 was. Kernels before 6.5 may leave that to a thread of their own, which
/// waits for its turn.
const ANSWER_TIME: Duration = Duration::from_millis(25);
/// How long the reset by a server that ends may take to arrive.
const RESET_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// Knocks at ports, and asks pald's own listener where none answers.
#[derive(Debug, Default)]
pub(super) struct Knocker {
    pub(super) knocks: Arc<Knocks>,
    /// A socket for each family. One whose connect was refused can connect again.
    kept: [Option<Socket>; 2],
}

/// What knocking at a port met.
#[derive(Debug)]
pub(super) enum Knocked {
    /// Nothing listens there.
    Refused,
    /// Connections are redirected or swallowed.
    Occupied(Occupied),
    /// A server of this machine and network namespace listens or listened at this address.
    Here(SocketAddr),
    /// This address can't be connected to.
    Failed(SocketAddr, io::Error),
}

/// What one connect met.
#[derive(Debug)]
enum Answer {
    Refused,
    /// A server of this machine and network namespace has taken the connection, and may have gone.
    Here,
    Elsewhere,
    Silence,
    Failed(io::Error),
}

impl Knocker {
    pub(super) fn new(knocks: Arc<Knocks>) -> Self {
        Self { knocks, kept: [None, None] }
    }

    /// Connects to each port on both loopback addresses, and resets the connections.
    ///
    /// Takes some 50 µs for each port, and 50 ms more if any connect is not answered, by then for all
    /// of them together. A family in which pald's own listener is not reached says nothing about a
    /// port, and is left out.
    pub(super) fn knock(&mut self, ports: &[Port]) -> Vec<Knocked> {
        let mut knocked: Vec<_> = ports.iter().map(|_| Knocked::Refused).collect();
        let families = Family::ALL.into_iter().filter(|family| self.is_asked(*family));
        let families: Vec<_> = families.collect();
        let address =
            |family: Family, port: &Port| SocketAddr::new(family.loopback(), port.number());
        let addresses = families
            .iter()
            .flat_map(|family| ports.iter().map(|port| address(*family, port)))
            .collect::<Vec<_>>();
        let mut answers = self.connect(&addresses).into_iter();
        for family in families {
            let answers: Vec<_> = answers.by_ref().take(ports.len()).collect();
            if !self.is_trusted(family, &answers) {
                continue;
            }
            for ((port, answer), known) in ports.iter().zip(answers).zip(&mut knocked) {
                if matches!(known, Knocked::Refused) {
                    *known = Knocked::by(answer, address(family, port));
                }
            }
        }
        knocked
    }

    /// Whether a family is to be asked. One that was left out is tried again after a minute.
    fn is_asked(&mut self, family: Family) -> bool {
        if let Some(is_left_out) = self.knocks.is_left_out(family) {
            return !is_left_out;
        }
        match self.ask_itself(family) {
            Ok(()) => self.knocks.take_in(family),
            Err(why) => self.knocks.leave_out(family, why),
        }
        self.knocks.is_left_out(family) == Some(false)
    }

    /// Whether these answers of a family say anything: where some ports gave none, pald's own
    /// listener has to give one.
    fn is_trusted(&mut self, family: Family, answers: &[Answer]) -> bool {
        let is_missing = |answer: &Answer| matches!(answer, Answer::Failed(error) if family == Family::V6 && is_missing(error));
        let is_odd = |answer: &Answer| matches!(answer, Answer::Silence | Answer::Failed(_));
        let trusted = match answers {
            answers if answers.iter().any(is_missing) => Err(LeftOut::Missing),
            answers if answers.iter().any(is_odd) => self.ask_itself(family),
            _ => Ok(()),
        };
        let is_trusted = trusted.is_ok();
        if let Err(why) = trusted {
            self.knocks.leave_out(family, why);
        }
        is_trusted
    }

    /// Connects to pald's own listener in a family.
    fn ask_itself(&mut self, family: Family) -> Result<(), LeftOut> {
        let Some(own_port) = self.knocks.own_port() else { return Ok(()) };
        let address = SocketAddr::new(family.loopback(), own_port.number());
        match self.connect(&[address]).pop() {
            // Refused it is answered too, as while pald ends.
            Some(Answer::Here | Answer::Elsewhere | Answer::Refused) | None => Ok(()),
            Some(Answer::Silence) => Err(LeftOut::Unreached("no answer".to_owned())),
            Some(Answer::Failed(error)) => match family {
                Family::V6 if is_missing(&error) => Err(LeftOut::Missing),
                _ if is_want(&error) => Ok(()),
                _ => Err(LeftOut::Unreached(error.to_string())),
            },
        }
    }

    /// Connects to these addresses side by side.
    fn connect(&mut self, addresses: &[SocketAddr]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(addresses.len());
        let mut pending = Vec::new();
        for (at, address) in addresses.iter().enumerate() {
            let kept = &mut self.kept[usize::from(address.is_ipv6())];
            answers.push(match kept.take().map_or_else(|| connector(*address), Ok) {
                Err(error) => Answer::Failed(error),
                Ok(socket) => match attempt(socket, *address) {
                    Attempt::Decided(answer) => answer,
                    Attempt::Refused(socket) => {
                        *kept = Some(socket);
                        Answer::Refused
                    }
                    Attempt::Undecided(socket) => {
                        pending.push((at, socket));
                        Answer::Silence
                    }
                },
            });
        }
        let deadline = Instant::now() + ANSWER_TIME;
        while !pending.is_empty() && wait(&pending, deadline) {
            for (at, socket) in std::mem::take(&mut pending) {
                match attempt(socket, addresses[at]) {
                    Attempt::Decided(answer) => answers[at] = answer,
                    Attempt::Refused(_) => answers[at] = Answer::Refused,
                    Attempt::Undecided(socket) => pending.push((at, socket)),
                }
            }
        }
        answers
    }
}

impl Knocked {
    fn by(answer: Answer, address: SocketAddr) -> Self {
        match answer {
            Answer::Refused => Self::Refused,
            Answer::Silence => Self::Occupied(Occupied::Swallowed(address)),
            Answer::Failed(error) => Self::Failed(address, error),
            Answer::Here => Self::Here(address),
            Answer::Elsewhere => Self::Occupied(Occupied::Redirected(address)),
        }
    }
}

/// Finds where a connection has led, and resets it, so that no TIME_WAIT of ours stays on any port.
fn place(socket: &Socket, address: SocketAddr) -> Answer {
    // If it can't be set, the other end closes first or not at all.
    let _ = socket.set_linger(Some(Duration::ZERO));
    let local = socket.local_addr().ok().and_then(|local| local.as_socket());
    let (Some(local), Ok(stat)) = (local, fstat(socket)) else { return Answer::Elsewhere };
    if local == address {
        // The kernel gave the very port to the connector, which is connected to itself.
        return Answer::Refused;
    }
    let connection = Connection { local, peer: address, inode: stat.st_ino };
    match PeerLookup::default().server(connection) {
        Ok(Server::Accepted(_) | Server::Listening(_) | Server::Closed) => Answer::Here,
        // As by a server that ends.
        Ok(Server::Unlisted) if is_reset(socket) => Answer::Here,
        Ok(Server::Elsewhere | Server::Unlisted) | Err(_) => Answer::Elsewhere,
    }
}

/// Returns whether the other end has reset a connection; a busy kernel may deliver that late.
fn is_reset(socket: &Socket) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::empty())];
    poll(&mut polled, Some(&RESET_TIME)).is_ok_and(|reset| reset > 0)
}

fn connector(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What a call of connect says.
enum Attempt {
    /// The socket can connect again.
    Refused(Socket),
    Decided(Answer),
    Undecided(Socket),
}

/// Connects, or asks how the connect went that is under way.
fn attempt(socket: Socket, address: SocketAddr) -> Attempt {
    let target = SockAddr::from(address);
    // What answers at once has answered by the second call (connect(2)).
    for _ in 0..2 {
        match socket.connect(&target).map_err(|error| (errno(&error), error)) {
            Err((Some(Errno::INPROGRESS | Errno::ALREADY | Errno::INTR), _)) => {}
            Ok(()) | Err((Some(Errno::ISCONN), _)) => {
                return Attempt::Decided(place(&socket, address));
            }
            Err((Some(Errno::CONNREFUSED), _)) => return Attempt::Refused(socket),
            // It was answered by the first call, and reset by the second.
            Err((Some(Errno::CONNRESET | Errno::CONNABORTED), _)) => {
                return Attempt::Decided(Answer::Here);
            }
            Err((_, error)) => return Attempt::Decided(Answer::Failed(error)),
        }
    }
    Attempt::Undecided(socket)
}

/// Waits until one of these is decided; `false` if none is when it is too late.
fn wait(pending: &[(usize, Socket)], deadline: Instant) -> bool {
    let mut polled: Vec<_> =
        pending.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::OUT)).collect();
    loop {
        // Also when it is too late they are looked at: pald may have had to wait for its turn.
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        match poll(&mut polled, Some(&left)) {
            Err(Errno::INTR) => {}
            decided => return decided.is_ok_and(|decided| decided > 0),
        }
    }
}

/// Returns whether a connect to ::1 failed because the machine has no such address.
fn is_missing(error: &io::Error) -> bool {
    match errno(error) {
        Some(Errno::ADDRNOTAVAIL | Errno::NETUNREACH | Errno::HOSTUNREACH) => true,
        // Where the machine has IPv6, it is pald alone that may not use it (seccomp(2)).
        Some(Errno::AFNOSUPPORT) => !Path::new("/proc/net/if_inet6").exists(),
        _ => false,
    }
}

/// Returns whether a connect failed for want of a descriptor, memory or a port to connect from, which
/// says nothing about the family.
fn is_want(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Some(Errno::ADDRNOTAVAIL | Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn port_of(address: SocketAddr) -> Port {
        Port::new(address.port()).unwrap()
    }

    /// A bound socket that does not listen: connects to it are refused.
    fn refusing(ip: &str) -> (Socket, Port) {
        let address = SocketAddr::new(ip.parse().unwrap(), 0);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        let port = port_of(socket.local_addr().unwrap().as_socket().unwrap());
        (socket, port)
    }

    /// A listener whose queue is full: the kernel drops further connects in silence.
    fn swallowing() -> (TcpListener, Vec<TcpStream>, Port) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue = std::iter::from_fn(connect).collect();
        (listener, queue, port_of(address))
    }

    #[test]
    fn ports_that_are_asked_side_by_side_each_get_their_answer() {
        let (_bound, refused) = refusing("::");
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = port_of(server.local_addr().unwrap());
        let (_listener, _queue, swallowed) = swallowing();
        let mut knocker = Knocker::default();
        for _ in 0..2 {
            let knocked = knocker.knock(&[refused, swallowed, here, refused]);
            let address = SocketAddr::from(([127, 0, 0, 1], swallowed.number()));
            assert!(matches!(knocked[0], Knocked::Refused), "{knocked:?}");
            assert!(
                matches!(knocked[1], Knocked::Occupied(Occupied::Swallowed(met)) if met == address),
                "{knocked:?}"
            );
            assert!(matches!(knocked[2], Knocked::Here(_)), "{knocked:?}");
            assert!(matches!(knocked[3], Knocked::Refused), "{knocked:?}");
        }
    }

    /// With IPv6 dropped on the loopback, each of 799 ports counted as taken.
    #[test]
    fn a_family_in_which_pald_itself_is_not_reached_is_left_out() {
        let (_listener, _queue, own) = swallowing();
        let (_other, _other_queue, port) = swallowing();
        let knocks = Arc::new(Knocks::new(own));
        let mut knocker = Knocker::new(Arc::clone(&knocks));
        assert!(matches!(knocker.knock(&[port])[..], [Knocked::Refused]));
        assert_eq!(knocks.is_left_out(Family::V4), Some(true));
        assert_eq!(knocks.warnings().len(), 1);
    }

    /// While pald ended its own listener was gone, and swallowed ports were given out.
    #[test]
    fn a_port_that_is_swallowed_beside_pald_itself_is_occupied() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_closed, closed) = refusing("::");
        for own in [port_of(listening.local_addr().unwrap()), closed] {
            let knocks = Arc::new(Knocks::new(own));
            let (_listener, _queue, port) = swallowing();
            let mut knocker = Knocker::new(Arc::clone(&knocks));
            let knocked = knocker.knock(&[port]);
            let is_swallowed = matches!(knocked[..], [Knocked::Occupied(Occupied::Swallowed(_))]);
            assert!(is_swallowed, "{knocked:?}");
            assert_eq!(knocks.is_left_out(Family::V4), Some(false));
        }
    }
}
