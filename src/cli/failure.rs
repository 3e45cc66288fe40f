//! How a command fails: the error, a hint and an exit code.

use super::Exit;
use super::explain::Explain;

/// An error on its way to the user: what happened, why, and what to do.
#[derive(Debug)]
pub(super) struct Failure {
    error: anyhow::Error,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// The code that the process ends with.
    pub(super) exit: Exit,
}

impl Failure {
    /// Returns the error and its causes on one line.
    pub(super) fn sentence(&self) -> String {
        let causes: Vec<_> = self.error.chain().map(ToString::to_string).collect();
        causes.join(": ")
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { hint: error.hint(), exit: error.exit(), error: error.into() }
    }
}
