//! The hostile site: its page, replies with any headers, and what the page reports.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::server::{Request, Server};

const SCRIPT: &str = include_str!("../data/hostile_page.js");
/// How long a page may take from its start to its report.
const PAGE_TIME: Duration = Duration::from_secs(60);

/// A page's own account of what it did; the page waits for an answer.
#[derive(Debug)]
pub(crate) struct Report {
    /// The vectors that were started.
    pub(crate) tried: BTreeSet<String>,
    /// The vectors that the browser does not offer to the page.
    pub(crate) failed: Vec<String>,
    /// What the page could read of pald's answers: vector and text.
    pub(crate) read: Vec<(String, String)>,
    next: Sender<String>,
}

impl Report {
    fn parse(text: &str, next: Sender<String>) -> Self {
        let mut report = Self { tried: BTreeSet::new(), failed: vec![], read: vec![], next };
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            match kind {
                "tried" => drop(report.tried.insert(rest.to_owned())),
                "failed" => report.failed.push(rest.to_owned()),
                "read" => {
                    let (vector, text) = rest.split_once(' ').unwrap_or((rest, ""));
                    report.read.push((vector.to_owned(), text.to_owned()));
                }
                // A text that was read may have several lines.
                _ => {}
            }
        }
        report
    }

    /// Sends the page to its next address; without one it stays where it is.
    pub(crate) fn answer(self, next: Option<&String>) {
        // A browser that is gone fails the test by its own.
        let _ = self.next.send(next.cloned().unwrap_or_default());
    }
}

/// The site, on a port of its own.
pub(crate) struct Site {
    pub(crate) server: Server,
    reports: Receiver<Report>,
}

impl Site {
    pub(crate) fn start() -> Self {
        let (sender, reports) = channel();
        Self { server: Server::start(move |request| answer(&request, &sender)), reports }
    }

    /// Waits for a page that has run to its end; none if it does not.
    pub(crate) fn wait_for_report(&self) -> Option<Report> {
        self.reports.recv_timeout(PAGE_TIME).ok()
    }
}

fn answer(request: &Request, reports: &Sender<Report>) -> Vec<u8> {
    let content_type = |value: &str| vec![("Content-Type".to_owned(), value.to_owned())];
    match request.path() {
        "/hostile/page" => {
            let body = "<!doctype html><body><script src=/hostile/page.js></script>";
            reply("200", &content_type("text/html"), body)
        }
        "/hostile/page.js" => reply("200", &content_type("text/javascript"), SCRIPT),
        // The page chooses status, headers and body by itself.
        "/hostile/reply" => {
            let (mut status, mut body, mut headers) = ("200".to_owned(), String::new(), vec![]);
            for (name, value) in request.query() {
                match name.as_str() {
                    "status" => status = value,
                    "body" => body = value,
                    _ => headers.push((name, value)),
                }
            }
            reply(&status, &headers, &body)
        }
        "/hostile/done" => {
            let (sender, next) = channel();
            let report = Report::parse(&String::from_utf8_lossy(&request.body), sender);
            // When the test has ended already, nobody wants to know, and there is no next page.
            let _ = reports.send(report);
            reply("200", &content_type("text/plain"), &next.recv().unwrap_or_default())
        }
        _ => reply("404", &[], ""),
    }
}

fn reply(status: &str, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Hostile\r\n{headers}Cache-Control: no-store\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
