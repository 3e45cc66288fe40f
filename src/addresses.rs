//! The addresses that a dump may name for a service; pald keeps them and makes no use of them.

use std::fmt;

use thiserror::Error;

use crate::quoted::Quoted;

/// The addresses of a service, kept to the letter as the dump has them: joined with commas.
///
/// At most 2048 bytes of `A-Z a-z 0-9 _ . : -` and commas, as the 2015 program's reader takes
/// them (`[,.\-_:\w]+`); empty if there are none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Addresses(Box<str>);

impl Addresses {
    /// The longest list of addresses, in bytes, commas included.
    pub const MAX_BYTES: usize = 2048;

    /// Accepts a legal list of addresses as it is, an empty one too.
    ///
    /// # Errors
    /// Says which addresses are too long or contain something else.
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

    /// Joins single addresses, each of which must be there.
    ///
    /// # Errors
    /// As of [`Addresses::parse`], and if one is empty or contains a comma.
    pub fn join(addresses: &[String]) -> Result<Self, AddressesError> {
        match addresses.iter().find(|address| address.is_empty() || address.contains(',')) {
            Some(address) => Err(AddressesError::NotOne(Quoted::new(address))),
            None => Self::parse(addresses.join(",")),
        }
    }

    /// The addresses one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|address| !address.is_empty())
    }

    /// The addresses as the dump has them, joined with commas.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a list of addresses is not legal.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AddressesError {
    /// It contains a character that the 2015 program's reader does not take.
    #[error("Addresses {0} contain more than letters, digits and . : _ - joined with commas")]
    Character(Quoted),
    /// What was to be one address is none, or several.
    #[error("Address {0} is empty or contains a comma; give each address by itself")]
    NotOne(Quoted),
    /// It has more than [`Addresses::MAX_BYTES`] bytes.
    #[error("Addresses are {bytes} bytes long; at most 2048 are allowed")]
    TooLong {
        /// Their length in bytes.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_to_the_letter_or_refused() {
        let longest = "a".repeat(2048);
        for list in ["", ",", "127.0.0.1", "10.0.0.1:80,db_host.local,fe80::1", &longest] {
            assert_eq!(Addresses::parse(list).unwrap().as_str(), list);
        }
        let rows = [
            (
                "a b".into(),
                r#"Addresses "a b" contain more than letters, digits and . : _ - joined with commas"#,
            ),
            (
                "[::1]".into(),
                r#"Addresses "[::1]" contain more than letters, digits and . : _ - joined with commas"#,
            ),
            ("a".repeat(2049), "Addresses are 2049 bytes long; at most 2048 are allowed"),
        ];
        for (list, message) in rows {
            assert_eq!(Addresses::parse(list).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn single_addresses_are_joined_and_taken_apart() {
        let list = ["10.0.0.1", "db"].map(str::to_owned);
        let joined = Addresses::join(&list).unwrap();
        assert_eq!(joined.as_str(), "10.0.0.1,db");
        assert!(joined.iter().eq(["10.0.0.1", "db"]));
        assert_eq!(Addresses::join(&[]).unwrap().iter().count(), 0);
        for (address, shown) in [("", r#""""#), ("a,b", r#""a,b""#)] {
            let message = format!(
                "Address {shown} is empty or contains a comma; give each address by itself"
            );
            assert_eq!(Addresses::join(&[address.to_owned()]).unwrap_err().to_string(), message);
        }
    }
}
