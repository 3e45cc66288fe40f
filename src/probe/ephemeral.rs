//! The ports that the system hands out by itself, and how they overlap pald's range.

use std::fmt;

use super::sys;
use crate::api;
use crate::port::{Port, PortRange};

/// The ports that the system gives to outbound connections and to binds of port 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ephemeral {
    /// The range that they are in.
    pub range: PortRange,
    /// The ports that are never given, inside the range or not.
    pub reserved: ReservedPorts,
}

/// The system may give ports of pald's range to connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The system's ephemeral range.
    pub ephemeral: PortRange,
    /// The ports to reserve so that pald's range is left alone: those that are reserved already,
    /// pald's range, and the port that pald listens on.
    pub to_reserve: ReservedPorts,
}

impl Overlap {
    /// Returns the command that makes Linux leave pald's range alone, now and after each boot; on a
    /// system that reserves no ports, what to do instead.
    ///
    /// Of the files in that folder the last one wins (sysctl.d(5)).
    pub fn command(&self) -> String {
        if !sys::RESERVES_PORTS {
            let first = self.ephemeral.min();
            return format!("Set `port_listen`, `port_min` and `port_max` below {first}");
        }
        let (ports, file) = (&self.to_reserve, "/etc/sysctl.d/zz-pald.conf");
        format!(
            "echo net.ipv4.ip_local_reserved_ports={ports} | sudo tee {file} && sudo sysctl -p {file}"
        )
    }
}

impl From<&Overlap> for api::Overlap {
    fn from(overlap: &Overlap) -> Self {
        Self {
            ephemeral: overlap.ephemeral.to_string(),
            ephemeral_min: overlap.ephemeral.min().number(),
            ephemeral_max: overlap.ephemeral.max().number(),
            reserve: overlap.command(),
        }
    }
}

/// Finds how the system's ephemeral range overlaps pald's range.
///
/// Returns `None` if it does not, if all ports of the overlap are reserved, or if the system does
/// not tell its range.
pub fn overlap(port_range: PortRange, port_listen: Port) -> Option<Overlap> {
    overlap_with(&sys::ephemeral()?, port_range, port_listen)
}

fn overlap_with(
    ephemeral: &Ephemeral,
    port_range: PortRange,
    port_listen: Port,
) -> Option<Overlap> {
    let Ephemeral { range, reserved } = ephemeral;
    let (min, max) = (port_range.min().number(), port_range.max().number());
    let (first, last) = (min.max(range.min().number()), max.min(range.max().number()));
    if (first..=last).all(|number| reserved.contains(number)) {
        return None;
    }
    let listen = port_listen.number();
    let to_reserve = reserved.0.iter().copied().chain([(min, max), (listen, listen)]).collect();
    Some(Overlap { ephemeral: *range, to_reserve })
}

/// Ports in the form of `net.ipv4.ip_local_reserved_ports`, such as `8080,49200-49999`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReservedPorts(Vec<(u16, u16)>);

impl ReservedPorts {
    fn contains(&self, number: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }
}

impl FromIterator<(u16, u16)> for ReservedPorts {
    /// Joins spans, from the first to the second port inclusive, into as few as possible.
    fn from_iter<T: IntoIterator<Item = (u16, u16)>>(spans: T) -> Self {
        let mut spans: Vec<_> = spans.into_iter().collect();
        spans.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::new();
        for (first, last) in spans {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }
}

impl fmt::Display for ReservedPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_names_all_ports_to_reserve() {
        let usual = (32768, 60999);
        let range =
            |(min, max)| PortRange::new(Port::new(min).unwrap(), Port::new(max).unwrap()).unwrap();
        // (ephemeral range, reserved, pald's range, where it listens, what to reserve)
        type Row = ((u16, u16), &'static [(u16, u16)], (u16, u16), u16, Option<&'static str>);
        let rows: &[Row] = &[
            (usual, &[], (49201, 49999), 49200, Some("49200-49999")),
            (
                usual,
                &[(8080, 8080), (9000, 9010)],
                (49201, 49999),
                49200,
                Some("8080,9000-9010,49200-49999"),
            ),
            (usual, &[(49900, 50100)], (49201, 49999), 49200, Some("49200-50100")),
            (usual, &[(49201, 49999)], (49201, 49999), 49200, None),
            (usual, &[(49000, 49500), (49501, 50000)], (49201, 49999), 49200, None),
            (usual, &[], (20000, 20100), 19999, None),
            (usual, &[], (61000, 61100), 19999, None),
            (usual, &[], (32700, 32768), 100, Some("100,32700-32768")),
            ((1024, 65535), &[], (65535, 65535), 65534, Some("65534-65535")),
        ];
        for row @ (ephemeral, reserved, port_range, listen, expected) in rows {
            let ephemeral = Ephemeral {
                range: range(*ephemeral),
                reserved: reserved.iter().copied().collect(),
            };
            let found = overlap_with(&ephemeral, range(*port_range), Port::new(*listen).unwrap());
            if let Some(overlap) = &found {
                let (command, ports) = (overlap.command(), &overlap.to_reserve);
                let line = match sys::RESERVES_PORTS {
                    true => format!("echo net.ipv4.ip_local_reserved_ports={ports} | sudo tee "),
                    false => {
                        let first = overlap.ephemeral.min();
                        format!("Set `port_listen`, `port_min` and `port_max` below {first}")
                    }
                };
                assert!(command.starts_with(&line), "{command}");
            }
            let to_reserve = found.map(|overlap| overlap.to_reserve.to_string());
            assert_eq!(to_reserve.as_deref(), *expected, "{row:?}");
        }
    }
}
