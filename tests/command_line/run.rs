//! `pald run`: commands that get their ports, servers among them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::SockRef;

use super::{answer_each, json_answer, pald, prepared, session, shell};
use crate::daemon::{Home, PALD};
use crate::skip::skip;

#[test]
fn a_command_gets_its_ports_and_keeps_its_exit_code() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop.db; pald set shop.api
49201
49202
$ pald run shop.web -e DB_PORT=shop.db -e shop.api -- sh -c 'echo $PORT {port} x{port}y $DB_PORT $SHOP_API_PORT; exit 7'; echo $?
pald: registered shop.web on 49203
49203 49203 x49203y 49201 49202
7
$ pald run shop.web -e 'URL=http://{port}-{shop.db}/{{' -- sh -c 'echo $PALD_SERVICE $URL {shop.api} {shop.none} {print} {{port}}'
shop.web http://49203-49201/{ 49202 {shop.none} {print} {49203}
$ pald run shop.web -- ./no-such-command; echo $?
Error: Can't run \"./no-such-command\": No such file or directory (os error 2)
127
$ pald run shop.web -- NODE_ENV=test node; echo $?
Error: Can't run \"NODE_ENV=test\": No such file or directory (os error 2)
hint: It is not in PATH; a line for the shell goes into `sh -c '...'`
127
$ mkdir -p node_modules/.bin site && touch node_modules/.bin/own-vite && pald -C site run shop.web -- own-vite
Error: Can't run \"own-vite\": No such file or directory (os error 2)
hint: Did you mean ~/node_modules/.bin/own-vite?
$ pald run shop.web -- /etc/passwd; echo $?
Error: Can't run \"/etc/passwd\": Permission denied (os error 13)
126
$ echo through | pald run shop.web -- cat
through
$ pald run shop.web -- yes | head -n 1
y
",
    );
}

/// `{port}` and PORT came from different answers: a service that was released and registered again in
/// between could have two ports.
#[test]
fn a_command_gets_the_port_that_was_checked_wherever_it_is_named() {
    let home = Home::new(1);
    let mut port = 5000;
    answer_each(home.listen, move || {
        port += 1;
        json_answer(&serde_json::json!({
            "name": "shop", "port": port, "addresses": [], "created_at": "2026-11-22T10:00:00Z",
            "hold": true, "state": "idle", "reason": null, "reason_code": null, "holder": null,
        }))
    });
    // The first answer is to the registration, the second to the question who uses the port.
    let command = ["run", "shop", "-e", "WEB=shop", "--", "sh", "-c", "echo {port} $PORT $WEB"];
    assert_eq!(pald(&home, &command), (Some(0), "5002 5002 5002\n".to_owned(), String::new()));
}

#[test]
fn a_name_that_is_not_registered_is_no_new_service_in_a_variable() {
    let home = Home::new(9);
    let daemon = home.start();
    let revision = || daemon.get("/v1/health").json()["revision"].clone();
    session(&home, "$ pald set shop.db\n49201\n");
    let before = revision();
    session(
        &home,
        "\
$ pald run shop.web -e DB_PORT=shop.dbs -- true; echo $?
Error: shop.dbs is not registered
hint: Did you mean shop.db? `pald set shop.dbs` registers it
1
$ pald run shop.web -e NODE_ENV=none -- true
Error: none is not registered
hint: `pald set none` registers it; for a plain text: `-- env NODE_ENV=none CMD`
$ pald run shop.web -e 'URL=http://localhost:{none}/' -- true; echo $?
Error: none is not registered
hint: `pald set none` registers it
1
$ pald run -- true 2> said; echo $?; sed 's/pald.toml .*/pald.toml .../' said
2
Error: `pald run` needs a project, and there is no pald.toml ...
hint: Write one with `pald init NAME...`, or give a full name
",
    );
    assert_eq!(revision(), before);
}

#[test]
fn a_service_without_a_hold_stays_without_one() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop --json | grep '\"hold\"'; pald set other
  \"hold\": true,
49202
$ pald run --no-hold shop -e OTHER=other -- true; pald get shop --json | grep '\"hold\"'
pald: 49201 (shop) is not held from now on; `pald set shop --hold` undoes that
  \"hold\": false,
