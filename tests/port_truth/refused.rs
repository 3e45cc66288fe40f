//! What the system refuses is told as what it is, and not as "in use by others".

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use socket2::{Domain, Socket, Type};

use super::home;
use super::network::{Network, keep_clients_far, sysctl};

/// Any user but root.
const USER: u32 = 1234;
/// The ports that the kernel may give to connections, in the test that takes them away.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 40_000..=40_015;

#[test]
fn ports_that_palds_user_may_not_bind_are_told_as_such() {
    let Some(network) = Network::or_skip() else { return };
    network.run(|| {
        keep_clients_far();
        let home = home(22_001, 22_003);
        sysctl("ipv4/ip_unprivileged_port_start", "22003");
        let owner = ["-R", &USER.to_string(), home.path().to_str().unwrap()];
        assert!(Command::new("chown").args(owner).status().unwrap().success());
        let mut command = home.command();
        command.uid(USER).gid(USER).env("PALD_PORT_LISTEN", "30000");
        let mut home = home;
        home.listen = 30_000;
        let daemon = home.start_command(command);
        assert_eq!(daemon.set("a").port(), 22_003);
        let reply = daemon.set("b");
        let expected = "No ports available: all 3 ports in 22001-22003 are registered (1), \
                        not for pald's user (2) or in use by others (0)\n";
        assert!(reply.body.starts_with(expected), "{}", reply.body);
        let usage = "22001 is blocked by the system: pald's user may not bind it";
        assert!(reply.body.contains(usage), "{}", reply.body);
        assert_eq!(reply.status, 412);
        let port = daemon.get("/v1/ports/22001").json();
        assert_eq!(
            (&port["state"], &port["reason_code"]),
            (&"blocked".into(), &"forbidden".into())
        );
        assert_eq!(daemon.get("/set?service=c&port=22002").port(), 22_002);
        let (code, log) = daemon.stop();
        assert_eq!(code, Some(0));
        assert!(log.contains("Skipped a port port=22001 reason=this user may not use it"), "{log}");
    });
}

/// Binds all ports that the kernel may give to connections.
fn take_all_sources() -> Vec<TcpListener> {
    EPHEMERAL.map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()).collect()
}

/// A connection to pald from a port that the kernel gives to nobody.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn to(listen: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)).into()).unwrap();
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, listen)).into()).unwrap();
        Self(BufReader::new(socket.into()))
    }

    /// The status and the body of an answer.
    fn get(&mut self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            assert_ne!(self.0.read_line(&mut head).unwrap(), 0, "{head}");
            let line = head[start..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    }
}

#[test]
fn without_a_port_to_connect_from_pald_says_so_and_tries_again_later() {
    let Some(network) = Network::or_skip() else { return };
    network.run(|| {
        let home = home(22_001, 22_003);
        let ends = format!("{} {}", EPHEMERAL.start(), EPHEMERAL.end());
        sysctl("ipv4/ip_local_port_range", &ends);
        // A failure at the start is none of the whole run.
        let sources = take_all_sources();
        let _daemon = home.start();
        let mut client = Kept::to(home.listen);
        let expected = "Can't tell whether port 22001 is free: there is no port left from which to \
                        connect to 127.0.0.1";
        let (status, body) = client.get("/set?service=a");
        assert_eq!((status, body.trim_end()), (500, expected));
        let (_, port) = client.get("/v1/ports/22001");
        assert!(port.contains("\"not_connected\""), "{port}");
        drop(sources);
        assert_eq!(client.get("/set?service=a"), (200, "22001\n".to_owned()));
        let (_, health) = client.get("/v1/health");
        assert!(health.contains("\"warnings\":[]"), "{health}");
    });
}
