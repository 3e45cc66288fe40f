//! Keeps what other users made or can change away from the store, before anything opens it.

use std::path::Path;

use tracing::info;

use super::ServeError;
use crate::config::{BESIDE_STORE, Config};
use crate::files::ownership::{self, UnsafePath};
use crate::files::{self, Shown};

/// Makes pald's own folder private, if it is this user's and others could get in.
///
/// # Errors
/// The path to it leads over a link of another user, or the system call failed.
pub(in crate::cli) fn tighten(folder: &Path) -> Result<(), ServeError> {
    let io = |source| ServeError::Folder { path: folder.to_owned(), source };
    if files::make_private(&ownership::check_links(folder)?).map_err(io)? {
        info!(folder = %Shown(folder), "Other users could read this folder; it is private now");
    }
    Ok(())
}

/// Checks that no other user has made or can change the store, what is beside it or the folders
/// above it, and that no link of another user leads to the dump.
///
/// sled follows links and writes to whatever it finds.
///
/// # Errors
/// The first file or folder that is not safe.
pub(in crate::cli) fn check(config: &Config) -> Result<(), UnsafePath> {
    // That it is a folder at all is for the store to say.
    let store = ownership::check_above(&config.data_dir)?;
    ownership::check_tree(&store)?;
    for path in [&store, &config.data_dir] {
        ownership::check_beside(path, &BESIDE_STORE[1..])?;
    }
    ownership::check_links(&config.dump_file)?;
    Ok(())
}
