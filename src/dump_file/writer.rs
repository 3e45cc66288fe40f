//! Writes the dump, and nothing over what somebody else put in its place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kept::keep_if_different;
use crate::dump;
use crate::files::{self, FileState, Identity};
use crate::registration::Registration;
use crate::seal::Seal;

/// All services at one moment, as a dump shows them.
#[derive(Debug)]
pub struct Snapshot {
    /// The services, in port order.
    pub registrations: Vec<Arc<Registration>>,
    /// Their seal.
    pub seal: Seal,
}

/// How many lines a part of a dump has: the whole text of 60,000 services takes 5 MB.
const PART: usize = 128;

impl Snapshot {
    /// Returns the same services without the folders of checkouts, sealed as such.
    #[must_use]
    pub fn without_folders(self) -> Self {
        let without = |registration: Arc<Registration>| match registration.folder {
            None => registration,
            Some(_) => {
                Arc::new(Registration { folder: None, ..Registration::clone(&registration) })
            }
        };
        let registrations: Vec<_> = self.registrations.into_iter().map(without).collect();
        let seal = Seal::of(self.seal.revision, registrations.iter().map(Arc::as_ref));
        Self { registrations, seal: seal.with_id(self.seal.id) }
    }

    /// Returns a part of the dump's text, counted from 0; `None` after the last.
    pub fn part(&self, number: usize) -> Option<String> {
        let part = self.registrations.chunks(PART).nth(number)?;
        let is_last = (number + 1) * PART >= self.registrations.len();
        Some(dump::render(part.iter().map(Arc::as_ref), is_last.then_some(self.seal)))
    }

    /// Returns the parts of the dump's text, in their order.
    pub fn parts(&self) -> impl Iterator<Item = String> {
        (0..).map_while(|number| self.part(number))
    }
}

/// Writes the dump at one path, in the folder that was there at the start.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    folder: io::Result<Identity>,
    /// What may be overwritten without a look at it.
    own: Option<FileState>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, own: Option<FileState>) -> Self {
        let folder = Identity::at(files::folder_of(&path));
        Self { path, folder, own }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the dump; on return it is on disk. What is in its place is looked at first: a file that
    /// somebody edited, replaced or linked is kept aside, if it says anything else.
    ///
    /// # Errors
    /// What the system said; or the folder is another one, for example another filesystem was mounted
    /// over it, and what is there belongs to somebody else.
    pub(super) fn write(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let folder = Identity::at(files::folder_of(&self.path))?;
        if self.folder.as_ref().is_ok_and(|own| *own != folder) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "its folder was replaced"));
        }
        let found = FileState::at(&self.path)?;
        if found.is_some() && found != self.own {
            keep_if_different(&self.path, &snapshot.registrations)?;
        }
        self.own = Some(files::replace_in_parts(&self.path, snapshot.parts())?);
        self.folder = Ok(folder);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::files::siblings;
    use crate::folder::Folder;

    fn snapshot(dump: &str) -> Snapshot {
        let registrations = dump::parse(dump.as_bytes()).unwrap().registrations();
        let seal = Seal::of(1, &registrations);
        Snapshot { registrations: registrations.into_iter().map(Arc::new).collect(), seal }
    }

    #[test]
    fn without_folders_all_else_stays() {
        let line = "a\t1\t\t# pald: since=2026-11-17T10:00:00Z hold=off";
        let with = snapshot(&format!("{line} folder=/code/shop\nb 2\n"));
        let without = snapshot(&format!("{line}\nb 2\n"));
        assert_eq!(with.registrations[0].folder.as_ref().map(Folder::as_str), Some("/code/shop"));
        let stripped = with.without_folders();
        assert_eq!(stripped.registrations, without.registrations);
        assert_eq!(stripped.seal, without.seal);
    }

    /// What is kept beside the dump.
    fn kept(path: &Path) -> Vec<String> {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        siblings(path, ".kept-").into_iter().map(read).collect()
    }

    #[test]
    fn what_pald_wrote_is_overwritten_and_what_others_put_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let mut writer = Writer::new(path.clone(), None);
        let [one, two] = ["a 1\n", "a 1\nb 2\n"].map(snapshot);
        for snapshot in [&one, &two, &one] {
            writer.write(snapshot).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), snapshot.parts().collect::<String>());
        }
        assert_eq!(kept(&path), [""; 0]);

        type Edit = fn(&Path);
        let edits: [(Edit, &str); 3] = [
            (|path| fs::write(path, "mine 7\n").unwrap(), "mine 7\n"),
            (
                |path| {
                    fs::write(path.with_extension("other"), "other 8\n").unwrap();
                    fs::rename(path.with_extension("other"), path).unwrap();
                },
                "other 8\n",
            ),
            (
                |path| {
                    fs::write(path.with_extension("target"), "linked 9\n").unwrap();
                    fs::remove_file(path).unwrap();
                    symlink(path.with_extension("target"), path).unwrap();
                },
                "linked 9\n",
            ),
        ];
        for (edit, text) in edits {
            edit(&path);
            writer.write(&one).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), one.parts().collect::<String>());
            assert!(!path.is_symlink());
            assert!(kept(&path).contains(&text.to_owned()), "{text}: {:?}", kept(&path));
        }
        assert_eq!(fs::read_to_string(path.with_extension("target")).unwrap(), "linked 9\n");
        assert_eq!(kept(&path).len(), 3);

        // It says the same, so nothing is lost with it.
        fs::write(&path, "a 1 # my first service\n").unwrap();
        writer.write(&one).unwrap();
        assert_eq!(kept(&path).len(), 3);
    }

    #[test]
    fn the_parts_of_a_dump_are_one_dump() {
        for count in [0, 1, PART - 1, PART, PART + 1, 2 * PART] {
            let lines: String = (1..=count).map(|number| format!("s{number} {number}\n")).collect();
            let snapshot = snapshot(&lines);
            let text: String = snapshot.parts().collect();
            let registrations = snapshot.registrations.iter().map(Arc::as_ref);
            assert_eq!(text, dump::render(registrations, snapshot.seal), "{count}");
            assert_eq!(snapshot.parts().count(), count.div_ceil(PART));
        }
    }

    #[test]
    fn nothing_is_written_into_a_folder_that_took_the_place_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("own");
        fs::create_dir(&folder).unwrap();
        let mut writer = Writer::new(folder.join("dump"), None);
        writer.write(&snapshot("a 1\n")).unwrap();
        fs::rename(&folder, home.path().join("moved")).unwrap();
        let error = writer.write(&snapshot("a 1\n")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("dump"), "another 9\n").unwrap();
        let error = writer.write(&snapshot("a 1\n")).unwrap_err();
        assert_eq!(error.to_string(), "its folder was replaced");
        assert_eq!(fs::read_to_string(folder.join("dump")).unwrap(), "another 9\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
