//! `pald init`: writes the file of a project.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::Args;

use crate::cli::assignment::check_distinct;
use crate::cli::error::{ADD_SERVICES, CommandError};
use crate::cli::{Failure, Session, place};
use crate::files::Shown;
use crate::project::{CHECKOUT, FILE_NAME, PORT, ShortName, is_refused};
use crate::quoted::Quoted;
use crate::variable_name::VariableName;

/// Write pald.toml for a project, which is called like the folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald init web api db && pald set")]
pub(in crate::cli) struct Init {
    /// The services that need a port: 1 to 100 letters, digits, _ and -
    name: Vec<OsString>,
}

impl Init {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let services: Vec<_> =
            self.name.iter().map(|name| service(name)).collect::<Result<_, _>>()?;
        let services = without_repetition(services);
        check_variables(&services)?;
        let location = session.location()?;
        let home = place::paths().home.and_then(|home| fs::canonicalize(home).ok());
        if location.top.is_none() && home.as_deref() == Some(&location.from) {
            return Err(CommandError::HomeFolder.into());
        }
        // A linked worktree is called like its branch.
        let of_repository = location.main.as_deref().filter(|_| location.from == location.to);
        let folder = of_repository.unwrap_or(&location.from);
        let name = folder.file_name().unwrap_or_default();
        let project = ShortName::nearest(&name.to_string_lossy());
        let project =
            project.ok_or_else(|| CommandError::ProjectName(Quoted::new(name.as_bytes())))?;
        let path = location.from.join(FILE_NAME);
        write(&path, &text(&project, &services))?;
        session.terminal.note(&format!("Wrote {FILE_NAME} for {project}"));
        let path = Shown(&path);
        if let Some(above) = location.file().filter(|_| !location.is_of_main) {
            let text = format!("{path} is a project of its own, besides {}", Shown(above));
            session.terminal.say(&text);
        }
        if services.is_empty() {
            session.terminal.say(&format!("{path} has no services yet; {ADD_SERVICES}"));
        }
        Ok(())
    }
}

fn service(name: &OsStr) -> Result<ShortName, CommandError> {
    let short = name.to_str().and_then(ShortName::parse);
    let short = short.filter(|name| ![PORT, CHECKOUT].contains(&name.as_str()));
    short.ok_or_else(|| CommandError::ProjectService(Quoted::new(name.as_bytes())))
}

fn check_variables(services: &[ShortName]) -> Result<(), CommandError> {
    let variables: Vec<_> =
        services.iter().map(|name| VariableName::of_service(name.as_str())).collect();
    check_distinct(variables.iter()).map_err(|error| match error {
        CommandError::VariableTwice(variable) => CommandError::SameVariable(variable),
        error => error,
    })?;
    match services.iter().zip(&variables).find(|(_, variable)| is_refused(variable)) {
        None => Ok(()),
        Some((service, variable)) => Err(CommandError::RefusedVariable {
            service: service.to_string(),
            variable: variable.to_string(),
        }),
    }
}

fn without_repetition(names: Vec<ShortName>) -> Vec<ShortName> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

fn text(project: &ShortName, services: &[ShortName]) -> String {
    let width = services.iter().map(|name| name.as_str().len()).max().unwrap_or_default();
    let line = |name: &ShortName| format!("{:width$} = {{}}\n", name.as_str());
    let lines: String = services.iter().map(line).collect();
    format!("project = \"{project}\"\n\n[services]\n{lines}")
}

/// Writes a new file, or none.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |source| CommandError::Write { path: path.to_owned(), source };
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(CommandError::FileExists(path.to_owned()));
        }
        opened => opened.map_err(failed)?,
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
        // What is there is not whole; if it can't be removed either, the error still stands.
        let _ = fs::remove_file(path);
        failed(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::ProjectFile;

    #[test]
    fn the_text_is_a_project() {
        let names = ["web", "db"].map(|name| ShortName::parse(name).unwrap());
        let text = text(&ShortName::parse("shop").unwrap(), &names);
        assert_eq!(text, "project = \"shop\"\n\n[services]\nweb = {}\ndb  = {}\n");
        let file = ProjectFile::parse(Path::new(FILE_NAME), text.as_bytes(), &[]).unwrap();
        assert_eq!(file.services.len(), 2);
    }

    #[test]
    fn a_name_counts_once() {
        let names = ["web", "db", "web"].map(|name| ShortName::parse(name).unwrap());
        let once = without_repetition(names.to_vec());
        assert!(once.iter().map(ShortName::as_str).eq(["web", "db"]));
    }
}
