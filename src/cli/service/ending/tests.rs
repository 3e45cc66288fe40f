use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::cli::service::stand_in::NO_PROCESS;
use crate::testing::wait_until;

/// A shell that listens on a port of this address, and ends with 7 some time after SIGTERM.
fn listening(ip: IpAddr) -> (Child, Port) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
    let script = "sleep 60 </dev/null >/dev/null & \
        trap 'kill $!; sleep 0.1 </dev/null; exit 7' TERM; echo; wait";
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(OwnedFd::from(listener)).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    // It has set its trap.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    // What another test was starting may have had the listener for a moment.
    wait_until(|| listens(child.id(), port));
    (child, port)
}

#[test]
fn the_process_that_listens_is_ended_and_no_other() {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let [mut first, mut second] = loopback.map(listening);
    let not_ours = |pid, port| match end(pid, port) {
        Err(ServiceError::NotOurs { pid: named }) => assert_eq!(named, pid),
        other => panic!("{pid}: {other:?}"),
    };
    not_ours(first.0.id(), second.1);
    not_ours(std::process::id(), first.1);
    not_ours(NO_PROCESS, first.1);
    for (child, port) in [&mut first, &mut second] {
        assert_eq!(child.try_wait().unwrap(), None, "{port}");
        end(child.id(), *port).unwrap();
        let status = child.try_wait().unwrap();
        assert_eq!(status.and_then(|status| status.code()), Some(7), "{port}");
        not_ours(child.id(), *port);
    }
}

#[test]
fn a_process_has_ended_also_before_its_parent_takes_note() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let process = Pid::from_child(&child);
    assert!(!has_ended(process));
    drop(child.stdin.take());
    wait_until(|| has_ended(process));
    assert!(child.wait().unwrap().success());
    assert!(has_ended(process), "its ID is free");
}
