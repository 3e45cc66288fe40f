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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cli::service::stand_in::Home;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_read_is_made_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".pald");
        tighten(&folder).unwrap();
        assert!(!folder.exists());
        fs::create_dir(&folder).unwrap();
        set_mode(&folder, 0o755);
        tighten(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_others_can_change_is_refused_wherever_the_store_is() {
        let home = Home::new();
        let config = home.session().config().unwrap();
        // (what others can change, whether it is refused)
        let rows =
            [("db", true), ("db/conf", true), ("db.record", true), ("dump", false), ("x", false)];
        for (name, is_refused) in rows {
            fs::create_dir(&config.data_dir).unwrap();
            let path = home.path(name);
            if !path.exists() {
                fs::write(&path, "").unwrap();
            }
            check(&config).unwrap();
            set_mode(&path, 0o777);
            let checked = check(&config);
            let refused = checked.as_ref().err().map(UnsafePath::path);
            assert_eq!(refused, is_refused.then_some(&*path), "{name}");
            set_mode(&path, 0o700);
            fs::remove_dir_all(&config.data_dir).unwrap();
        }
    }
}
