//! The clients: one thread that keeps some connections busy, as cheaply as it can.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Whether a connection is used again for the next request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    Kept,
    Fresh,
}

/// When no further request is sent.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Time(Duration),
    Requests(usize),
}

/// Some clients, each of which sends its next request when it has the answer to the last.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) clients: usize,
    pub(crate) connections: Connections,
    pub(crate) until: Until,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) elapsed: Duration,
    /// From each request to its answer, in the order of the answers.
    pub(crate) latencies: Vec<Duration>,
    /// The bodies of the answers, where each differs.
    pub(crate) bodies: Vec<String>,
}

impl Done {
    pub(crate) fn requests(&self) -> f64 {
        f64::from(u32::try_from(self.latencies.len()).unwrap())
    }

    pub(crate) fn rate(&self) -> f64 {
        self.requests() / self.elapsed.as_secs_f64()
    }

    /// A latency that this share of the answers did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        crate::table::quantile(&self.latencies, share)
    }
}

struct Client {
    stream: TcpStream,
    sent: Instant,
}

impl Load {
    /// Asks these questions again and again.
    pub(crate) fn ask(&self, requests: &[String]) -> Done {
        let mut endless = requests.iter().cycle();
        self.run(|text| text.push_str(endless.next().unwrap()), false)
    }

    /// Asks each of these questions once, and keeps the bodies of the answers.
    pub(crate) fn ask_each(&self, requests: &mut dyn Iterator<Item = String>) -> Done {
        self.run(|text| text.push_str(&requests.next().unwrap()), true)
    }

    fn run(&self, mut next: impl FnMut(&mut String), keeps_bodies: bool) -> Done {
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let watch = |stream: &TcpStream, index: usize| {
            stream.set_nonblocking(true).unwrap();
            let data = EventData::new_u64(index.try_into().unwrap());
            epoll::add(&epoll, stream, data, EventFlags::IN).unwrap();
        };
        let (mut done, mut text) = (Done::default(), String::new());
        let started = Instant::now();
        let mut send = |client: &mut Client| {
            text.clear();
            next(&mut text);
            client.sent = Instant::now();
            assert_eq!(client.stream.write(text.as_bytes()).unwrap(), text.len());
        };
        let connect = || Client { stream: connect(self.address), sent: started };
        let mut clients: Vec<Client> = (0..self.clients).map(|_| connect()).collect();
        for (index, client) in clients.iter_mut().enumerate() {
            watch(&client.stream, index);
            send(client);
        }
        let (mut sent, mut open) = (self.clients, self.clients);
        let mut events = Vec::with_capacity(self.clients);
        let mut answer = [0; 2048];
        while open > 0 {
            epoll::wait(&epoll, spare_capacity(&mut events), None).unwrap();
            for event in events.drain(..) {
                let index = usize::try_from(event.data.u64()).unwrap();
                let client = &mut clients[index];
                let bytes = client.stream.read(&mut answer).unwrap();
                done.latencies.push(client.sent.elapsed());
                let answer = &answer[..bytes];
                // No more than that: what a client does takes time from the server.
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
                let is_whole = answer.ends_with(b"\n") && !answer.ends_with(b"\r\n");
                assert!(is_whole, "half: {}", answer.escape_ascii());
                if keeps_bodies {
                    done.bodies.push(body(answer).to_owned());
                }
                let is_over = match self.until {
                    Until::Time(time) => started.elapsed() >= time,
                    Until::Requests(requests) => sent >= requests,
                };
                if is_over {
                    open -= 1;
                    continue;
                }
                sent += 1;
                if self.connections == Connections::Fresh {
                    *client = connect();
                    watch(&client.stream, index);
                }
                send(client);
            }
        }
        done.elapsed = started.elapsed();
        done
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The body of an answer; all answers here are short and come in one piece.
fn body(answer: &[u8]) -> &str {
    let answer = std::str::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("half: {answer}"));
    body.trim_end()
}
