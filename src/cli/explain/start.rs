//! Hints for what keeps the daemon from starting.

use std::io;
use std::path::Path;

use super::Explain;
use crate::cli::Exit;
use crate::dump_file::{BadLines, DumpFileError};
use crate::files::{ReadError, Shown};
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::{OpenError, Remedy};
use crate::store::{StoreError, note_place};

impl Explain for LockError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Held { .. } => {
                "Stop that program first, or set another `dump_file` or `data_dir`"
            }
            Self::NotALock { .. } => "Move it away, or set another `dump_file` or `data_dir`",
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
    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Dump(error) => error.hint(),
            Self::Unrecoverable { store, dump, remedy, .. } => Some(hint_of(*remedy, store, dump)),
            Self::TooMuch { .. } => Some("Remove services or addresses from it".to_owned()),
            Self::ListenRegistered { service, .. } => Some(format!(
                "Set another `port_listen`, or start pald where it listened before and release {service}"
            )),
            Self::Quarantine { .. } | Self::KeepDump { .. } | Self::Thread(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::of_open(self)
    }
}

fn hint_of(remedy: Remedy, store: &Path, dump: &Path) -> String {
    let note = note_place(store);
    let (store, dump, note) = (Shown(store), Shown(dump), Shown(&note));
    let backup =
        format!("Put a backup of the dump at {dump}, and move {store} away if it is there");
    match remedy {
        Remedy::Backup => backup,
        Remedy::Accept => format!("{backup}; or go on with what is left of the store: rm {note}"),
        Remedy::TakeEdited => format!(
            "{backup}; or if you have edited the dump yourself, take pald's comments out of it, \
             sed -i 's/# pald:.*//' {dump}, and move {store} away"
        ),
    }
}

impl Explain for StoreError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
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
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Read(ReadError::Link(_)) => {
                "Replace the link with the file, or set `dump_file` to the file itself".to_owned()
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
