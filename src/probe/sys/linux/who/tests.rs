use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::*;
use crate::timestamp::Timestamp;

const NOBODY: u32 = 65534;
const ADDRESSES: [&str; 5] = ["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0", "[::1]:0", "[::]:0"];
/// Set for the process that another user runs.
const AS_ANOTHER_USER: &str = "PALD_TEST_AS_ANOTHER_USER";

fn state(address: SocketAddr) -> PortState {
    state_beside(address, &[])
}

/// The state of the address's port, if sockets with these inodes are our holds.
fn state_beside(address: SocketAddr, own: &[u64]) -> PortState {
    let port = Port::new(address.port()).unwrap();
    Who::open().state(port, &|inode| own.contains(&inode))
}

/// Looks until the state is as expected, since the kernel closes connections a moment later.
fn becomes(address: SocketAddr, is_expected: impl Fn(&PortState) -> bool) -> PortState {
    let started = Instant::now();
    loop {
        let state = state(address);
        if is_expected(&state) {
            return state;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "still {state:?}");
    }
}

/// A port that nothing else has, on any address. Tests that run at the same time get the port only
/// if they ask for it, so they leave no TIME_WAIT on it either.
struct OwnPort {
    hold: Socket,
    number: u16,
}

impl OwnPort {
    fn take() -> Self {
        let hold = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        hold.set_only_v6(false).unwrap();
        hold.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).unwrap();
        hold.set_reuse_address(true).unwrap();
        let number = hold.local_addr().unwrap().as_socket().unwrap().port();
        Self { hold, number }
    }

    /// This port, on the IP address of another.
    fn on(&self, address: &str) -> SocketAddr {
        SocketAddr::new(address.parse::<SocketAddr>().unwrap().ip(), self.number)
    }

    /// A TCP socket beside the hold that is bound and does not listen.
    fn bind(&self, address: &str) -> Socket {
        let address = self.on(address);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket
    }

    fn hold_inode(&self) -> u64 {
        inode(&self.hold)
    }

    /// The state of the port beside the hold.
    fn state(&self) -> PortState {
        state_beside(self.on("[::]:0"), &[self.hold_inode()])
    }
}

/// A UDP socket, and its port, on which there is no TCP socket but the hold.
fn udp(address: &str) -> (UdpSocket, OwnPort) {
    loop {
        let port = OwnPort::take();
        match UdpSocket::bind(port.on(address)) {
            Ok(socket) => return (socket, port),
            // Another UDP socket has it.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }
}

fn inode(socket: impl AsFd) -> u64 {
    rustix::fs::fstat(socket).unwrap().st_ino
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this is our user and process, started before now.
fn is_us(holder: &Holder) -> bool {
    let process = holder.process.as_ref().unwrap();
    holder.user.uid == our_uid()
        && process.pid == std::process::id()
        && process.since.unwrap() <= Timestamp::now()
        && process.since.unwrap().unix_seconds() + 3600 > Timestamp::now().unix_seconds()
}

/// Whether the port is blocked for this reason by our own process.
fn is_our(state: &PortState, expected: &Reason) -> bool {
    matches!(state, PortState::Blocked { reason, holder: Some(holder) }
        if reason == expected && is_us(holder))
}

#[test]
fn a_port_with_a_listener_on_any_address_is_running() {
    for address in ADDRESSES {
        let listener = TcpListener::bind(address).unwrap();
        let state = state(listener.local_addr().unwrap());
        assert!(
            matches!(&state, PortState::Running(holder) if is_us(holder)),
            "{address} {state:?}"
        );
    }
}

#[test]
fn listener_on_finds_only_listeners_of_that_address() {
    let port = OwnPort::take();
    let _listener = TcpListener::bind(port.on("127.0.0.1:0")).unwrap();
    assert!(listener_on(port.on("127.0.0.1:0")).as_ref().is_some_and(is_us));
    assert_eq!(listener_on(port.on("127.0.0.2:0")), None);
    let port = OwnPort::take();
    let _socket = port.bind("127.0.0.1:0");
    assert_eq!(listener_on(port.on("127.0.0.1:0")), None);
}

#[test]
fn a_bound_socket_blocks_a_port_unless_it_is_our_hold() {
    for address in ADDRESSES {
        let port = OwnPort::take();
        let socket = port.bind(address);
        let found = port.state();
        assert!(is_our(&found, &Reason::Bound), "{address} {found:?}");
        let own = [port.hold_inode(), inode(&socket)];
        assert_eq!(state_beside(port.on(address), &own), PortState::Free, "{address}");
    }
}

#[test]
fn a_port_with_a_server_beside_our_hold_is_running() {
    let port = OwnPort::take();
    let listener = TcpListener::bind(port.on("127.0.0.1:0")).unwrap();
    let state = port.state();
    assert!(matches!(&state, PortState::Running(holder) if is_us(holder)), "{state:?}");
    drop(listener);
    assert_eq!(port.state(), PortState::Free);
}

#[test]
fn a_udp_socket_blocks_a_port() {
    for address in ADDRESSES {
        let (_socket, port) = udp(address);
        let state = port.state();
        assert!(is_our(&state, &Reason::Udp), "{address} {state:?}");
    }
}

#[test]
fn a_connection_blocks_the_ports_of_both_its_ends() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let peer = listener.local_addr().unwrap();
        let client = TcpStream::connect(peer).unwrap();
        let own = client.local_addr().unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(is_our(&state(own), &Reason::Outbound { peer }), "{:?}", state(own));
        drop(listener);
        assert!(is_our(&state(peer), &Reason::Accepted { peer: own }), "{:?}", state(peer));
        drop(client);
        let closing = PortState::Blocked { reason: Reason::Closing { peer }, holder: None };
        becomes(own, |state| *state == closing);
        drop(server);
    }
}

#[test]
fn time_wait_blocks_a_port_for_a_known_time() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        drop((client, listener));
        let state = becomes(address, |state| {
            matches!(state, PortState::Blocked { reason: Reason::TimeWait { .. }, .. })
        });
        let PortState::Blocked { reason: Reason::TimeWait { left }, holder: None } = state else {
            panic!("{state:?}");
        };
        assert!((1..=60).contains(&left.as_secs()), "{left:?}");
    }
}

