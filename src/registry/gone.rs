//! The one rule for services whose checkout is gone, and for those that only look like it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, access};

use super::States;
use crate::folder::Folder;
use crate::port::Port;
use crate::probe::{PortState, Reason};
use crate::registration::Registration;

/// A service whose folder is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The service.
    pub registration: Arc<Registration>,
    /// Why it may be needed still; `None` if it can be released.
    pub kept: Option<Kept>,
}

/// Why a service is kept, although its folder is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Something uses its port.
    InUse(PortState),
    /// Something else is in the folder's place.
    Replaced,
    /// The folder above is missing too: it may be on a disk that is not mounted, or in a container.
    NothingAbove,
    /// The folder lay right below `/`, which is there in each container too.
    BelowRoot,
    /// The folder above is empty, and pald's user can't have emptied it: a disk may not be mounted.
    NothingMounted,
    /// The system does not let pald look.
    NotVisible(io::ErrorKind),
}

/// Finds the services whose folder is not there, in the order given; what uses their ports is not looked
/// up yet.
pub(super) fn missing(
    registrations: impl IntoIterator<Item = Arc<Registration>>,
) -> impl Iterator<Item = Gone> {
    registrations.into_iter().filter_map(|registration| {
        let kept = find(registration.folder.as_ref()?).err()?;
        Some(Gone { registration, kept })
    })
}

/// Keeps those whose port is in use; `states` looks ports up.
pub(super) fn keep_in_use(missing: &mut [Gone], states: impl FnOnce(&[Port]) -> Arc<States>) {
    let undecided: Vec<_> = missing.iter_mut().filter(|it| it.kept.is_none()).collect();
    let ports: Vec<Port> = undecided.iter().map(|it| it.registration.port).collect();
    if ports.is_empty() {
        return;
    }
    let states = states(&ports);
    for it in undecided {
        let state = states.get(it.registration.port);
        it.kept = (!is_idle(state)).then(|| Kept::InUse(state.clone()));
    }
}

/// Whether a folder is gone: it is not there while the folder above it is, and nothing says that it
/// may come back.
pub(super) fn is_gone(folder: &Folder) -> bool {
    find(folder) == Err(None)
}

/// Whether nothing runs on a port. What is left of closed connections runs nowhere.
pub(super) fn is_idle(state: &PortState) -> bool {
    let is_left_over = |reason: &Reason| matches!(reason, Reason::TimeWait { .. });
    match state {
        PortState::Free => true,
        PortState::Blocked { reason, .. } => is_left_over(reason),
        PortState::Running(_) | PortState::Unknown(_) => false,
    }
}

/// Looks for a folder.
///
/// # Errors
/// It is not there; `None` if it is gone.
fn find(folder: &Folder) -> Result<(), Option<Kept>> {
    let path = folder.path();
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => Ok(()),
        // Also a link to the place where it is now: it was registered by its real path.
        Ok(_) => Err(Some(Kept::Replaced)),
        Err(error) if is_missing(&error) => Err(path.parent().and_then(look_above)),
        Err(error) => Err(Some(Kept::NotVisible(error.kind()))),
    }
}

