//! `pald doctor` and `pald status`, while pald runs and while it does not.

use std::fs::{self, File, Permissions};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant, SystemTime};

use super::{pald, ports, shell};
use crate::daemon::{Daemon, Home, wait_for_dump};
use crate::skip::{lacks, skip};

/// Runs `pald doctor`; the age of the dump becomes 4 s.
fn doctor(home: &Home) -> (Option<i32>, String, String) {
    let (code, stdout, stderr) = pald(home, &["doctor"]);
    let ages = stdout.lines().map(|line| match line.split_once("written ") {
        Some((start, age)) if age.ends_with(" s ago") => format!("{start}written 4 s ago\n"),
        _ => format!("{line}\n"),
    });
    (code, without_lacks(home, ages.collect()), stderr)
}

/// Leaves out what `pald doctor` says on each system but Linux.
fn without_lacks(home: &Home, stdout: String) -> String {
    let Some(lacks) = pald::probe::LACKS else { return stdout };
    let port = home.listen;
    let whose = format!(
        "warn  daemon   can't tell whose program answers at http://127.0.0.1:{port}: this system doesn't say whose a connection is\n      hint: sudo lsof -nP -iTCP:{port} -sTCP:LISTEN\n"
    );
    let system = format!(
        "warn  system   {lacks}\n      hint: Use pald where you trust all users, with a range that the system leaves alone\n"
    );
    assert!(stdout.contains(&system), "{stdout}");
    assert!(stdout.contains(&whose) || !stdout.contains("ok    daemon"), "{stdout}");
    stdout.replace(&whose, "").replace(&system, "")
}

/// A pald with a service, once its dump is written.
fn start(home: &Home) -> (Daemon, u16) {
    let daemon = home.start();
    let port = daemon.set("shop").port();
    // The dump of the start itself may be written before that.
    wait_for_dump(home, |dump| dump.contains("shop\t"));
    wait_for_written(&daemon);
    (daemon, port)
}

fn wait_for_written(daemon: &Daemon) {
    let start = Instant::now();
    while !daemon.get("/v1/health").body.contains("\"written_at\":\"") {
        assert!(start.elapsed() < Duration::from_secs(30), "the dump was never written");
        std::thread::yield_now();
    }
}

fn healthy(daemon: &Daemon, services: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "ok    daemon   {version}, pid {}, on 127.0.0.1 and [::1]\nok    store    {services}, dump written 4 s ago\n",
        daemon.pid()
    )
}

/// What is said of the service of `start` while it does not run.
fn held(port: u16) -> String {
    if !pald::probe::HOLDS_PORTS {
        return String::new();
    }
    format!(
        "ok    holds    held for shop ({port}); nothing listens. A server that finds its address in use needs `pald run --no-hold`\n"
    )
}

#[test]
fn a_healthy_pald_has_nothing_to_fix() {
    let home = Home::new(3);
    let (daemon, port) = start(&home);
    let expected = healthy(&daemon, "1 service") + &held(port);
    assert_eq!(doctor(&home), (Some(0), expected, String::new()));
    if lacks("has nothing to warn of") {
        return;
    }
    let levels = shell(&home, "pald doctor --json | grep level | sort | uniq -c");
    assert_eq!(levels.trim(), "3     \"level\": \"ok\",");
}

#[test]
fn an_overlap_with_the_ephemeral_range_is_a_warning_with_the_command_that_reserves_the_range() {
    if lacks("can have its range reserved") {
        return;
    }
    let setting =
        |name| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    let is_usual = setting("ip_local_port_range").split_whitespace().eq(["32768", "60999"])
        && setting("ip_local_reserved_ports").trim().is_empty();
    if !is_usual {
        return skip("this machine's ephemeral range is not 32768-60999");
    }
    let mut home = Home::new(1);
    (home.min, home.max) = (49201, 49999);
    let daemon = home.start();
    wait_for_written(&daemon);
    let warning = format!(
        "warn  range    49201-49999 lies inside the kernel's ephemeral range 32768-60999; TCP ports are held, but not against Docker's dynamic ports (`-p 0:80`), and UDP is not protected\n      hint: echo net.ipv4.ip_local_reserved_ports={},49201-49999 | sudo tee /etc/sysctl.d/zz-pald.conf && sudo sysctl -p /etc/sysctl.d/zz-pald.conf\n",
        home.listen
    );
    assert_eq!(doctor(&home), (Some(0), healthy(&daemon, "0 services") + &warning, String::new()));
}

#[test]
fn a_blocked_port_is_a_warning_that_names_the_blocker() {
    let home = Home::new(3);
    let (daemon, port) = start(&home);
    let _socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let name = super::answers::own_process().0;
    let warning = format!(
        "warn  port     {port} (shop) is blocked by a UDP socket: {} (pid {})\n      hint: pald who {port}\n",
        name.trim_end(),
        std::process::id()
    );
    let expected = healthy(&daemon, "1 service") + &warning;
    assert_eq!(doctor(&home), (Some(0), expected, String::new()));
}

