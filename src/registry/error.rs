//! What can keep a registry from opening and a change from being made, in words.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::dump::Dump;
use crate::dump_file::{BadLines, DumpFileError, FoundDump, MAX_BYTES};
use crate::files::Shown;
use crate::folder::Folder;
use crate::port::{Port, PortRange};
use crate::probe::Occupied;
use crate::registry::Target;
use crate::registry_id::RegistryId;
use crate::service_name::{ServiceName, ServiceNameError};
use crate::store::StoreError;

/// How many conflicts of an import a message names.
const MAX_CONFLICTS: usize = 5;

/// Why a registry did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store can't be opened or made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The dump is to be imported and can't be.
    #[error(transparent)]
    Dump(#[from] DumpFileError),
    /// The store is missing or damaged, and the dump can't replace it.
    #[error("{problem}; and the dump {} can't replace it: {reason}", Shown(.dump))]
    Unrecoverable {
        /// What is wrong with the store.
        problem: String,
        /// The store.
        store: PathBuf,
        /// The dump.
        dump: PathBuf,
        /// What is wrong with the dump.
        reason: DumpProblem,
    },
    /// The store is missing or damaged, and the dump is whole, but not known to be this registry's.
    #[error(
        "{problem}; and the dump {} {}",
        Shown(.dump),
        if found.is_some() { "is another registry's" } else { "does not say which registry it is" }
    )]
    AnotherRegistry {
        /// What is wrong with the store.
        problem: String,
        /// The store.
        store: PathBuf,
        /// The dump.
        dump: PathBuf,
        /// Which registry the dump is; pald 0.1 wrote none.
        found: Option<RegistryId>,
    },
    /// The registry would be larger than a dump of it may be.
    #[error("{} holds more than a dump of {MAX_BYTES} bytes can; nothing was imported", Shown(.path))]
    TooMuch {
        /// The dump.
        path: PathBuf,
    },
    /// pald is told to listen on a service's port.
    #[error("port_listen is {port}, which is registered to {service}")]
    ListenRegistered {
        /// The port.
        port: Port,
        /// Whose it is.
        service: ServiceName,
    },
    /// The damaged store can't be moved aside.
    #[error("Can't move the damaged store {} aside", Shown(.path))]
    SetAside {
        /// The store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A copy of the dump can't be written.
    #[error("Can't keep a copy of {} beside it; nothing was changed", Shown(.path))]
    KeepDump {
        /// The dump.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no random numbers for the id of a registry.
    #[error("Can't draw an id for the registry")]
    Random(#[source] io::Error),
    /// The system has no thread left.
    #[error("Can't start a thread")]
    Thread(#[source] io::Error),
}

/// Why a dump can't take the place of a store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DumpProblem {
    /// There is no dump.
    #[error("it does not exist")]
    Missing,
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It has no entries.
    #[error("it has no services")]
    Blank,
    /// It is larger than a dump may be.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Lines of it can't be read.
    #[error("{0}")]
    BadLines(String),
    /// pald has not written it.
    #[error("pald did not write it")]
    Foreign,
    /// It has entries of pald's, but no seal.
    #[error("its last line does not say what it should hold")]
    Unsealed,
    /// Its entries are not the ones of its seal.
    #[error(
        "its {found} services are not the {sealed} of revision {revision} that its last line speaks of"
    )]
    Edited {
        /// How many entries it has.
        found: usize,
        /// How many it should have.
        sealed: u32,
        /// The revision that it claims.
        revision: u64,
    },
}

impl DumpProblem {
    /// What keeps a dump from being whole.
    pub(super) fn of(dump: Option<FoundDump>) -> Self {
        let Some(FoundDump { bytes, parsed, .. }) = dump else { return Self::Missing };
        match parsed {
            _ if bytes.is_empty() => Self::Empty,
            Err(BadLines { lines, .. }) => Self::BadLines(match &lines[..] {
                [line] => format!("line {}: {}", line.number, line.error),
                lines => format!("it has {} bad lines", lines.len()),
            }),
            Ok(dump) if dump.entries.is_empty() => Self::Blank,
            Ok(dump) if dump.is_foreign() => Self::Foreign,
            Ok(Dump { entries, seal: Some(claimed) }) => Self::Edited {
                found: entries.len(),
                sealed: claimed.entries,
                revision: claimed.revision,
            },
            Ok(Dump { seal: None, .. }) => Self::Unsealed,
        }
    }

