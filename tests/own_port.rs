//! pald's own port, where something passes that is no listener.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::daemon::{Client, Home};
use crate::skip::lacks;

/// A connection that has this port as its source, its other end, and who has accepted it.
fn connection_from(port: u16) -> (Socket, TcpStream, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    socket.connect(&listener.local_addr().unwrap().into()).unwrap();
    let other = listener.accept().unwrap().0;
    (socket, other, listener)
}

/// A service manager, and the command that starts pald under it.
fn managed(home: &Home) -> (UnixDatagram, Command) {
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", &path);
    (manager, command)
}

/// A process that is killed when the test ends, however that ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn notice(manager: &UnixDatagram) -> String {
    let mut text = [0; 500];
    let length = manager.recv(&mut text).unwrap();
    String::from_utf8(text[..length].to_vec()).unwrap()
}

#[test]
fn pald_waits_for_a_connection_that_has_its_port_and_says_so() {
    let home = Home::new(3);
    let (socket, other, _listener) = connection_from(home.listen);
    let peer = other.local_addr().unwrap();
    let (manager, command) = managed(&home);
    let (daemon, said) = std::thread::scope(|scope| {
        let said = scope.spawn(|| {
            let said = notice(&manager);
            // It leaves nothing behind.
            socket.set_linger(Some(Duration::ZERO)).unwrap();
            drop(socket);
            said
        });
        (home.start_command(command), said.join().unwrap())
    });
    let what = match pald::probe::LACKS {
        None => format!("a connection with {peer}"),
        Some(_) => "a TCP socket".to_owned(),
    };
    let expected =
        format!("Port {0} on 127.0.0.1 is not free yet: {0} is blocked by {what}: ", home.listen);
    assert!(said.starts_with(&format!("STATUS={expected}")), "{said}");
    assert!(daemon.log().contains(&expected), "{}", daemon.log());
    let rest = [notice(&manager), notice(&manager), notice(&manager)];
    assert_eq!(rest, ["EXTEND_TIMEOUT_USEC=120000000\n", "STATUS=\n", "READY=1\n"]);
    assert_eq!(daemon.set("shop").port(), home.min);
}

#[test]
#[ignore = "it takes a minute"]
fn pald_waits_for_time_wait() {
    if lacks("sees TIME_WAIT") {
        return;
    }
    let home = Home::new(3);
    let (socket, mut other, _listener) = connection_from(home.listen);
    // Who closes first keeps TIME_WAIT.
    drop(socket);
    assert_eq!(other.read(&mut [0]).unwrap(), 0);
    drop(other);
    let (manager, mut command) = managed(&home);
    let started = Instant::now();
    let _pald = Ends(command.stderr(Stdio::null()).spawn().unwrap());
    let said = notice(&manager);
    assert!(said.contains("is blocked by TIME_WAIT, for up to 60 s"), "{said}");
    while notice(&manager) != "READY=1\n" {}
    println!("served after {:?}", started.elapsed());
    assert_eq!(Client::new(home.listen).set("shop").port(), home.min);
}
