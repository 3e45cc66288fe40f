//! Linux's view of ports: the socket tables and open files under /proc.

use std::net::SocketAddr;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, all_processes};

use super::Holder;

pub(super) fn listener_on(address: SocketAddr) -> Option<Holder> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    let inodes: Vec<u64> = tables
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.state == TcpState::Listen)
        .filter(|entry| includes(entry.local_address, address))
        .map(|entry| entry.inode)
        .collect();
    let process = all_processes().ok()?.flatten().find(|process| has_socket(process, &inodes))?;
    let name = process.stat().ok()?.comm;
    Some(Holder { pid: u32::try_from(process.pid()).ok()?, process: name })
}

/// Whether a socket that is bound to `bound` is in the way of `address`.
fn includes(bound: SocketAddr, address: SocketAddr) -> bool {
    bound.port() == address.port() && (bound.ip() == address.ip() || bound.ip().is_unspecified())
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
        let address = socket.local_addr().unwrap();
        assert_eq!(listener_on(address).unwrap().pid, std::process::id());
        assert_eq!(listener_on(SocketAddr::new([127, 0, 0, 2].into(), address.port())), None);
    }
}
