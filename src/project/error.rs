//! Why a project can't be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::files::{ReadError, Shown};
use crate::folder::FolderError;
use crate::toml_file::{Mistake, Place};
use crate::variable_name::VariableName;

/// Why a project, or the checkout that it is in, can't be used.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// A file can't or must not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A value, a key or the syntax is wrong.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// A key that must be there is not.
    #[error("{}: `{key}` is missing; it must be {allowed}", Shown(.path))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two services, or a service and a text, have the same variable.
    #[error("{place}: {first} and {second} both have the variable {variable}")]
    VariableTwice {
        /// Where it is set for the second time.
        place: Place,
        /// What has it first.
        first: String,
        /// What has it too.
        second: String,
        /// The variable.
        variable: VariableName,
    },
    /// A name in braces is no service's.
    #[error("{place}: env.{variable} has {{{name}}} in it, which is no service of {project}")]
    UnknownName {
        /// Where the text is.
        place: Place,
        /// The variable of the text.
        variable: VariableName,
        /// The name.
        name: Box<str>,
        /// The project.
        project: Box<str>,
        /// The service with the nearest name.
        nearest: Option<Box<str>>,
    },
    /// A file of git's does not lead to a repository.
    #[error("{} names {}, which {reason}", Shown(.file), Shown(.target))]
    Git {
        /// The file.
        file: PathBuf,
        /// What it names.
        target: PathBuf,
        /// Why that can't be.
        reason: &'static str,
    },
    /// `.git` is a file, but not one that git writes.
    #[error("{} is not a file that git wrote: it must start with `gitdir: `", Shown(.0))]
    NoGitFile(PathBuf),
    /// The path of the checkout can't be kept.
    #[error("The checkout {} can't be remembered", Shown(.path))]
    Folder {
        /// The checkout.
        path: PathBuf,
        /// Why.
        source: FolderError,
    },
    /// A file or folder can't be looked at.
    #[error("Can't look at {}", Shown(.path))]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ProjectError {
    /// Returns what to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mistake(mistake) => mistake.hint(),
            Self::Missing { key, .. } => Some(format!("Begin the file with `{key} = \"shop\"`")),
            Self::VariableTwice { .. } => {
                Some("Give one of them another, as in `web = { env = \"WEB\" }`".to_owned())
            }
            Self::UnknownName { nearest: Some(name), .. } => {
                Some(format!("Did you mean {{{name}}}?"))
            }
            Self::UnknownName { nearest: None, .. } => {
                Some("A brace that starts no name is written as {{".to_owned())
            }
            Self::Read(ReadError::Owner { .. }) => {
                Some("Use a checkout of your own, or full names with `-g`".to_owned())
            }
            Self::Git { .. } => Some(
                "Run `git worktree repair` in the main checkout, or `git status` here".to_owned(),
            ),
            Self::Folder { .. } => Some("Move the checkout to a shorter path".to_owned()),
            _ => None,
        }
    }
}
