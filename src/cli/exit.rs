//! Exit codes, and the one table from each error to its code.

use std::io;
use std::process::ExitCode;

use super::daemon::ServeError;
use super::error::CommandError;
use super::service::ServiceError;
use crate::api::ProblemType;
use crate::client::ClientError;
use crate::dump_file::DumpFileError;
use crate::files::ownership::UnsafePath;
use crate::files::{self, ReadError};
use crate::http::ListenError;
use crate::lock::LockError;
use crate::project::ProjectError;
use crate::registry::OpenError;
use crate::store::StoreError;

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// All that can be done is done: launchd is not to start pald again.
    GivenUp,
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
    /// An internal error of pald (EX_SOFTWARE).
    Internal,
    /// The store failed, or the disk under it (EX_IOERR).
    Storage,
    /// The daemon can't start now, and nothing is damaged: a later try may succeed (EX_TEMPFAIL).
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
            Exit::GivenUp => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::NoDaemon => 3,
            Exit::Conflict => 4,
            Exit::Exhausted => 5,
            Exit::Dump => 65,
            Exit::Internal => 70,
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
            | CommandError::Held { .. }
            | CommandError::Silent { .. }
            | CommandError::UnknownUse { .. }
            | CommandError::NoService { .. }
            | CommandError::NotHere { .. }
            | CommandError::NothingHere(_)
            | CommandError::NotRegistered { .. }
            | CommandError::NoMatch(_)
            | CommandError::Dotenv { .. }
            | CommandError::NotReleased
            | CommandError::Declined => Self::No,
            CommandError::UrlFlag(_)
            | CommandError::VariableName(_)
            | CommandError::VariableTwice(_)
            | CommandError::SameVariable(_)
            | CommandError::Text { .. }
            | CommandError::Directory { .. }
            | CommandError::NoProject { .. }
            | CommandError::NoName { .. }
            | CommandError::ProjectName(_)
            | CommandError::ProjectService(_)
            | CommandError::RefusedVariable { .. }
            | CommandError::HomeFolder
            | CommandError::MoveWhere
            | CommandError::Time(_)
            | CommandError::JsonFile
            | CommandError::UnconfirmedRelease { .. }
            | CommandError::Pattern { .. }
            | CommandError::NotAFile { .. }
            | CommandError::UnknownCommand(_)
            | CommandError::Unconfirmed => Self::Usage,
            CommandError::Used { .. }
            | CommandError::PortTaken { .. }
            | CommandError::FileExists(_)
            | CommandError::NotOurs(_) => Self::Conflict,
            CommandError::BadLines { .. } | CommandError::TooLarge { .. } => Self::Dump,
            CommandError::Read { .. }
            | CommandError::Write { .. }
            | CommandError::CurrentFolder(_)
            | CommandError::Stdout(_) => Self::Storage,
            CommandError::UrlVariable(_) => Self::Config,
            CommandError::NotRunnable { .. } => Self::NotRunnable,
            CommandError::NoSuchCommand { .. } => Self::NoSuchCommand,
        }
    }

    pub(super) fn of_client(error: &ClientError) -> Self {
        match error {
            ClientError::NotListening { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Slow { .. }
            | ClientError::Ended { .. }
            | ClientError::NotPald { .. } => Self::NoDaemon,
            ClientError::OtherUser(_) | ClientError::TooOld { .. } => Self::Conflict,
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
            ProblemType::Blank => Self::Internal,
        }
    }

    pub(super) fn of_project(error: &ProjectError) -> Self {
        match error {
            ProjectError::Io { .. } | ProjectError::Read(ReadError::Io { .. }) => Self::Storage,
            _ => Self::Config,
        }
    }

    pub(super) fn of_service(error: &ServiceError) -> Self {
        match error {
            ServiceError::OtherUser(error) => Self::of_client(error),
            ServiceError::Declined => Self::No,
            ServiceError::Unconfirmed => Self::Usage,
            ServiceError::NoTool { .. }
            | ServiceError::NoSession { .. }
            | ServiceError::Failed { .. }
            | ServiceError::Ended
            | ServiceError::NoAnswer
            | ServiceError::Foreground { .. }
            | ServiceError::NotOurs { .. }
            | ServiceError::StillRunning { .. }
            | ServiceError::NotInstalled
            | ServiceError::Foreign { .. }
            | ServiceError::UnsafeProgram(_)
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
            LockError::Unsafe(error) => Self::of_unsafe(error),
            LockError::Io { source, .. } => Self::of_io(source),
        }
    }

    pub(super) fn of_unsafe(error: &UnsafePath) -> Self {
        match error {
            UnsafePath::Io { source, .. } => Self::of_io(source),
            _ => Self::Config,
        }
    }

    pub(super) fn of_listen(error: &ListenError) -> Self {
        match error {
            ListenError::InUse { .. } => Self::Conflict,
            ListenError::Refused { source, .. } if files::is_temporary(source) => Self::Temporary,
            ListenError::NotYet { .. } => Self::Temporary,
            ListenError::Refused { .. } | ListenError::HandedOver { .. } => Self::Config,
        }
    }

    pub(super) fn of_open(error: &OpenError) -> Self {
        match error {
            OpenError::Store(error) => Self::of_store(error),
            OpenError::Dump(error) => Self::of_dump_file(error),
            OpenError::Unrecoverable { .. } | OpenError::AnotherRegistry { .. } => Self::Storage,
            OpenError::SetAside { source, .. }
            | OpenError::KeepDump { source, .. }
            | OpenError::Random(source) => Self::of_io(source),
            OpenError::TooMuch { .. } => Self::Dump,
            OpenError::ListenRegistered { .. } => Self::Config,
            OpenError::Thread(_) => Self::Temporary,
        }
    }

    pub(super) fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Unsafe(error) => Self::of_unsafe(error),
            StoreError::NotAStore { .. }
            | StoreError::MountPoint { .. }
            | StoreError::Link { .. } => Self::Config,
            error if error.is_temporary() => Self::Temporary,
            _ => Self::Storage,
        }
    }

    /// Whether only a person can mend it: another start would end the same way.
    pub(super) fn needs_a_person(self) -> bool {
        matches!(self, Self::Usage | Self::Conflict | Self::Dump | Self::Storage | Self::Config)
    }

    /// Of an error of the system, on pald's own files.
    fn of_io(error: &io::Error) -> Self {
        match files::is_temporary(error) {
            true => Self::Temporary,
            false => Self::Storage,
        }
    }

    pub(super) fn of_dump_file(error: &DumpFileError) -> Self {
        match error {
            DumpFileError::Read(ReadError::Io { source, .. }) => Self::of_io(source),
            DumpFileError::Read(ReadError::TooLarge { .. }) | DumpFileError::Lines(_) => Self::Dump,
            DumpFileError::Read(_) => Self::Storage,
        }
    }

    pub(super) fn of_serve(error: &ServeError) -> Self {
        match error {
            ServeError::Config(_) => Self::Config,
            ServeError::Locked(error) => Self::of_lock(error),
            ServeError::Listen(error) => Self::of_listen(error),
            ServeError::Open(error) => Self::of_open(error),
            ServeError::Unsafe(error) => Self::of_unsafe(error),
            ServeError::Running { .. } => Self::Conflict,
            ServeError::Folder { source, .. } => Self::of_io(source),
            ServeError::Descriptors | ServeError::Threads(_) => Self::Temporary,
            ServeError::Http(error) if files::is_temporary(error) => Self::Temporary,
            ServeError::Http(_) => Self::Internal,
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
