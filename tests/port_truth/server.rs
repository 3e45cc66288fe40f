//! Servers as people have them, started and stopped on a port over and over, and a client.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::skip::skip;
use socket2::SockRef;

/// How long a server has time to answer before it is taken for one that never does.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Reads a port, starts a server there and says so; stops it when told to.
const NODE: &str = "
    let server;
    require('readline').createInterface({ input: process.stdin }).on('line', line => {
        if (line === 'stop') return server.close(() => console.log('stopped'));
        server = require('http').createServer((_, reply) => reply.end('node'));
        server.on('error', error => console.log(error.code));
        server.listen(Number(line), () => console.log('started'));
    }).on('close', () => process.exit());
";

/// The same; `[::]` is dual as it is for `python3 -m http.server --bind ::`.
const PYTHON: &str = "
import http.server, socket, sys, threading
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'python')
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        return super().server_bind()
for line in sys.stdin:
    if line == 'stop\\n':
        server.shutdown()
        server.server_close()
        print('stopped', flush=True)
        continue
    try:
        server = Server((sys.argv[1], int(line)), Answer)
    except OSError as error:
        print(error, flush=True)
        continue
    threading.Thread(target=server.serve_forever, args=(0.001,), daemon=True).start()
    print('started', flush=True)
";

/// A server that can be started again and again.
pub(super) trait Server {
    /// The program, for messages.
    fn name(&self) -> &str;

    /// What it answers to everybody.
    fn answer(&self) -> &str;

    /// Starts it on a port and returns once it listens, or says why it doesn't.
    fn start(&mut self, port: u16) -> Result<(), String>;

    /// Stops it and returns once it does not listen any more.
    fn stop(&mut self);
}

/// All servers that this machine has: Rust's always, and those whose program is installed.
pub(super) fn all() -> Vec<Box<dyn Server>> {
    let mut servers: Vec<Box<dyn Server>> = vec![Box::new(Rust(None))];
    for (name, program, arguments) in [
        ("node", "node", ["-e", NODE, ""]),
        ("python on 127.0.0.1", "python3", ["-c", PYTHON, "127.0.0.1"]),
        ("python on [::]", "python3", ["-c", PYTHON, "::"]),
    ] {
        match Program::new(name, program, arguments) {
            Ok(server) => servers.push(Box::new(server)),
            Err(cause) => skip(format!("{name}: {cause}")),
        }
    }
    servers
}

/// A server of another language; its process is told on stdin what to do.
struct Program {
    name: &'static str,
    answer: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn new(name: &'static str, program: &str, arguments: [&str; 3]) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        let mut child =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let answer = name.split(' ').next().unwrap();
        Ok(Self { name, answer, child, stdin, stdout })
    }

    /// Says one line to the process and returns its answer.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").unwrap();
        self.stdout.next().unwrap_or_else(|| panic!("{} has ended", self.name)).unwrap()
    }
}

impl Server for Program {
    fn name(&self) -> &str {
        self.name
    }

    fn answer(&self) -> &str {
        self.answer
    }

    fn start(&mut self, port: u16) -> Result<(), String> {
        let answer = self.ask(&port.to_string());
        if answer == "started" { Ok(()) } else { Err(answer) }
    }

    fn stop(&mut self) {
        assert_eq!(self.ask("stop"), "stopped", "{}", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server in a thread, on 127.0.0.1 and with what Rust's own library sets.
struct Rust(Option<(TcpListener, JoinHandle<()>)>);

impl Server for Rust {
    fn name(&self) -> &str {
        "rust on 127.0.0.1"
    }

    fn answer(&self) -> &str {
        "rust"
    }

    fn start(&mut self, port: u16) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = listener.map_err(|cause| cause.to_string())?;
        let accepting = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            for mut stream in accepting.incoming().map_while(Result::ok) {
                // A client that has gone is no matter of the server.
                let _ = stream.read_to_end(&mut Vec::new());
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nrust");
            }
        });
        self.0 = Some((listener, thread));
        Ok(())
    }

    fn stop(&mut self) {
        let (listener, thread) = self.0.take().unwrap();
        // This ends the wait for the next connection, on which no drop of a copy would have effect.
        SockRef::from(&listener).shutdown(Shutdown::Both).unwrap();
        thread.join().unwrap();
    }
}

/// What 127.0.0.1 and ::1 answer on a port, of those that let us in.
pub(super) fn ask_both(port: u16) -> Vec<String> {
    let loopbacks = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    loopbacks.into_iter().filter_map(|ip| ask((ip, port).into())).collect()
}

/// The body of the answer at an address, empty if there is none; nothing if nobody listens.
fn ask(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIME).ok()?;
    stream.set_read_timeout(Some(ANSWER_TIME)).unwrap();
    let mut answer = Vec::new();
    // Who accepts a connection and does not answer it is a stranger, as who answers nonsense.
    let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    // We close first: a TIME_WAIT on the server's side would keep a strict probe, which must not
    // be made there, from doing the harm that these tests look for.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    Some(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned())
}

/// Starts a server on a port, asks it at both loopbacks, and stops it; what went wrong.
pub(super) fn try_server(server: &mut dyn Server, port: u16) -> Result<(), String> {
    server.start(port).map_err(|cause| format!("{} on {port}: {cause}", server.name()))?;
    let answers = ask_both(port);
    server.stop();
    let strangers: Vec<_> = answers.iter().filter(|body| *body != server.answer()).collect();
    if answers.is_empty() || !strangers.is_empty() {
        return Err(format!("{} on {port} is answered by {answers:?}", server.name()));
    }
    Ok(())
}
