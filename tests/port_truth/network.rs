//! A network namespace of a test's own, with a second one behind a wire.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::skip::skip;
use rustix::fd::AsFd as _;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The address that this namespace has on the wire.
pub(super) const LAN: &str = "10.77.0.1";
pub(super) const LAN_V6: &str = "fd77::1";
/// The address of the other namespace on the wire.
pub(super) const ELSEWHERE: &str = "10.77.0.2";
/// The wire's name, at both of its ends.
pub(super) const WIRE: &str = "veth0";

/// What a new namespace has in `ip_local_port_range`.
const DEFAULT_RANGE: &str = "32768 60999";
/// A part of that, far from where the tests of this module let pald hand out ports.
const FAR_RANGE: &str = "34000 44000";

/// Two namespaces; they and all processes in them end with this value.
#[derive(Debug)]
pub(super) struct Network {
    name: String,
    elsewhere: String,
}

impl Network {
    /// A new network, or a word on why the test is skipped.
    pub(crate) fn or_skip() -> Option<Self> {
        Self::new().map_err(|reason| skip(reason)).ok()
    }

    /// Makes both namespaces; why that can't be, in words.
    pub(super) fn new() -> Result<Self, String> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err("only root makes network namespaces".to_owned());
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pald-{}-{number}", std::process::id());
        // This value exists before its namespaces do, so that half of them are removed, too.
        let network = Self { elsewhere: format!("{name}-elsewhere"), name };
        let (here, there) = (network.name.as_str(), network.elsewhere.as_str());
        for arguments in [
            format!("netns add {here}"),
            format!("netns add {there}"),
            format!("-n {here} link set lo up"),
            format!("-n {there} link set lo up"),
            format!("-n {here} link add {WIRE} type veth peer name {WIRE} netns {there}"),
            format!("-n {here} addr add {LAN}/24 dev {WIRE}"),
            // An address is of use only once nobody else can have it, unless that isn't asked.
            format!("-n {here} addr add {LAN_V6}/64 dev {WIRE} nodad"),
            format!("-n {there} addr add {ELSEWHERE}/24 dev {WIRE}"),
            format!("-n {here} link set {WIRE} up"),
            format!("-n {there} link set {WIRE} up"),
        ] {
            ip(&arguments)?;
        }
        Ok(network)
    }

    /// Runs `body` on a thread in the namespace; its threads and processes are there as well.
    pub(super) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        run_in(&self.name, body)
    }

    /// Runs `body` on a thread in the other namespace; a socket that it makes stays there.
    pub(super) fn run_elsewhere<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        run_in(&self.elsewhere, body)
    }
}

fn run_in<T: Send>(name: &str, body: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{name}")).unwrap();
    let enter_and_run = || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        body()
    };
    // A namespace is a thread's own, and this thread must not change: it may run other tests.
    let end = std::thread::scope(|scope| scope.spawn(enter_and_run).join());
    end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.name, &self.elsewhere] {
            // There may be no namespace of this name, and a process may have just ended.
            let pids = ip(&format!("netns pids {name}")).unwrap_or_default();
            for pid in pids.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Runs `ip` with these words; what it says.
fn ip(arguments: &str) -> Result<String, String> {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|cause| format!("ip: {cause}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ip {arguments}: {}", stderr.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Gives this thread's namespace rules of a firewall.
pub(super) fn nft(rules: &str) -> io::Result<()> {
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn()?;
    nft.stdin.take().unwrap().write_all(rules.as_bytes())?;
    let output = nft.wait_with_output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Gives a setting of the current thread's namespace another value; the value that it had.
pub(super) fn sysctl(name: &str, value: &str) -> String {
    let path = format!("/proc/sys/net/{name}");
    let old = std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    std::fs::write(&path, value).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    old.trim().to_owned()
}

/// Lets the connections of the test's own clients have no port near those that pald hands out.
///
/// One that has its source in pald's range occupies a port there, and nobody could foresee which.
pub(super) fn keep_clients_far() {
    sysctl("ipv4/ip_local_port_range", FAR_RANGE);
}

/// Lets connections have the ports that they have by default.
pub(super) fn let_clients_come_near() {
    sysctl("ipv4/ip_local_port_range", DEFAULT_RANGE);
}

/// Runs `ip` with these words in the current thread's namespace.
pub(super) fn ip_here(arguments: &str) -> Result<(), String> {
    ip(arguments).map(drop)
}
