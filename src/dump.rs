//! The text dump of a registry: text to entries and back. Opens no file.
//!
//! The format is the 2015 program's: a line per service in port order, `name TAB port TAB
//! addresses`. What pald itself wants to remember stands in a comment at the end of the line,
//! where that program's reader passes over it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt::Write as _;

use crate::addresses::Addresses;
use crate::port::Port;
use crate::registration::Registration;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

mod line;
mod line_error;

pub use line_error::{BadLine, LineError};

/// A registry as a dump tells it: every name and every port occurs once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dump {
    /// The entries, in the order of their lines.
    pub entries: Vec<DumpEntry>,
    /// What the dump says of itself; none if pald did not write its end.
    pub seal: Option<ClaimedSeal>,
}

/// One service in a dump; what a line did not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpEntry {
    /// Whose port it is.
    pub service: ServiceName,
    /// The port.
    pub port: Port,
    /// Its addresses.
    pub addresses: Addresses,
    /// When it was registered.
    pub created_at: Option<Timestamp>,
    /// Whether the port may be held.
    pub hold: Option<bool>,
}

/// What the last comment of a dump says about the whole; it may not be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedSeal {
    /// The revision of the registry that was written.
    pub revision: u64,
    /// How many entries it had.
    pub entries: u32,
    /// Its [`Seal::check`].
    pub check: u32,
}

impl DumpEntry {
    /// The entry as the registry keeps it; registered `now` if the dump does not say when.
    pub fn into_registration(self, now: Timestamp) -> Registration {
        Registration {
            service: self.service,
            port: self.port,
            addresses: self.addresses,
            created_at: self.created_at.unwrap_or(now),
            hold: self.hold.unwrap_or(true),
        }
    }
}

impl Dump {
    /// Whether it has entries, all of them without a word of pald's.
    pub fn is_foreign(&self) -> bool {
        let is_plain = |entry: &DumpEntry| entry.created_at.is_none() && entry.hold.is_none();
        self.seal.is_none() && !self.entries.is_empty() && self.entries.iter().all(is_plain)
    }

    /// Its entries as the registry keeps them; registered now where it does not say when.
    pub fn registrations(&self) -> Vec<Registration> {
        let now = Timestamp::now();
        self.entries.iter().map(|entry| entry.clone().into_registration(now)).collect()
    }

    /// Its seal, if it is whole: just as pald has written it.
    pub fn whole_seal(&self) -> Option<Seal> {
        let claimed = self.seal?;
        let mut seal = Seal::of(claimed.revision, []);
        for entry in &self.entries {
            // A dump of pald says of each entry when it was registered.
            seal.add(&entry.clone().into_registration(entry.created_at?));
        }
        let is_whole = seal.entries == claimed.entries && seal.check() == claimed.check;
        is_whole.then_some(seal)
    }
}

/// Reads a dump, whole or not at all.
///
/// # Errors
/// All lines that are not as they should be, in order.
pub fn parse(text: &[u8]) -> Result<Dump, Vec<BadLine>> {
    // Each entry has a port of its own.
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
            if first_lines.is_new(&entry, number, &dump.entries)? {
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

/// Where each name and each port occurred first.
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

    /// Whether the entry is not yet among `entries`; repeating one to the letter is harmless.
    fn is_new(
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

/// How long the line of an entry is at the most, in bytes, without what the last line says of the
/// whole.
pub fn max_line_bytes(registration: &Registration) -> usize {
    /// Tabs, the port, the line feed, and `# pald: since=2026-11-22T10:00:00Z hold=off`.
    const REST: usize = 9 + 43;
    registration.service.as_str().len() + registration.addresses.as_str().len() + REST
}

/// How long what the last line says of the whole is at the most, in bytes: three words with a
/// number of 20, 10 and 8 digits.
pub const MAX_SEAL_BYTES: usize = 66;

/// Writes a dump of `registrations`, which come in port order and are what `seal` speaks of.
///
/// A registry without entries is an empty text: the 2015 program's reader takes no line that
/// holds only a comment.
pub fn render<'a>(registrations: impl IntoIterator<Item = &'a Registration>, seal: Seal) -> String {
    let mut text = String::new();
    let mut registrations = registrations.into_iter().peekable();
    while let Some(registration) = registrations.next() {
        let Registration { service, port, addresses, created_at, hold } = registration;
        let _ = write!(text, "{service}\t{port}\t{addresses}\t# pald: since={created_at}");
        if !hold {
            text.push_str(" hold=off");
        }
        if registrations.peek().is_none() {
            let (revision, entries, check) = (seal.revision, seal.entries, seal.check());
            let _ = write!(text, " revision={revision} entries={entries} check={check:08x}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