    /// Whether a person may have made the dump what it is, so that it can be taken as it is.
    pub fn has_entries(&self) -> bool {
        matches!(self, Self::Foreign | Self::Unsealed | Self::Edited { .. })
    }
}

/// Why a change was not made, or none of it is known to be: after [`Storage`](Self::Storage) and
/// [`Unanswered`](Self::Unanswered) it may be on disk, and appear after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// Every port of the range is registered or in use by others.
    #[error(
        "No ports available: all {size} ports in {port_range} are registered ({}){}",
        size - occupied.total(),
        occupied
    )]
    Exhausted {
        /// The range.
        port_range: PortRange,
        /// The number of its ports, without the one where pald listens.
        size: usize,
        /// How many of them are in the way of a claim, and of what kind.
        occupied: OccupiedCount,
        /// The first few of these, with what was met.
        first_occupied: Vec<(Port, Occupied)>,
    },
    /// Another service has the requested port.
    #[error("Port {port} is already registered to {service}")]
    Taken {
        /// The port.
        port: Port,
        /// The service that has it.
        service: ServiceName,
    },
    /// The service must be new, and is registered.
    #[error("{service} is already registered on port {port}")]
    NotNew {
        /// The service.
        service: ServiceName,
        /// Its port.
        port: Port,
    },
    /// A service is to get a name that another one has.
    #[error("{service} is already registered on port {port}")]
    NameTaken {
        /// The service that has the name.
        service: ServiceName,
        /// Its port.
        port: Port,
    },
    /// A service is to get a name that does not go with its checkout's.
    #[error("{service} is no name for this checkout, since {} has another label", Shown(&.folder.path()))]
    OtherCheckout {
        /// The name.
        service: ServiceName,
        /// The folder of the checkout that has the label, or of this one, which has another.
        folder: Folder,
    },
    /// The service is registered on another port than the requested one.
    #[error("{service} is already registered on port {registered}, not {wanted}")]
    OtherPort {
        /// The service.
        service: ServiceName,
        /// The port that it has.
        registered: Port,
        /// The port that was asked for.
        wanted: Port,
    },
    /// The requested port is pald's own.
    #[error("Port {0} is where pald itself listens")]
    Listening(Port),
    /// The system does not let pald look whether a port is free.
    #[error("Can't tell whether port {port} is free: {reason}")]
    Probe {
        /// The port.
        port: Port,
        /// What the system said.
        reason: Arc<str>,
    },
    /// A service of a project would have an illegal name.
    #[error(transparent)]
    Name(#[from] ServiceNameError),
    /// There is no such registration.
    #[error("{0} is not registered")]
    NotRegistered(Target),
    /// The dump contradicts the registry; at least one conflict.
    #[error("{}; nothing was imported", conflicts(.0))]
    Conflict(Vec<ImportConflict>),
    /// The dump has a service on the port where pald listens.
    #[error("{service} can't have port {port}, where pald itself listens; nothing was imported")]
    OwnPort {
        /// The first such service.
        service: ServiceName,
        /// The port.
        port: Port,
    },
    /// A dump of the registry would be too large to be read again.
    #[error("The registry would not fit in a dump of {MAX_BYTES} bytes")]
    TooLarge,
    /// The store failed, now or before; only a restart can help.
    #[error("Changes are not accepted, because the store failed: {0}")]
    Storage(Arc<str>),
    /// The committer ended before it answered; the change may have been made.
    #[error("No answer: pald is shutting down, or had an internal error")]
    Unanswered,
}

/// How many ports could not be claimed, by what was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OccupiedCount {
    /// Others use them.
    pub in_use: usize,
    /// Connections to them get no answer.
    pub swallowed: usize,
    /// pald's user may not bind them.
    pub forbidden: usize,
}

impl OccupiedCount {
    /// Returns how many they are in all.
    pub fn total(self) -> usize {
        self.in_use + self.swallowed + self.forbidden
    }
}

impl FromIterator<Occupied> for OccupiedCount {
    fn from_iter<I: IntoIterator<Item = Occupied>>(all: I) -> Self {
        let mut count = Self::default();
        for occupied in all {
            *match occupied {
                Occupied::Tcp | Occupied::Udp | Occupied::Redirected(_) => &mut count.in_use,
                Occupied::Swallowed(_) => &mut count.swallowed,
                Occupied::Forbidden => &mut count.forbidden,
            } += 1;
        }
        count
    }
}

