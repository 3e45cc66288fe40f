//! The holder of a port: a user, and a process where the system shows it to us.

use std::fmt;

use crate::folder::Folder;
use crate::printable::Printable;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;
use crate::users::is_outside;

/// A user outside our user namespace.
const OUTSIDE: &str = "a user outside this namespace";

/// The user and the process that a socket belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The user who made the socket. Its process may have changed its user since.
    pub user: User,
    /// A process that has it open. Only root sees the processes of other users.
    pub process: Option<Box<Process>>,
}

/// A process. Its pid may be another process's later, so only pid and `since` together identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process ID.
    pub pid: u32,
    /// Its short name. The system cuts it at 15 bytes; it is whole where the command line has the rest.
    pub name: String,
    /// Its command line in one text, cut where it is long; empty if there is none.
    pub command: String,
    /// When it started, to the second.
    pub since: Option<Timestamp>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a process comes from, as far as the system tells pald: only of processes of its own user, and
/// of none that just passes on connections to a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Where it works.
    pub place: Option<Place>,
    /// The service for which `pald run` started it, or a process above it.
    pub service: Option<ServiceName>,
}

/// The working folder of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder, by its real path. It may be gone.
    pub folder: Folder,
    /// A folder that is or contains it, and above which other checkouts begin: the top of the git work
    /// tree around it, or of a folder that is gone the topmost that is.
    pub top: Option<Folder>,
}

/// A user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's ID in our user namespace; 65534 for users outside it.
    pub uid: u32,
    /// The user's name, if there is one.
    pub name: Option<String>,
    /// Whether the user is outside our user namespace, which tells nothing more then.
    pub is_outside: bool,
}

impl User {
    /// Looks a user's name up where the machine's configuration says, which may be a directory
    /// service.
    pub fn of(uid: u32) -> Self {
        if is_outside(uid) {
            return Self { uid, name: None, is_outside: true };
        }
        let found = nix::unistd::User::from_uid(uid.into()).ok().flatten();
        Self { uid, name: found.map(|user| user.name), is_outside: false }
    }

    /// Returns the name, or the number of a user without a name, or a few words for one outside our
    /// user namespace: these have blanks, which no name has.
    pub fn short(&self) -> String {
        match &self.name {
            _ if self.is_outside => OUTSIDE.to_owned(),
            Some(name) => Printable(name).to_string(),
            None => self.uid.to_string(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => process.fmt(f),
            None => write!(f, "{}; process not visible", self.user),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", Printable(&self.name), self.pid)
    }
}

impl fmt::Display for User {
    /// `user ann`, or a few words for a user outside our user namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.is_outside { "" } else { "user " };
        write!(f, "{user}{}", self.short())
    }
}
