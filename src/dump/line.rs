//! Parses one line of a dump.

use super::{ClaimedSeal, DumpEntry, LineError};
use crate::addresses::Addresses;
use crate::folder::Folder;
use crate::port::Port;
use crate::quoted::Quoted;
use crate::registry_id::RegistryId;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

/// The maximum length of a line, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// The start of pald's own comments.
const OWN_COMMENT: &str = "pald:";

/// A parsed line; both fields are `None` for a blank line and for a line with only a comment.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) entry: Option<DumpEntry>,
    pub(super) seal: Option<ClaimedSeal>,
}

/// Parses a line, given without its line feed.
pub(super) fn parse(line: &[u8]) -> Result<Line, LineError> {
    if line.len() > MAX_BYTES {
        return Err(LineError::TooLong { bytes: line.len() });
    }
    let line = std::str::from_utf8(line)
        .ok()
        .filter(|line| line.is_ascii())
        .ok_or_else(|| LineError::NotAscii(Quoted::new(line)))?;
    let (fields, comment) = line.split_once('#').unwrap_or((line, ""));
    let fields: Vec<&str> = words(fields).collect();
    let (name, port, addresses) = match fields[..] {
        [] => return Ok(Line::default()),
        [name] => return Err(LineError::NoPort(Quoted::new(name))),
        [name, port] => (name, port, ""),
        [name, port, addresses] => (name, port, addresses),
        [_, _, _, next, ..] => return Err(LineError::FourthField(Quoted::new(next))),
    };
    let mut comment = Comment::parse(comment)?;
    let entry = DumpEntry {
        service: ServiceName::parse(name)?,
        port: Port::parse_padded(port)?,
        addresses: Addresses::parse(addresses)?,
        created_at: comment.since,
        hold: comment.hold,
        folder: comment.folder.take(),
    };
    Ok(Line { entry: Some(entry), seal: comment.seal()? })
}

/// Splits at the blanks that `\s` matches in the 2015 program's regular expressions.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\r', '\x0c']).filter(|word| !word.is_empty())
}

/// pald's comment after an entry; unknown words, perhaps of a later version, are skipped.
#[derive(Default)]
struct Comment {
    since: Option<Timestamp>,
    hold: Option<bool>,
    revision: Option<u64>,
    entries: Option<u32>,
    check: Option<u32>,
    id: Option<RegistryId>,
    folder: Option<Folder>,
}

impl Comment {
    fn parse(comment: &str) -> Result<Self, LineError> {
        let mut parsed = Self::default();
        let Some(own) = comment.trim_ascii_start().strip_prefix(OWN_COMMENT) else {
            return Ok(parsed);
        };
        for word in words(own) {
            let Some((key, value)) = word.split_once('=') else {
                continue;
            };
            let is_valid = match key {
                "since" => set(&mut parsed.since, Timestamp::parse(value)),
                "hold" => set(&mut parsed.hold, on_or_off(value)),
                "revision" => set(&mut parsed.revision, digits(value).and_then(|v| v.parse().ok())),
                "entries" => set(&mut parsed.entries, digits(value).and_then(|v| v.parse().ok())),
                "check" => {
                    let check = digits(value).and_then(|v| u32::from_str_radix(v, 16).ok());
                    set(&mut parsed.check, check)
                }
                "id" => set(&mut parsed.id, RegistryId::parse(value)),
                "folder" => set(&mut parsed.folder, Folder::parse(value).ok()),
                _ => true,
            };
            if !is_valid {
                return Err(LineError::Comment(Quoted::new(word)));
            }
        }
        Ok(parsed)
    }

    /// Returns the seal if its first three words are there, `None` if none is.
    fn seal(&self) -> Result<Option<ClaimedSeal>, LineError> {
        match (self.revision, self.entries, self.check, self.id) {
            (Some(revision), Some(entries), Some(check), id) => {
                Ok(Some(ClaimedSeal { revision, entries, check, id }))
            }
            (None, None, None, None) => Ok(None),
            _ => Err(LineError::PartOfSeal),
        }
    }
}

/// Fills the slot; returns `false` if there is no value, or the slot was already full.
fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let is_first = slot.is_none();
    *slot = value;
    is_first && slot.is_some()
}

/// Returns the text if it has only digits, hexadecimal ones included: the standard library's number
/// parsers also accept a sign.
fn digits(value: &str) -> Option<&str> {
    value.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(value)
}

fn on_or_off(value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}