/// Looks at the folder above one that is missing; `None` if that one is gone.
fn look_above(above: &Path) -> Option<Kept> {
    match fs::metadata(above) {
        Ok(found) if !found.is_dir() => Some(Kept::NothingAbove),
        Ok(_) if above.parent().is_none() => Some(Kept::BelowRoot),
        // To list a large folder takes long, and each service that is gone has it done.
        Ok(_) if access(above, Access::WRITE_OK).is_err() && is_empty(above) => {
            Some(Kept::NothingMounted)
        }
        Ok(_) => None,
        Err(error) if is_missing(&error) => Some(Kept::NothingAbove),
        Err(error) => Some(Kept::NotVisible(error.kind())),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;
    use crate::probe::UnknownReason;

    /// The folder of this name in a folder with these entries.
    fn folder(name: impl AsRef<Path>) -> (TempDir, Folder) {
        let top = tempfile::tempdir().unwrap();
        let top_path = top.path().canonicalize().unwrap();
        fs::create_dir(top_path.join("there")).unwrap();
        fs::create_dir(top_path.join("empty")).unwrap();
        fs::write(top_path.join("file"), "").unwrap();
        symlink("there", top_path.join("link")).unwrap();
        symlink("nowhere", top_path.join("dangling")).unwrap();
        let folder = Folder::of(&top_path.join(name)).unwrap();
        (top, folder)
    }

    #[test]
    fn a_folder_is_gone_where_only_the_one_above_is_there() {
        let rows = [
            ("there", Ok(())),
            ("gone", Err(None)),
            ("there/gone", Err(None)),
            ("link/gone", Err(None)),
            ("empty/gone", Err(None)),
            ("file", Err(Some(Kept::Replaced))),
            ("link", Err(Some(Kept::Replaced))),
            ("dangling", Err(Some(Kept::Replaced))),
            ("file/gone", Err(Some(Kept::NothingAbove))),
            ("dangling/gone", Err(Some(Kept::NothingAbove))),
            ("not/mounted", Err(Some(Kept::NothingAbove))),
        ];
        for (name, expected) in rows {
            let (_top, folder) = folder(name);
            assert_eq!(find(&folder), expected, "{name}");
            assert_eq!(is_gone(&folder), expected == Err(None), "{name}");
        }
        let below_root = Folder::parse("/no-such-folder").unwrap();
        assert_eq!(find(&below_root), Err(Some(Kept::BelowRoot)));
        assert_eq!(find(&Folder::parse("/").unwrap()), Ok(()));
    }

    #[test]
    fn any_bytes_and_any_length_are_looked_for() {
        let (_top, unicode) = folder(OsStr::from_bytes(b"\xff\n"));
        assert_eq!(find(&unicode), Err(None));
        fs::create_dir(unicode.path()).unwrap();
        assert_eq!(find(&unicode), Ok(()));
        // A name of more than 255 bytes is one that no filesystem has.
        let (_top, long) = folder("n".repeat(900));
        assert_eq!(find(&long), Err(Some(Kept::NotVisible(io::ErrorKind::InvalidFilename))));
        let longest = format!("/tmp/{}", "n/".repeat((Folder::MAX_BYTES - 6) / 2) + "n");
        let longest = Folder::parse(&longest).unwrap();
        assert_eq!(find(&longest), Err(Some(Kept::NothingAbove)));
    }

    #[test]
    fn what_pald_may_not_see_or_change_is_kept() {
        let (_top, within) = folder("empty/gone");
        let above = within.path().parent().unwrap().to_owned();
        let as_with_mode = |mode| {
            fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
            let found = find(&within);
            fs::set_permissions(&above, fs::Permissions::from_mode(0o700)).unwrap();
            found
        };
        // To root all folders are open.
        let is_root = rustix::process::geteuid().is_root();
        let denied = Kept::NotVisible(io::ErrorKind::PermissionDenied);
        let for_user = |kept| if is_root { None } else { Some(kept) };
        assert_eq!(as_with_mode(0o000), Err(for_user(denied)));
        assert_eq!(as_with_mode(0o500), Err(for_user(Kept::NothingMounted)));
        fs::write(above.join("other"), "").unwrap();
        assert_eq!(as_with_mode(0o500), Err(None));
    }

    #[test]
    fn only_an_idle_port_is_released() {
        let blocked = |reason| PortState::Blocked { reason, holders: Vec::new() };
        let rows = [
            (PortState::Free, true),
            (blocked(Reason::TimeWait { left: std::time::Duration::ZERO }), true),
            (blocked(Reason::Bound), false),
            (PortState::Running(Vec::new()), false),
            (PortState::Unknown(UnknownReason::NoTime), false),
        ];
        for (state, expected) in rows {
            assert_eq!(is_idle(&state), expected, "{state:?}");
        }
    }
}
