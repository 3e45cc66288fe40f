//! The ephemeral ports, by sysctl(8).

use std::process::Command;

use crate::port::{Port, PortRange};
use crate::probe::ephemeral::{Ephemeral, ReservedPorts};

/// The same names on macOS and FreeBSD; none of Linux.
const NAMES: [&str; 2] = ["net.inet.ip.portrange.first", "net.inet.ip.portrange.last"];

/// Returns the ephemeral ports; `None` if the system does not tell them. None can be reserved.
pub fn ephemeral() -> Option<Ephemeral> {
    let output = Command::new("/usr/sbin/sysctl").arg("-n").args(NAMES).output().ok()?;
    parse(&String::from_utf8(output.stdout).ok()?)
}

/// Parses one number for each of the names, a line each.
fn parse(printed: &str) -> Option<Ephemeral> {
    let mut numbers = printed.lines().map(|line| line.trim().parse().ok().and_then(Port::new));
    let range = PortRange::new(numbers.next()??, numbers.next()??)?;
    Some(Ephemeral { range, reserved: ReservedPorts::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_read_from_sysctl() {
        let rows = [
            ("49152\n65535\n", Some("49152-65535")),
            ("49152\n", None),
            ("65535\n49152\n", None),
            ("-1\n65535\n", None),
            ("", None),
        ];
        for (printed, expected) in rows {
            let found = parse(printed).map(|ephemeral| ephemeral.range.to_string());
            assert_eq!(found.as_deref(), expected, "{printed:?}");
        }
    }
}