$ pald run shop -- true; pald set shop > /dev/null; pald get shop --json | grep '\"hold\"'
  \"hold\": false,
$ pald get other --json | grep '\"hold\"'
  \"hold\": true,
",
    );
}

/// A server under `pald run`, killed when the test ends, however that ends.
struct Running(Child);

impl Running {
    /// Starts a server and waits until it answers.
    fn start(home: &Home, command: &[&str]) -> Self {
        let mut pald = with_default_sigint(home);
        pald.args(["run", "shop.web", "--"]).args(command);
        let mut child = pald.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while !answers(home.min) {
            assert_eq!(child.try_wait().unwrap(), None, "{command:?} has ended");
            assert!(start.elapsed() < Duration::from_secs(30), "{command:?} does not serve");
            std::thread::yield_now();
        }
        Self(child)
    }

    /// Sends a signal; returns the exit status and stderr.
    fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
        let start = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(30), "it goes on after {signal:?}");
            std::thread::yield_now();
        }
        let mut stderr = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap(), stderr)
    }
}

/// pald, with SIGINT as it is by default. A suite that is started in the background of a script has
/// it ignored, children inherit that, and the servers would go on for ever.
fn with_default_sigint(home: &Home) -> Command {
    let resets = Command::new("env").args(["--default-signal=INT", "true"]).output();
    if !resets.is_ok_and(|output| output.status.success()) {
        return prepared(home, PALD);
    }
    let mut pald = prepared(home, "env");
    pald.args(["--default-signal=INT", PALD]);
    pald
}

/// Returns whether a server sends a complete answer. A server that only listens, or is still busy
/// with a client, may not be ready for signals. The connection leaves no TIME_WAIT.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_to_end(&mut Vec::new()).is_ok_and(|length| length > 0)
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An exit code, or else a signal.
type End = Result<i32, i32>;

#[test]
fn servers_start_and_stop_on_their_port_repeatedly() {
    let [home, inner] = [Home::new(9), Home::new(9)];
    let _daemon = home.start();
    let inner_home = format!("HOME={}", inner.path().display());
    let node = "require('http').createServer((_, reply) => reply.end('')).listen(process.env.PORT)";
    // Without threads: with them, `python3 -m http.server` was seen to abort at SIGINT.
    let python = "import http.server as h, sys; \
        h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()";
    // (command, how it ends on SIGINT and on SIGTERM)
    let rows: [(&[&str], [End; 2]); 3] = [
        // pald itself, as a server in Rust.
        (&["env", &inner_home, "PALD_PORT_LISTEN={port}", PALD], [Ok(0), Ok(0)]),
        (&["python3", "-c", python, "{port}"], [Err(2), Err(15)]),
        (&["node", "-e", node], [Err(2), Err(15)]),
    ];
    for (command, ends) in rows {
        if Command::new(command[0]).arg("--version").output().is_err() {
            skip(format!("{} is missing", command[0]));
            continue;
        }
        for (signal, expected) in [Signal::INT, Signal::TERM].into_iter().zip(ends) {
            let server = Running::start(&home, command);
            let pid = server.0.id();
            let (code, stdout, stderr) = pald(&home, &["run", "shop.web", "--", "true"]);
            assert_eq!((code, stdout.as_str()), (Some(4), ""), "{command:?}");
            // Elsewhere nobody can tell where a process comes from.
            let whose = if pald::probe::LACKS.is_none() { " of shop.web" } else { " of user " };
            assert!(stderr.contains(&format!("(pid {pid}){whose}")), "{stderr}");
            let (status, stderr) = server.end(signal);
            let end = status.code().ok_or(status.signal().unwrap_or_default());
            assert_eq!(end, expected, "{command:?}: {stderr}");
        }
    }
    let port = home.min;
    assert_eq!(shell(&home, "pald get shop.web"), format!("{port}\n"));
    let (code, stdout, stderr) = pald(&home, &["who", &port.to_string()]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let held = match pald::probe::HOLDS_PORTS {
        true => format!("Error: Port {port} is held for shop.web; nothing listens\n"),
        false => format!("Error: Nothing uses port {port} (shop.web)\n"),
    };
    assert!(stderr.starts_with(&held), "{stderr}");
}
