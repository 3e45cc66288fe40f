//! `pald import`: imports a dump into the registry.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::api::{Imported, LineProblem, ProblemType};
use crate::cli::error::CommandError;
use crate::cli::{Failure, Session, Terminal};
use crate::client::ClientError;
use crate::dump_file::MAX_BYTES;
use crate::files::Shown;
use crate::registry::ImportMode;

/// Import a dump: all of it, or nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald import ports.dump --dry-run")]
pub(in crate::cli) struct Import {
    /// The dump; - is stdin
    file: PathBuf,
    /// Also release all services that are not in the dump
    #[arg(long)]
    replace: bool,
    /// Only print what would change
    #[arg(long)]
    dry_run: bool,
    /// Don't ask before releasing services
    #[arg(long)]
    yes: bool,
}

impl Import {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let mode = if self.replace { ImportMode::Replace } else { ImportMode::Merge };
        let must_ask = self.replace && !self.dry_run && !self.yes;
        if must_ask && !session.terminal.can_ask() {
            return Err(CommandError::Unconfirmed.into());
        }
        let dump = read(&self.file)?;
        let client = session.client()?;
        let explain = |error| explain(error, &self.file);
        let plan = || client.plan_import(&dump, mode).map_err(explain);
        if must_ask && !confirm(&plan()?, session.terminal) {
            return Err(CommandError::Declined.into());
        }
        let imported = match self.dry_run {
            true => plan()?,
            false => client.import(&dump, mode).map_err(explain)?,
        };
        let is_listed = self.dry_run || session.terminal.is_verbose();
        let mut lines = if is_listed { names(&imported) } else { Vec::new() };
        lines.push(summary(&imported));
        Ok(session.terminal.answer(lines)?)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    // One byte more than allowed shows that the dump is too large.
    let limit = u64::try_from(MAX_BYTES).map_or(u64::MAX, |bytes| bytes + 1);
    let mut dump = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().take(limit).read_to_end(&mut dump),
        false => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut dump)),
    };
    match read {
        Ok(length) if length <= MAX_BYTES => Ok(dump),
        Ok(_) => Err(CommandError::TooLarge { path: path.to_owned() }),
        Err(source) => Err(CommandError::Read { path: path.to_owned(), source }),
    }
}

/// Explains why the dump was refused; lists bad lines as a compiler does.
fn explain(error: ClientError, path: &Path) -> Failure {
    match error {
        ClientError::Problem(problem) if !problem.lines.is_empty() => {
            let line = |it: &LineProblem| format!("{}:{}: {}", Shown(path), it.line, it.reason);
            let lines = match problem.lines.as_slice() {
                [only] => vec![format!("{}; nothing was imported", line(only))],
                lines => lines.iter().map(line).chain([problem.detail]).collect(),
            };
            CommandError::BadLines { lines }.into()
        }
        // Every other port that is in the way is a service's, and it is the name that is taken.
        ClientError::Problem(problem) if problem.kind == ProblemType::PortTaken => Failure {
            hint: Some("Remove it from the dump, or set another `port_listen`".to_owned()),
            ..ClientError::Problem(problem).into()
        },
        other => other.into(),
    }
}

/// Asks before services are released, if any would be.
fn confirm(planned: &Imported, terminal: Terminal) -> bool {
    let mut lines = names(planned);
    lines.push(summary(planned));
    planned.removed.is_empty() || terminal.confirm(&lines, "Go on?")
}

/// Lists the services that change, one a line.
fn names(imported: &Imported) -> Vec<String> {
    let Imported { added, changed, removed, .. } = imported;
    let signed = [("+", added), ("~", changed), ("-", removed)];
    let lines = signed
        .iter()
        .flat_map(|(sign, names)| names.iter().map(move |name| format!("{sign} {name}")));
    lines.collect()
}

fn summary(imported: &Imported) -> String {
    let Imported { added, changed, removed, kept, .. } = imported;
    let [added, changed, removed] = [added, changed, removed].map(Vec::len);
    format!("{added} added, {changed} changed, {removed} released, {kept} unchanged")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::api::Problem;

    #[test]
    fn a_dump_is_read_up_to_the_largest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        assert!(matches!(read(&path), Err(CommandError::Read { .. })));
        fs::write(&path, vec![b'#'; MAX_BYTES]).unwrap();
        assert_eq!(read(&path).unwrap().len(), MAX_BYTES);
        fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
        assert!(matches!(read(&path), Err(CommandError::TooLarge { .. })));
    }

    #[test]
    fn what_is_wrong_with_a_dump_is_told_line_by_line() {
        let explained = |kind, lines: &[(usize, &str)]| {
            let line = |(line, reason): &(usize, &str)| LineProblem {
                line: *line,
                reason: (*reason).to_owned(),
            };
            let problem = Problem {
                kind,
                title: String::new(),
                status: 400,
                detail: "The dump has bad lines".to_owned(),
                hint: None,
                service: None,
                port: None,
                occupied: Vec::new(),
                candidates: Vec::new(),
                lines: lines.iter().map(line).collect(),
            };
            let failure = explain(ClientError::Problem(problem.into()), Path::new("my.dump"));
            (failure.lines, failure.hint)
        };
        let fix = Some("Fix the dump and import it again".to_owned());
        let listen = Some("Remove it from the dump, or set another `port_listen`".to_owned());
        let detail = "The dump has bad lines";
        use ProblemType as Kind;
        let rows: [(Kind, &[(usize, &str)], &[&str], &Option<String>); 4] = [
            (Kind::DumpInvalid, &[(3, "why")], &["my.dump:3: why; nothing was imported"], &fix),
            (
                Kind::DumpInvalid,
                &[(3, "why"), (5, "else")],
                &["my.dump:3: why", "my.dump:5: else", detail],
                &fix,
            ),
            (Kind::PortTaken, &[], &[detail], &listen),
            (Kind::PortOutOfRange, &[], &[detail], &None),
        ];
        for (kind, lines, expected, hint) in rows {
            let (found, found_hint) = explained(kind, lines);
            assert_eq!(
                (found, &found_hint),
                (expected.iter().map(|it| (*it).to_owned()).collect(), hint)
            );
        }
    }

    #[test]
    fn what_changes_is_listed_and_counted() {
        let list = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let imported = Imported {
            added: list(&["a", "b"]),
            changed: list(&["c"]),
            removed: list(&["d", "e", "f"]),
            kept: 4,
            revision: 7,
            dry_run: false,
        };
        assert_eq!(names(&imported), ["+ a", "+ b", "~ c", "- d", "- e", "- f"]);
        assert_eq!(summary(&imported), "2 added, 1 changed, 3 released, 4 unchanged");
    }
}
