//! A rule that leads a port away without a socket, as containers have them.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use super::network::{ELSEWHERE, WIRE, sysctl};

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
    let unsupported = |cause: String| io::Error::new(io::ErrorKind::Unsupported, cause);
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn().map_err(|cause| unsupported(format!("nft: {cause}")))?;
    nft.stdin.take().unwrap().write_all(rules.as_bytes())?;
    let output = nft.wait_with_output()?;
    if !output.status.success() {
        return Err(unsupported(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(())
}
