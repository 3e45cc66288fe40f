//! How a command fails: the error, a hint and an exit code.

use super::Exit;
use super::explain::Explain;

/// An error on its way to the user: what happened, why, and what to do.
#[derive(Debug)]
pub(super) struct Failure {
    /// The error in lines: mostly one, with its causes.
    pub(super) lines: Vec<String>,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// The code that the process ends with.
    pub(super) exit: Exit,
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { lines: error.lines(), hint: error.hint(), exit: error.exit() }
    }
}
