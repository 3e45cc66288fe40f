//! The seal, by which a store or a dump shows that it is whole.

use xxhash_rust::xxh32::{Xxh32, xxh32};

use crate::folder::Folder;
use crate::registration::Registration;
use crate::registry_id::RegistryId;

/// Revision, number of entries, checksum and identity of a registry.
///
/// The store and the dump each carry the seal of what they hold. The same entries give the same
/// checksum, in whatever order they were added and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seal {
    /// The number of batches stored so far.
    pub revision: u64,
    /// The number of registered services.
    pub entries: u32,
    /// Which registry it is; `None` before schema version 2.
    pub id: Option<RegistryId>,
    sum: u32,
}

impl Seal {
    /// Returns the seal of these entries at this revision.
    pub fn of<'a>(
        revision: u64,
        registrations: impl IntoIterator<Item = &'a Registration>,
    ) -> Self {
        let mut seal = Self { revision, ..Self::default() };
        registrations.into_iter().for_each(|registration| seal.add(registration));
        seal
    }

    /// Returns the same seal for the registry with this identity.
    #[must_use]
    pub fn with_id(self, id: Option<RegistryId>) -> Self {
        Self { id, ..self }
    }

    /// Adds an entry.
    pub fn add(&mut self, registration: &Registration) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(fingerprint(registration));
    }

    /// Removes an entry, which must have been added.
    pub fn remove(&mut self, registration: &Registration) {
        self.entries -= 1;
        self.sum = self.sum.wrapping_sub(fingerprint(registration));
    }

    /// Returns the checksum over the entries, their number and the revision; the identity is not in
    /// it.
    ///
    /// Its definition is part of the formats of store and dump and never changes: XXH32, seed 0, of
    /// the revision, the number of entries and the wrapping sum of their fingerprints, all
    /// little-endian.
    pub fn check(&self) -> u32 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.revision.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.entries.to_le_bytes());
        bytes[12..].copy_from_slice(&self.sum.to_le_bytes());
        xxh32(&bytes, 0)
    }
}

/// Returns the XXH32, seed 0, of an entry's fields, each followed by a line feed; no field contains
/// one. An entry without a folder is hashed as it was before there were folders.
///
/// It hashes field by field: writing them into one text first took longer than the hashing itself
/// (the bar for the first answer with 16,000 services).
fn fingerprint(registration: &Registration) -> u32 {
    let Registration { service, port, addresses, created_at, hold, folder } = registration;
    let (mut port_digits, mut time_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let fields = [
        service.as_str(),
        port_digits.format(port.number()),
        addresses.as_str(),
        time_digits.format(created_at.unix_seconds()),
        if *hold { "true" } else { "false" },
    ];
    let mut hash = Xxh32::new(0);
    let folder = folder.as_ref().map(Folder::as_str);
    for field in fields.into_iter().chain(folder) {
        hash.update(field.as_bytes());
        hash.update(b"\n");
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::addresses::Addresses;
    use crate::port::Port;
    use crate::service_name::ServiceName;
    use crate::timestamp::Timestamp;

    fn registration(service: &str, port: u16) -> Registration {
        Registration {
            service: ServiceName::parse(service).unwrap(),
            port: Port::new(port).unwrap(),
            addresses: Addresses::parse("10.0.0.1").unwrap(),
            created_at: Timestamp::from_unix_seconds(1_795_341_600).unwrap(),
            hold: true,
            folder: None,
        }
    }

    #[test]
    fn the_check_of_a_known_registry_never_changes() {
        let entries = [registration("shop", 49201), registration("db", 49202)];
        assert_eq!(format!("{:08x}", Seal::of(42, &entries).check()), "4613139f");
        assert_eq!(format!("{:08x}", Seal::default().check()), "8e022b3a");
        let id = Some(RegistryId::from_bits(7));
        assert_eq!(format!("{:08x}", Seal::default().with_id(id).check()), "8e022b3a");
    }

    #[test]
    fn the_order_and_history_of_entries_do_not_matter() {
        let [a, b, c] = [registration("a", 1), registration("b", 2), registration("c", 3)];
        let mut seal = Seal::of(7, [&c, &a, &b]);
        assert_eq!(seal, Seal::of(7, [&a, &b, &c]));
        seal.remove(&b);
        assert_eq!(seal, Seal::of(7, [&a, &c]));
    }

    #[test]
    fn fields_are_hashed_like_one_text() {
        for length in [1, 15, 16, 17, 255] {
            let entry = Registration {
                addresses: Addresses::parse(["10.0.0.1"; 200].join(",")).unwrap(),
                ..registration(&"n".repeat(length), 49201)
            };
            let Registration { service, port, addresses, .. } = &entry;
            let text = format!("{service}\n{port}\n{addresses}\n1795341600\ntrue\n");
            assert_eq!(fingerprint(&entry), xxh32(text.as_bytes(), 0), "{length}");
        }
    }

    #[test]
    fn every_field_counts() {
        let entry = registration("shop", 49201);
        let whole = Seal::of(1, [&entry]).check();
        let mut others = vec![registration("shop2", 49201), registration("shop", 49202)];
        others.push(Registration { addresses: Addresses::default(), ..entry.clone() });
        others.push(Registration {
            created_at: Timestamp::from_unix_seconds(0).unwrap(),
            ..entry.clone()
        });
        others.push(Registration { hold: false, ..entry.clone() });
        for folder in ["/shop", "/shop2"] {
            let folder = Some(Folder::parse(folder).unwrap());
            others.push(Registration { folder, ..entry.clone() });
        }
        let checks: HashSet<_> = others.iter().map(|other| Seal::of(1, [other]).check()).collect();
        assert_eq!(checks.len(), others.len());
        assert!(!checks.contains(&whole));
        assert_ne!(Seal::of(2, [&entry]).check(), whole);
        assert_ne!(Seal::of(1, []).check(), whole);

        // Two services that swap ports make another registry.
        let swapped = [registration("a", 2), registration("b", 1)];
        assert_ne!(
            Seal::of(1, &swapped),
            Seal::of(1, &[registration("a", 1), registration("b", 2)])
        );
    }
}
