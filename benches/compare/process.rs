//! A server in a process of its own, and what the kernel says that it costs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use rustix::thread::CpuSet;

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    started: Instant,
}

impl Server {
    pub(crate) fn start(mut command: Command, port: u16) -> Self {
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { child, address: (Ipv4Addr::LOCALHOST, port).into(), started }
    }

    /// How long after its start the server answered its first request.
    pub(crate) fn wait_for_answer(&self, target: &str) -> Duration {
        let mut connection = loop {
            match TcpStream::connect(self.address) {
                Ok(connection) => break connection,
                Err(_) => thread::sleep(Duration::from_micros(200)),
            }
            assert!(self.started.elapsed() < Duration::from_secs(60), "nothing listens");
        };
        let host = self.address;
        write!(connection, "GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let bytes = connection.read(&mut answer).unwrap();
        let elapsed = self.started.elapsed();
        assert!(answer[..bytes].starts_with(b"HTTP/1.1 "), "no answer");
        elapsed
    }

    /// The time on a CPU of all threads, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        let on_cpu = |text: String| text.split(' ').next().unwrap().parse::<u64>().unwrap();
        self.of_all_threads("schedstat").map(on_cpu).sum()
    }

    /// How often threads have been woken up so far.
    pub(crate) fn wake_ups(&self) -> u64 {
        let switches = |text: String| value(&text, "voluntary_ctxt_switches:");
        self.of_all_threads("status").map(switches).sum()
    }

    pub(crate) fn threads(&self) -> usize {
        self.of_all_threads("status").count()
    }

    /// How often each thread has been woken up so far.
    pub(crate) fn wake_ups_by_thread(&self) -> Vec<(String, u64)> {
        let name = |text: &str| text.lines().next().unwrap().replace("Name:\t", "");
        let of_thread = |text: String| (name(&text), value(&text, "voluntary_ctxt_switches:"));
        self.of_all_threads("status").map(of_thread).collect()
    }

    /// The memory that is in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        value(&fs::read_to_string(self.file("status")).unwrap(), "VmRSS:")
    }

    /// How many descriptors are open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.file("fd")).unwrap().count()
    }

    /// Lets all threads run on these CPUs only.
    pub(crate) fn pin(&self, cpus: &CpuSet) {
        for task in fs::read_dir(self.file("task")).unwrap() {
            let id: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
            rustix::thread::sched_setaffinity(Pid::from_raw(id), cpus).unwrap();
        }
    }

    /// How long it took from SIGTERM to the end.
    pub(crate) fn terminate(mut self) -> Duration {
        let asked = Instant::now();
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "it did not end as it should");
        asked.elapsed()
    }

    /// Waits until the server has nothing more to do by itself.
    pub(crate) fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut before = self.cpu_nanos();
        while Instant::now() < deadline {
            thread::sleep(Duration::from_millis(700));
            let now = self.cpu_nanos();
            if now - before < 1_000_000 {
                return;
            }
            before = now;
        }
    }

    fn of_all_threads(&self, file: &'static str) -> impl Iterator<Item = String> {
        let tasks = fs::read_dir(self.file("task")).unwrap();
        // A thread may end meanwhile.
        tasks.filter_map(move |task| fs::read_to_string(task.unwrap().path().join(file)).ok())
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number behind a label of a file under /proc.
fn value(text: &str, label: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A port on which nobody is, below those that the kernel gives away and that [`crate::pald`] holds.
pub(crate) fn free_port() -> u16 {
    let is_free = |port: &u16| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
            && TcpListener::bind((Ipv6Addr::LOCALHOST, *port)).is_ok()
    };
    let offset = u16::try_from(std::process::id() % 1000).unwrap();
    (10_000 + offset..11_500).find(is_free).unwrap()
}
