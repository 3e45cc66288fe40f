//! The real program in a home of its own, and a client for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::faults::{PATIENCE, TimeLimit, finish, wait};

/// The program under test.
pub(crate) const PALD: &str = env!("CARGO_BIN_EXE_pald");

/// Ports for tests lie below what the kernel gives to connections by itself. They are taken in blocks.
const FIRST_PORT: u16 = 10_000;
const BLOCKS: u16 = 1_100;
const BLOCK_SIZE: u16 = 20;

/// A run of ports that nobody uses, and that no other test has, in this suite or another one that runs
/// at the same time.
struct Ports {
    first: u16,
    _blocks: Vec<Block>,
}

impl Ports {
    fn take(count: u16) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let length = count.div_ceil(BLOCK_SIZE);
        loop {
            let start = NEXT.fetch_add(length, Ordering::Relaxed) % BLOCKS;
            let run = start..(start + length).min(BLOCKS);
            let blocks: Vec<_> = run.map_while(Block::take).collect();
            let first = FIRST_PORT + start * BLOCK_SIZE;
            let is_free = |port| matches!(pald::probe::Claimer::default().claim(port), Ok(Ok(_)));
            let mut ports = (first..first + count).map(|port| pald::port::Port::new(port).unwrap());
            if blocks.len() == usize::from(length) && ports.all(is_free) {
                return Self { first, _blocks: blocks };
            }
        }
    }
}

/// A name of this machine that one process alone can have, for as long as it runs.
#[cfg(target_os = "linux")]
struct Block(#[expect(dead_code, reason = "it is had")] std::os::unix::net::UnixListener);

#[cfg(target_os = "linux")]
impl Block {
    fn take(number: u16) -> Option<Self> {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};

        let name = SocketAddr::from_abstract_name(format!("pald test ports {number}")).unwrap();
        UnixListener::bind_addr(&name).ok().map(Self)
    }
}

/// Elsewhere there are no such names, and two suites must not run at the same time.
#[cfg(not(target_os = "linux"))]
struct Block;

#[cfg(not(target_os = "linux"))]
impl Block {
    fn take(_number: u16) -> Option<Self> {
        Some(Self)
    }
}

/// A home folder with settings of its own: where pald listens, and a range right above.
pub(crate) struct Home {
    folder: TempDir,
    _ports: Ports,
    /// Where pald listens.
    pub(crate) listen: u16,
    /// The range.
    pub(crate) min: u16,
    pub(crate) max: u16,
}

impl Home {
    /// A new home whose range has `size` ports.
    pub(crate) fn new(size: u16) -> Self {
        let ports = Ports::take(size + 1);
        let listen = ports.first;
        let folder = tempfile::tempdir().unwrap();
        pald::files::create_private_folder(&folder.path().join(".pald")).unwrap();
        Self { folder, _ports: ports, listen, min: listen + 1, max: listen + size }
    }

    /// A new home whose range is wide and may have ports in use by others.
    pub(crate) fn wide() -> Self {
        Self { min: 1100, max: FIRST_PORT - 1, ..Self::new(1) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path under `~/.pald`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(".pald").join(name)
    }

    pub(crate) fn dump(&self) -> String {
        std::fs::read_to_string(self.file("dump")).unwrap()
    }

    /// The program with this home's environment and nothing else.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PALD);
        self.prepare(&mut command);
        command
    }

    /// Gives a command this home's environment and nothing else.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.path())
            .env("PALD_PORT_LISTEN", self.listen.to_string())
            .env("PALD_PORT_MIN", self.min.to_string())
            .env("PALD_PORT_MAX", self.max.to_string())
            .stdin(Stdio::null());
    }

    pub(crate) fn start(&self) -> Daemon {
        self.start_command(self.command())
    }

    /// Starts a command that becomes pald, and waits until it serves.
    pub(crate) fn start_command(&self, command: Command) -> Daemon {
        self.try_start(command).unwrap_or_else(|(status, log)| panic!("{status}\n{log}"))
    }

    /// As `start_command`; if pald ends instead, its status and what it said.
    pub(crate) fn try_start(&self, mut command: Command) -> Result<Daemon, (ExitStatus, String)> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let limit = TimeLimit::of(&child);
        while !log.contains("Serving") {
            if stderr.read_line(&mut log).unwrap() == 0 {
                return Err((wait(&mut child), log));
            }
        }
        drop(limit);
        let log = Arc::new(Mutex::new(log));
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in stderr.split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        Ok(Daemon { child, log, reader: Some(reader), client: Client::new(self.listen) })
    }

    /// Runs the program to its end: its exit code and what it said on stderr.
    pub(crate) fn run(&self, mut command: Command) -> (Option<i32>, String) {
        let (code, stdout, stderr) = finish(&mut command);
        assert_eq!(stdout, "", "stdout is for answers");
        (code, stderr)
    }
}

