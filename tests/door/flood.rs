//! Other users who want too much: they get their share, and the owner gets all else.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use serde_json::{Value, json};

use super::NOBODY;
use crate::daemon::{Client, Home};
use crate::skip::{is_root, lacks};

/// How many connections others may have.
const SHARE: usize = 64;
/// What is sure to happen has happened by then, also on a machine under load.
const DEADLINE: Duration = Duration::from_secs(60);
const GET: &[u8] = b"GET /get?service=shop HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Does something on a thread that runs as another user: the sockets that it makes are that user's.
fn as_another<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let work = || {
        let user = Uid::from_raw(NOBODY);
        set_thread_res_uid(user, user, user).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

fn connect(home: &Home) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", home.listen)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A connection that takes up as little as it can of what it is sent.
fn connect_with_small_buffer(home: &Home) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], home.listen)).into()).unwrap();
    socket.into()
}

/// Asks on an open connection; none if pald has closed it.
fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(GET).ok()?;
    let mut answer = [0; 1024];
    match stream.read(&mut answer) {
        Ok(0) => None,
        Ok(length) => Some(String::from_utf8(answer[..length].to_vec()).unwrap()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(error) => panic!("{error}"),
    }
}

/// How many sockets a process has open.
fn sockets(pid: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    // One may be closed before its name is read.
    let names = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    names.filter(|name| name.to_str().is_some_and(|name| name.starts_with("socket:"))).count()
}

/// How much memory a process has, in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many services there are where answers are long; one list of them has 9 MB.
const SERVICES: usize = 60_000;
const LINE: &str = "Other users have as many connections open as they may";

#[test]
fn others_have_a_share_of_the_connections_and_no_more() {
    if lacks("tells users apart") {
        return;
    }
    if !is_root("ask as another user") {
        return;
    }
    let home = Home::new(9);
    let daemon = home.start();
    // The owner's connections do not count, whenever they were opened.
    daemon.set("shop").port();
    let mut own = [connect(&home), connect(&home)];
    own.iter_mut().for_each(|stream| drop(ask(stream).unwrap()));
    let (answered, closed) = as_another(|| {
        let mut first: Vec<_> = (0..SHARE).map(|_| connect(&home)).collect();
        let answered = first.iter_mut().filter_map(ask).count();
        let mut more: Vec<_> = (0..SHARE).map(|_| connect(&home)).collect();
        let closed = more.iter_mut().map(ask).filter(Option::is_none).count();
        assert!(ask(&mut first[0]).is_some(), "who was let in is kept");
        (answered, closed)
    });
    assert_eq!((answered, closed), (SHARE, SHARE));
    daemon.set("own").port();
    assert!(own.iter_mut().all(|stream| ask(stream).is_some()));
    // All of theirs are gone, so there is room again.
    let start = Instant::now();
    while as_another(|| ask(&mut connect(&home))).is_none() {
        assert!(start.elapsed() < DEADLINE);
    }
    let (_, log) = daemon.stop();
    assert_eq!(log.matches(LINE).count(), 1, "{log}");
}

#[test]
fn where_anybody_may_make_changes_nobody_has_a_share() {
    if !is_root("ask as another user") {
        return;
    }
    let home = Home::new(9);
    let mut command = home.command();
    command.env("PALD_ALLOW_USERS", "*");
    let daemon = home.start_command(command);
    let answered = as_another(|| {
        let mut streams: Vec<_> = (0..2 * SHARE).map(|_| connect(&home)).collect();
        streams.iter_mut().filter_map(ask).count()
    });
    assert_eq!(answered, 2 * SHARE);
    let (_, log) = daemon.stop();
    assert!(!log.contains(LINE), "{log}");
}

/// 300 of these made pald 3.7 GB large, and later 64 that asked in as few bytes as they can 100 MB.
#[test]
fn a_client_that_asks_and_never_reads_is_given_up_and_takes_little_memory() {
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("before").port();
    let (before, memory_before) = (sockets(daemon.pid()), memory(daemon.pid()));
    // Some of these ask for much, most often.
    let many = [
        b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500),
        b"GET / HTTP/1.0\r\n\r\n".repeat(10_000),
        b"GET / HTTP/1.0\r\n\r\n".repeat(10_000),
        GET.repeat(10_000),
    ];
    let streams: Vec<_> = (0..100).map(|_| connect_with_small_buffer(&home)).collect();
    for (mut stream, requests) in streams.iter().zip(many.iter().cycle()) {
        stream.set_nonblocking(true).unwrap();
        // As much as pald and the kernel take.
        let mut rest = &requests[..];
        while let Ok(length @ 1..) = stream.write(rest) {
            rest = &rest[length..];
        }
    }
    daemon.set("meanwhile").port();
    // The clients keep their ends open, and don't read: they would not see that pald has closed its own.
    // What pald holds for services are sockets too.
    let start = Instant::now();
    while sockets(daemon.pid()) > before + 2 {
        assert!(start.elapsed() < DEADLINE, "pald still waits for these clients");
    }
    assert_eq!(streams.len(), 100);
    let grown = memory(daemon.pid()) - memory_before;
    assert!(grown < 40 * 1024, "{grown} KiB");
    daemon.set("after").port();
}

