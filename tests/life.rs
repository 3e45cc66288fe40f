//! Starting, serving and ending.

use std::fs;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Client, Home, PALD, parse, wait_for_dump};
use crate::faults::{PATIENCE, wait};
use crate::skip::lacks;

#[test]
fn ports_survive_a_restart_however_pald_ended() {
    let home = Home::new(9);
    let mut signals = vec![Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL];
    signals.retain(|signal| *signal != Signal::HUP || !is_hang_up_ignored());
    let names: Vec<_> = (0..signals.len()).map(|number| format!("service{number}")).collect();
    for (index, signal) in signals.into_iter().enumerate() {
        let daemon = home.start();
        for (name, port) in names[..=index].iter().zip(home.min..) {
            assert_eq!(daemon.set(name).port(), port);
        }
        daemon.send_signal(signal);
        let (code, log) = daemon.wait();
        assert_eq!(code, (signal != Signal::KILL).then_some(0), "{log}");
    }
    let daemon = home.start();
    for (name, port) in names.iter().zip(home.min..) {
        assert_eq!(daemon.get(&format!("/get?service={name}")).port(), port);
    }
}

/// Whether each pald that this suite starts ignores SIGHUP, since the suite does, as under nohup(1).
fn is_hang_up_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let last = mask.and_then(|mask| mask.trim().chars().next_back()?.to_digit(16));
    last.is_some_and(|digit| digit % 2 == 1)
}

#[test]
#[cfg(target_os = "linux")]
fn a_hang_up_that_is_ignored_stays_ignored() {
    let home = Home::new(3);
    let mut command = Command::new("nohup");
    home.prepare(command.arg(PALD));
    let daemon = home.start_command(command);
    daemon.send_signal(Signal::HUP);
    assert_eq!(daemon.set("shop").port(), home.min);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGTERM") && !log.contains("SIGHUP"), "{log}");
}

#[test]
fn it_listens_on_both_loopback_addresses_and_nowhere_else() {
    let home = Home::new(3);
    let daemon = home.start();
    daemon.set("shop").port();
    let connect = |ip: &str| {
        let address = SocketAddr::new(ip.parse::<IpAddr>().unwrap(), home.listen);
        TcpStream::connect_timeout(&address, Duration::from_secs(5))
    };
    for ip in ["127.0.0.1", "::1"] {
        let mut stream = connect(ip).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /get?service=shop HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(parse(&reply).port(), home.min, "{ip}");
    }
    // All of 127.0.0.0/8 is this machine, but pald listens on only one address of it.
    let refused = connect("127.0.0.2").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn files_that_pald_creates_are_private() {
    for was_there in [false, true] {
        let home = Home::new(3);
        if was_there {
            fs::set_permissions(home.file(""), Permissions::from_mode(0o755)).unwrap();
        } else {
            fs::remove_dir(home.file("")).unwrap();
        }
        let daemon = home.start();
        daemon.set("shop").port();
        let (_, log) = daemon.stop();
        let line = "Other users could read this folder; it is private now folder=~/.pald/";
        assert_eq!(log.contains(line.trim_end_matches('/')), was_there, "{log}");
        assert_private(&home);
    }
}

fn assert_private(home: &Home) {
    let mut folders = vec![home.file("")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            seen += 1;
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        }
    }
    assert!(seen >= 6, "only {seen} files");
}

#[test]
fn the_dump_follows_each_change() {
    let home = Home::new(9);
    let daemon = home.start();
    wait_for_dump(&home, str::is_empty);
    let port = daemon.set("shop").port();
    wait_for_dump(&home, |dump| dump.starts_with(&format!("shop\t{port}\t\t# pald: since=")));
    daemon.client.del(port);
    wait_for_dump(&home, str::is_empty);
    // At the end it is written at once.
    daemon.set("last").port();
    daemon.stop();
    assert!(home.dump().starts_with("last\t"), "{}", home.dump());
}

