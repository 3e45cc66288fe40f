//! Exit codes, and the one table from each error to its code.

use std::process::ExitCode;

use super::daemon::ServeError;
use super::error::CommandError;
use super::explain::Explain as _;
use super::service::ServiceError;
use crate::api::ProblemType;
use crate::client::ClientError;
use crate::dump_file::DumpFileError;
use crate::files::ReadError;
use crate::http::ListenError;
use crate::lock::LockError;
use crate::registry::OpenError;
use crate::store::StoreError;

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// The answer is no.
    No,
    /// The command line is wrong; clap ends with this code too.
    Usage,
    /// No daemon answers.
    NoDaemon,
    /// Refused, or in conflict with another program.
    Conflict,
    /// No port is left in the range.
    Exhausted,
    /// The dump can't be imported (EX_DATAERR of sysexits.h).
    Dump,
    /// A bug in pald (EX_SOFTWARE).
    Bug,
    /// The store failed, or the disk under it (EX_IOERR).
    Storage,
    /// Something is missing that may be there later (EX_TEMPFAIL).
    Temporary,
    /// The configuration is wrong (EX_CONFIG).
    Config,
    /// The command to run can't be executed, as with env(1).
    NotRunnable,
    /// The command to run does not exist, as with env(1).
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
            Exit::Temporary => 75,
            Exit::Config => 78,
            Exit::NotRunnable => 126,
            Exit::NoSuchCommand => 127,
        })
    }
}

/// The table. Errors that are always the user's, such as an illegal name, are not in it.
impl Exit {
    pub(super) fn of_command(error: &CommandError) -> Self {
        match error {
            CommandError::Faults(_)
            | CommandError::Unused { .. }
            | CommandError::UnknownUse { .. }
            | CommandError::Declined => Self::No,
            CommandError::UrlFlag(_)
            | CommandError::VariableName(_)
            | CommandError::VariableTwice(_)
            | CommandError::Pattern { .. }
            | CommandError::NotAFile { .. }
            | CommandError::UnknownCommand(_)
            | CommandError::Unconfirmed => Self::Usage,
            CommandError::InUse { .. } => Self::Conflict,
            CommandError::BadLines { .. } | CommandError::TooLarge { .. } => Self::Dump,
            CommandError::Read { .. } | CommandError::Write { .. } | CommandError::Stdout(_) => {
                Self::Storage
            }
            CommandError::UrlVariable(_) => Self::Config,
            CommandError::NotRunnable { .. } => Self::NotRunnable,
            CommandError::NoSuchCommand { .. } => Self::NoSuchCommand,
        }
    }

    pub(super) fn of_client(error: &ClientError) -> Self {
        match error {
            ClientError::Nobody { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Slow { .. }
            | ClientError::Ended { .. }
            | ClientError::NotPald { .. } => Self::NoDaemon,
            // A status below 500 means that the request was wrong (RFC 9110 section 15).
            ClientError::Problem(problem)
                if problem.kind == ProblemType::Blank && problem.status < 500 =>
            {
                Self::Usage
            }
            ClientError::Problem(problem) => Self::of_problem(problem.kind),
        }
    }

    fn of_problem(kind: ProblemType) -> Self {
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

    pub(super) fn of_service(error: &ServiceError) -> Self {
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

    pub(super) fn of_lock(error: &LockError) -> Self {
        match error {
            LockError::Held { .. } => Self::Conflict,
            LockError::NotALock { .. } => Self::Config,
            LockError::Io { .. } => Self::Storage,
        }
    }

    pub(super) fn of_listen(error: &ListenError) -> Self {
        match error {
            ListenError::InUse { .. } => Self::Conflict,
            ListenError::NotYet { .. } => Self::Temporary,
            ListenError::Refused { .. } | ListenError::HandedOver { .. } => Self::Config,
        }
    }

    pub(super) fn of_open(error: &OpenError) -> Self {
        match error {
            OpenError::Store(error) => error.exit(),
            OpenError::Dump(error) => error.exit(),
            OpenError::Unrecoverable { .. }
            | OpenError::Quarantine { .. }
            | OpenError::KeepDump { .. } => Self::Storage,
            OpenError::TooMuch { .. } => Self::Dump,
            OpenError::ListenRegistered { .. } => Self::Config,
            OpenError::Thread(_) => Self::Bug,
        }
    }

    pub(super) fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::NotAStore { .. } => Self::Config,
            _ => Self::Storage,
        }
    }

    pub(super) fn of_dump_file(error: &DumpFileError) -> Self {
        match error {
            DumpFileError::Read(ReadError::Io { .. }) => Self::Storage,
            DumpFileError::Read(_) | DumpFileError::Lines(_) => Self::Dump,
        }
    }

    pub(super) fn of_serve(error: &ServeError) -> Self {
        match error {
            ServeError::Config(error) => error.exit(),
            ServeError::Locked(error) => error.exit(),
            ServeError::Listen(error) => error.exit(),
            ServeError::Open(error) => error.exit(),
            ServeError::Running { .. } => Self::Conflict,
            ServeError::Folder { .. } | ServeError::Descriptors => Self::Storage,
            ServeError::Http(_) => Self::Bug,
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
            assert_eq!(ExitCode::from(Exit::of_problem(kind)), ExitCode::from(code), "{kind:?}");
        }
    }
}
