//! pald under a service manager: sockets that are handed over, and notifications.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::daemon::{Home, PALD, parse};
use crate::faults::PATIENCE;
use crate::skip::skip;

/// The program with this descriptor as the one socket that is handed over.
fn with_socket(home: &Home, socket: impl Into<OwnedFd>) -> Command {
    let mut command = Command::new("sh");
    home.prepare(&mut command);
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" 3<&0 0</dev/null";
    command.args(["-c", script, PALD]).stdin(Stdio::from(socket.into()));
    command
}

/// Asks for a service by this address; the reply's status.
fn status_at(address: SocketAddr) -> u16 {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /get?service=shop HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    parse(&reply).status
}

fn loopbacks(home: &Home) -> [SocketAddr; 2] {
    [format!("127.0.0.1:{}", home.listen), format!("[::1]:{}", home.listen)]
        .map(|address| address.parse().unwrap())
}

#[test]
fn a_socket_that_is_handed_over_is_used_and_the_other_one_is_bound() {
    for given in 0..2 {
        let home = Home::new(3);
        let addresses = loopbacks(&home);
        let socket = TcpListener::bind(addresses[given]).unwrap();
        // A bind of the same address would fail while this one listens.
        let daemon = home.start_command(with_socket(&home, socket.try_clone().unwrap()));
        for address in addresses {
            assert_eq!(status_at(address), 404, "{address}");
        }
        assert_eq!(daemon.stop().0, Some(0));
    }
}

#[test]
fn any_other_descriptor_that_is_handed_over_ends_the_start_with_78() {
    let home = Home::new(3);
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{}", home.min));
    let listener = TcpListener::bind(&elsewhere).unwrap();
    let connection = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&loopbacks(&home)[0].into()).unwrap();
        socket.connect(&listener.local_addr().unwrap().into()).unwrap();
        socket
    };
    let everywhere = format!("0.0.0.0:{}", home.listen);
    let mapped = format!("[::ffff:127.0.0.1]:{}", home.listen);
    // A process that another test just starts has a copy of the last socket for a moment.
    let limit = Instant::now() + PATIENCE;
    let listen = |address: &str| loop {
        match TcpListener::bind(address) {
            Err(_) if Instant::now() < limit => thread::yield_now(),
            listener => break OwnedFd::from(listener.unwrap()),
        }
    };
    type Open<'a> = Box<dyn Fn() -> OwnedFd + 'a>;
    let rows: [(Open<'_>, String); 7] = [
        (Box::new(|| listen(&everywhere)), format!("is on {everywhere}")),
        (Box::new(|| listen(&mapped)), format!("is on {mapped}")),
        (Box::new(|| listener.try_clone().unwrap().into()), format!("is on {elsewhere}")),
        (
            Box::new(|| UdpSocket::bind(loopbacks(&home)[0]).unwrap().into()),
            "is not a TCP socket".into(),
        ),
        (
            Box::new(|| UnixListener::bind(folder.path().join("socket")).unwrap().into()),
            "is not a TCP socket".into(),
        ),
        (Box::new(|| File::open("/dev/null").unwrap().into()), "is not a TCP socket".into()),
        (Box::new(|| connection().into()), "does not listen".into()),
    ];
    for (open, what) in rows {
        let port = home.listen;
        let expected = format!(
            "Error: Handed-over socket 1 {what}; pald listens on 127.0.0.1:{port} and [::1]:{port} only\n\
             hint: Fix the socket unit with `systemctl --user edit --full pald.socket`, or set `port_listen`\n"
        );
        assert_eq!(home.run(with_socket(&home, open())), (Some(78), expected));
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let home = Home::new(3);
    let mut command = home.command();
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let daemon = home.start_command(command);
    assert_eq!(daemon.get("/get?service=shop").status, 404);
}

#[test]
fn the_first_connection_to_a_socket_of_systemd_is_answered() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return skip("systemd-socket-activate is missing");
    }
    let home = Home::new(3);
    let addresses = loopbacks(&home);
    let mut command = Command::new("systemd-socket-activate");
    home.prepare(&mut command);
    for address in addresses {
        command.arg(format!("--listen={address}"));
    }
    for variable in ["HOME", "PALD_PORT_LISTEN", "PALD_PORT_MIN", "PALD_PORT_MAX"] {
        command.arg(format!("--setenv={variable}"));
    }
    command.arg(PALD);
    let first = thread::spawn(move || {
        let start = Instant::now();
        while TcpStream::connect(addresses[1]).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing listens");
            thread::yield_now();
        }
        addresses.map(status_at)
    });
    let daemon = home.start_command(command);
    assert_eq!(first.join().unwrap(), [404, 404]);
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn a_service_manager_is_notified_when_pald_serves_and_when_it_stops() {
    let home = Home::new(3);
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let notification = || {
        let mut text = [0; 100];
        let length = socket.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    };
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", &path);
    let daemon = home.start_command(command);
    assert_eq!(notification(), "READY=1\n");
    assert_eq!(daemon.get("/get?service=shop").status, 404);
    daemon.send_signal(Signal::TERM);
    assert_eq!(notification(), "STOPPING=1\n");
    assert_eq!(daemon.wait().0, Some(0));
}
