//! Linux's view of ports: the socket tables and open files under /proc.

use std::io;
use std::net::SocketAddr;

use procfs::ProcError;
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, all_processes};

use super::Holder;
use super::sock_diag::{DiagSocket, canonical};

/// The TCP socket with exactly these addresses, as the socket itself sees them, if there is one.
///
/// Answers what [`SockDiag::lookup`](super::sock_diag::SockDiag::lookup) does, without netlink, by
/// reading `/proc/net/tcp` and, if need be, `/proc/net/tcp6`. It takes milliseconds, more the more
/// sockets there are, so it does not belong on a worker.
///
/// # Errors
/// A table can't be read. A machine without IPv6 has no second table, which is none.
pub(super) fn uid_by_proc(local: SocketAddr, peer: SocketAddr) -> io::Result<Option<DiagSocket>> {
    let (local, peer) = (canonical(local), canonical(peer));
    // An IPv6 socket may carry an IPv4 connection, so the second table has those too.
    let tables = [procfs::net::tcp, procfs::net::tcp6];
    for table in tables.iter().skip(usize::from(local.is_ipv6())) {
        let entries = match table() {
            Ok(entries) => entries,
            Err(ProcError::NotFound(_)) => continue,
            Err(ProcError::Io(error, _)) => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
        };
        let found = entries.into_iter().find(|entry| {
            canonical(entry.local_address) == local && canonical(entry.remote_address) == peer
        });
        if let Some(entry) = found {
            let (uid, inode, state) = (entry.uid, entry.inode, entry.state);
            return Ok(Some(DiagSocket { uid, inode, state }));
        }
    }
    Ok(None)
}

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
