//! The ephemeral ports, as Linux tells them below `/proc/sys` (ip(7)).

use crate::port::{Port, PortRange};
use crate::probe::ephemeral::Ephemeral;

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// Reads the ephemeral ports; `None` if the kernel does not tell their range.
pub fn ephemeral() -> Option<Ephemeral> {
    let read = |path| std::fs::read_to_string(path).ok();
    parse(&read(RANGE)?, &read(RESERVED).unwrap_or_default())
}

fn parse(range: &str, reserved: &str) -> Option<Ephemeral> {
    let mut ends = range.split_ascii_whitespace().map(|end| Port::parse(end).ok());
    let range = PortRange::new(ends.next()??, ends.next()??)?;
    Some(Ephemeral { range, reserved: reserved.trim().split(',').filter_map(span).collect() })
}

/// Parses `8080` or `9000-9010`.
fn span(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_two_lines_are_parsed() {
        // (ip_local_port_range, ip_local_reserved_ports, what is understood)
        let rows = [
            ("32768\t60999\n", "\n", Some(("32768-60999", ""))),
            ("1024 65535", "8080,9000-9010\n", Some(("1024-65535", "8080,9000-9010"))),
            ("nonsense", "", None),
            ("32768", "", None),
            ("60999\t32768\n", "", None),
            ("", "", None),
        ];
        for (range, reserved, expected) in rows {
            let found = parse(range, reserved);
            let shown = found.map(|it| (it.range.to_string(), it.reserved.to_string()));
            let shown = shown.as_ref().map(|(range, reserved)| (range.as_str(), reserved.as_str()));
            assert_eq!(shown, expected, "{range:?}");
        }
    }
}
