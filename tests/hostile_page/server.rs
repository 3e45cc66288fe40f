//! A small HTTP server: a thread for each connection, and one request on each.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A browser opens connections that it may use later; this long they are waited for.
const IDLE: Duration = Duration::from_secs(60);

/// A request as it came: the first line, the headers and the body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads a request; none if the client has thought better of it.
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut lines = lines.iter();
        let mut words = lines.next()?.split(' ').map(str::to_owned);
        let (method, target) = words.next().zip(words.next())?;
        let header = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let headers = lines.map(header).collect::<Option<Vec<_>>>()?;
        let mut request = Self { method, target, headers, body: Vec::new() };
        if let Some(length) = request.header("Content-Length") {
            request.body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut request.body).ok()?;
        }
        Some(request)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The parameters of the query, decoded.
    pub(crate) fn query(&self) -> impl Iterator<Item = (String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (decode(name), decode(value)))
    }
}

/// Decodes `+` and `%XX` of a browser, which makes no mistakes in them.
fn decode(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).unwrap()
}

/// Listens on a port of the system's choice until it is dropped.
pub(crate) struct Server {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    is_stopped: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request with the bytes that `answer` gives, and closes the connection.
    pub(crate) fn start(answer: impl Fn(Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let acceptor = std::thread::spawn({
            let (answer, is_stopped) = (Arc::new(answer), Arc::clone(&is_stopped));
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if is_stopped.load(Ordering::Acquire) {
                        break;
                    }
                    let answer = Arc::clone(&answer);
                    std::thread::spawn(move || serve(&stream, &*answer));
                }
            }
        });
        Self { port, is_stopped, acceptor: Some(acceptor) }
    }
}

fn serve(mut stream: &TcpStream, answer: &dyn Fn(Request) -> Vec<u8>) {
    stream.set_read_timeout(Some(IDLE)).unwrap();
    if let Some(request) = Request::read(stream) {
        // A browser that has lost its interest may be gone by now.
        let _ = stream.write_all(&answer(request));
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
        // This connection only wakes the thread.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}
