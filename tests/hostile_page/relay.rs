//! The way from the browser to pald: a relay that keeps a record of what came by.
//!
//! It also gives out the page itself, for a page whose host name was bound to another address when
//! it was loaded: what DNS rebinding does by the clock, the relay does by the path.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::server::{Request, Server};
use crate::faults::PATIENCE;

/// A page is done with once nothing more has come for this long.
const QUIET: Duration = Duration::from_millis(1500);

/// As whom a request comes to pald.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guise {
    /// As the browser sent it.
    Browser,
    /// Without what tells a browser from curl.
    Curl,
}

/// Which vectors pald has answered, and with which statuses.
#[derive(Debug, Default)]
pub(super) struct Record {
    answers: Mutex<Vec<(String, u16)>>,
    news: Condvar,
}

impl Record {
    fn add(&self, vector: String, status: u16) {
        self.answers.lock().unwrap().push((vector, status));
        self.news.notify_all();
    }

    /// Waits until pald has answered all of these, or nothing more comes: some vectors are
    /// stopped by the browser itself, and nothing tells which.
    pub(super) fn settle(&self, vectors: &BTreeSet<String>) {
        let mut answers = self.answers.lock().unwrap();
        loop {
            let seen: BTreeSet<_> = answers.iter().map(|(vector, _)| vector).collect();
            if vectors.iter().all(|vector| seen.contains(vector)) {
                return;
            }
            let count = answers.len();
            let is_old = |answers: &mut Vec<_>| answers.len() == count;
            let waited = self.news.wait_timeout_while(answers, QUIET, is_old).unwrap();
            if waited.1.timed_out() {
                return;
            }
            answers = waited.0;
        }
    }

    /// The statuses of each vector that has reached pald.
    pub(super) fn statuses(&self) -> BTreeMap<String, BTreeSet<u16>> {
        let mut statuses = BTreeMap::<_, BTreeSet<_>>::new();
        for (vector, status) in self.answers.lock().unwrap().iter() {
            statuses.entry(vector.clone()).or_default().insert(*status);
        }
        statuses
    }
}

/// Starts the relay to pald and, for the page itself, to the hostile site.
pub(super) fn start(pald: u16, site: u16, guise: Guise, record: Arc<Record>) -> Server {
    Server::start(move |request| {
        let is_page = request.path().starts_with("/hostile/");
        let forwarded = match is_page {
            true => forward(&request, site, Guise::Browser),
            false => forward(&request, pald, guise),
        };
        // What a browser still sends at the end of a test may find nobody.
        let reply = forwarded.unwrap_or_default();
        let vector = request.query().find(|(name, _)| name == "vector");
        if let Some(((_, vector), status)) = vector.zip(status(&reply))
            && !is_page
        {
            record.add(vector, status);
        }
        reply
    })
}

/// Sends the request on, and gives the whole reply.
fn forward(request: &Request, port: u16, guise: Guise) -> io::Result<Vec<u8>> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        if name != "connection" && !(guise == Guise::Curl && tells_a_browser(&name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if guise == Guise::Curl {
        head.push_str(&format!("host: 127.0.0.1:{port}\r\nuser-agent: curl/8.0\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[head.as_bytes(), &request.body].concat())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}

fn tells_a_browser(name: &str) -> bool {
    let names = ["host", "origin", "referer", "user-agent", "purpose", "x-moz"];
    names.contains(&name) || name.starts_with("sec-")
}

fn status(reply: &[u8]) -> Option<u16> {
    let line = reply.split(|&byte| byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.split(' ').nth(1)?.parse().ok()
}