/// One list was kept whole until it was read, and what was freed stayed with the threads.
#[test]
fn long_answers_to_others_are_made_one_at_a_time_and_only_as_they_are_read() {
    if lacks("tells users apart") {
        return;
    }
    if !is_root("ask as another user") {
        return;
    }
    let home = Home::new(9);
    let lines: String =
        (0..SERVICES).map(|number| format!("s{number} {}\n", 1024 + number)).collect();
    std::fs::write(home.file("dump"), lines).unwrap();
    let start = || {
        let mut command = home.command();
        command.env("PALD_HOLD_PORTS", "false");
        home.start_command(command)
    };
    // What the first start's import leaves behind would hide what grows; what one list takes does not.
    start().stop();
    let daemon = start();
    let list = u64::try_from(daemon.get("/v1/services").body.len()).unwrap() / 1024;
    let before = memory(daemon.pid());
    let ask = |path: &str| {
        let mut stream = connect_with_small_buffer(&home);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    };
    let paths = ["/v1/services", "/v1/dump", "/v1/services?state=false"];
    let streams: Vec<_> =
        as_another(|| paths.iter().cycle().take(SHARE - 4).map(|path| ask(path)).collect());
    // The owner does not wait for any of them.
    let all = daemon.get("/v1/services?state=false").json();
    assert_eq!(all["services"].as_array().unwrap().len(), SERVICES);
    daemon.set("s1").port();
    // Each gets its turn within 5 s, or is told that it does not.
    let start_of_answer = |mut stream: TcpStream| {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        String::from_utf8(start.to_vec()).unwrap()
    };
    let answers: BTreeSet<_> = streams.into_iter().map(start_of_answer).collect();
    assert_eq!(answers, BTreeSet::from(["HTTP/1.1 200".to_owned(), "HTTP/1.1 503".to_owned()]));
    let grown = memory(daemon.pid()) - before;
    assert!(grown < 2 * list, "{grown} KiB, where a list has {list}");
}

/// Only the first request of a connection had a time for its head.
#[test]
fn every_head_has_a_time() {
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("shop").port();
    let mut alone = connect(&home);
    ask(&mut alone).unwrap();
    alone.write_all(&GET[..9]).unwrap();
    let mut behind = connect(&home);
    behind.write_all(&[GET, &GET[..9]].concat()).unwrap();
    for mut stream in [alone, behind] {
        let mut rest = String::new();
        // Without a time, the client's own is over first.
        stream.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("408"), "{rest}");
    }
}

#[test]
fn only_those_who_may_make_changes_see_holders_and_reasons() {
    if lacks("tells users apart") {
        return;
    }
    if !is_root("ask as another user") {
        return;
    }
    let home = Home::new(4);
    let daemon = home.start();
    let (runs, blocked) = (daemon.set("runs").port(), daemon.set("blocked").port());
    let _server = std::net::TcpListener::bind(("127.0.0.1", runs)).unwrap();
    let _udp = std::net::UdpSocket::bind(("127.0.0.1", blocked)).unwrap();
    let fields = ["holder", "reason", "reason_code"];
    let paths = [
        "/v1/services/runs".to_owned(),
        "/v1/services/%62locked".to_owned(),
        format!("/v1/ports/{runs}"),
        format!("/v1/ports/{blocked}"),
        "/v1/services".to_owned(),
    ];
    let rows = |answer: Value| match answer["services"].as_array() {
        Some(rows) => rows.clone(),
        None => vec![answer],
    };
    for path in paths {
        let own = rows(daemon.get(&path).json());
        let others = rows(as_another(|| Client::new(home.listen).get(&path)).json());
        for (own, others) in own.iter().zip(&others) {
            assert_eq!((&own["state"], &own["port"]), (&others["state"], &others["port"]));
            assert!(fields.iter().any(|field| !own[field].is_null()), "{own}");
            assert!(fields.iter().all(|field| others[field].is_null()), "{others}");
        }
    }
    let own = daemon.get("/v1/health").json();
    let others = as_another(|| Client::new(home.listen).get("/v1/health")).json();
    assert_eq!(own["store"], json!({"path": "~/.pald/db", "error": null}));
    assert_eq!(others["store"], json!({"path": null, "error": null}));
    assert_eq!((&others["dump"]["path"], &others["status"]), (&Value::Null, &json!("ok")));
}