/// What another user does in `users_see_each_other`: listens, and prints what listens on the ports
/// that it is given.
#[test]
fn as_another_user() {
    if std::env::var_os(AS_ANOTHER_USER).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(matches!(state(address), PortState::Running(holder) if is_us(&holder)));
    eprintln!("{address}");
    for line in io::stdin().lines() {
        let found = state(line.unwrap().parse().unwrap());
        let PortState::Running(holder) = found else { panic!("{found:?}") };
        eprintln!("{holder}");
    }
}

#[test]
fn users_see_each_other() {
    if our_uid() != 0 {
        eprintln!("skipped: only root can start a listener as another user");
        return;
    }
    let name = concat!(module_path!(), "::as_another_user").split_once("::").unwrap().1;
    // By this path another user may run the test, wherever it lies.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", name, "--nocapture"]).env(AS_ANOTHER_USER, "1").current_dir("/");
    command.uid(NOBODY).gid(NOBODY).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let theirs: SocketAddr = lines.next().unwrap().unwrap().parse().unwrap();
    let PortState::Running(holder) = state(theirs) else { panic!("{:?}", state(theirs)) };
    assert_eq!(holder.user.uid, NOBODY);
    assert_eq!(holder.process.unwrap().pid, child.id());
    let port = OwnPort::take();
    let _listener = TcpListener::bind(port.on("[::1]:0")).unwrap();
    writeln!(input, "{}", port.on("[::1]:0")).unwrap();
    let text = lines.next().unwrap().unwrap();
    assert_eq!(text, "user root; process not visible");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn states_of_many_ports_equal_those_of_each_alone() {
    let listeners: Vec<_> = ADDRESSES.map(|address| TcpListener::bind(address).unwrap()).into();
    let (held, bound, (_udp, udp)) = (OwnPort::take(), OwnPort::take(), udp("127.0.0.1:0"));
    let _bound = bound.bind("127.0.0.1:0");
    let client = TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
    let free = OwnPort::take().on("127.0.0.1:0");
    let mut addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    addresses.extend([&held, &bound, &udp].map(|port| port.on("[::]:0")));
    addresses.extend([client.local_addr().unwrap(), free]);
    let ports: Vec<_> = addresses.iter().map(|a| Port::new(a.port()).unwrap()).collect();
    let own = [&held, &bound, &udp].map(OwnPort::hold_inode);
    let alone: Vec<_> = addresses.iter().map(|address| state_beside(*address, &own)).collect();
    let states = Who::open().states(&ports, &|inode| own.contains(&inode));
    let together = |port| states.get(port).cloned().unwrap_or(PortState::Free);
    assert_eq!(ports.iter().map(together).collect::<Vec<_>>(), alone);
    assert!(alone[..5].iter().all(|s| matches!(s, PortState::Running(holder) if is_us(holder))));
    assert_eq!((&alone[5], &alone[9]), (&PortState::Free, &PortState::Free));
    assert!(is_our(&alone[6], &Reason::Bound) && is_our(&alone[7], &Reason::Udp));
    let peer = listeners[0].local_addr().unwrap();
    assert!(is_our(&alone[8], &Reason::Outbound { peer }), "{:?}", alone[8]);
}
