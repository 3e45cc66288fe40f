//! Projects: `pald.toml` names the services that need a port, and each checkout has its own ports.
//!
//! Only files are read here, git's among them; git is not run. Not here: what is asked of the daemon,
//! and what is said about it.

mod error;
mod file;
mod git;
mod label;
mod location;
mod refused;
mod registered;
mod text;

pub use error::ProjectError;
pub use file::{CHECKOUT, FILE_NAME, PORT, ProjectFile, ProjectService};
pub use label::Label;
pub use location::Location;
pub use refused::is_refused;
pub use registered::{Registered, RegisteredService, label_of, main_folder};
pub use text::{Text, names_in, replace_names};

pub use crate::short_name::ShortName;

use crate::folder::Folder;

/// A checkout: the top of a git work tree, or outside git the folder of the project's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its real path.
    pub folder: Folder,
    /// Whether it is no linked worktree, and so may be the main checkout of a project.
    pub may_be_main: bool,
}

/// The files of projects that count in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The checkout, whose services they are.
    pub checkout: Checkout,
    /// The files from the nearest to the topmost in the checkout; at least one.
    files: Vec<ProjectFile>,
}

impl Project {
    /// Returns the nearest file.
    pub fn file(&self) -> &ProjectFile {
        self.files.first().expect("a project has a file")
    }

    /// Returns the files from the nearest to the topmost.
    pub fn files(&self) -> &[ProjectFile] {
        &self.files
    }

    /// Returns the nearest file that lists a service.
    pub fn file_with(&self, service: &str) -> Option<&ProjectFile> {
        self.files.iter().find(|file| file.service(service).is_some())
    }

    /// Returns the labels that the checkout may get, the best first: `known` is the one that it has
    /// already for another project.
    pub fn labels(&self, known: Option<&Label>) -> Vec<Label> {
        let topmost = self.files.last().expect("a project has a file");
        let of_folder = Label::of_folder(&self.checkout.folder.path(), &topmost.project);
        let first = match known {
            Some(label) => Some(label.clone()),
            None => self.checkout.may_be_main.then(Label::default),
        };
        first.into_iter().filter(|label| *label != of_folder).chain([of_folder.clone()]).collect()
    }
}
