//! The dump's text: to entries and back. Opens no file.
//!
//! The format is the 2015 program's; whatever else pald remembers stands in a comment at the end of
//! a line, which that program skips. docs/dump.md describes it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt::Write as _;

use crate::addresses::Addresses;
use crate::folder::Folder;
use crate::port::Port;
use crate::registration::Registration;
use crate::registry_id::RegistryId;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

mod line;
mod line_error;

pub use line_error::{BadLine, LineError};

/// A parsed dump; every name and every port occurs once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dump {
    /// The entries, in line order.
    pub entries: Vec<DumpEntry>,
    /// The seal that the dump claims; `None` if pald did not write its last line.
    pub seal: Option<ClaimedSeal>,
}

/// One service in a dump; `None` where its line says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpEntry {
    /// The service.
    pub service: ServiceName,
    /// Its port.
    pub port: Port,
    /// The addresses noted for it.
    pub addresses: Addresses,
    /// When the service was registered.
    pub created_at: Option<Timestamp>,
    /// Whether pald may hold the port.
    pub hold: Option<bool>,
    /// The folder of the checkout that registered the service.
    pub folder: Option<Folder>,
}

/// The seal that the last line of a dump claims; it need not be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedSeal {
    /// The registry's revision.
    pub revision: u64,
    /// The number of entries.
    pub entries: u32,
    /// The [`Seal::check`].
    pub check: u32,
    /// Which registry it is; a dump of pald 0.1 does not say.
    pub id: Option<RegistryId>,
}

impl DumpEntry {
    /// Converts to a registration, made `now` if the dump has no date.
    pub fn into_registration(self, now: Timestamp) -> Registration {
        Registration {
            service: self.service,
            port: self.port,
            addresses: self.addresses,
            created_at: self.created_at.unwrap_or(now),
            hold: self.hold.unwrap_or(true),
            folder: self.folder,
        }
    }
}

impl Dump {
    /// Returns whether the dump has entries and none of pald's comments: pald did not write it.
    pub fn is_foreign(&self) -> bool {
        let is_plain = |entry: &DumpEntry| {
            entry.created_at.is_none() && entry.hold.is_none() && entry.folder.is_none()
        };
        self.seal.is_none() && !self.entries.is_empty() && self.entries.iter().all(is_plain)
    }

    /// Returns the entries as registrations, made now where the dump has no date.
    pub fn registrations(&self) -> Vec<Registration> {
        let now = Timestamp::now();
        self.entries.iter().map(|entry| entry.clone().into_registration(now)).collect()
    }

    /// Returns the seal if the dump is whole: exactly what pald wrote.
    pub fn whole_seal(&self) -> Option<Seal> {
        let claimed = self.seal?;
        let mut seal = Seal::of(claimed.revision, []).with_id(claimed.id);
        for entry in &self.entries {
            // pald writes the date of every entry.
            seal.add(&entry.clone().into_registration(entry.created_at?));
        }
        let is_whole = seal.entries == claimed.entries && seal.check() == claimed.check;
        is_whole.then_some(seal)
    }
}

/// Parses a dump: all of it, or nothing.
///
/// # Errors
/// All bad lines, in order.
pub fn parse(text: &[u8]) -> Result<Dump, Vec<BadLine>> {
    // There are no more entries than ports.
    let most = text.iter().filter(|&&byte| byte == b'\n').count().min(usize::from(u16::MAX));
    let mut dump = Dump { entries: Vec::with_capacity(most), seal: None };
    let mut first_lines = FirstLines::with_capacity(most);
    let mut bad_lines = Vec::new();
    for (text, number) in text.split(|&byte| byte == b'\n').zip(1..) {
        let parsed = line::parse(text).and_then(|line| {
            dump.seal = line.seal.or(dump.seal);
            let Some(entry) = line.entry else {
                return Ok(());
            };
            if first_lines.add(&entry, number, &dump.entries)? {
                dump.entries.push(entry);
            }
            Ok(())
        });
        if let Err(error) = parsed {
            bad_lines.push(BadLine { number, error });
        }
    }
    if bad_lines.is_empty() { Ok(dump) } else { Err(bad_lines) }
}

/// The lines on which each name and each port first occurred.
struct FirstLines {
    names: HashMap<ServiceName, FirstLine>,
    ports: HashMap<Port, FirstLine>,
}

#[derive(Clone, Copy)]
struct FirstLine {
    number: usize,
    index: usize,
}

impl FirstLines {
    fn with_capacity(entries: usize) -> Self {
        Self { names: HashMap::with_capacity(entries), ports: HashMap::with_capacity(entries) }
    }

    /// Records an entry; `false` if it exactly repeats one of `entries`, which is harmless.
    fn add(
        &mut self,
        entry: &DumpEntry,
        number: usize,
        entries: &[DumpEntry],
    ) -> Result<bool, LineError> {
        let here = FirstLine { number, index: entries.len() };
        if let Some(first) = self.names.get(&entry.service) {
            let other = &entries[first.index];
            return match other {
                _ if other == entry => Ok(false),
                _ if other.port == entry.port => {
                    Err(LineError::Differs { service: entry.service.clone(), line: first.number })
                }
                _ => Err(LineError::NameTwice {
                    service: entry.service.clone(),
                    port: other.port,
                    line: first.number,
                }),
            };
        }
        match self.ports.entry(entry.port) {
            MapEntry::Occupied(first) => Err(LineError::PortTwice {
                port: entry.port,
                service: entries[first.get().index].service.clone(),
                line: first.get().number,
            }),
            MapEntry::Vacant(vacant) => {
                vacant.insert(here);
                self.names.insert(entry.service.clone(), here);
                Ok(true)
            }
        }
    }
}

/// Returns the maximum length of an entry's line, in bytes, without the seal on the last line.
pub fn max_line_bytes(registration: &Registration) -> usize {
    /// Tabs, port and line feed, and `# pald: since=2026-11-22T10:00:00Z hold=off folder=`.
    const REST: usize = 9 + 51;
    let Registration { service, addresses, folder, .. } = registration;
    let folder = folder.as_ref().map_or("", Folder::as_str);
    service.as_str().len() + addresses.as_str().len() + folder.len() + REST
}

/// The maximum length of the seal on the last line, in bytes: four words with numbers of up to 20,
/// 10, 8 and 16 digits.
pub const MAX_SEAL_BYTES: usize = 86;

/// Writes the dump of `registrations`, given in port order; `seal` is theirs, or `None` for a part
/// that others follow.
///
/// Without registrations the text is empty: the 2015 program can't read a line that holds only a
/// comment.
pub fn render<'a>(
    registrations: impl IntoIterator<Item = &'a Registration>,
    seal: impl Into<Option<Seal>>,
) -> String {
    let (mut text, seal) = (String::new(), seal.into());
    let mut registrations = registrations.into_iter().peekable();
    while let Some(registration) = registrations.next() {
        let Registration { service, port, addresses, created_at, hold, folder } = registration;
        let _ = write!(text, "{service}\t{port}\t{addresses}\t# pald: since={created_at}");
        if !hold {
            text.push_str(" hold=off");
        }
        if let Some(folder) = folder {
            let _ = write!(text, " folder={folder}");
        }
        if let Some(seal) = seal.filter(|_| registrations.peek().is_none()) {
            let (revision, entries, check) = (seal.revision, seal.entries, seal.check());
            let _ = write!(text, " revision={revision} entries={entries} check={check:08x}");
            if let Some(id) = seal.id {
                let _ = write!(text, " id={id}");
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
