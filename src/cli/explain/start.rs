//! Hints for what keeps the daemon from starting.

use std::error::Error as _;
use std::io;
use std::path::Path;

use super::{Explain, sentence};
use crate::cli::Exit;
use crate::dump_file::{BadLines, DumpFileError};
use crate::files::ownership::UnsafePath;
use crate::files::{self, InShell, ReadError, Shown};
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::{DumpProblem, OpenError};
use crate::store::{StoreError, record_place};

impl Explain for UnsafePath {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Writable { .. } => {
                let command = self.remedy().unwrap_or_default();
                format!("Make sure that nobody else changed what is there, then: {command}")
            }
            Self::Io { .. } => "Check the disk and the folder's permissions".to_owned(),
            _ => {
                "Move it away, or set `data_dir` and `dump_file` to a folder of your own".to_owned()
            }
        })
    }

    fn exit(&self) -> Exit {
        Exit::of_unsafe(self)
    }
}

impl Explain for LockError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Held { .. } => {
                "Stop that program first, or set another `dump_file` or `data_dir`"
            }
            Self::NotALock { .. } => "Move it away, or set another `dump_file` or `data_dir`",
            Self::Unsafe(error) => return error.hint(),
            Self::Io { .. } => "Check the disk and the folder's permissions",
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_lock(self)
    }
}

impl Explain for ListenError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InUse { .. } => "Stop that program, or set another `port_listen`",
            Self::NotYet { .. } => "Start pald again later, or set another `port_listen`",
            Self::Refused { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "Set `port_listen` to a port above 1023"
            }
            Self::Refused { .. } => return None,
            Self::HandedOver { .. } => {
                "Fix the socket unit with `systemctl --user edit --full pald.socket`, or set `port_listen`"
            }
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_listen(self)
    }
}

impl Explain for OpenError {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Dump(error) => error.lines(),
            error => vec![sentence(error.to_string(), error.source())],
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Dump(error) => error.hint(),
            Self::Unrecoverable { store, dump, reason, .. } => {
                Some(without_store_or_dump(store, dump, reason))
            }
            Self::AnotherRegistry { store, dump, .. } => Some(with_another_dump(store, dump)),
            Self::TooMuch { .. } => Some("Remove services or addresses from it".to_owned()),
            Self::ListenRegistered { service, .. } => Some(format!(
                "Set another `port_listen`, or start pald where it listened before and release {service}"
            )),
            Self::SetAside { .. } | Self::KeepDump { .. } => Some(
                "Check the disk and the folder's permissions, then start pald again".to_owned(),
            ),
            Self::Random(_) => None,
            Self::Thread(_) => Some("End other programs, then start pald again".to_owned()),
        }
    }

    fn exit(&self) -> Exit {
        Exit::of_open(self)
    }
}

/// The ways on where neither the store nor the dump can be served.
fn without_store_or_dump(store: &Path, dump: &Path, reason: &DumpProblem) -> String {
    let aside = move_aside(store);
    let (file, record) = (InShell(dump), record_place(store));
    let backup = format!("Put a backup of the dump at {} and start pald again", Shown(dump));
    let as_it_is = match reason.has_entries() {
        true => format!(
            "; or take the dump as it is, if you have edited it: {aside}sed -i 's/# pald:.*//' {file}"
        ),
        false => String::new(),
    };
    let anew = format!("{aside}rm -f {} {file}", InShell(&record));
    format!("{backup}{as_it_is}; or begin without services: {anew}")
}

/// The two ways on where the dump is another registry's.
fn with_another_dump(store: &Path, dump: &Path) -> String {
    let aside = move_aside(store);
    format!(
        "Put a dump of this registry at {} and start pald again; or go on with the one that is \
         there: {aside}rm -f {}",
        Shown(dump),
        InShell(&record_place(store))
    )
}

/// The command that moves what is left of the store away, up to the next command.
fn move_aside(store: &Path) -> String {
    let aside = files::unused_sibling(store, ".old");
    match store.exists() {
        true => format!("mv {} {} && ", InShell(store), InShell(&aside)),
        false => String::new(),
    }
}

impl Explain for StoreError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            error if error.is_temporary() => {
                "Nothing is damaged: free space, memory, threads or open files, then start pald again"
            }
            Self::Beside(_) => "Move it away, or set `data_dir` to a new folder",
            Self::Unsafe(error) => return error.hint(),
            Self::MountPoint { .. } => "Set `data_dir` to a folder inside it",
            Self::Link { .. } => {
                "Set `data_dir` to the folder that it leads to, or put the store there back"
            }
            Self::Io { .. } | Self::Sled { .. } => {
                "Check the disk and the folder's permissions, then start pald again"
            }
            Self::TooNew { .. } => "Start the version of pald that wrote it, or a later one",
            Self::NotAStore { .. } => "Set `data_dir` to a new folder",
            // What helps depends on the dump; `OpenError::Unrecoverable` has its remedy.
            Self::Panicked { .. } | Self::Record { .. } | Self::Contradiction { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_store(self)
    }
}

impl Explain for DumpFileError {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Read(error) => vec![sentence(error.to_string(), error.source())],
            // It quotes what the file says, so its line breaks are its own.
            Self::Lines(lines) => lines.to_string().lines().map(str::to_owned).collect(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read(ReadError::Io { source, .. }) if files::is_temporary(source) => {
                "Nothing is damaged: free memory or open files, then start pald again".to_owned()
            }
            Self::Read(_) => {
                "Set `dump_file` to a file that belongs to you, or to a new name".to_owned()
            }
            Self::Lines(BadLines { lines, .. }) => match &lines[..] {
                [line] => format!("Fix line {} and start pald again", line.number),
                _ => "Fix these lines and start pald again".to_owned(),
            },
        })
    }

    fn exit(&self) -> Exit {
        Exit::of_dump_file(self)
    }
}
