//! Linux's view of ports: the socket tables and open files under /proc.

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, all_processes};

use super::Holder;
use crate::port::Port;

pub(super) fn listener_on(port: Port) -> Option<Holder> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let inodes: Vec<u64> = tables
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.state == TcpState::Listen)
        .filter(|entry| entry.local_address.port() == port.number())
        .map(|entry| entry.inode)
        .collect();
    let process = all_processes().ok()?.flatten().find(|process| has_socket(process, &inodes))?;
    let name = process.stat().ok()?.comm;
    Some(Holder { pid: u32::try_from(process.pid()).ok()?, process: name })
}

fn has_socket(process: &Process, inodes: &[u64]) -> bool {
    let Ok(files) = process.fd() else {
        return false;
    };
    files.flatten().any(|file| matches!(file.target, FDTarget::Socket(i) if inodes.contains(&i)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_of_our_own_is_found() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Port::new(socket.local_addr().unwrap().port()).unwrap();
        assert_eq!(listener_on(port).unwrap().pid, std::process::id());
    }
}
