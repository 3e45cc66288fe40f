use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use socket2::{Domain, Socket, Type};

use super::*;
use crate::folder::Folder;
use crate::probe::who::{Origin, Place, User};
use crate::service_name::ServiceName;
use crate::testing::{eventually, has_passed_alone};
use crate::timestamp::Timestamp;

const NOBODY: u32 = 65534;
const ADDRESSES: [&str; 5] = ["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0", "[::1]:0", "[::]:0"];
/// Set for the process that another user runs.
const AS_ANOTHER_USER: &str = "PALD_TEST_AS_ANOTHER_USER";

fn state(address: SocketAddr) -> PortState {
    state_beside(address, &[])
}

/// The state of the address's port, if sockets with these inodes are our holds.
fn state_beside(address: SocketAddr, own: &[u64]) -> PortState {
    let port = Port::new(address.port()).unwrap();
    Who::open().state(port, Look::Knock, &|inode| own.contains(&inode))
}

/// Looks until the state is as expected, since the kernel closes connections a moment later.
fn becomes(address: SocketAddr, is_expected: impl Fn(&PortState) -> bool) -> PortState {
    eventually(|| state(address), is_expected)
}

/// A port that nothing else has, on any address. Tests that run at the same time get the port only
/// if they ask for it, so they leave no TIME_WAIT on it either.
struct OwnPort {
    hold: Socket,
    number: u16,
}

impl OwnPort {
    fn take() -> Self {
        let hold = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        hold.set_only_v6(false).unwrap();
        hold.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()).unwrap();
        hold.set_reuse_address(true).unwrap();
        let number = hold.local_addr().unwrap().as_socket().unwrap().port();
        Self { hold, number }
    }

    /// This port, on the IP address of another.
    fn on(&self, address: &str) -> SocketAddr {
        SocketAddr::new(address.parse::<SocketAddr>().unwrap().ip(), self.number)
    }

    /// A TCP socket beside the hold that is bound and does not listen.
    fn bind(&self, address: &str) -> Socket {
        let address = self.on(address);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket
    }

    fn hold_inode(&self) -> u64 {
        inode(&self.hold)
    }

    /// The state of the port beside the hold.
    fn state(&self) -> PortState {
        state_beside(self.on("[::]:0"), &[self.hold_inode()])
    }
}

