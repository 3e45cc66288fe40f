//! The identity of a registry: a revision says something only about the registry it counts for.

use std::fmt;
use std::io;

/// 64 random bits, drawn when a registry is made; 16 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegistryId(u64);

impl RegistryId {
    /// Draws a new one.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub fn draw() -> io::Result<Self> {
        Ok(Self(getrandom::u64()?))
    }

    /// Takes stored bits over.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Parses 16 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let id = u64::from_str_radix(text, 16).ok().map(Self)?;
        // The number parser also accepts a sign, capitals, and fewer digits.
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RegistryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        let id = RegistryId::from_bits(0x9f3c);
        assert_eq!(id.to_string(), "0000000000009f3c");
        assert_eq!(RegistryId::parse("0000000000009f3c"), Some(id));
        for text in ["", "9f3c", "0000000000009F3C", "+000000000009f3c", "0000000000009f3c0"] {
            assert_eq!(RegistryId::parse(text), None, "{text:?}");
        }
        assert_ne!(RegistryId::draw().unwrap(), RegistryId::draw().unwrap());
    }
}
