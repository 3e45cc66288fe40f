//! Where a command is: the checkout, and the files of projects on the way to its top.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::git::{self, WorkTree, metadata};
use super::{Checkout, FILE_NAME, Project, ProjectError, ProjectFile};
use crate::files::{self, Links, ReadError};
use crate::folder::Folder;

/// The maximum size of a project's file, in bytes.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// The checkout of a folder and its files of projects, which are not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The top of the checkout; `None` outside git where there is no file.
    pub top: Option<PathBuf>,
    /// Whether the checkout may be the main one of a project.
    may_be_main: bool,
    /// The files, the nearest first.
    files: Vec<PathBuf>,
    /// Whether these are the main checkout's, since a linked worktree has none.
    pub is_of_main: bool,
    /// The main checkout, where this is a linked worktree of one that git's files name.
    pub main: Option<PathBuf>,
    /// The folder where the search began.
    pub from: PathBuf,
    /// The last folder that was searched, `from` or one above it.
    pub to: PathBuf,
}

impl Location {
    /// Looks for the checkout and the files from a folder upwards; the folder is given by its real
    /// path. Outside git, a file in the home folder does not count.
    ///
    /// # Errors
    /// The system can't be asked; or there is a file, and one of git's leads nowhere.
    pub fn of(folder: &Path, home: Option<&Path>) -> Result<Self, ProjectError> {
        match git::work_tree(folder) {
            Ok(Some(tree)) => Ok(Self::in_work_tree(folder, &tree)),
            Ok(None) => Self::outside_git(folder, home),
            Err(error) => match files_between(folder, Path::new("/")).is_empty() {
                // Without a project it does not matter what git is about.
                true => Self::outside_git(folder, home),
                false => Err(error),
            },
        }
    }

    /// Returns the checkout; `None` outside git where there is no file.
    ///
    /// # Errors
    /// Its path can't be remembered.
    pub fn checkout(&self) -> Result<Option<Checkout>, ProjectError> {
        let Some(top) = &self.top else { return Ok(None) };
        let folder =
            Folder::of(top).map_err(|source| ProjectError::Folder { path: top.clone(), source })?;
        Ok(Some(Checkout { folder, may_be_main: self.may_be_main }))
    }

    /// Returns the nearest file.
    pub fn file(&self) -> Option<&Path> {
        self.files.first().map(PathBuf::as_path)
    }

    /// Reads the files; `None` if there is none.
    ///
    /// # Errors
    /// A file is another user's, can't be read, or has a mistake; or the path of the checkout can't be
    /// remembered.
    pub fn load(&self) -> Result<Option<Project>, ProjectError> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let Some(checkout) = self.checkout()? else { return Ok(None) };
        let mut read: Vec<ProjectFile> = Vec::new();
        for path in self.files.iter().rev() {
            let content = files::read(path, MAX_FILE_BYTES, Links::Follow)?;
            let gone =
                || ReadError::Io { path: path.clone(), source: rustix::io::Errno::NOENT.into() };
            let file = ProjectFile::parse(path, &content.ok_or_else(gone)?, &read)?;
            read.insert(0, file);
        }
        Ok(Some(Project { checkout, files: read }))
    }

    fn in_work_tree(folder: &Path, tree: &WorkTree) -> Self {
        let own = files_between(folder, &tree.top);
        let main = tree.main.as_deref().filter(|_| own.is_empty());
        let of_main = main.map(|main| {
            let place = folder.strip_prefix(&tree.top).unwrap_or(Path::new(""));
            files_between(&main.join(place), main)
        });
        let of_main = of_main.filter(|files| !files.is_empty());
        Self {
            top: Some(tree.top.clone()),
            may_be_main: tree.may_be_main,
            is_of_main: of_main.is_some(),
            files: of_main.unwrap_or(own),
            main: tree.main.clone(),
            from: folder.to_owned(),
            to: tree.top.clone(),
        }
    }

    fn outside_git(folder: &Path, home: Option<&Path>) -> Result<Self, ProjectError> {
        let border = |folder: &Path| {
            let found = metadata(folder)?;
            Ok::<_, ProjectError>(found.map(|found| (found.dev(), found.uid())))
        };
        let home = home.and_then(|home| fs::canonicalize(home).ok());
        let start = border(folder)?;
        let mut location = Self {
            top: None,
            may_be_main: true,
            files: Vec::new(),
            is_of_main: false,
            main: None,
            from: folder.to_owned(),
            to: folder.to_owned(),
        };
        for folder in folder.ancestors() {
            if border(folder)? != start {
                break;
            }
            folder.clone_into(&mut location.to);
            let file = folder.join(FILE_NAME);
            if home.as_deref() != Some(folder) && is_there(&file) {
                location.files.push(file);
                location.top = Some(folder.to_owned());
                break;
            }
        }
        Ok(location)
    }
}

/// Returns the files from a folder up to the top of its checkout, the nearest first.
fn files_between(folder: &Path, top: &Path) -> Vec<PathBuf> {
    let folders = folder.ancestors().take_while(|folder| folder.starts_with(top));
    folders.map(|folder| folder.join(FILE_NAME)).filter(|file| is_there(file)).collect()
}

/// Returns whether anything is at a path, a link that leads nowhere too.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests;