impl fmt::Display for OccupiedCount {
    /// `, without an answer (2) or in use by others (3)`: the rest of a list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rare = [("not for pald's user", self.forbidden), ("without an answer", self.swallowed)];
        for (what, count) in rare.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {what} ({count})")?;
        }
        write!(f, " or in use by others ({})", self.in_use)
    }
}

/// What keeps an entry of a dump from being imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportConflict {
    /// The service is registered on another port.
    #[error("{service} is registered on port {registered}, not {wanted}")]
    OtherPort {
        /// The service.
        service: ServiceName,
        /// The port that it has.
        registered: Port,
        /// The port that the dump gives it.
        wanted: Port,
    },
    /// Another service has the port.
    #[error("{service} can't have port {port}, which is {owner}'s")]
    PortTaken {
        /// The service of the dump.
        service: ServiceName,
        /// The port.
        port: Port,
        /// The service that has it.
        owner: ServiceName,
    },
}

/// The first few conflicts, on one line.
fn conflicts(all: &[ImportConflict]) -> String {
    let named: Vec<_> = all.iter().take(MAX_CONFLICTS).map(ToString::to_string).collect();
    match all.len() - named.len() {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports below `ip_unprivileged_port_start` and those that a firewall swallows were told as "in
    /// use by others".
    #[test]
    fn a_full_range_says_of_each_kind_of_port_how_many_there_are() {
        let (one, five) = (Port::new(1).unwrap(), Port::new(5).unwrap());
        let port_range = PortRange::new(one, five).unwrap();
        let address = ([127, 0, 0, 1], 1).into();
        let (swallowed, redirected) = (Occupied::Swallowed(address), Occupied::Redirected(address));
        let rows: &[(&[Occupied], &str)] = &[
            (&[], "(5) or in use by others (0)"),
            (&[Occupied::Tcp, Occupied::Udp, redirected], "(2) or in use by others (3)"),
            (&[swallowed, Occupied::Tcp], "(3), without an answer (1) or in use by others (1)"),
            (&[Occupied::Forbidden; 5], "(0), not for pald's user (5) or in use by others (0)"),
        ];
        for (met, end) in rows {
            let occupied = met.iter().copied().collect();
            let first_occupied = Vec::new();
            let error = ChangeError::Exhausted { port_range, size: 5, occupied, first_occupied };
            let start = "No ports available: all 5 ports in 1-5 are registered ";
            assert_eq!(error.to_string(), format!("{start}{end}"));
        }
    }

    #[test]
    fn what_keeps_a_dump_from_taking_a_stores_place_is_told_apart() {
        let found = |text: &str| {
            let parsed = crate::dump::parse(text.as_bytes())
                .map_err(|lines| BadLines { path: PathBuf::new(), lines });
            FoundDump { bytes: text.into(), parsed, whole_seal: None, state: None }
        };
        let sealed = "a 1 # pald: since=2026-11-22T10:00:00Z revision=3 entries=2 check=00000000";
        // (dump, what is wrong with it, whether a person may have edited it)
        let rows = [
            ("", "it is empty", false),
            ("# x\n", "it has no services", false),
            ("a 1\n", "pald did not write it", true),
            ("a 0\n", "line 1: port 0 is outside 1-65535", false),
            ("a 0\nb 0\n", "it has 2 bad lines", false),
            (
                "a 1 # pald: since=2026-11-22T10:00:00Z\n",
                "its last line does not say what it should hold",
                true,
            ),
            (
                sealed,
                "its 1 services are not the 2 of revision 3 that its last line speaks of",
                true,
            ),
        ];
        for (text, expected, has_entries) in rows {
            let problem = DumpProblem::of(Some(found(text)));
            assert_eq!(problem.to_string(), expected, "{text:?}");
            assert_eq!(problem.has_entries(), has_entries, "{text:?}");
        }
        assert_eq!(DumpProblem::of(None).to_string(), "it does not exist");
    }

    #[test]
    fn the_first_few_conflicts_are_named() {
        let conflict = |number| ImportConflict::PortTaken {
            service: ServiceName::parse(format!("s{number}")).unwrap(),
            port: Port::new(number).unwrap(),
            owner: ServiceName::parse("web").unwrap(),
        };
        let told =
            |count: u16| ChangeError::Conflict((1..=count).map(conflict).collect()).to_string();
        assert_eq!(told(1), "s1 can't have port 1, which is web's; nothing was imported");
        assert!(told(5).ends_with("s5 can't have port 5, which is web's; nothing was imported"));
        assert!(
            told(7).ends_with("which is web's; and 2 more; nothing was imported"),
            "{}",
            told(7)
        );
    }
}
