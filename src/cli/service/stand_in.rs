//! For tests of commands: a home whose service manager is a script, and a program that says that it is
//! pald.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use tempfile::TempDir;

use super::{Launchd, Systemd};
use crate::cli::{Globals, Session, Terminal};
use crate::port::Port;

/// A home with settings in a file; nothing answers on its `port_listen`.
pub(in crate::cli) struct Home {
    folder: TempDir,
    /// Keeps the port.
    _socket: OwnedFd,
}

impl Home {
    pub(in crate::cli) fn new() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddrV4::try_from(getsockname(&socket).unwrap()).unwrap();
        let home = Self { folder: tempfile::tempdir().unwrap(), _socket: socket };
        home.listen_on(Port::new(address.port()).unwrap());
        fs::write(home.path("session"), "").unwrap();
        home
    }

    pub(in crate::cli) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets `port_listen`.
    pub(in crate::cli) fn listen_on(&self, port: Port) {
        let path = |name| self.path(name).display().to_string();
        let (dump, db) = (path("dump"), path("db"));
        let text = format!("port_listen = {port}\ndump_file = {dump:?}\ndata_dir = {db:?}\n");
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// A run of a command there. What it prints goes to `terminal::kept`.
    pub(in crate::cli) fn session(&self) -> Session {
        let config = Some(self.path("config.toml"));
        let globals = Globals { config, ..Globals::default() };
        let terminal = Terminal::new(&globals);
        Session::new(globals, terminal)
    }

    /// systemd as `tests/data/bin/systemctl` plays it.
    pub(in crate::cli) fn systemd(&self) -> Systemd {
        Systemd::with(
            &self.path(".config/systemd/user"),
            self.script("systemctl").chain(["--user".to_owned()]),
        )
    }

    /// launchd as `tests/data/bin/launchctl` plays it.
    pub(in crate::cli) fn launchd(&self) -> Launchd {
        Launchd::with(self.folder.path(), self.script("launchctl"))
    }

    /// Returns what a script was asked for since the last call.
    pub(in crate::cli) fn asked(&self, tool: &str) -> Vec<String> {
        let log = self.path(&format!("{tool}.log"));
        let text = fs::read_to_string(&log).unwrap_or_default();
        fs::write(log, "").unwrap();
        text.lines().map(|line| line.trim_start_matches("--user ").to_owned()).collect()
    }

    fn script(&self, tool: &str) -> impl Iterator<Item = String> + use<> {
        let home = format!("HOME={}", self.folder.path().display());
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bin").join(tool);
        ["env".to_owned(), home, tool.display().to_string()].into_iter()
    }
}

/// systemd that says this of the service.
pub(in crate::cli) fn systemd_saying(properties: &str) -> Systemd {
    Systemd::with(Path::new("/none"), ["sh", "-c", &format!("echo {properties}")])
}

/// A process that no program can be.
pub(in crate::cli) const NO_PROCESS: u32 = u32::MAX;

/// Answers each request as a healthy pald of this process would, as long as the tests run.
pub(in crate::cli) fn answer(pid: u32) -> Port {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
    let health = format!(
        r#"{{"status": "ok", "version": "0.0.7", "pid": {pid}, "uptime_s": 7, "revision": 1,
        "services": 1, "addresses": [], "store": {{"path": null, "error": null}}, "overlap": null,
        "dump": {{"path": null, "written_at": null, "error": null}},
        "holds": {{"max": 0, "held": 0, "missing": []}}}}"#
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            head.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let kind = "Content-Type: application/json\r\nConnection: close";
            let length = health.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{health}"
            );
        }
    });
    port
}
