//! The records of the store: a version byte, then bincode.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::addresses::{Addresses, AddressesError};
use crate::folder::{Folder, FolderError};
use crate::port::Port;
use crate::registration::Registration;
use crate::registry_id::RegistryId;
use crate::seal::Seal;
use crate::service_name::{ServiceName, ServiceNameError};
use crate::timestamp::Timestamp;

/// The version of new records. Those of version 1 have no folder and no id.
const VERSION: u8 = 2;

/// The maximum size of a record in bytes, without its version byte. It also bounds what bincode
/// allocates for a damaged length.
const MAX_BYTES: usize = 4096;

const CODEC: Configuration<LittleEndian, Varint, Limit<MAX_BYTES>> =
    bincode::config::standard().with_limit::<MAX_BYTES>();

/// A value that is kept in the store, and what it was in version 1.
pub(super) trait Record: DeserializeOwned + From<Self::V1> {
    type V1: DeserializeOwned;
}

/// The value in `services`; the key is the service's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServiceRecord {
    port: u16,
    addresses: String,
    created_at: u64,
    hold: bool,
    folder: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct ServiceRecordV1 {
    port: u16,
    addresses: String,
    created_at: u64,
    hold: bool,
}

/// The value in `ports` and in `remembered`; the key is the [`port_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PortRecord {
    service: String,
}

/// The value of `seal` in `meta`: the seal of `services` and `ports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SealRecord {
    pub(super) revision: u64,
    pub(super) entries: u32,
    pub(super) check: u32,
    id: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct SealRecordV1 {
    revision: u64,
    entries: u32,
    check: u32,
}

impl Record for ServiceRecord {
    type V1 = ServiceRecordV1;
}

impl Record for PortRecord {
    type V1 = Self;
}

impl Record for SealRecord {
    type V1 = SealRecordV1;
}

impl From<ServiceRecordV1> for ServiceRecord {
    fn from(record: ServiceRecordV1) -> Self {
        let ServiceRecordV1 { port, addresses, created_at, hold } = record;
        Self { port, addresses, created_at, hold, folder: None }
    }
}

impl From<SealRecordV1> for SealRecord {
    fn from(SealRecordV1 { revision, entries, check }: SealRecordV1) -> Self {
        Self { revision, entries, check, id: None }
    }
}

