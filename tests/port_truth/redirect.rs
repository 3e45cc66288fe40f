//! A rule that leads a port away without a socket, as containers have them.

use std::io;

use super::network::{ELSEWHERE, WIRE, nft, sysctl};

/// Leads 127.0.0.1:`port` to the same port of the other namespace.
pub(super) fn redirect(port: u16) -> io::Result<()> {
    // Without this the kernel lets nothing from 127.0.0.1 out to the wire.
    sysctl(&format!("ipv4/conf/{WIRE}/route_localnet"), "1");
    let rules = format!(
        "add table ip pald
         add chain ip pald out {{ type nat hook output priority -100; }}
         add chain ip pald leave {{ type nat hook postrouting priority 100; }}
         add rule ip pald out ip daddr 127.0.0.1 tcp dport {port} dnat to {ELSEWHERE}:{port}
         flush chain ip pald leave
         add rule ip pald leave oifname {WIRE} masquerade
        "
    );
    nft(&rules).map_err(|cause| io::Error::new(io::ErrorKind::Unsupported, format!("nft: {cause}")))
}
