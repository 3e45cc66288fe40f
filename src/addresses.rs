//! The addresses noted for a service; pald stores them and does not use them.

use std::fmt;

use thiserror::Error;

use crate::quoted::Quoted;

/// The addresses of a service, joined with commas and kept exactly as given.
///
/// At most 2048 bytes of `A-Z a-z 0-9 _ . : -` and commas, which the 2015 program's dump reader
/// accepts (`[,.\-_:\w]+`); empty if there are none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Addresses(Box<str>);

impl Addresses {
    /// The maximum length in bytes, commas included.
    pub const MAX_BYTES: usize = 2048;

    /// Parses a list joined with commas, unchanged; an empty one is legal.
    ///
    /// # Errors
    /// The list has an illegal character, or is too long.
    pub fn parse(list: impl AsRef<[u8]>) -> Result<Self, AddressesError> {
        let list = list.as_ref();
        if !list.iter().all(|byte| byte.is_ascii_alphanumeric() || b",.-_:".contains(byte)) {
            return Err(AddressesError::Character(Quoted::new(list)));
        }
        if list.len() > Self::MAX_BYTES {
            return Err(AddressesError::TooLong { bytes: list.len() });
        }
        let text = std::str::from_utf8(list).expect("legal addresses are ASCII");
        Ok(Self(text.into()))
    }

    /// Joins single addresses into a list.
    ///
    /// # Errors
    /// As for [`Addresses::parse`], and if an address is empty or contains a comma.
    pub fn join(addresses: &[String]) -> Result<Self, AddressesError> {
        match addresses.iter().find(|address| address.is_empty() || address.contains(',')) {
            Some(address) => Err(AddressesError::NotOne(Quoted::new(address))),
            None => Self::parse(addresses.join(",")),
        }
    }

    /// Iterates over the single addresses.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|address| !address.is_empty())
    }

    /// Returns the list as in the dump, joined with commas.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a list of addresses is illegal.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AddressesError {
    /// It contains a character that the 2015 program's dump reader does not accept.
    #[error("Addresses {0} may contain only letters, digits and . : _ - and commas between them")]
    Character(Quoted),
    /// A single address is empty, or has a comma in it.
    #[error("Address {0} is empty or contains a comma; give each address separately")]
    NotOne(Quoted),
    /// It is longer than [`Addresses::MAX_BYTES`].
    #[error("Addresses are {bytes} bytes long; at most 2048 are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_as_given_or_refused() {
        let longest = "a".repeat(2048);
        for list in ["", ",", "127.0.0.1", "10.0.0.1:80,db_host.local,fe80::1", &longest] {
            assert_eq!(Addresses::parse(list).unwrap().as_str(), list);
        }
        let rows = [
            (
                "a b".into(),
                r#"Addresses "a b" may contain only letters, digits and . : _ - and commas between them"#,
            ),
            (
                "[::1]".into(),
                r#"Addresses "[::1]" may contain only letters, digits and . : _ - and commas between them"#,
            ),
            ("a".repeat(2049), "Addresses are 2049 bytes long; at most 2048 are allowed"),
        ];
        for (list, message) in rows {
            assert_eq!(Addresses::parse(list).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn single_addresses_are_joined_and_split_again() {
        let list = ["10.0.0.1", "db"].map(str::to_owned);
        let joined = Addresses::join(&list).unwrap();
        assert_eq!(joined.as_str(), "10.0.0.1,db");
        assert!(joined.iter().eq(["10.0.0.1", "db"]));
        assert_eq!(Addresses::join(&[]).unwrap().iter().count(), 0);
        for (address, shown) in [("", r#""""#), ("a,b", r#""a,b""#)] {
            let message = format!(
                "Address {shown} is empty or contains a comma; give each address separately"
            );
            assert_eq!(Addresses::join(&[address.to_owned()]).unwrap_err().to_string(), message);
        }
    }
}
