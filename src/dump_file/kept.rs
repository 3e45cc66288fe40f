//! Keeps a dump that somebody else put in the place of pald's own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use super::{BadLines, FoundDump, read};
use crate::dump::DumpEntry;
use crate::files::{self, InShell, Shown};
use crate::port::Port;
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

/// What follows the name of a dump that was kept, before the time.
const KEPT: &str = ".kept-";
/// How many kept dumps stay; older ones are removed.
const MAX_KEPT: usize = 5;
/// How many differences a warning names.
const MAX_NAMED: usize = 5;

/// Moves the dump at `path` aside if it says anything else than `registrations`, and says so.
///
/// # Errors
/// What the system said; the dump is then still there.
pub(super) fn keep_if_different(
    path: &Path,
    registrations: &[Arc<Registration>],
) -> io::Result<()> {
    let found = read(path);
    let differences = match &found {
        Ok(None) => return Ok(()),
        // It says nothing that could be lost.
        Ok(Some(found)) if found.bytes.is_empty() => return Ok(()),
        Ok(Some(found)) => match &found.parsed {
            Ok(dump) => differences(registrations, &dump.entries),
            Err(BadLines { lines, .. }) => {
                lines.iter().map(|line| format!("line {}: {}", line.number, line.error)).collect()
            }
        },
        // It can be a link, a folder, somebody else's, or too large: whatever it is, it is moved.
        Err(error) => vec![error.to_string()],
    };
    if differences.is_empty() {
        return Ok(());
    }
    // The checksum of a dump that pald wrote no longer fits once it is edited.
    let is_edited = matches!(&found, Ok(Some(FoundDump { parsed: Ok(dump), whole_seal: None, .. }))
        if !dump.is_foreign());
    let suffix = format!("{KEPT}{}", Timestamp::now().compact());
    let copy = files::unused_sibling(path, &suffix);
    fs::rename(path, &copy)?;
    files::sync_folder_of(path)?;
    remove_oldest(path);
    let more = match differences.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let named = differences[..differences.len().min(MAX_NAMED)].join("; ");
    let (dump, shown, file) = (Shown(path), Shown(&copy), InShell(&copy));
    let command = match is_edited {
        true => format!("sed 's/# pald:.*//' {file} | pald import --replace --yes -"),
        false => format!("pald import --replace {file}"),
    };
    warn!(
        "The dump {dump} differs from the registry: {named}{more}. It is kept as {shown}, and written \
         again from the store. To take it over instead: {command}"
    );
    Ok(())
}

/// Removes the oldest of the kept dumps, so that only the newest few stay.
fn remove_oldest(path: &Path) {
    let kept = files::siblings(path, KEPT);
    for oldest in &kept[..kept.len().saturating_sub(MAX_KEPT)] {
        if let Err(cause) = fs::remove_file(oldest) {
            warn!(dump = %Shown(oldest), %cause, "Can't remove an old copy of the dump");
        }
    }
}

/// In which services a dump differs from the registry, in words.
fn differences(registrations: &[Arc<Registration>], dumped: &[DumpEntry]) -> Vec<String> {
    let dumped: BTreeMap<&ServiceName, _> = dumped.iter().map(|e| (&e.service, e)).collect();
    let known: BTreeMap<&ServiceName, Port> =
        registrations.iter().map(|known| (&known.service, known.port)).collect();
    let added = dumped.values().filter(|entry| !known.contains_key(&entry.service));
    let added = added.map(|entry| format!("it adds {} on {}", entry.service, entry.port));
    let changed = registrations.iter().filter_map(|known| match dumped.get(&known.service) {
        None => Some(format!("it lacks {} on {}", known.service, known.port)),
        Some(entry) => difference(known, entry),
    });
    added.chain(changed).collect()
}

/// In what an entry differs from the registration of the same service, in words.
fn difference(known: &Registration, entry: &DumpEntry) -> Option<String> {
    let Registration { service, port, addresses, created_at, hold, folder } = known;
    // A line with a date is pald's own, which leaves out what goes without saying. A line of the 2015
    // program says nothing about dates, holds and folders.
    let is_own = entry.created_at.is_some();
    let other_hold = entry.hold.or(is_own.then_some(true)).is_some_and(|other| other != *hold);
    let other_folder = (is_own || entry.folder.is_some()) && entry.folder != *folder;
    match entry {
        _ if entry.port != *port => {
            Some(format!("it has {service} on {} instead of {port}", entry.port))
        }
        _ if entry.addresses != *addresses => Some(format!("it has other addresses for {service}")),
        _ if other_hold => Some(format!("it has another `hold` for {service}")),
        _ if other_folder => Some(format!("it has another folder for {service}")),
        _ if entry.created_at.is_some_and(|time| time != *created_at) => {
            Some(format!("it has another date for {service}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump;

    #[test]
    fn each_field_of_an_entry_counts() {
        let own = "shop 7 db # pald: since=2026-11-22T10:00:00Z folder=/shop\n\
                   web 8 # pald: since=2026-11-22T10:00:00Z hold=off\n";
        let registrations: Vec<_> = dump::parse(own.as_bytes())
            .unwrap()
            .registrations()
            .into_iter()
            .map(Arc::new)
            .collect();
        let rows: [(&str, &str, &[&str]); 12] = [
            ("", "", &[]),
            // What the 2015 program would write of it.
            ("since=2026-11-22T10:00:00Z folder=/shop", "", &[]),
            ("since=2026-11-22T10:00:00Z hold=off", "", &[]),
            ("shop 7", "shop 9", &["it has shop on 9 instead of 7"]),
            (" db ", " ", &["it has other addresses for shop"]),
            (" db ", " db,x ", &["it has other addresses for shop"]),
            (" hold=off", "", &["it has another `hold` for web"]),
            (" folder=/shop", " folder=/shop hold=off", &["it has another `hold` for shop"]),
            (" folder=/shop", "", &["it has another folder for shop"]),
            (" folder=/shop", " folder=/x", &["it has another folder for shop"]),
            ("10:00:00Z folder", "10:00:01Z folder", &["it has another date for shop"]),
            ("web", "x", &["it adds x on 8", "it lacks web on 8"]),
        ];
        for (from, to, expected) in rows {
            let edited = own.replacen(from, to, 1);
            let dump = dump::parse(edited.as_bytes()).unwrap();
            assert_eq!(differences(&registrations, &dump.entries), expected, "{edited}");
        }
    }

    #[test]
    fn the_newest_few_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        for day in 10..17 {
            fs::write(files::sibling(&path, &format!(".kept-202611{day}T100000Z")), "").unwrap();
        }
        remove_oldest(&path);
        let kept = files::siblings(&path, KEPT);
        assert_eq!(kept.len(), MAX_KEPT);
        assert!(kept[0].ends_with("dump.kept-20261112T100000Z"), "{kept:?}");
    }
}
