//! A real Chromium without a window, in a home of its own.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use tempfile::TempDir;

/// Host names of the tests lead to loopback, and no others lead anywhere.
const HOSTS: &str = "MAP evil.test 127.0.0.1, MAP rebind.test 127.0.0.1, \
    MAP localhost 127.0.0.1, MAP localhost. 127.0.0.1, MAP *.localhost 127.0.0.1, \
    MAP 127.0.0.1 127.0.0.1, MAP 0.0.0.0 0.0.0.0, MAP * ~NOTFOUND, \
    EXCLUDE ::ffff:7f00:1";

/// What a browser in a test needs, and what makes it easier for the page.
pub(crate) const SWITCHES: &[&str] = &[
    "--headless",
    // What the page says on its console is in the log of a test that fails.
    "--enable-logging=stderr",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-breakpad",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-popup-blocking",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    // A page that came over loopback is not asked about it; with this, no page is.
    "--disable-features=LocalNetworkAccessChecks",
    "--autoplay-policy=no-user-gesture-required",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--password-store=basic",
];

/// A browser; it ends, with all its processes, when this is dropped.
pub(super) struct Browser {
    child: Child,
    log: Option<JoinHandle<String>>,
    // The browser's files go after its processes.
    _home: TempDir,
}

impl Browser {
    /// Opens the address; none if Chromium is not installed.
    pub(super) fn open(url: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromium");
        command
            .args(SWITCHES)
            .arg(format!("--host-resolver-rules={HOSTS}"))
            .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
            .arg(url)
            .env_clear()
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            child => child.unwrap(),
        };
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).unwrap();
            String::from_utf8_lossy(&log).into_owned()
        });
        Some(Self { child, log: Some(log), _home: home })
    }

    /// Ends the browser; what it said on stderr.
    pub(super) fn close(mut self) -> String {
        self.end()
    }

    fn end(&mut self) -> String {
        let Some(log) = self.log.take() else { return String::new() };
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
        // The log ends when the last of its processes has ended.
        log.join().unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.end();
    }
}
