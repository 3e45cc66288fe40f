//! The one table from what went wrong to an exit code, and how it is told.

use std::fmt;
use std::process::ExitCode;

use anyhow::Error;

use super::serve::ServeError;
use crate::dump_file::DumpFileError;
use crate::files::ReadError;
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::OpenError;
use crate::store::StoreError;

/// Exit codes. 2, for usage, is chosen by the parser of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Refused, or in conflict with another program.
    Conflict,
    /// A dump that can't be imported (EX_DATAERR of sysexits.h).
    Dump,
    /// A fault of pald itself (EX_SOFTWARE).
    Bug,
    /// The store, or the disk under it (EX_IOERR).
    Storage,
    /// The configuration (EX_CONFIG).
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Conflict => 4,
            Exit::Dump => 65,
            Exit::Bug => 70,
            Exit::Storage => 74,
            Exit::Config => 78,
        })
    }
}

/// An error on its way to the user: what happened, why, and what to do.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    hint: Option<String>,
    /// The code that the process ends with.
    pub exit: Exit,
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let (hint, exit) = (error.hint(), exit(&error));
        Self { error: error.into(), hint, exit }
    }
}

fn exit(error: &ServeError) -> Exit {
    match error {
        ServeError::Config(_)
        | ServeError::Locked(LockError::NotALock { .. })
        | ServeError::Open(OpenError::Store(StoreError::NotAStore { .. }))
        | ServeError::Open(OpenError::ListenRegistered { .. })
        | ServeError::Listen(ListenError::Refused { .. }) => Exit::Config,
        ServeError::Running { .. }
        | ServeError::Locked(LockError::Held { .. })
        | ServeError::Listen(ListenError::InUse { .. }) => Exit::Conflict,
        ServeError::Locked(LockError::Io { .. })
        | ServeError::Folder { .. }
        | ServeError::Descriptors => Exit::Storage,
        ServeError::Open(
            OpenError::Store(_)
            | OpenError::NothingWhole { .. }
            | OpenError::Quarantine { .. }
            | OpenError::KeepDump { .. }
            | OpenError::Dump(DumpFileError::Read(ReadError::Io { .. })),
        ) => Exit::Storage,
        ServeError::Open(OpenError::Dump(_) | OpenError::TooMuch { .. }) => Exit::Dump,
        ServeError::Open(OpenError::Thread(_)) | ServeError::Http(_) => Exit::Bug,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error: {}", self.error)?;
        self.error.chain().skip(1).try_for_each(|cause| write!(f, ": {cause}"))?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}
