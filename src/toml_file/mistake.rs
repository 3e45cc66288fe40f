//! Mistakes that any file of settings can have.

use thiserror::Error;

use super::Place;

/// A mistake in a file or in the environment, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mistake {
    /// A file is not TOML, or not text.
    #[error("{place}: {reason}")]
    Syntax {
        /// Where parsing failed.
        place: Place,
        /// Why, in one line.
        reason: String,
    },
    /// A key is unknown.
    #[error("{place}: unknown key `{name}`")]
    UnknownKey {
        /// Where it is set.
        place: Place,
        /// Its name as written, escaped.
        name: String,
        /// The nearest known key, or all of them, as a sentence.
        hint: String,
    },
    /// A value has the wrong type or is out of bounds.
    #[error("{place}: {name} is {value}; it must be {allowed}")]
    Value {
        /// Where it is set.
        place: Place,
        /// The key.
        name: Box<str>,
        /// The value, quoted for a message.
        value: Box<str>,
        /// What is allowed.
        allowed: &'static str,
        /// What to write instead, as a sentence, if that is likely.
        hint: Option<String>,
    },
}

impl Mistake {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { .. } => None,
            Self::UnknownKey { hint, .. } => Some(hint.clone()),
            Self::Value { hint, .. } => hint.clone(),
        }
    }
}