#[test]
fn the_commands_for_open_files_fix_them() {
    let home = Home::new(3);
    let (daemon, port) = start(&home);
    let open = |name: &str, mode| {
        fs::set_permissions(home.file(name), Permissions::from_mode(mode)).unwrap();
    };
    fs::write(home.file("config.toml"), "").unwrap();
    for (name, mode) in [("", 0o755), ("config.toml", 0o666), ("dump", 0o644), ("db/db", 0o640)] {
        open(name, mode);
    }
    let expected = healthy(&daemon, "1 service")
        + &held(port)
        + "\
warn  files    ~/.pald has mode 0755: others can read it
      hint: chmod go= ~/.pald
warn  files    ~/.pald/dump has mode 0644: others can read it
      hint: chmod go= ~/.pald/dump
warn  files    ~/.pald/config.toml has mode 0666: others can change it
      hint: chmod go-w ~/.pald/config.toml
warn  files    ~/.pald/db/db has mode 0640: others can read it
      hint: chmod -R go= ~/.pald/db
";
    assert_eq!(doctor(&home), (Some(0), expected, String::new()));
    shell(&home, "pald doctor | sed -n 's/^ *hint: //p' | sh");
    let expected = healthy(&daemon, "1 service") + &held(port);
    assert_eq!(doctor(&home), (Some(0), expected, String::new()));
}

#[test]
fn without_a_daemon_the_files_and_the_port_are_checked() {
    let home = Home::new(3);
    let no_answer = ports(
        &home,
        "\
fault daemon   Nothing answers at http://127.0.0.1:49200
      hint: Start pald with `pald start`, or in the foreground with `pald`
",
    );
    let one = "Error: pald doctor found 1 fault\n".to_owned();
    assert_eq!(doctor(&home), (Some(1), no_answer.clone(), one.clone()));
    assert_eq!(fs::read_dir(home.file("")).unwrap().count(), 0);

    let dump = File::create(home.file("dump")).unwrap();
    dump.set_permissions(Permissions::from_mode(0o600)).unwrap();
    let written = no_answer.clone() + "ok    dump     written 4 s ago; store not checked\n";
    let (code, stdout, stderr) = pald(&home, &["doctor"]);
    let stdout = without_lacks(&home, stdout);
    assert_eq!((code, stderr), (Some(1), one.clone()));
    assert_eq!(stdout.lines().count(), written.lines().count(), "{stdout}");
    dump.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    let (_, stdout, _) = doctor(&home);
    assert!(
        stdout.ends_with("in the future: the clock was changed\n      hint: timedatectl\n"),
        "{stdout}"
    );
    fs::remove_file(home.file("dump")).unwrap();

    let _stranger = TcpListener::bind(("::1", home.listen)).unwrap();
    let (code, stdout, _) = doctor(&home);
    let name = super::answers::own_process().0;
    let taken = ports(
        &home,
        &format!(
            "fault daemon   [::1]:49200 is in use by {} (pid {})",
            name.trim_end(),
            std::process::id()
        ),
    );
    assert!(code == Some(1) && stdout.starts_with(&(no_answer + &taken)), "{stdout}");

    fs::write(home.file("config.toml"), "port_lisen = 1\n").unwrap();
    let wrong = "\
fault config   ~/.pald/config.toml:1:1: unknown key `port_lisen`
      hint: Did you mean `port_listen`?
";
    assert_eq!(doctor(&home), (Some(1), wrong.to_owned(), one));
}

#[test]
fn status_shows_the_daemon_or_that_nothing_answers() {
    let home = Home::new(3);
    let no_answer = ports(
        &home,
        "\
Error: Nothing answers at http://127.0.0.1:49200
hint: Start pald with `pald start`, or in the foreground with `pald`
",
    );
    assert_eq!(pald(&home, &["status"]), (Some(3), String::new(), no_answer));

    let (daemon, _) = start(&home);
    let (code, stdout, stderr) = pald(&home, &["status"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let expected = ports(
        &home,
        &format!(
            "\
pald      {}, pid {}, up 0 s
runs as   a program, not a service
url       http://127.0.0.1:49200, on 127.0.0.1:49200 and [::1]:49200
services  1, revision 1; accepts changes
store     ~/.pald/db
dump      ~/.pald/dump, written 0 s ago
",
            env!("CARGO_PKG_VERSION"),
            daemon.pid()
        ),
    );
    let without_times = |text: &str| -> Vec<_> {
        text.lines()
            .map(|line| line.trim_end_matches(|c: char| !c.is_ascii_punctuation()).to_owned())
            .collect()
    };
    assert_eq!(without_times(&stdout), without_times(&expected));
    let pid = shell(&home, "pald status --json | sed -n 's/^  \"pid\": //p'");
    assert_eq!(pid, format!("{},\n", daemon.pid()));
}
