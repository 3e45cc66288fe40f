//! Ports and ranges of ports. A port is never 0, and a range is never empty.

use std::fmt;
use std::num::NonZeroU16;

use thiserror::Error;

use crate::quoted::Quoted;

/// A TCP and UDP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port(NonZeroU16);

impl Port {
    /// The lowest port, 1.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The highest port, 65535.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// Returns the port with this number; `None` for 0.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Parses 1 to 5 ASCII digits: no leading zero, no sign, no blanks.
    ///
    /// # Errors
    /// The text is not a plain number, or the number is not within 1 to 65535.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, PortError> {
        let text = text.as_ref();
        match text {
            [b'0', _, ..] => Err(PortError::NotANumber(Quoted::new(text))),
            _ => Self::parse_padded(text),
        }
    }

    /// Parses 1 to 5 ASCII digits; leading zeros are allowed, as in dumps of the 2015 program.
    ///
    /// # Errors
    /// As for [`Port::parse`].
    pub fn parse_padded(text: impl AsRef<[u8]>) -> Result<Self, PortError> {
        let text = text.as_ref();
        if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
            return Err(PortError::NotANumber(Quoted::new(text)));
        }
        std::str::from_utf8(text)
            .ok()
            .filter(|digits| digits.len() <= 5)
            .and_then(|digits| digits.parse().ok())
            .and_then(Self::new)
            .ok_or_else(|| PortError::OutOfRange(Quoted::new(text)))
    }

    /// Returns the port's number, 1 to 65535.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<u64> for Port {
    type Error = PortError;

    /// Returns the port with this number, or else [`PortError::OutOfRange`].
    fn try_from(number: u64) -> Result<Self, PortError> {
        let port = u16::try_from(number).ok().and_then(Self::new);
        port.ok_or_else(|| PortError::OutOfRange(Quoted::new(number.to_string())))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not a port.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PortError {
    /// It has something other than digits, or a leading zero.
    #[error("Port {0} is not a plain number; use 1 to 65535 without sign, blanks or leading zeros")]
    NotANumber(Quoted),
    /// It is a number outside 1 to 65535.
    #[error("Port {0:#} is outside 1-65535")]
    OutOfRange(Quoted),
}

/// The range: the ports that pald gives out, both ends inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    min: Port,
    max: Port,
}

impl PortRange {
    /// Returns the range from `min` to `max`, both inclusive; `None` if `min` is above `max`.
    pub fn new(min: Port, max: Port) -> Option<Self> {
        (min <= max).then_some(Self { min, max })
    }

    /// Returns the lowest port.
    pub fn min(self) -> Port {
        self.min
    }

    /// Returns the highest port.
    pub fn max(self) -> Port {
        self.max
    }

    /// Returns whether `port` is in the range.
    pub fn contains(self, port: Port) -> bool {
        (self.min..=self.max).contains(&port)
    }

    /// Returns the number of ports, 1 to 65535.
    pub fn size(self) -> usize {
        usize::from(self.max.number() - self.min.number()) + 1
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    #[test]
    fn only_plain_numbers_from_1_to_65535_are_ports() {
        let rows: &[(&str, Option<u16>, Option<u16>)] = &[
            // (text, as a parameter, in a dump)
            ("1", Some(1), Some(1)),
            ("49201", Some(49201), Some(49201)),
            ("65535", Some(65535), Some(65535)),
            ("00080", None, Some(80)),
            ("0", None, None),
            ("00000", None, None),
            ("65536", None, None),
            ("99999", None, None),
            ("000080", None, None),
            ("18446744073709551617", None, None),
            ("", None, None),
            ("+49201", None, None),
            ("-1", None, None),
            (" 49201", None, None),
            ("49201\n", None, None),
            ("0x50", None, None),
            ("8e1", None, None),
            ("80.0", None, None),
            ("\u{664}\u{665}", None, None),
        ];
        for (text, strict, padded) in rows {
            assert_eq!(Port::parse(text).ok().map(Port::number), *strict, "{text:?}");
            assert_eq!(Port::parse_padded(text).ok().map(Port::number), *padded, "{text:?}");
        }
    }

    #[test]
    fn an_illegal_port_is_quoted_with_the_reason() {
        let rows = [
            (
                "+1",
                r#"Port "+1" is not a plain number; use 1 to 65535 without sign, blanks or leading zeros"#,
            ),
            (
                "",
                r#"Port "" is not a plain number; use 1 to 65535 without sign, blanks or leading zeros"#,
            ),
            ("70000", "Port 70000 is outside 1-65535"),
            ("0", "Port 0 is outside 1-65535"),
        ];
        for (text, message) in rows {
            assert_eq!(Port::parse(text).unwrap_err().to_string(), message);
        }
        let of_number = |number: u64| Port::try_from(number).map_err(|error| error.to_string());
        assert_eq!(of_number(65535), Ok(Port::MAX));
        for number in [0, 65536, u64::MAX] {
            assert_eq!(of_number(number), Err(format!("Port {number} is outside 1-65535")));
        }
    }

    #[test]
    fn a_range_includes_both_ends_and_is_never_empty() {
        let rows = [(1, 65535, 65535), (49201, 49999, 799), (80, 80, 1)];
        for (min, max, size) in rows {
            let range = PortRange::new(port(min), port(max)).unwrap();
            assert_eq!(range.size(), size);
            assert!(range.contains(port(min)) && range.contains(port(max)));
        }
        assert_eq!(PortRange::new(port(2), port(1)), None);
        let range = PortRange::new(port(10), port(20)).unwrap();
        assert!(!range.contains(port(9)) && !range.contains(port(21)));
    }
}
