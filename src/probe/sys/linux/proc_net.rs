//! The socket tables under `/proc/net`, for where netlink does not answer.

use std::io;
use std::net::SocketAddr;

use super::sock_diag::{DiagSocket, canonical};
use procfs::ProcError;

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
