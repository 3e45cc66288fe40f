//! What the command line needs of an error besides its text: a hint and an exit code.
//!
//! Hints that name a flag or a command are made in `cli` and nowhere below: only the command line
//! knows what the user typed. Hints that name only settings, which are the same for everyone, come
//! from below.

use super::Exit;
use crate::addresses::AddressesError;
use crate::config::ConfigError;
use crate::port::PortError;
use crate::project::ProjectError;
use crate::service_name::ServiceNameError;

mod client;
mod start;

/// An error that can end a command.
pub(super) trait Explain: std::error::Error {
    /// Returns the error and its causes: one line, unless it lists something.
    ///
    /// The terminal escapes line breaks within a line, so that what a daemon or a file says can't
    /// pass for a line of pald's own.
    fn lines(&self) -> Vec<String> {
        vec![sentence(self.to_string(), self.source())]
    }

    /// Returns what to do about the error, as a sentence without its final period.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Returns the exit code; the table is in [`Exit`]'s file.
    fn exit(&self) -> Exit;
}

/// Joins an error's text and its causes.
pub(super) fn sentence(text: String, mut cause: Option<&dyn std::error::Error>) -> String {
    let mut sentence = text;
    while let Some(error) = cause {
        sentence.push_str(&format!(": {error}"));
        cause = error.source();
    }
    sentence
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<String> {
        // These hints name only settings, so they stay with the errors.
        Self::hint(self)
    }

    fn exit(&self) -> Exit {
        Exit::Config
    }
}

impl Explain for ProjectError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    fn exit(&self) -> Exit {
        Exit::of_project(self)
    }
}

impl Explain for ServiceNameError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Explain for PortError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Explain for AddressesError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

#[cfg(test)]
mod tests;
