//! The ports that the kernel gives away by itself, and those that it is told to leave alone.

use std::fmt;

use crate::port::{Port, PortRange};

/// Where Linux says which ports it gives to connections (ip(7)), and which of them it must not.
const LOCAL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The kernel may give ports of pald's range to connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The range that the kernel takes from.
    pub ephemeral: PortRange,
    /// What `net.ipv4.ip_local_reserved_ports` has to be so that it leaves pald's range alone:
    /// what it is, and pald's range.
    pub reserve: String,
}

impl Overlap {
    /// The command that makes the kernel leave pald's range alone until the next boot.
    pub fn command(&self) -> String {
        format!("sudo sysctl -w net.ipv4.ip_local_reserved_ports={}", self.reserve)
    }
}

/// How the kernel's range and pald's overlap, with `port_listen` counted as pald's; `None` if they
/// do not, or if the system does not say.
pub fn overlap(port_range: PortRange, port_listen: Port) -> Option<Overlap> {
    let read = |path| std::fs::read_to_string(path).ok();
    let reserved = read(RESERVED).unwrap_or_default();
    overlap_of(&read(LOCAL_RANGE)?, &reserved, port_range, port_listen)
}

fn overlap_of(
    ephemeral: &str,
    reserved: &str,
    port_range: PortRange,
    port_listen: Port,
) -> Option<Overlap> {
    let mut ends = ephemeral.split_ascii_whitespace().map(|end| Port::parse(end).ok());
    let ephemeral = PortRange::new(ends.next()??, ends.next()??)?;
    let mut spans: Vec<Span> = reserved.trim().split(',').filter_map(Span::parse).collect();
    let is_taken = |number: u16| {
        Port::new(number).is_some_and(|port| ephemeral.contains(port))
            && !spans.iter().any(|span| span.0 <= number && number <= span.1)
    };
    let (min, max) = (port_range.min().number(), port_range.max().number());
    if !(min..=max).any(is_taken) {
        return None;
    }
    spans.push(Span(min, max));
    spans.push(Span(port_listen.number(), port_listen.number()));
    let reserve = merge(spans).iter().map(Span::to_string).collect::<Vec<_>>().join(",");
    Some(Overlap { ephemeral, reserve })
}

/// Ports from the first to the second, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span(u16, u16);

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(Self(first.parse().ok()?, last.parse().ok()?))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 { write!(f, "{}", self.0) } else { write!(f, "{}-{}", self.0, self.1) }
    }
}

/// The same ports in as few spans as can be.
fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.0 <= last.1.saturating_add(1) => last.1 = last.1.max(span.1),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_may_take_is_named_with_the_line_that_stops_it() {
        let usual = "32768\t60999\n";
        // (the kernel's range, reserved, pald's range, where it listens, what to reserve)
        let rows: &[(&str, &str, (u16, u16), u16, Option<&str>)] = &[
            (usual, "\n", (49201, 49999), 49200, Some("49200-49999")),
            (usual, "8080,9000-9010\n", (49201, 49999), 49200, Some("8080,9000-9010,49200-49999")),
            (usual, "49900-50100\n", (49201, 49999), 49200, Some("49200-50100")),
            (usual, "49201-49999\n", (49201, 49999), 49200, None),
            (usual, "49000-49500,49501-50000\n", (49201, 49999), 49200, None),
            (usual, "\n", (20000, 20100), 19999, None),
            (usual, "\n", (32700, 32768), 100, Some("100,32700-32768")),
            ("1024 65535", "", (65535, 65535), 65534, Some("65534-65535")),
            ("nonsense", "", (49201, 49999), 49200, None),
            ("", "", (49201, 49999), 49200, None),
        ];
        let port = |number| Port::new(number).unwrap();
        for (ephemeral, reserved, (min, max), listen, expected) in rows {
            let range = PortRange::new(port(*min), port(*max)).unwrap();
            let found = overlap_of(ephemeral, reserved, range, port(*listen));
            assert_eq!(found.map(|overlap| overlap.reserve).as_deref(), *expected, "{reserved}");
        }
    }
}