/// A pald that serves; it is killed when the test ends, however that ends.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) client: Client,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What pald has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn send_signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Asks pald to end with SIGTERM; its exit code and its whole log.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.send_signal(Signal::TERM);
        self.wait()
    }

    /// Waits for the end of pald; its exit code and its whole log.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child);
        self.reader.take().unwrap().join().unwrap();
        (status.code(), self.log())
    }

    /// Ends pald with SIGKILL, until which it was there.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = wait(&mut self.child);
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}\n{}", self.log());
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.client.get(path)
    }

    pub(crate) fn set(&self, service: &str) -> Reply {
        self.client.set(service)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // After `wait` and `kill` there is no process any more, and that is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A reply: status, body and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Reply {
    /// The value of a header that occurs at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} occurs twice");
        value
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The port in the body of a 200.
    pub(crate) fn port(&self) -> u16 {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body.strip_suffix('\n').unwrap().parse().unwrap()
    }
}

/// A client that keeps its connections.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    address: (Ipv4Addr, u16),
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { agent: config.into(), address: (Ipv4Addr::LOCALHOST, port) }
    }

    /// A GET that may fail, as it does when pald is killed.
    pub(crate) fn try_get(&self, path: &str) -> Result<Reply, ureq::Error> {
        reply_of(self.agent.get(self.url(path)).call()?)
    }

    /// An import that may fail, as it does when pald is killed.
    pub(crate) fn try_import(&self, dump: &str) -> Result<Reply, ureq::Error> {
        reply_of(self.agent.put(self.url("/v1/dump")).send(dump)?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.address.0, self.address.1)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.try_get(path).unwrap()
    }

    pub(crate) fn set(&self, service: &str) -> Reply {
        self.get(&format!("/set?service={service}"))
    }

    pub(crate) fn del(&self, port: u16) -> Reply {
        self.get(&format!("/del?port={port}"))
    }

    /// Sends these bytes on a new connection and reads until pald closes it.
    pub(crate) fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // pald may answer and close before it has read everything.
        let _ = stream.write_all(request.as_ref());
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }

    /// As `raw`, for a request without body: its status and body.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &str) -> Reply {
        let host = format!("Host: localhost:{}", self.address.1);
        let lines =
            format!("{method} {target} HTTP/1.1\r\n{host}\r\nConnection: close\r\n{headers}\r\n");
        parse(&self.raw(lines))
    }

    /// A POST with this body and, unless empty, this type.
    pub(crate) fn post(&self, target: &str, content_type: &str, body: &[u8]) -> Reply {
        let kind = match content_type {
            "" => String::new(),
            other => format!("Content-Type: {other}\r\n"),
        };
        self.send("POST", target, &kind, body)
    }

    /// A request with these header lines, each ended, and this body.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
        let (host, length) = (format!("Host: localhost:{}", self.address.1), body.len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\n{host}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        parse(&self.raw([head.as_bytes(), body].concat()))
    }
}

fn reply_of(mut response: ureq::http::Response<ureq::Body>) -> Result<Reply, ureq::Error> {
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Ok(Reply {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_string()?,
    })
}

/// The only reply in `text`.
pub(crate) fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Reply { status, headers: headers.collect(), body: body.to_owned() }
}

/// Waits until the dump satisfies a condition.
pub(crate) fn wait_for_dump(home: &Home, condition: impl Fn(&str) -> bool) {
    let start = Instant::now();
    while !std::fs::read_to_string(home.file("dump")).is_ok_and(|dump| condition(&dump)) {
        assert!(start.elapsed() < PATIENCE, "the dump was never refreshed");
        std::thread::yield_now();
    }
}
