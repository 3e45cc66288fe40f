//! The one table from what went wrong to an exit code.

use std::process::ExitCode;

use super::daemon::ServeError;
use super::error::CommandError;
use super::service::ServiceError;
use crate::api::ProblemType;
use crate::client::ClientError;
use crate::dump_file::DumpFileError;
use crate::files::ReadError;
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::OpenError;
use crate::store::StoreError;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The answer is no.
    No,
    /// The command line is wrong; the parser of the command line ends with it too.
    Usage,
    /// No daemon answers.
    NoDaemon,
    /// Refused, or in conflict with another program.
    Conflict,
    /// No port is left in the range.
    Exhausted,
    /// A dump that can't be imported (EX_DATAERR of sysexits.h).
    Dump,
    /// A fault of pald itself (EX_SOFTWARE).
    Bug,
    /// The store, or the disk under it (EX_IOERR).
    Storage,
    /// The configuration (EX_CONFIG).
    Config,
    /// A command that is there and can't be run, as with env(1).
    NotRunnable,
    /// A command that is not there, as with env(1).
    NoSuchCommand,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::NoDaemon => 3,
            Exit::Conflict => 4,
            Exit::Exhausted => 5,
            Exit::Dump => 65,
            Exit::Bug => 70,
            Exit::Storage => 74,
            Exit::Config => 78,
            Exit::NotRunnable => 126,
            Exit::NoSuchCommand => 127,
        })
    }
}

impl From<&CommandError> for Exit {
    fn from(error: &CommandError) -> Self {
        match error {
            CommandError::Faults(_)
            | CommandError::Nobody { .. }
            | CommandError::Untold { .. }
            | CommandError::Declined => Self::No,
            CommandError::UrlFlag(_)
            | CommandError::Variable(_)
            | CommandError::VariableTwice(_)
            | CommandError::Pattern { .. }
            | CommandError::NotAFile { .. }
            | CommandError::NoManual(_)
            | CommandError::Unconfirmed => Self::Usage,
            CommandError::InUse { .. } => Self::Conflict,
            CommandError::Lines { .. } | CommandError::TooLarge { .. } => Self::Dump,
            CommandError::Read { .. } | CommandError::Write { .. } | CommandError::Answer(_) => {
                Self::Storage
            }
            CommandError::UrlVariable(_) => Self::Config,
            CommandError::NotRunnable { .. } => Self::NotRunnable,
            CommandError::NoSuchCommand { .. } => Self::NoSuchCommand,
        }
    }
}

impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Self {
        match error {
            ClientError::Nobody { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Slow { .. }
            | ClientError::Ended { .. }
            | ClientError::NotPald { .. } => Self::NoDaemon,
            // The request was wrong, or pald has made a mistake (RFC 9110 section 15).
            ClientError::Problem(problem) if problem.kind == ProblemType::Blank => {
                if problem.status < 500 { Self::Usage } else { Self::Bug }
            }
            ClientError::Problem(problem) => problem.kind.into(),
        }
    }
}

impl From<ProblemType> for Exit {
    fn from(kind: ProblemType) -> Self {
        match kind {
            ProblemType::NotFound => Self::No,
            ProblemType::NameInvalid | ProblemType::PortOutOfRange => Self::Usage,
            ProblemType::NameTaken
            | ProblemType::PortTaken
            | ProblemType::HostNotAllowed
            | ProblemType::CrossSite
            | ProblemType::UserNotAllowed => Self::Conflict,
            ProblemType::RangeExhausted => Self::Exhausted,
            ProblemType::DumpInvalid => Self::Dump,
            ProblemType::Storage => Self::Storage,
            ProblemType::Blank => Self::Bug,
        }
    }
}

impl From<&ServiceError> for Exit {
    fn from(error: &ServiceError) -> Self {
        match error {
            ServiceError::Declined => Self::No,
            ServiceError::Unconfirmed => Self::Usage,
            ServiceError::NoTool { .. }
            | ServiceError::NoSession { .. }
            | ServiceError::Failed { .. }
            | ServiceError::Foreground { .. }
            | ServiceError::NotInstalled
            | ServiceError::Foreign { .. }
            | ServiceError::Path { .. } => Self::Conflict,
            ServiceError::NoHome
            | ServiceError::Program(_)
            | ServiceError::Read(_)
            | ServiceError::Write { .. } => Self::Storage,
        }
    }
}

impl From<&ServeError> for Exit {
    fn from(error: &ServeError) -> Self {
        match error {
            ServeError::Config(_)
            | ServeError::Locked(LockError::NotALock { .. })
            | ServeError::Open(OpenError::Store(StoreError::NotAStore { .. }))
            | ServeError::Open(OpenError::ListenRegistered { .. })
            | ServeError::Listen(ListenError::Refused { .. } | ListenError::HandedOver { .. }) => {
                Self::Config
            }
            ServeError::Running { .. }
            | ServeError::Locked(LockError::Held { .. })
            | ServeError::Listen(ListenError::InUse { .. }) => Self::Conflict,
            ServeError::Locked(LockError::Io { .. })
            | ServeError::Folder { .. }
            | ServeError::Descriptors => Self::Storage,
            ServeError::Open(
                OpenError::Store(_)
                | OpenError::Unrecoverable { .. }
                | OpenError::Quarantine { .. }
                | OpenError::KeepDump { .. }
                | OpenError::Dump(DumpFileError::Read(ReadError::Io { .. })),
            ) => Self::Storage,
            ServeError::Open(OpenError::Dump(_) | OpenError::TooMuch { .. }) => Self::Dump,
            ServeError::Open(OpenError::Thread(_)) | ServeError::Http(_) => Self::Bug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_problem_has_its_exit_code() {
        let rows = [
            (ProblemType::NotFound, 1),
            (ProblemType::NameInvalid, 2),
            (ProblemType::PortOutOfRange, 2),
            (ProblemType::NameTaken, 4),
            (ProblemType::PortTaken, 4),
            (ProblemType::HostNotAllowed, 4),
            (ProblemType::CrossSite, 4),
            (ProblemType::UserNotAllowed, 4),
            (ProblemType::RangeExhausted, 5),
            (ProblemType::DumpInvalid, 65),
            (ProblemType::Blank, 70),
            (ProblemType::Storage, 74),
        ];
        for (kind, code) in rows {
            assert_eq!(ExitCode::from(Exit::from(kind)), ExitCode::from(code), "{kind:?}");
        }
    }
}
