//! What a path says about the filesystem that it is on, and an error about the system.

use std::any::Any;
use std::io;
use std::path::Path;

/// Returns whether an error is one that a later try can do without: too few threads, too little
/// memory or space, too many open files, a busy or failing disk.
pub fn is_temporary(error: &io::Error) -> bool {
    use rustix::io::Errno;
    // Libraries wrap errors of the system in others.
    let inner = || error.get_ref()?.downcast_ref::<io::Error>()?.raw_os_error();
    let errno = error.raw_os_error().or_else(inner).map(Errno::from_raw_os_error);
    errno.is_some_and(|errno| {
        [
            Errno::AGAIN,
            Errno::NOMEM,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::BUSY,
            Errno::IO,
        ]
        .contains(&errno)
    })
}

/// Returns the error of the system that made a library panic: its message shows the error as `Debug`
/// writes it.
pub fn os_error_in(panic: &str) -> Option<io::Error> {
    let (_, rest) = panic.split_once("Os { code: ")?;
    let (code, _) = rest.split_once(',')?;
    code.parse().ok().map(io::Error::from_raw_os_error)
}

/// Returns the message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Returns whether a filesystem is mounted at a folder itself, which can't be renamed then; `false`
/// where the system does not say (statx of Linux 5.8 does).
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub fn is_mount_point(folder: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, folder, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
    found.is_ok_and(|found| {
        (found.stx_attributes_mask & found.stx_attributes).contains(StatxAttributes::MOUNT_ROOT)
    })
}

/// Returns whether a filesystem is mounted at a folder itself, which can't be renamed then.
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| path.symlink_metadata().map(|metadata| metadata.dev());
    let Some(above) = folder.parent() else { return true };
    device(folder).is_ok_and(|own| device(above).is_ok_and(|above| own != above))
}

/// Returns the kind of the filesystem that a path is on, if other machines may use it too: the locks
/// of two machines do not always meet there.
///
/// The numbers are those of statfs(2) and of Linux's `magic.h`; `None` on other systems.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub fn network_filesystem(path: &Path) -> Option<&'static str> {
    let kind = u32::try_from(rustix::fs::statfs(path).ok()?.f_type & 0xffff_ffff).ok()?;
    Some(match kind {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9P",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x7375_7245 => "Coda",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x0bd0_0bd0 => "Lustre",
        0x786f_4256 => "a folder of VirtualBox",
        _ => return None,
    })
}

/// Returns `None`: the numbers of other systems' filesystems are not known here.
#[cfg(any(feature = "portable", not(target_os = "linux")))]
pub fn network_filesystem(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_temporary() {
        for (number, expected) in [(11, true), (28, true), (5, true), (2, false), (13, false)] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(is_temporary(&error), expected, "{error}");
        }
        assert!(!is_temporary(&io::Error::other("something else")));
        let wrapped = io::Error::new(io::ErrorKind::WouldBlock, io::Error::from_raw_os_error(11));
        assert!(is_temporary(&wrapped));
    }

    #[test]
    fn the_error_behind_a_panic_is_found_in_its_message() {
        let panic = std::panic::catch_unwind(|| std::fs::read("/nowhere").unwrap()).unwrap_err();
        let found = os_error_in(panic_text(&*panic)).unwrap();
        assert_eq!(found.kind(), io::ErrorKind::NotFound);
        let panic = std::panic::catch_unwind(|| panic!("no error")).unwrap_err();
        assert_eq!(panic_text(&*panic), "no error");
        assert!(os_error_in(panic_text(&*panic)).is_none());
    }

    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    #[test]
    fn a_mount_point_is_told_from_a_folder() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self")));
        assert!(!is_mount_point(Path::new("/nowhere")));
        assert_eq!(network_filesystem(Path::new("/proc")), None);
    }
}
