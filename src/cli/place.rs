//! Where a command runs: the folder, the home, the variables and the program of this process. In tests
//! each thread may have its own, since all of them share one process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::paths::Paths;

/// Returns the current folder.
pub(super) fn folder() -> io::Result<PathBuf> {
    #[cfg(test)]
    if let Some(place) = own::place() {
        return Ok(place.folder);
    }
    std::env::current_dir()
}

/// Changes the current folder.
pub(super) fn enter(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(place) = own::place() {
        let folder = place.folder.join(folder).canonicalize()?;
        own::set(Some(own::Place { folder, ..place }));
        return Ok(());
    }
    std::env::set_current_dir(folder)
}

/// Returns the home of this user, and what is in it.
pub(super) fn paths() -> Paths {
    #[cfg(test)]
    if let Some(place) = own::place() {
        return place.paths;
    }
    Paths::of_this_user()
}

/// Returns all variables.
pub(super) fn variables() -> Vec<(OsString, OsString)> {
    #[cfg(test)]
    if let Some(place) = own::place() {
        return place.variables;
    }
    std::env::vars_os().collect()
}

/// Returns a variable, if it is set and not empty.
pub(super) fn variable(name: &str) -> Option<OsString> {
    let found = variables().into_iter().find(|(set, _)| set == OsStr::new(name));
    found.map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Returns the file of this program.
pub(super) fn program() -> io::Result<PathBuf> {
    #[cfg(test)]
    if let Some(place) = own::place() {
        return Ok(place.program);
    }
    std::env::current_exe()
}

/// The place of a test's thread.
#[cfg(test)]
pub(super) mod own {
    use std::cell::RefCell;

    use super::*;

    #[derive(Debug, Clone)]
    pub(in crate::cli) struct Place {
        pub(in crate::cli) folder: PathBuf,
        pub(in crate::cli) paths: Paths,
        pub(in crate::cli) variables: Vec<(OsString, OsString)>,
        pub(in crate::cli) program: PathBuf,
    }

    thread_local! {
        static PLACE: RefCell<Option<Place>> = RefCell::default();
    }

    pub(in crate::cli) fn place() -> Option<Place> {
        PLACE.with_borrow(Clone::clone)
    }

    pub(in crate::cli) fn set(place: Option<Place>) {
        PLACE.set(place);
    }
}