#[test]
fn a_failed_write_of_the_dump_is_retried_and_fails_no_request() {
    let home = Home::new(9);
    let daemon = home.start();
    wait_for_dump(&home, str::is_empty);
    // The dump is written here first, and a folder is not removed like a file.
    fs::create_dir(home.file("dump.new")).unwrap();
    assert_eq!(daemon.set("shop").port(), home.min);
    let start = Instant::now();
    while !daemon.log().contains("Can't write the dump") {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    assert_eq!(daemon.set("web").port(), home.min + 1);
    fs::remove_dir(home.file("dump.new")).unwrap();
    wait_for_dump(&home, |dump| dump.contains("shop\t") && dump.contains("web\t"));
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("Can't write the dump").count(), 1, "{log}");
    assert_eq!(log.matches("Writing the dump works again").count(), 1, "{log}");
}

#[test]
fn the_log_has_a_line_per_change_and_none_per_lookup() {
    let home = Home::new(9);
    let daemon = home.start();
    let port = daemon.set("shop").port();
    daemon.set("shop");
    for _ in 0..9 {
        daemon.get("/get?service=shop");
        daemon.get("/get?service=nope");
    }
    daemon.client.del(port);
    let (_, log) = daemon.stop();
    let mut words: Vec<_> =
        log.lines().map(|line| line.split("INFO ").nth(1).unwrap().to_owned()).collect();
    // A change is logged once it is answered, so the signal may be logged before it.
    let ending = words.iter().position(|words| words == "Stopping signal=\"SIGTERM\"");
    words.remove(ending.unwrap());
    let serving = format!(
        "Serving at http://127.0.0.1:{0} and http://[::1]:{0} range={1}-{2} store=~/.pald/db dump=~/.pald/dump services=0",
        home.listen, home.min, home.max
    );
    let registered = format!("registered service=shop port={port}");
    let released = format!("released service=shop port={port}");
    words.retain(|words| pald::probe::LACKS.is_none_or(|lacks| words != lacks));
    assert_eq!(words, [&serving, &registered, &released, "Stopped"]);
}

#[test]
fn an_open_request_is_finished_before_pald_stops() {
    let home = Home::new(9);
    let daemon = home.start();
    let mut stream = TcpStream::connect(("127.0.0.1", home.listen)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /set HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    write!(stream, "{head}Expect: 100-continue\r\nContent-Length: 12\r\n\r\n").unwrap();
    // The interim answer shows that the handler is waiting for the body.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    daemon.send_signal(Signal::TERM);
    let start = Instant::now();
    while !daemon.log().contains("Stopping") {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    stream.write_all(b"service=late").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert_eq!(parse(&reply).port(), home.min);
    assert_eq!(daemon.wait().0, Some(0));
    assert!(home.dump().starts_with("late\t"));
}

#[test]
fn a_log_that_is_not_read_blocks_nothing() {
    let home = Home::new(200);
    let mut command = home.command();
    command.env("RUST_LOG", "trace").stdout(Stdio::null()).stderr(Stdio::piped());
    // The pipe stays open and fills up: 200 changes at `trace` are far more than it holds.
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", home.listen)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    let client = Client::new(home.listen);
    for number in 0..200 {
        assert_eq!(client.set(&format!("service{number}")).port(), home.min + number);
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child).code(), Some(0));
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("Serving"), "{log}");
    assert!(!log.contains("Stopped"), "the pipe was never full: {} bytes", log.len());
}

#[test]
fn services_beyond_the_limit_are_held_once_others_are_released() {
    if lacks("holds ports") {
        return;
    }
    // With `ulimit -n 340`, 30 services were registered and 25 of them released: the 5 that were
    // left had found no descriptor for their holds, and were never held.
    let home = Home::new(30);
    let mut command = Command::new("sh");
    home.prepare(&mut command);
    command.args(["-c", "ulimit -n 340 && exec \"$0\"", PALD]);
    let daemon = home.start_command(command);
    let holds = || daemon.get("/v1/health").json()["holds"].clone();
    let ports: Vec<u16> =
        (0..30).map(|number| daemon.set(&format!("service{number}")).port()).collect();
    let most = holds()["max"].as_u64().unwrap();
    assert!((5..25).contains(&most), "the limit leaves room for {most} holds");
    assert_eq!(holds()["held"], most);
    for port in &ports[..25] {
        assert_eq!(daemon.client.del(*port).status, 200);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while holds()["held"] != 5 {
        assert!(Instant::now() < deadline, "{}", holds());
        std::thread::yield_now();
    }
    assert_eq!(holds()["missing"].as_array().map(Vec::len), Some(0));
}
