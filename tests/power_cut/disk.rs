//! A disk with a cache that forgets: an image file on a second file system.
//!
//! What the home's file system has written is in the page cache of the second one, and reaches the
//! second image when the home's file system flushes its disk. A copy of the second image is what is
//! there when the power is back.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::Home;
use crate::faults::{Mount, run};

/// A file system that a home can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileSystem {
    Ext4,
    Xfs,
    Btrfs,
}

impl FileSystem {
    const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    /// Those that `PALD_POWER_CUT_FILESYSTEMS` names, or all.
    pub(super) fn chosen() -> Vec<Self> {
        let Ok(chosen) = std::env::var("PALD_POWER_CUT_FILESYSTEMS") else {
            return Self::ALL.to_vec();
        };
        let of_name = |name| {
            let found = Self::ALL.into_iter().find(|known| known.name() == name);
            found.unwrap_or_else(|| panic!("no test knows the file system {name:?}"))
        };
        chosen.split(',').map(of_name).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// About the smallest size that its mkfs accepts.
    fn bytes(self) -> u64 {
        let mib = match self {
            Self::Ext4 => 24,
            Self::Xfs => 300,
            Self::Btrfs => 112,
        };
        mib * 1024 * 1024
    }

    /// Options for mkfs, such that the kernel has nothing left to do afterwards.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            Self::Xfs => &["-q"],
            Self::Btrfs => &["-q", "-m", "single"],
        }
    }

    /// Makes it in a new file of this size.
    fn make(self, image: &Path, bytes: u64) -> Result<(), String> {
        let program = format!("mkfs.{}", self.name());
        if let Err(cause) = Command::new(&program).arg("-V").output() {
            return Err(format!("{program}: {cause}"));
        }
        fs::File::create(image).unwrap().set_len(bytes).unwrap();
        run(Command::new(&program).args(self.options()).arg(image));
        // Zeros need not be copied at each cut.
        run(Command::new("fallocate").arg("--dig-holes").arg(image));
        Ok(())
    }
}

/// A disk with a cache, mounted over a home folder.
pub(super) struct Disk {
    // In the order in which they are unmounted.
    _home: Mount,
    outer: Mount,
    folder: TempDir,
}

impl Disk {
    /// A new disk, with `dump` as the home's dump unless it is empty; why there is none, if the
    /// system does not let us.
    pub(super) fn new(file_system: FileSystem, home: &Home, dump: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let bytes = file_system.bytes();
        FileSystem::Ext4.make(&folder.path().join("outer.image"), bytes + bytes / 2)?;
        fs::create_dir(folder.path().join("outer")).unwrap();
        let outer = mount_outer(&folder)?;
        file_system.make(&folder.path().join("outer/disk.image"), bytes)?;
        drop(outer);
        let disk = Self::mount(folder, home)?;
        if !dump.is_empty() {
            fs::create_dir(home.file("")).unwrap();
            fs::write(home.file("dump"), dump).unwrap();
        }
        // Unmounting puts all that on the disk, where it was before the tested part begins.
        let folder = disk.unmount();
        Self::mount(folder, home)
    }

    fn mount(folder: TempDir, home: &Home) -> Result<Self, String> {
        let outer = mount_outer(&folder)?;
        let image = folder.path().join("outer/disk.image");
        let home = Mount::new(&["-o", "loop", image.to_str().unwrap()], home.path())?;
        Ok(Self { _home: home, outer, folder })
    }

    fn unmount(self) -> TempDir {
        let Self { _home: home, outer, folder } = self;
        drop(home);
        drop(outer);
        folder
    }

    /// A copy of the disk at one moment, in a folder of its own.
    ///
    /// Copying takes time, and the kernel may write meanwhile. No disk ever looks like a copy
    /// whose end is later than its start, so such a one is thrown away.
    pub(super) fn copy(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("outer")).unwrap();
        let statistics = Path::new("/sys/block").join(self.outer.device()).join("stat");
        let finished_writes = || {
            let numbers = fs::read_to_string(&statistics).unwrap();
            numbers.split_whitespace().nth(4).unwrap().parse::<u64>().unwrap()
        };
        for _ in 0..200 {
            let before = finished_writes();
            let images = [&self.folder, &folder].map(|folder| folder.path().join("outer.image"));
            run(Command::new("cp").arg("--sparse=auto").args(images));
            if finished_writes() == before {
                return folder;
            }
        }
        panic!("the disk never rests");
    }

    /// The power is back: the disk is what the copy is.
    pub(super) fn replace_by(self, copy: TempDir, home: &Home) -> Self {
        drop(self);
        Self::mount(copy, home).unwrap()
    }
}

/// Mounts the file system in which the image of the disk lies.
fn mount_outer(folder: &TempDir) -> Result<Mount, String> {
    let image = folder.path().join("outer.image");
    Mount::new(&["-o", "loop", image.to_str().unwrap()], &folder.path().join("outer"))
}