/// A UDP socket, and its port, on which there is no TCP socket but the hold.
fn udp(address: &str) -> (UdpSocket, OwnPort) {
    loop {
        let port = OwnPort::take();
        match UdpSocket::bind(port.on(address)) {
            Ok(socket) => return (socket, port),
            // Another UDP socket has it.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }
}

fn inode(socket: impl AsFd) -> u64 {
    rustix::fs::fstat(socket).unwrap().st_ino
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this is our user and process, started before now.
fn is_us(holder: &Holder) -> bool {
    let process = holder.process.as_ref().unwrap();
    holder.user.uid == our_uid()
        && process.pid == std::process::id()
        && process.since.unwrap() <= Timestamp::now()
        && process.since.unwrap().unix_seconds() + 3600 > Timestamp::now().unix_seconds()
}

/// Whether a server of our own process has the port, and no other.
fn is_ours(state: &PortState) -> bool {
    matches!(state, PortState::Running(holders) if holders.len() == 1 && is_us(&holders[0]))
}

/// Whether the port is blocked for this reason by our own process.
fn is_our(state: &PortState, expected: &Reason) -> bool {
    matches!(state, PortState::Blocked { reason, holders }
        if reason == expected && holders.len() == 1 && is_us(&holders[0]))
}

#[test]
fn a_port_with_a_listener_on_any_address_is_running() {
    if has_passed_alone() {
        return;
    }
    for address in ADDRESSES {
        let listener = TcpListener::bind(address).unwrap();
        let state = state(listener.local_addr().unwrap());
        assert!(is_ours(&state), "{address} {state:?}");
    }
}

/// To look through its own holds took the daemon half of the time of a list.
#[test]
fn the_daemon_is_named_on_its_own_port_alone() {
    if has_passed_alone() {
        return;
    }
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = listeners
        .each_ref()
        .map(|listener| Port::new(listener.local_addr().unwrap().port()).unwrap());
    let mut who = Who::with(Arc::new(Knocks::new(ports[0])));
    let no_holds = &|_| false;
    assert!(is_ours(&who.state(ports[0], Look::Quiet, no_holds)));
    assert!(is_ours(&who.states(&ports, no_holds)[&ports[0]]));
    let hidden = vec![Holder { user: User::of(our_uid()), process: None }];
    assert_eq!(who.state(ports[1], Look::Quiet, no_holds), PortState::Running(hidden));
}

#[test]
fn listener_on_finds_only_listeners_of_that_address() {
    if has_passed_alone() {
        return;
    }
    let port = OwnPort::take();
    let _listener = TcpListener::bind(port.on("127.0.0.1:0")).unwrap();
    assert!(listener_on(port.on("127.0.0.1:0")).as_ref().is_some_and(is_us));
    assert_eq!(listener_on(port.on("127.0.0.2:0")), None);
    let port = OwnPort::take();
    let _socket = port.bind("127.0.0.1:0");
    assert_eq!(listener_on(port.on("127.0.0.1:0")), None);
}

#[test]
fn a_bound_socket_blocks_a_port_unless_it_is_our_hold() {
    if has_passed_alone() {
        return;
    }
    for address in ADDRESSES {
        let port = OwnPort::take();
        let socket = port.bind(address);
        let found = port.state();
        assert!(is_our(&found, &Reason::Bound), "{address} {found:?}");
        let own = [port.hold_inode(), inode(&socket)];
        assert_eq!(state_beside(port.on(address), &own), PortState::Free, "{address}");
    }
}

#[test]
fn a_port_with_a_server_beside_our_hold_is_running() {
    if has_passed_alone() {
        return;
    }
    let port = OwnPort::take();
    let listener = TcpListener::bind(port.on("127.0.0.1:0")).unwrap();
    let state = port.state();
    assert!(is_ours(&state), "{state:?}");
    drop(listener);
    assert_eq!(port.state(), PortState::Free);
}

#[test]
fn a_udp_socket_blocks_a_port() {
    if has_passed_alone() {
        return;
    }
    for address in ADDRESSES {
        let (_socket, port) = udp(address);
        let state = port.state();
        assert!(is_our(&state, &Reason::Udp), "{address} {state:?}");
    }
}

#[test]
fn a_connection_blocks_the_ports_of_both_its_ends() {
    if has_passed_alone() {
        return;
    }
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let peer = listener.local_addr().unwrap();
        let client = TcpStream::connect(peer).unwrap();
        let own = client.local_addr().unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(is_our(&state(own), &Reason::Connection { peer }), "{:?}", state(own));
        drop(listener);
        assert!(is_our(&state(peer), &Reason::Connection { peer: own }), "{:?}", state(peer));
        drop(client);
        let closing = PortState::Blocked { reason: Reason::Closing { peer }, holders: Vec::new() };
        becomes(own, |state| *state == closing);
        drop(server);
    }
}

#[test]
fn time_wait_blocks_a_port_for_a_known_time() {
    if has_passed_alone() {
        return;
    }
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        drop((client, listener));
        let state = becomes(address, |state| {
            matches!(state, PortState::Blocked { reason: Reason::TimeWait { .. }, .. })
        });
        let PortState::Blocked { reason: Reason::TimeWait { left }, holders } = state else {
            panic!("{state:?}");
        };
        assert_eq!(holders, []);
        assert!((1..=60).contains(&left.as_secs()), "{left:?}");
    }
}

/// What another user does in `users_see_each_other`: listens, and prints what listens on the ports
/// that it is given.
#[test]
fn as_another_user() {
    if std::env::var_os(AS_ANOTHER_USER).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(is_ours(&state(address)));
    eprintln!("{address}");
    for line in io::stdin().lines() {
        let found = state(line.unwrap().parse().unwrap());
        let PortState::Running(holders) = found else { panic!("{found:?}") };
        eprintln!("{}", holders[0]);
    }
}

#[test]
fn users_see_each_other() {
    if our_uid() != 0 {
        eprintln!("skipped: only root can start a listener as another user");
        return;
    }
    let name = concat!(module_path!(), "::as_another_user").split_once("::").unwrap().1;
    // By this path another user may run the test, wherever it lies.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", name, "--nocapture"]).env(AS_ANOTHER_USER, "1").current_dir("/");
    command.uid(NOBODY).gid(NOBODY).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let theirs: SocketAddr = lines.next().unwrap().unwrap().parse().unwrap();
    let PortState::Running(holders) = state(theirs) else { panic!("{:?}", state(theirs)) };
    assert_eq!((holders.len(), holders[0].user.uid), (1, NOBODY));
    assert_eq!(holders[0].process.as_ref().unwrap().pid, child.id());
    let port = OwnPort::take();
    let _listener = TcpListener::bind(port.on("[::1]:0")).unwrap();
    writeln!(input, "{}", port.on("[::1]:0")).unwrap();
    let text = lines.next().unwrap().unwrap();
    assert_eq!(text, "user root; process not visible");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn states_of_many_ports_equal_those_of_each_alone() {
    if has_passed_alone() {
        return;
    }
    let listeners: Vec<_> = ADDRESSES.map(|address| TcpListener::bind(address).unwrap()).into();
    let (held, bound, (_udp, udp)) = (OwnPort::take(), OwnPort::take(), udp("127.0.0.1:0"));
    let _bound = bound.bind("127.0.0.1:0");
    let client = TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
    let free = OwnPort::take().on("127.0.0.1:0");
    let mut addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
    addresses.extend([&held, &bound, &udp].map(|port| port.on("[::]:0")));
    addresses.extend([client.local_addr().unwrap(), free]);
    let ports: Vec<_> = addresses.iter().map(|a| Port::new(a.port()).unwrap()).collect();
    let own = [&held, &bound, &udp].map(OwnPort::hold_inode);
    let alone: Vec<_> = addresses.iter().map(|address| state_beside(*address, &own)).collect();
    let states = Who::open().states(&ports, &|inode| own.contains(&inode));
    let together = |port| states.get(port).cloned().unwrap_or(PortState::Free);
    assert_eq!(ports.iter().map(together).collect::<Vec<_>>(), alone);
    assert!(alone[..5].iter().all(is_ours));
    assert_eq!((&alone[5], &alone[9]), (&PortState::Free, &PortState::Free));
    assert!(is_our(&alone[6], &Reason::Bound) && is_our(&alone[7], &Reason::Udp));
    let peer = listeners[0].local_addr().unwrap();
    assert!(is_our(&alone[8], &Reason::Connection { peer }), "{:?}", alone[8]);
}

/// Another process, which has a socket as its stdin, until the test ends.
struct Child(std::process::Child);

impl Child {
    fn with(socket: impl Into<std::os::fd::OwnedFd>, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(socket, command)
    }

    /// Takes the command, which would keep the socket too.
    fn spawn(socket: impl Into<std::os::fd::OwnedFd>, mut command: Command) -> Self {
        Self(command.stdin(socket.into()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pids(state: &PortState) -> Vec<u32> {
    let (PortState::Running(holders) | PortState::Blocked { holders, .. }) = state else {
        panic!("{state:?}")
    };
    holders.iter().map(|holder| holder.process.as_ref().unwrap().pid).collect()
}

/// A server's forked helper that had inherited the socket was named as the server.
#[test]
fn all_processes_that_have_a_socket_are_named() {
    if has_passed_alone() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let child = Child::with(listener.try_clone().unwrap(), "sleep", &["1000"]);
    assert_eq!(pids(&state(address)), [std::process::id(), child.0.id()]);
    drop(listener);
    assert_eq!(pids(&state(address)), [child.0.id()]);
}

/// Node connects to ::1, and 127.0.0.1 alone was named.
#[test]
fn both_servers_are_named_where_the_loopback_addresses_differ() {
    if has_passed_alone() {
        return;
    }
    let port = OwnPort::take();
    let [v4, v6] = ["127.0.0.1:0", "[::1]:0"].map(|ip| TcpListener::bind(port.on(ip)).unwrap());
    let children = [v4, v6].map(|listener| Child::with(listener, "sleep", &["1000"]));
    let mut pids = pids(&port.state());
    pids.sort_unstable();
    let mut expected = children.each_ref().map(|child| child.0.id());
    expected.sort_unstable();
    assert_eq!(pids, expected);
}

/// A service manager that is not process 1 was named in place of the service that it had started.
#[test]
fn a_service_manager_comes_after_the_service_for_which_it_keeps_the_socket() {
    if has_passed_alone() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let manager = folder.path().join("systemd");
    std::os::unix::fs::symlink("/bin/sh", &manager).unwrap();
    let manager = manager.to_str().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = "exec 3<&0; sleep 1000 <&3 & wait";
    let child = Child::with(listener, manager, &["-c", script]);
    let state =
        becomes(address, |state| matches!(state, PortState::Running(all) if all.len() == 2));
    assert_eq!(pids(&state)[1], child.0.id());
    // With it the other one ends.
    let service = pids(&state)[0].to_string();
    assert!(Command::new("kill").arg(&service).status().unwrap().success());
    // A connection of another test may have had the port since.
    becomes(address, |state| !matches!(state, PortState::Running(_)));
}

#[test]
fn a_udp_server_that_was_told_its_port_runs() {
    if has_passed_alone() {
        return;
    }
    let (socket, port) = udp("127.0.0.1:0");
    let number = port.number.to_string();
    let stranger = Child::with(socket.try_clone().unwrap(), "sleep", &["1000"]);
    assert!(matches!(port.state(), PortState::Blocked { reason: Reason::Udp, .. }));
    drop((stranger, socket));
    let socket = UdpSocket::bind(port.on("127.0.0.1:0")).unwrap();
    let own = Child::with(socket, "sleep", &["1000", &format!("0.{number}")]);
    assert_eq!(pids(&port.state()), [own.0.id()]);
    assert!(matches!(port.state(), PortState::Running(_)));
}

/// Of 36 lists of 200 services, 7 called a server that was just starting a redirect.
#[test]
fn a_server_that_comes_and_goes_is_running_or_idle_in_each_list() {
    if has_passed_alone() {
        return;
    }
    const LISTS: usize = 100;
    let held: Vec<OwnPort> = (0..200).map(|_| OwnPort::take()).collect();
    let inodes: Vec<u64> = held.iter().map(OwnPort::hold_inode).collect();
    let ports: Vec<Port> = held.iter().map(|port| Port::new(port.number).unwrap()).collect();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let flicker = || {
        let address = held[100].on("127.0.0.1:0");
        let mut starts = 0;
        while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
            let listener = TcpListener::bind(address).unwrap();
            std::thread::sleep(Duration::from_millis(4));
            drop(listener);
            std::thread::sleep(Duration::from_millis(4));
            starts += 1;
        }
        starts
    };
    let (found, starts) = std::thread::scope(|scope| {
        let server = scope.spawn(flicker);
        // Each list knows nothing of the one before.
        let look = |_| Who::open().states(&ports, &|inode| inodes.contains(&inode));
        let found: Vec<_> = (0..LISTS).map(look).collect();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        (found, server.join().unwrap())
    });
    // When its process is looked for, it may have closed its socket.
    let is_wrong = |(port, state): (&Port, &PortState)| {
        *port != ports[100] || !matches!(state, PortState::Running(_) | PortState::Free)
    };
    let wrong: Vec<_> = found.iter().flatten().filter(|entry| is_wrong(*entry)).collect();
    assert_eq!(wrong, []);
    let seen = found.iter().filter(|states| states.contains_key(&ports[100])).count();
    assert!(starts > 1 && seen > 0 && seen < LISTS, "{starts} {seen}");
}

/// A server behind a redirect counts the connections that are reset, and blocks who makes many.
#[test]
fn nobody_is_knocked_at_twice_in_a_minute_nor_by_a_quiet_look() {
    if has_passed_alone() {
        return;
    }
    // Beside pald's own sockets this listener is none, as if it were behind a redirect.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (own, port) = (inode(&listener), Port::new(listener.local_addr().unwrap().port()).unwrap());
    let accepted = || std::iter::from_fn(|| listener.accept().ok()).count();
    let knocks = Arc::new(Knocks::default());
    let look = |look| Who::with(Arc::clone(&knocks)).state(port, look, &|inode| inode == own);
    assert_eq!((look(Look::Quiet), accepted()), (PortState::Free, 0));
    let redirected = look(Look::Knock);
    let is_redirect = |state: &PortState| {
        matches!(state, PortState::Blocked { reason: Reason::Redirect { .. }, .. })
    };
    assert!(is_redirect(&redirected), "{redirected:?}");
    let knocked = accepted();
    assert!((1..=MAX_KNOCKS).contains(&knocked), "{knocked}");
    for again in [Look::Knock, Look::Quiet] {
        assert_eq!((look(again), accepted()), (redirected.clone(), 0));
    }
    let states = Who::with(Arc::clone(&knocks)).states(&[port], &|inode| inode == own);
    assert_eq!((states.get(&port), accepted()), (Some(&redirected), 0));
}

/// What a list had no time for was idle.
#[test]
fn what_there_was_no_time_for_is_unknown() {
    if has_passed_alone() {
        return;
    }
    let held: Vec<OwnPort> = (0..40).map(|_| OwnPort::take()).collect();
    let inodes: Vec<u64> = held.iter().map(OwnPort::hold_inode).collect();
    let ports: Vec<Port> = held.iter().map(|port| Port::new(port.number).unwrap()).collect();
    let is_own = |inode| inodes.contains(&inode);
    let mut who = Who { knocking_time: Duration::ZERO, ..Who::open() };
    let mut look = |knocking_time| {
        who.knocking_time = knocking_time;
        assert_eq!(who.states(&ports, &is_own), HashMap::new());
        who.unseen().to_vec()
    };
    assert_eq!(look(Duration::ZERO), ports);
    assert_eq!(look(Duration::MAX), []);
    // They are remembered, so that the next list has time for others.
    assert_eq!(look(Duration::ZERO), []);
}

/// Where a `sleep` comes from that has a listening socket and was started as `prepare` says, after
/// `change` has changed something.
fn origin(prepare: impl Fn(&mut Command), change: impl Fn()) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = Command::new("sleep");
    command.arg("1000").env_clear().current_dir("/");
    prepare(&mut command);
    let _child = Child::spawn(listener, command);
    change();
    let PortState::Running(holders) = state(address) else { panic!("{:?}", state(address)) };
    holders[0].process.as_ref().unwrap().origin.clone()
}

#[test]
fn a_process_tells_its_folder_with_the_checkout_around_it_and_its_service() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let at = |name: &str| path.join(name);
    for name in ["shop/.git", "shop/app", "shop/tree/app", "plain/gone", "old/app"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    std::fs::write(at("shop/tree/.git"), "gitdir: elsewhere").unwrap();
    std::os::unix::fs::symlink(at("shop"), at("link")).unwrap();
    let in_folder = |name: &str| {
        let path = at(name);
        move |command: &mut Command| {
            command.current_dir(&path);
        }
    };
    let place = |folder: &str, top: Option<&str>| {
        let folder_of = |name| Folder::of(&at(name)).unwrap();
        Some(Place { folder: folder_of(folder), top: top.map(folder_of) })
    };
    let nothing = || ();
    // (working folder, place)
    let rows = [
        ("shop/app", place("shop/app", Some("shop"))),
        ("shop", place("shop", Some("shop"))),
        ("shop/tree/app", place("shop/tree/app", Some("shop/tree"))),
        ("link/app", place("shop/app", Some("shop"))),
    ];
    for (name, expected) in rows {
        let found = origin(in_folder(name), nothing);
        assert_eq!(found, Origin { place: expected, service: None }, "{name}");
    }
    let remove = |name: &'static str| move || std::fs::remove_dir_all(at(name)).unwrap();
    let gone = origin(in_folder("plain/gone"), remove("plain/gone"));
    assert_eq!(gone.place, place("plain/gone", Some("plain/gone")));
    let gone = origin(in_folder("old/app"), remove("old"));
    assert_eq!(gone.place, place("old/app", Some("old")));
    // What is there now is another folder.
    let made_again = origin(in_folder("shop/app"), || {
        std::fs::rename(at("shop/app"), at("shop/before")).unwrap();
        std::fs::remove_dir(at("shop/before")).unwrap();
        std::fs::create_dir_all(at("shop/before")).unwrap();
    });
    assert_eq!(made_again.place, None);
    let service = origin(
        |command| {
            command.env("PALD_SERVICE", "shop.web");
        },
        nothing,
    )
    .service;
    assert_eq!(service.as_ref().map(ServiceName::as_str), Some("shop.web"));
}

/// What another user's process says proves nothing, and a container's server runs elsewhere.
#[test]
fn other_users_and_proxies_of_containers_tell_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = folder.path().join("rootlessport");
    std::os::unix::fs::symlink("/bin/sleep", &proxy).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = Command::new(&proxy);
    command.arg("1000").env("PALD_SERVICE", "shop.web");
    let _child = Child::spawn(listener, command);
    let PortState::Running(holders) = state(address) else { panic!("{:?}", state(address)) };
    let process = holders[0].process.as_ref().unwrap();
    // Where all programs are one, the link decides which it is, and the name is as expected.
    assert_eq!(process.origin, Origin::default(), "{process:?}");
    if our_uid() != 0 {
        eprintln!("skipped: only root can start a process as another user");
        return;
    }
    let as_nobody = |command: &mut Command| {
        command.env("PALD_SERVICE", "shop.web").uid(NOBODY);
    };
    assert_eq!(origin(as_nobody, || ()), Origin::default());
}
