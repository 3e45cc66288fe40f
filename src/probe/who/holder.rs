//! Who has a port: a user, and a process where the system shows it to us.

use std::fmt;

use crate::timestamp::Timestamp;

/// Whose a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The user who made the socket, which may be another one than its process has by now.
    pub user: User,
    /// A process that has it open. Processes of other users are visible to root alone.
    pub process: Option<Process>,
}

/// A process. It is the same one as another only if also `since` is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id, which the system gives to others later.
    pub pid: u32,
    /// Its short name of up to 15 bytes, as the system shows it.
    pub name: String,
    /// When it started, to the second.
    pub since: Option<Timestamp>,
}

/// A user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's number, as our user namespace has it; unknown ones are 65534.
    pub uid: u32,
    /// The user's name, if there is one.
    pub name: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => process.fmt(f),
            None => write!(f, "user {}; process not visible", self.user),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name.escape_default(), self.pid)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => name.escape_default().fmt(f),
            None => self.uid.fmt(f),
        }
    }
}
