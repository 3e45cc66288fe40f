//! Locks that keep other processes away from the store and the dump.

use std::path::{Path, PathBuf};

use super::ServeError;
use crate::client::Url;
use crate::config::Config;
use crate::files;
use crate::lock::{Lock, LockError};

/// The locks on the store and the dump, until they are dropped.
#[derive(Debug)]
pub(in crate::cli) struct Locks {
    _store: Lock,
    _dump: Lock,
}

impl Locks {
    /// Locks the store and the dump, and creates the folders that they are in.
    ///
    /// # Errors
    /// Another process has one of them, or the system call failed.
    pub(in crate::cli) fn acquire(config: &Config) -> Result<Self, ServeError> {
        for path in [&config.data_dir, &config.dump_file] {
            let folder = files::folder_of(path);
            files::create_private_folder(folder)
                .map_err(|source| ServeError::Folder { path: folder.to_owned(), source })?;
        }
        let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
        let url = Url::of_port(config.port_listen);
        let holder = format!("pald (pid {pid}, version {version}) at {url}");
        let store = Lock::acquire(&without_links(&config.data_dir), &holder)
            .map_err(|error| already_running(error, &url))?;
        let dump = Lock::acquire(&config.dump_file, &holder)?;
        Ok(Self { _store: store, _dump: dump })
    }

    /// Returns the process ID and the URL of the pald that has the store, or had it last.
    pub(in crate::cli) fn last_holder(config: &Config) -> Option<(u32, Url)> {
        let holder = Lock::last_holder(&without_links(&config.data_dir))?;
        let pid = holder.strip_prefix("pald (pid ")?.split(',').next()?;
        Some((pid.parse().ok()?, url_in(&holder)?))
    }
}

/// Resolves links, so that a store has one lock whichever path leads to it.
fn without_links(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns where a pald answers that describes itself so.
fn url_in(holder: &str) -> Option<Url> {
    Url::parse(holder.rsplit_once(" at ")?.1).ok()
}

/// Names the pald that has the store, if a pald holds the lock.
fn already_running(error: LockError, own: &Url) -> ServeError {
    match &error {
        LockError::Held { holder, .. } => match holder.strip_prefix("pald ") {
            Some(holder) => {
                let elsewhere = url_in(holder).filter(|url| url != own);
                ServeError::Running { holder: holder.to_owned(), elsewhere }
            }
            None => error.into(),
        },
        LockError::NotALock { .. } | LockError::Unsafe(_) | LockError::Io { .. } => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::cli::explain::Explain as _;
    use crate::cli::service::stand_in::Home;
    use crate::testing::eventually;

    #[test]
    fn only_a_pald_that_holds_the_lock_is_running_already() {
        let own = Url::parse("http://127.0.0.1:49200").unwrap();
        let held = |holder: &str| {
            already_running(LockError::Held { path: "/s".into(), holder: holder.to_owned() }, &own)
        };
        let pald = held("pald (pid 7, version 0.1.0) at http://127.0.0.1:49200");
        let expected = "pald is already running (pid 7, version 0.1.0) at http://127.0.0.1:49200";
        assert_eq!(pald.to_string(), expected);
        assert_eq!(pald.hint().as_deref(), Some("See `pald status`"));
        let elsewhere = held("pald (pid 7, version 0.1.0) at http://127.0.0.1:8");
        let hint = "See `pald --url http://127.0.0.1:8 status`; `pald stop` ends it";
        assert_eq!(elsewhere.hint().as_deref(), Some(hint));
        assert_eq!(held("another process").to_string(), "/s is in use by another process");
        let other = already_running(LockError::NotALock { path: "/s".into() }, &own);
        assert!(matches!(other, ServeError::Locked(LockError::NotALock { .. })), "{other:?}");
    }

    #[test]
    fn a_store_has_one_lock_whichever_path_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, link) = (folder.path().join("store"), folder.path().join("link"));
        assert_eq!(without_links(&store), store);
        std::fs::create_dir(&store).unwrap();
        symlink(&store, &link).unwrap();
        assert_eq!(without_links(&link), without_links(&store));
    }

    #[test]
    fn who_has_a_store_or_had_it_last_is_known() {
        let home = Home::new();
        let config = home.session().config().unwrap();
        assert_eq!(Locks::last_holder(&config), None);
        let locks = Locks::acquire(&config).unwrap();
        let own = Some((std::process::id(), Url::of_port(config.port_listen)));
        assert_eq!(Locks::last_holder(&config), own);
        let again = Locks::acquire(&config).unwrap_err();
        assert!(matches!(again, ServeError::Running { elsewhere: None, .. }), "{again:?}");
        // The dump is locked too.
        let other = Config { data_dir: home.path("other/db"), ..config.clone() };
        let again = Locks::acquire(&other).unwrap_err();
        assert!(matches!(again, ServeError::Locked(LockError::Held { .. })), "{again:?}");
        drop(locks);
        assert_eq!(Locks::last_holder(&config), own);
        drop(eventually(|| Locks::acquire(&config), Result::is_ok));
        std::fs::write(home.path("db.lock"), "pald 0.1").unwrap();
        assert_eq!(Locks::last_holder(&config), None);
    }
}
