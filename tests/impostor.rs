//! Another user's program in pald's place: no command believes it or prints what it says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Type};

use crate::daemon::{Home, PALD};
use crate::faults::{PATIENCE, finish};
use crate::skip::is_root;

/// A user that no test runs as, and a name that no user has.
const STRANGER: u32 = 1234;

/// What an impostor does with a connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// It answers each request.
    Answers,
    /// It answers without reading, and closes.
    Blurts,
    /// It never accepts, so that the connection has no user of its own.
    Waits,
}

/// An answer that every command would take for pald's, with what a terminal must not see.
const FORGED: &str = "{\"name\":\"shop\",\"port\":31337,\"addresses\":[],\"created_at\":\"\\u001b[2J\",\
    \"hold\":true,\"state\":\"idle\",\"reason\":null,\"reason_code\":null,\"holder\":null,\
    \"services\":[],\"pool\":{\"min\":1,\"max\":2,\"used\":0,\"free\":2},\"revision\":1,\
    \"added\":[],\"changed\":[],\"removed\":[],\"kept\":0,\"dry_run\":false}";

/// A listener of another user, which is closed when the test ends.
struct Impostor {
    listeners: Vec<Arc<TcpListener>>,
    threads: Vec<JoinHandle<()>>,
}

impl Impostor {
    fn new(hosts: &[&'static str], port: u16, manner: Manner) -> Self {
        let (mut listeners, mut threads) = (Vec::new(), Vec::new());
        for &host in hosts {
            let (sender, bound) = std::sync::mpsc::channel();
            threads.push(std::thread::spawn(move || {
                // Only this thread becomes the other user, and so its sockets are that user's.
                let user = rustix::process::Uid::from_raw(STRANGER);
                rustix::thread::set_thread_res_uid(user, user, user).unwrap();
                let listener = Arc::new(TcpListener::bind(format!("{host}:{port}")).unwrap());
                sender.send(Arc::clone(&listener)).unwrap();
                if !matches!(manner, Manner::Waits) {
                    while let Ok((stream, _)) = listener.accept() {
                        answer(stream, manner);
                    }
                }
            }));
            listeners.push(bound.recv().unwrap());
        }
        Self { listeners, threads }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        for listener in self.listeners.drain(..) {
            rustix::net::shutdown(&*listener, rustix::net::Shutdown::Both).unwrap();
        }
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Errors of a client that has gone do not matter.
fn answer(mut stream: TcpStream, manner: Manner) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n";
    let reply = format!("{head}Content-Length: {}\r\n\r\n{FORGED}", FORGED.len());
    let _ = stream.set_read_timeout(Some(PATIENCE));
    if matches!(manner, Manner::Answers) {
        let _ = stream.read(&mut [0; 4096]);
    }
    let _ = stream.write_all(reply.as_bytes());
    if matches!(manner, Manner::Answers) {
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

const COMMANDS: [&str; 20] = [
    "get shop",
    "get --json shop",
    "set shop",
    "del shop",
    "del --port 31337",
    "prune",
    "mv shop store",
    "list",
    "list --json",
    "who 31337",
    "env shop",
    "run shop -- echo ran",
    "export",
    "import dump",
    "import --replace --yes dump",
    "status",
    "status --json",
    "doctor",
    "doctor --json",
    "start",
];

/// Runs a command, with a script in the place of systemctl: code, stdout, stderr.
fn pald(home: &Home, line: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PALD);
    home.prepare(&mut command);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bin");
    command.env("PATH", format!("{}:/usr/bin:/bin", scripts.display()));
    command.args(line.split(' ')).current_dir(home.path()).envs(variables.iter().copied());
    finish(&mut command)
}

/// A home with a dump to import, a session of systemd and an installed service that is not running.
fn home() -> Home {
    let home = Home::new(3);
    std::fs::write(home.path().join("dump"), "shop\t31337\n").unwrap();
    std::fs::write(home.path().join("session"), "").unwrap();
    let units = home.path().join(".config/systemd/user");
    std::fs::create_dir_all(&units).unwrap();
    std::fs::write(units.join("pald.service"), "").unwrap();
    home
}

/// Asserts that every command refuses the impostor, names it, and prints nothing of what it says.
fn assert_all_refuse(home: &Home, case: &str, variables: &[(&str, &str)]) {
    for line in COMMANDS {
        let (code, stdout, stderr) = pald(home, line, variables);
        assert_eq!((code, stdout.as_str()), (Some(4), ""), "{case}: {line}: {stderr}");
        // A child that another test is just making has this process's sockets too, and can be named.
        let address = format!(":{} is in use by ", home.listen);
        let whose =
            format!(" of user {STRANGER}, not by a pald of yours or root's\nhint: If you mean");
        assert!(stderr.contains(&address) && stderr.contains(&whose), "{case}: {line}: {stderr}");
        assert!(stderr.starts_with("Error: ") && !stderr.contains('\x1b'), "{stderr}");
    }
}

/// A program of another user on pald's port was believed: `pald run` gave out its port.
#[test]
fn no_command_believes_a_program_of_another_user() {
    if !is_root("be another user") {
        return;
    }
    // (where the impostor listens, the host that is asked)
    let rows: [(&[&str], Option<&str>); 7] = [
        (&["127.0.0.1"], None),
        (&["0.0.0.0"], None),
        (&["[::]"], None),
        (&["[::1]"], None),
        (&["[::1]"], Some("[::1]")),
        (&["[::1]"], Some("localhost")),
        (&["127.0.0.1", "[::1]"], None),
    ];
    for (row, (hosts, asked)) in rows.iter().enumerate() {
        let manners = [Manner::Answers, Manner::Blurts, Manner::Waits];
        // The first row in each manner, the others in one.
        let manners = if row == 0 { &manners[..] } else { &manners[row % 3..=row % 3] };
        for manner in manners {
            let home = home();
            let _impostor = Impostor::new(hosts, home.listen, *manner);
            let url = asked.map(|host| format!("http://{host}:{}", home.listen));
            let variables: Vec<_> = url.iter().map(|url| ("PALD_URL", url.as_str())).collect();
            assert_all_refuse(&home, &format!("{hosts:?} {manner:?}"), &variables);
        }
    }
}

#[test]
fn a_program_that_takes_the_port_while_pald_restarts_is_not_believed() {
    if !is_root("be another user") {
        return;
    }
    let home = home();
    for _ in 0..3 {
        let daemon = home.start();
        assert_eq!(pald(&home, "set shop", &[]).1, format!("{}\n", home.min));
        daemon.kill();
        let impostor = Impostor::new(&["127.0.0.1"], home.listen, Manner::Answers);
        assert_eq!(pald(&home, "get shop", &[]).0, Some(4));
        assert_eq!(pald(&home, "run shop -- echo ran", &[]).0, Some(4));
        drop(impostor);
    }
}

#[test]
fn the_user_that_the_setting_names_is_believed() {
    if !is_root("be another user") {
        return;
    }
    let home = home();
    let _impostor = Impostor::new(&["127.0.0.1"], home.listen, Manner::Answers);
    let url = format!("http://127.0.0.1:{}", home.listen);
    let stranger = STRANGER.to_string();
    let believed = (Some(0), "31337\n".to_owned(), String::new());
    assert_eq!(pald(&home, "get shop", &[("PALD_DAEMON_USER", &stranger)]), believed);
    assert_eq!(pald(&home, "get shop", &[("PALD_DAEMON_USER", "1235")]).0, Some(4));
    std::fs::write(home.file("config.toml"), "daemon_user = 1234\n").unwrap();
    assert_eq!(pald(&home, "get shop", &[]), believed);
    assert_eq!(pald(&home, "get shop", &[("PALD_URL", &url)]), believed);
}

/// Such a program was taken for none, and the advice was to start pald.
#[test]
fn a_program_of_another_user_that_takes_no_more_connections_is_named() {
    if !is_root("be another user") {
        return;
    }
    let home = home();
    let impostor = Impostor::new(&["127.0.0.1"], home.listen, Manner::Waits);
    rustix::net::listen(&*impostor.listeners[0], 0).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], home.listen)).into();
    let fill = || {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.connect_timeout(&address, Duration::from_millis(500)).is_ok().then_some(socket)
    };
    let waiting: Vec<_> = std::iter::from_fn(fill).collect();
    assert!(!waiting.is_empty());
    let (code, stdout, stderr) = pald(&home, "get shop", &[]);
    assert_eq!((code, stdout.as_str()), (Some(4), ""), "{stderr}");
    assert!(stderr.contains(&format!(" of user {STRANGER}, not by a pald of yours")), "{stderr}");
}

/// The user's own service manager has the socket, or root's, and pald has yet to accept.
#[test]
fn a_socket_of_the_users_own_or_of_root_is_believed_before_it_is_accepted() {
    let home = Home::new(3);
    let listener = TcpListener::bind(("127.0.0.1", home.listen)).unwrap();
    let answering = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        answer(stream, Manner::Answers);
    });
    assert_eq!(pald(&home, "get shop", &[]), (Some(0), "31337\n".to_owned(), String::new()));
    answering.join().unwrap();
}
