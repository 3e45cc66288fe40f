//! The power fails in the middle of changes: what was answered is on the disk.
//!
//! pald's home is an ext4 file system on a disk with a cache that forgets. The disk is an image
//! file on a second file system, whose own image is copied as it is at the moment of the cut. What
//! the home's file system has written is in the page cache of the second one, and reaches the
//! second image when the home's file system flushes its disk. The copy is then what is there when
//! the power is back. Without `sync_data` in `Store::commit` most of the changes are lost.
//!
//! Needs root, loop devices and mkfs.ext4, or else it is skipped. `PALD_POWER_CUTS` says how
//! often the power fails.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::daemon::{Client, Home};
use crate::faults::{Known, Mount, Random, count, lost, run, write_until_killed};

const WRITERS: u16 = 8;
const DISK_BYTES: u64 = 24 * 1024 * 1024;
const OUTER_BYTES: u64 = 40 * 1024 * 1024;
/// How many cuts a file system sees before a new one takes its place.
const CUTS_PER_DISK: usize = 5;

/// A disk with a cache, mounted over a home folder.
struct Disk {
    // In the order in which they are unmounted.
    _home: Mount,
    outer: Mount,
    folder: TempDir,
}

impl Disk {
    /// A new disk, with `dump` as the home's dump unless it is empty.
    fn new(home: &Home, dump: &str) -> Result<Self, String> {
        if let Err(cause) = Command::new("mkfs.ext4").arg("-V").output() {
            return Err(format!("mkfs.ext4: {cause}"));
        }
        let folder = tempfile::tempdir().unwrap();
        make_file_system(&folder.path().join("outer.image"), OUTER_BYTES);
        fs::create_dir(folder.path().join("outer")).unwrap();
        let outer = mount_outer(&folder)?;
        make_file_system(&folder.path().join("outer/disk.image"), DISK_BYTES);
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
    fn copy(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("outer")).unwrap();
        let statistics = Path::new("/sys/block").join(self.outer.device()).join("stat");
        let finished_writes = || {
            let numbers = fs::read_to_string(&statistics).unwrap();
            numbers.split_whitespace().nth(4).unwrap().parse::<u64>().unwrap()
        };
        for _ in 0..200 {
            let before = finished_writes();
            let image = self.folder.path().join("outer.image");
            fs::copy(image, folder.path().join("outer.image")).unwrap();
            if finished_writes() == before {
                return folder;
            }
        }
        panic!("the disk never rests");
    }

    /// The power is back: the disk is what the copy is.
    fn replace_by(self, copy: TempDir, home: &Home) -> Self {
        drop(self);
        Self::mount(copy, home).unwrap()
    }
}

/// Mounts the file system in which the image of the disk lies.
fn mount_outer(folder: &TempDir) -> Result<Mount, String> {
    let image = folder.path().join("outer.image");
    Mount::new(&["-o", "loop", image.to_str().unwrap()], &folder.path().join("outer"))
}

/// Makes a file with an ext4 file system that the kernel has nothing left to do for.
fn make_file_system(image: &Path, bytes: u64) {
    fs::File::create(image).unwrap().set_len(bytes).unwrap();
    let options = ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
    run(Command::new("mkfs.ext4").args(options).arg(image));
}

/// Lets writers change services until the power fails; what they know, and the disk as it is then.
fn change_until_cut(
    home: &Home,
    disk: &Disk,
    cut: usize,
    life: Duration,
) -> (Vec<Known>, usize, TempDir) {
    let daemon = home.start();
    let mut known = vec![Known::new(); usize::from(WRITERS)];
    let (acknowledged, copy) = std::thread::scope(|scope| {
        let writers: Vec<_> = known
            .iter_mut()
            .zip(0..WRITERS)
            .map(|(known, writer)| {
                let client = Client::new(home.listen);
                let prefix = format!("w{writer}.c{cut}");
                scope.spawn(move || write_until_killed(&client, &prefix, known))
            })
            .collect();
        // This is the moment of the cut, not a wait for anything.
        std::thread::sleep(life);
        daemon.send_signal(Signal::STOP);
        let copy = disk.copy();
        daemon.kill();
        let counts = writers.into_iter().map(|writer| writer.join().unwrap());
        (counts.sum::<usize>(), copy)
    });
    (known, acknowledged, copy)
}

#[test]
fn no_acknowledged_change_is_lost_when_the_power_fails() {
    let home = Home::wide();
    let mut random = Random::new();
    let cuts = count("PALD_POWER_CUTS", 15);
    let mut all = Known::new();
    let (mut acknowledged, mut losses) = (0, Vec::new());
    let mut current: Option<Disk> = None;
    for cut in 0..cuts {
        let disk = match current.take() {
            Some(disk) if cut % CUTS_PER_DISK != 0 => disk,
            old => {
                drop(old);
                all.clear();
                match Disk::new(&home, "") {
                    Ok(disk) => disk,
                    Err(reason) => return println!("skipped: {reason}"),
                }
            }
        };
        let life = Duration::from_micros(random.below(250_000));
        let (known, count, copy) = change_until_cut(&home, &disk, cut, life);
        acknowledged += count;
        let disk = disk.replace_by(copy, &home);
        known.into_iter().for_each(|known| all.extend(known));
        match home.try_start(home.command()) {
            Ok(daemon) => {
                let lost = lost(&daemon.client, &all);
                if !lost.is_empty() {
                    // Each loss counts once.
                    all.clear();
                }
                losses.extend(lost);
                daemon.kill();
                current = Some(disk);
            }
            Err((status, log)) => losses.push(format!("cut {cut}: {status}: {log}")),
        }
    }
    println!("{cuts} power cuts, {acknowledged} acknowledged changes, {} lost", losses.len());
    assert_eq!(losses, Vec::<String>::new());
    assert!(acknowledged > 0);
}

#[test]
fn an_import_survives_a_power_cut_at_any_moment_of_the_first_start() {
    let home = Home::new(9);
    let mut random = Random::new();
    let known: Known = (1..=500).map(|port| (format!("service{port}"), Some(port))).collect();
    let dump: String = (1..=500).map(|port| format!("service{port}\t{port}\t\n")).collect();
    let cuts = count("PALD_POWER_CUTS", 15).div_ceil(2);
    for cut in 0..cuts {
        let disk = match Disk::new(&home, &dump) {
            Ok(disk) => disk,
            Err(reason) => return println!("skipped: {reason}"),
        };
        let mut command = home.command();
        let mut pald = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // This is the moment of the cut, not a wait for anything.
        std::thread::sleep(Duration::from_micros(random.below(300_000)));
        let pid = rustix::process::Pid::from_child(&pald);
        rustix::process::kill_process(pid, Signal::STOP).unwrap();
        let copy = disk.copy();
        pald.kill().unwrap();
        pald.wait().unwrap();
        let _disk = disk.replace_by(copy, &home);
        let daemon = home.start();
        assert_eq!(lost(&daemon.client, &known), Vec::<String>::new(), "cut {cut}");
        daemon.kill();
    }
    println!("{cuts} power cuts during the import, nothing lost");
}