/// Why stored bytes are not a record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The record has no bytes.
    #[error("it is empty")]
    Empty,
    /// The version byte is unknown.
    #[error("its version is {0}, not 1 or 2")]
    Version(u8),
    /// bincode can't decode it.
    #[error("it can't be decoded")]
    Decode(#[from] bincode::error::DecodeError),
    /// Bytes follow the record.
    #[error("{0} extra bytes follow it")]
    Rest(usize),
    /// The service name is illegal.
    #[error("its service name is illegal")]
    Service(#[from] ServiceNameError),
    /// The addresses are illegal.
    #[error("its addresses are illegal")]
    Addresses(#[from] AddressesError),
    /// The folder is illegal.
    #[error("its folder is illegal")]
    Folder(#[from] FolderError),
    /// The port is 0, or the key of a port is not two bytes long.
    #[error("its port is illegal")]
    Port,
    /// The time is after the year 9999.
    #[error("its time is after the year 9999")]
    Time,
}

/// Encodes a record.
pub(super) fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let encoded = bincode::serde::encode_into_std_write(record, &mut bytes, CODEC);
    encoded.expect("names, addresses and folders are bounded far below the limit");
    bytes
}

/// Decodes a record, which must take up all the bytes.
pub(super) fn decode<T: Record>(bytes: &[u8]) -> Result<T, RecordError> {
    match bytes {
        [] => Err(RecordError::Empty),
        [1, encoded @ ..] => decode_all::<T::V1>(encoded).map(T::from),
        [VERSION, encoded @ ..] => decode_all(encoded),
        [version, ..] => Err(RecordError::Version(*version)),
    }
}

fn decode_all<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, RecordError> {
    let (record, used) = bincode::serde::decode_from_slice(encoded, CODEC)?;
    match encoded.len() - used {
        0 => Ok(record),
        rest => Err(RecordError::Rest(rest)),
    }
}

impl ServiceRecord {
    /// Converts to the registration stored under `key`, a service's name.
    pub(super) fn into_registration(self, key: &[u8]) -> Result<Registration, RecordError> {
        Ok(Registration {
            service: ServiceName::parse(key)?,
            port: Port::new(self.port).ok_or(RecordError::Port)?,
            addresses: Addresses::parse(self.addresses)?,
            created_at: Timestamp::from_unix_seconds(self.created_at).ok_or(RecordError::Time)?,
            hold: self.hold,
            folder: self.folder.as_deref().map(Folder::parse).transpose()?,
        })
    }
}

impl From<&Registration> for ServiceRecord {
    fn from(registration: &Registration) -> Self {
        Self {
            port: registration.port.number(),
            addresses: registration.addresses.as_str().to_owned(),
            created_at: registration.created_at.unix_seconds(),
            hold: registration.hold,
            folder: registration.folder.as_ref().map(|folder| folder.as_str().to_owned()),
        }
    }
}

impl From<&ServiceName> for PortRecord {
    fn from(service: &ServiceName) -> Self {
        Self { service: service.as_str().to_owned() }
    }
}

impl PortRecord {
    pub(super) fn service(self) -> Result<ServiceName, RecordError> {
        Ok(ServiceName::parse(self.service)?)
    }
}

impl From<Seal> for SealRecord {
    fn from(seal: Seal) -> Self {
        let id = seal.id.map(RegistryId::bits);
        Self { revision: seal.revision, entries: seal.entries, check: seal.check(), id }
    }
}

impl SealRecord {
    /// Returns which registry it is.
    pub(super) fn id(self) -> Option<RegistryId> {
        self.id.map(RegistryId::from_bits)
    }
}

/// Returns the key of a port: its number, big-endian, so that keys sort like ports.
pub(super) fn port_key(port: Port) -> [u8; 2] {
    port.number().to_be_bytes()
}

/// Returns the port of a key.
pub(super) fn port_of_key(key: &[u8]) -> Result<Port, RecordError> {
    let bytes = key.try_into().map_err(|_| RecordError::Port)?;
    Port::new(u16::from_be_bytes(bytes)).ok_or(RecordError::Port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn registration() -> Registration {
        Registration {
            service: ServiceName::parse("shop.web").unwrap(),
            port: Port::new(49201).unwrap(),
            addresses: Addresses::parse("10.0.0.1,db").unwrap(),
            created_at: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
            hold: true,
            folder: None,
        }
    }

    /// Decodes a record, and converts it to a registration.
    fn registration_in(hex: &str) -> Registration {
        decode::<ServiceRecord>(&bytes(hex)).unwrap().into_registration(b"shop.web").unwrap()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.bytes().collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    /// These bytes are on users' disks and must stay readable.
    #[test]
    fn golden_records_of_version_1() {
        let registration = registration();
        let golden = "01fb31c00b31302e302e302e312c6462fc20bd026b01";
        assert_eq!(registration_in(golden), registration);
        let port = decode::<PortRecord>(&bytes("010873686f702e776562")).unwrap();
        assert_eq!(port.service().unwrap(), registration.service);
        assert_eq!(hex(&port_key(registration.port)), "c031");
        assert_eq!(port_of_key(&port_key(registration.port)).unwrap(), registration.port);
        let seal = SealRecord { revision: 42, entries: 5, check: 0x1a2b_3c4d, id: None };
        assert_eq!(decode::<SealRecord>(&bytes("012a05fc4d3c2b1a")).unwrap(), seal);
    }

    #[test]
    fn golden_records_of_version_2() {
        let plain = registration();
        let folder = Some(Folder::parse("/home/ann/my%20shop").unwrap());
        let of_checkout = Registration { folder, ..plain.clone() };
        let rows = [
            (&plain, "02fb31c00b31302e302e302e312c6462fc20bd026b0100"),
            (
                &of_checkout,
                "02fb31c00b31302e302e302e312c6462fc20bd026b01\
                 01132f686f6d652f616e6e2f6d792532307368\
                 6f70",
            ),
        ];
        for (registration, golden) in rows {
            assert_eq!(hex(&encode(&ServiceRecord::from(registration))), golden);
            assert_eq!(registration_in(golden), *registration);
        }
        assert_eq!(hex(&encode(&PortRecord::from(&plain.service))), "020873686f702e776562");
        for (id, golden) in
            [(None, "022a05fc4d3c2b1a00"), (Some(0x9f3c), "022a05fc4d3c2b1a01fb3c9f")]
        {
            let seal = SealRecord { revision: 42, entries: 5, check: 0x1a2b_3c4d, id };
            assert_eq!(hex(&encode(&seal)), golden);
            assert_eq!(decode::<SealRecord>(&bytes(golden)).unwrap(), seal);
        }
    }

    #[test]
    fn damaged_records_are_refused_with_the_reason() {
        let good = encode(&PortRecord { service: "shop".into() });
        let rows: &[(Vec<u8>, &str)] = &[
            (vec![], "it is empty"),
            ([&[9], &good[1..]].concat(), "its version is 9, not 1 or 2"),
            (good[..3].to_vec(), "it can't be decoded"),
            ([&good[..], &[0, 0]].concat(), "2 extra bytes follow it"),
            // Memory for a length far above the limit must not be allocated.
            (vec![VERSION, 0xfd, 255, 255, 255, 255, 255, 255, 255, 255], "it can't be decoded"),
        ];
        for (bytes, message) in rows {
            let error = decode::<PortRecord>(bytes).unwrap_err();
            assert_eq!(error.to_string(), *message, "{bytes:?}");
        }
        for key in [&[][..], &[1], &[0, 0], &[1, 2, 3]] {
            assert_eq!(port_of_key(key).unwrap_err().to_string(), "its port is illegal");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let versioned = [&[VERSION], &bytes[..]].concat();
            if let Ok(record) = decode::<ServiceRecord>(&versioned) {
                prop_assert_eq!(decode::<ServiceRecord>(&encode(&record)).unwrap(), record);
            }
        }
    }
}
