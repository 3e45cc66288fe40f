//! The real pald, with a home, a port and a range of its own.

use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::process::{self, Server};

/// The ports that are given to services here; no other part of the comparison uses them.
pub(crate) const RANGE: RangeInclusive<u16> = 12_000..=65_535;
/// A range beside it, for a second pald with few services.
pub(crate) const SMALL_RANGE: RangeInclusive<u16> = 11_500..=11_999;
/// Where those services are registered for which the range is too small.
const OVERFLOW: RangeInclusive<u16> = 1025..=9_999;
/// How many ports of the range are left for new services.
const LEFT: usize = 2_000;

/// A home whose registry has some services in it.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    range: RangeInclusive<u16>,
}

impl Home {
    /// Makes a home in the folder for temporary files, with a dump to be imported.
    pub(crate) fn new(services: usize, range: RangeInclusive<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let most = range.clone().count().saturating_sub(LEFT).max(100);
        let ports = range.clone().take(most).chain(OVERFLOW);
        let mut dump = String::new();
        for (number, port) in ports.take(services).enumerate() {
            writeln!(dump, "service-{number} {port}").unwrap();
        }
        fs::create_dir(folder.path().join(".pald")).unwrap();
        fs::write(folder.path().join(".pald/dump"), dump).unwrap();
        Self { folder, range }
    }

    /// Starts pald; its first answer may be a while off.
    pub(crate) fn start(&self) -> Server {
        let port = process::free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pald"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PALD_PORT_LISTEN", port.to_string())
            .env("PALD_PORT_MIN", self.range.start().to_string())
            .env("PALD_PORT_MAX", self.range.end().to_string())
            .stderr(Stdio::null());
        Server::start(command, port)
    }

    /// Starts pald, waits for its first answer, and until it is idle.
    pub(crate) fn start_and_settle(&self) -> Server {
        let server = self.start();
        server.wait_for_answer(ANY_LOOKUP);
        server.settle();
        server
    }
}

/// What is asked first; whether there is such a service does not matter.
pub(crate) const ANY_LOOKUP: &str = "/get?service=service-0";

/// The requests of curl for some of the services that are registered.
pub(crate) fn lookups(services: usize) -> Vec<String> {
    let numbers = (0..services.max(1)).step_by((services / 256).max(1));
    numbers.map(|number| request(&format!("/get?service=service-{number}"))).collect()
}

/// A request as curl sends it.
pub(crate) fn request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
    )
}
