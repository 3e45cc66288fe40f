use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::net::sockopt::set_socket_linger;
use socket2::{Domain, Socket, Type};

use super::*;
use crate::testing::eventually;

const NOBODY: u32 = 65534;
/// The address of a listener, and the host that its client connects to.
const ADDRESSES: [(&str, &str); 3] = [
    ("127.0.0.1:0", "127.0.0.1"),
    ("[::1]:0", "::1"),
    // An IPv6 socket that carries an IPv4 connection.
    ("127.0.0.1:0", "::ffff:127.0.0.1"),
];

/// Both ends of a connection, and the listener, which keeps the port.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    listener: TcpListener,
}

impl Connection {
    fn new((bind, host): (&str, &str)) -> Self {
        let listener = TcpListener::bind(bind).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((host, port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { client, server, listener }
    }
}

/// The addresses of the client's socket, as the server's end has them.
fn of_client(server: &TcpStream) -> (SocketAddr, SocketAddr) {
    (server.peer_addr().unwrap(), server.local_addr().unwrap())
}

fn found((client, server): (SocketAddr, SocketAddr)) -> Option<DiagSocket> {
    SockDiag::open().unwrap().lookup(client, server).unwrap()
}

fn owner(addresses: (SocketAddr, SocketAddr)) -> Option<u32> {
    found(addresses).and_then(|socket| socket.owner())
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn inode(stream: &TcpStream) -> u64 {
    rustix::fs::fstat(stream).unwrap().st_ino
}

#[test]
fn an_open_client_is_known_by_its_user_and_inode() {
    for row in ADDRESSES {
        let connection = Connection::new(row);
        let (client, server) = of_client(&connection.server);
        let (uid, state) = (our_uid(), TcpState::Established);
        let expected = DiagSocket { uid, inode: inode(&connection.client), state };
        assert_eq!(found((client, server)), Some(expected.clone()), "{row:?}");
        assert_eq!(expected.owner(), Some(uid));
        let ours = DiagSocket { inode: inode(&connection.server), ..expected };
        assert_eq!(found((server, client)), Some(ours), "{row:?}");
    }
}

#[test]
fn one_socket_answers_many_questions() {
    let mut sock_diag = SockDiag::open().unwrap();
    let connections = ADDRESSES.map(Connection::new);
    for _ in 0..100 {
        for connection in &connections {
            let (client, server) = of_client(&connection.server);
            let found = sock_diag.lookup(client, server).unwrap().unwrap();
            assert_eq!(found.inode, inode(&connection.client));
            let other = SocketAddr::new(server.ip(), client.port());
            assert_eq!(sock_diag.lookup(other, other).unwrap(), None);
        }
    }
}

#[test]
fn a_half_closed_client_keeps_its_user() {
    for row in ADDRESSES {
        let mut connection = Connection::new(row);
        connection.client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(connection.server.read(&mut [0]).unwrap(), 0);
        let addresses = of_client(&connection.server);
        let found = found(addresses).unwrap();
        assert!(matches!(found.state, TcpState::FinWait1 | TcpState::FinWait2), "{found:?}");
        assert_eq!(found.inode, inode(&connection.client));
        assert_eq!(owner(addresses), Some(our_uid()));
    }
}

/// Its socket loses first its inode, then its uid; between the two it is not found at all.
#[test]
fn a_client_that_closed_has_no_user() {
    for row in ADDRESSES {
        let Connection { client, mut server, listener: _listener } = Connection::new(row);
        let addresses = of_client(&server);
        drop(client);
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        assert!(found(addresses).is_none_or(|orphan| orphan.inode == 0));
        assert_eq!(owner(addresses), None);
        // Our own end can't tell: it is in CLOSE_WAIT, as it is with a half-closed client.
        assert!(server.peer_addr().is_ok());
        drop(server);
        assert!(found(addresses).is_none_or(|waiting| waiting.inode == 0));
        assert_eq!(owner(addresses), None);
    }
}

#[test]
fn a_client_that_closed_with_unsent_bytes_has_no_user() {
    for row in ADDRESSES {
        let Connection { mut client, server, listener: _listener } = Connection::new(row);
        client.set_nonblocking(true).unwrap();
        while client.write(&[0; 65536]).is_ok() {}
        drop(client);
        let addresses = of_client(&server);
        let orphan = eventually(|| found(addresses).unwrap(), |client| client.inode == 0);
        assert_eq!(orphan.state, TcpState::FinWait1);
        assert_eq!(owner(addresses), None);
    }
}

#[test]
fn a_client_that_reset_is_not_found_and_our_own_end_is_not_connected() {
    for row in ADDRESSES {
        let (_listener, server, addresses) = after_reset(Connection::new(row));
        assert_eq!(found(addresses), None);
        assert_eq!(server.peer_addr().unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}

/// The listener and our end of a connection that its client has reset, and the client's addresses.
fn after_reset(connection: Connection) -> (TcpListener, TcpStream, (SocketAddr, SocketAddr)) {
    let Connection { client, mut server, listener } = connection;
    let addresses = of_client(&server);
    set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    let error = server.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    (listener, server, addresses)
}

/// A socket that keeps its port from other tests between two uses: bound strictly, and only then
/// with `SO_REUSEADDR`.
fn hold(bind: &str) -> (Socket, SocketAddr) {
    let address: SocketAddr = bind.parse().unwrap();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.set_reuse_address(true).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Connects to the listener from this held address.
fn connect_from(address: SocketAddr, listener: TcpListener) -> Connection {
    let client = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    client.set_reuse_address(true).unwrap();
    client.bind(&address.into()).unwrap();
    client.connect(&listener.local_addr().unwrap().into()).unwrap();
    let (server, _) = listener.accept().unwrap();
    Connection { client: client.into(), server, listener }
}

/// Else a client could send a request, reset the connection, and have the request believed to be
/// the next user's of its port.
#[test]
fn only_our_own_end_tells_a_client_from_the_next_one_on_its_port() {
    for (bind, _) in &ADDRESSES[..2] {
        let (_hold, from) = hold(bind);
        let connection = connect_from(from, TcpListener::bind(bind).unwrap());
        let (listener, first, addresses) = after_reset(connection);
        let second = connect_from(from, listener);
        assert_eq!(of_client(&second.server), addresses);
        assert_eq!(owner(addresses), Some(our_uid()));
        assert_eq!(found((addresses.1, addresses.0)).unwrap().inode, inode(&second.server));
        assert!(second.server.peer_addr().is_ok());
        assert_eq!(first.peer_addr().unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}

/// The kernel answers with the listener when asked for a connection to it that does not exist.
#[test]
fn a_listener_on_the_port_of_a_former_client_is_not_that_client() {
    for (bind, _) in &ADDRESSES[..2] {
        let (later_listener, from) = hold(bind);
        let connection = connect_from(from, TcpListener::bind(bind).unwrap());
        let (_listener, _server, addresses) = after_reset(connection);
        later_listener.listen(1).unwrap();
        assert_eq!(found(addresses), None);
    }
}

/// Any user may bind a socket with `SO_BINDTODEVICE`, since Linux 5.7.
#[test]
fn a_client_bound_to_the_loopback_interface_is_found() {
    for (bind, domain) in [("127.0.0.1:0", Domain::IPV4), ("[::1]:0", Domain::IPV6)] {
        let listener = TcpListener::bind(bind).unwrap();
        let client = Socket::new(domain, Type::STREAM, None).unwrap();
        client.bind_device(Some(b"lo")).unwrap();
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(owner(of_client(&server)), Some(our_uid()));
    }
}

/// Starts a shell of another user that connects, and then waits for the end of its input.
fn client_of_nobody(address: SocketAddr) -> Child {
    let (ip, port) = (address.ip(), address.port());
    let script = format!("exec 3<>/dev/tcp/{ip}/{port} && read -r");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).uid(NOBODY).gid(NOBODY).current_dir("/");
    command.stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_client_of_another_user_has_that_user() {
    if our_uid() != 0 {
        eprintln!("Skipped: only root can start a client as another user");
        return;
    }
    for bind in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(bind).unwrap();
        let mut client = client_of_nobody(listener.local_addr().unwrap());
        let (server, _) = listener.accept().unwrap();
        let addresses = of_client(&server);
        assert_eq!(owner(addresses), Some(NOBODY));
        drop(client.stdin.take());
        client.wait().unwrap();
        assert_eq!(owner(addresses), None);
    }
}

#[test]
fn addresses_of_two_families_are_refused() {
    let (v4, v6) = ("127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap());
    let error = SockDiag::open().unwrap().lookup(v4, v6).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn an_answer_that_never_comes_times_out() {
    let error = SockDiag::open().unwrap().receive(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// Answers lie unread after a time-out. Too many of them are an error.
#[test]
fn answers_to_earlier_questions_are_passed_over() {
    let connection = Connection::new(ADDRESSES[0]);
    let (client, server) = of_client(&connection.server);
    let mut sock_diag = SockDiag::open().unwrap();
    for (earlier, expected) in [(MAX_ATTEMPTS - 1, true), (MAX_ATTEMPTS, false), (0, true)] {
        for _ in 0..earlier {
            sock_diag.send(question(server, client), NLM_F_REQUEST).unwrap();
        }
        let found = sock_diag.lookup(client, server);
        assert_eq!(found.is_ok_and(|s| s.unwrap().inode == inode(&connection.client)), expected);
    }
}

#[test]
fn broken_answers_are_errors() {
    let connection = Connection::new(ADDRESSES[1]);
    let (client, server) = of_client(&connection.server);
    let mut sock_diag = SockDiag::open().unwrap();
    let mut buffer = [0; MAX_ANSWER_BYTES];
    sock_diag.send(question(client, server), NLM_F_REQUEST).unwrap();
    let good = sock_diag.receive(&mut buffer).unwrap().to_vec();
    assert!(matches!(answer(&good, 1), Ok(Answer::Socket(_))));
    assert!(matches!(answer(&good, 2), Ok(Answer::Stale)));
    for length in 0..good.len() {
        // Cut on the way, or sent so short: the first four bytes are the length.
        assert!(answer(&good[..length], 1).is_err());
        let mut short = good[..length].to_vec();
        if let Some(field) = short.get_mut(..4) {
            field.copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
        }
        let has_header = length >= 16 + 72;
        assert_eq!(answer(&short, 1).is_ok(), has_header, "{length} bytes");
    }
    for at in 0..good.len() {
        for byte in [0, 1, 2, 3, 4, 0x7f, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] = byte;
            // Nothing is asserted: this must not panic.
            let _ = answer(&bad, 1).map(|a| matches!(a, Answer::Socket(s) if socket(&s).is_ok()));
        }
    }
}
