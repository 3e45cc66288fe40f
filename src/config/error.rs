//! Errors of the configuration, each with its place.

use std::path::PathBuf;

use thiserror::Error;

use crate::files::{ReadError, Shown};
use crate::port::{Port, PortRange};
use crate::quoted::Quoted;
use crate::toml_file::{Mistake, Place};
use crate::users::UserError;

/// Why the configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file can't or must not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The named file does not exist.
    #[error("The configuration file {} does not exist", Shown(.path))]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A value, a key or the syntax is wrong.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// A path can't be used.
    #[error("{place}: {name} is {}, which {reason}; it must be absolute or start with ~/, and name a file without ..", Quoted::new(.value))]
    Path {
        /// Where it is set.
        place: Place,
        /// The setting.
        name: &'static str,
        /// The path.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// A user, or a list of users, is refused.
    #[error("{place}: {name}: {error}")]
    User {
        /// Where it is set.
        place: Place,
        /// The setting.
        name: &'static str,
        /// Why it is refused.
        error: UserError,
    },
    /// A variable is not UTF-8.
    #[error("{variable} is not UTF-8")]
    NotText {
        /// Its name.
        variable: String,
    },
    /// The range ends before it starts.
    #[error("port_min ({}, {}) is above port_max ({}, {})", .min.0, .min.1, .max.0, .max.1)]
    EmptyRange {
        /// The lower end and where it is set.
        min: (Port, Place),
        /// The upper end and where it is set.
        max: (Port, Place),
    },
    /// The range has no port to give out.
    #[error(
        "{place}: the range {port_range} contains only port_listen; it must contain another port"
    )]
    OnlyListen {
        /// Where its lower end is set.
        place: Place,
        /// The range.
        port_range: PortRange,
    },
    /// The dump and the store would overwrite each other.
    #[error("{place}: dump_file ({}) and data_dir ({}) {clash}", Shown(.dump_file), Shown(.data_dir))]
    Clash {
        /// Where the dump is set.
        place: Place,
        /// How they clash.
        clash: &'static str,
        /// The dump.
        dump_file: PathBuf,
        /// The store.
        data_dir: PathBuf,
    },
    /// The layers can't be merged, although their values are right.
    #[error("Can't merge the configuration")]
    Layers(#[from] config::ConfigError),
}

impl ConfigError {
    /// Returns what to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mistake(mistake) => mistake.hint(),
            Self::Read(ReadError::Owner { .. }) => {
                Some("Move it away, or name another file with `--config`".to_owned())
            }
            Self::EmptyRange { .. } => Some("Raise port_max or lower port_min".to_owned()),
            _ => None,
        }
    }
}
