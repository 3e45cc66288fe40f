//! What may stand at a place of the command line, for a shell that asks at the press of a key.
//!
//! Options, commands and files are clap's to offer; the names of services come from the daemon. The
//! scripts for the shells are in `completion/`.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use clap::builder::ArgExt;
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate as Candidate, complete};

use super::here::Here;
use super::names::is_short;
use super::terminal::Terminal;
use super::{Cli, Failure, Globals, Session, enter, place};
use crate::project::ShortName;
use crate::service_name::ServiceName;

/// How many full names are offered whole; of more, shells need long and nobody reads them.
const MANY: usize = 200;

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// The name of a service.
    Service,
    /// The full name of a service.
    FullName,
    /// The name of a service, alone or after `VAR=`.
    Assignment,
    /// A command of pald.
    Command,
}

impl ArgExt for Takes {}

/// Returns what may stand in the place of the last of these words, the best first.
///
/// Options come only after a `-`. Names of services are missing where pald does not answer, and no
/// error is told: a shell has no place for it.
pub(super) fn candidates(words: Vec<OsString>) -> Vec<Candidate> {
    let Some((current, before)) = words.split_last() else { return Vec::new() };
    let is_option = |word: &OsStr| word.as_encoded_bytes().starts_with(b"-");
    let (wants_option, index) = (is_option(current), before.len());
    let Ok(names) = Names::of(before).map(Arc::new) else { return Vec::new() };
    let mut command = with_names(Cli::command(), &names);
    let folder = place::folder().ok();
    let mut found = complete(&mut command, words, index, folder.as_deref()).unwrap_or_default();
    found.retain(|candidate| is_option(candidate.get_value()) == wants_option);
    found
}

/// Gives each argument that takes a service its names.
fn with_names(command: Command, names: &Arc<Names>) -> Command {
    command.mut_subcommands(|command| {
        command.mut_args(|argument| match argument.get::<Takes>().copied() {
            Some(takes) => completed(argument, takes, Arc::clone(names)),
            None => argument,
        })
    })
}

fn completed(argument: Arg, takes: Takes, names: Arc<Names>) -> Arg {
    argument.add(ArgValueCompleter::new(move |typed: &OsStr| {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        let (variable, name) = match takes {
            Takes::Command => return commands(typed),
            Takes::Service | Takes::FullName => ("", typed),
            Takes::Assignment => typed.split_at(typed.find('=').map_or(0, |at| at + 1)),
        };
        let found = match takes {
            Takes::FullName => names.full(name, |_| true),
            _ => names.starting_with(name),
        };
        let found = found.unwrap_or_default();
        found.into_iter().map(|it| it.add_prefix(variable)).collect()
    }))
}

fn commands(typed: &str) -> Vec<Candidate> {
    let command = Cli::command();
    let named = command.get_subcommands().filter(|it| it.get_name().starts_with(typed));
    named.map(|it| Candidate::new(it.get_name()).help(it.get_about().cloned())).collect()
}

/// The names of services that a command line can mean.
struct Names {
    session: Session,
    is_global: bool,
}

impl Names {
    /// Reads the options before the word that is completed.
    fn of(words: &[OsString]) -> Result<Self, Failure> {
        let matches = Cli::command().ignore_errors(true).try_get_matches_from(words);
        let globals = matches.and_then(|matches| Globals::from_arg_matches(&matches));
        let globals = globals.unwrap_or_default();
        enter(globals.directory.as_deref())?;
        let terminal = Terminal::new(&Globals { quiet: true, ..Globals::default() });
        let is_global = words.iter().any(|word| word == "-g" || word == "--global");
        Ok(Self { session: Session::new(globals, terminal), is_global })
    }

    /// Returns the names that start with a text, each with its port: first the project's short ones,
    /// where a full one has a dot.
    fn starting_with(&self, text: &str) -> Result<Vec<Candidate>, Failure> {
        let Some(here) = self.here() else { return self.full(text, |_| true) };
        let full = self.full(text, |name| !is_short(name))?;
        Ok(short_names(&here, text)?.into_iter().chain(full).collect())
    }

    /// Returns the full names that start with a text and pass a filter.
    ///
    /// The dump is the shortest answer that has them all: 16,000 are to be asked for in 50 ms.
    fn full(&self, text: &str, is_wanted: fn(&str) -> bool) -> Result<Vec<Candidate>, Failure> {
        let dump = self.session.client()?.dump()?;
        let entries = dump.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut fields = str::from_utf8(line).ok()?.split('\t');
            Some((fields.next()?, fields.next()?))
        });
        let found: Vec<_> = entries
            .filter(|(name, _)| {
                name.starts_with(text) && is_wanted(name) && ServiceName::parse(name).is_ok()
            })
            .collect();
        Ok(offered(&found, text.len()))
    }

    /// Returns the project, if short names mean its services; a file with a mistake has none.
    fn here(&self) -> Option<Here> {
        if self.is_global { None } else { self.session.here().ok()?.ok() }
    }
}

/// Offers names with their ports, or of many the next parts.
fn offered(found: &[(&str, &str)], typed: usize) -> Vec<Candidate> {
    match found.len() > MANY {
        true => next_parts(found.iter().map(|(name, _)| *name), typed),
        false => found.iter().map(|(name, port)| named(*name, (*port).to_owned())).collect(),
    }
}

/// Cuts names after the next dot behind what was typed, as shells complete paths folder by folder.
fn next_parts<'a>(names: impl Iterator<Item = &'a str>, typed: usize) -> Vec<Candidate> {
    let cut = |name: &'a str| match name[typed..].find('.') {
        Some(dot) => &name[..=typed + dot],
        None => name,
    };
    let parts: BTreeSet<_> = names.map(cut).collect();
    parts.into_iter().map(|part| named(part, String::new())).collect()
}

/// Returns the short names that start with a text: those of the files, the nearest first, and what the
/// checkout has registered besides.
fn short_names(here: &Here, text: &str) -> Result<Vec<Candidate>, Failure> {
    let mut found: Vec<Candidate> = Vec::new();
    for file in here.project.files() {
        let registered = here.known(file)?;
        let registered_as = |name: &ShortName| registered.service(name.as_str());
        let listed = file.services.iter().map(|it| (&it.name, registered_as(&it.name)));
        let left_over = registered.left_over.iter().map(|it| (&it.name, Some(it)));
        for (name, service) in listed.chain(left_over) {
            let name = name.as_str();
            if !name.starts_with(text) || found.iter().any(|it| it.get_value() == name) {
                continue;
            }
            let port = service.map(|service| service.port.to_string());
            found.push(named(name, port.unwrap_or_else(|| "not registered yet".to_owned())));
        }
    }
    Ok(found)
}

fn named(name: impl Into<OsString>, help: String) -> Candidate {
    Candidate::new(name).help(Some(help.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_argument_that_is_a_service_is_completed() {
        let mut found = Vec::new();
        for command in Cli::command().get_subcommands().filter(|it| it.get_name() != "init") {
            let is_service = |argument: &&Arg| {
                let names = argument.get_value_names().unwrap_or_default();
                names.iter().any(|name| name.ends_with("NAME"))
            };
            for argument in command.get_arguments().filter(is_service) {
                assert!(argument.get::<Takes>().is_some(), "{} {argument}", command.get_name());
                found.push(command.get_name().to_owned());
            }
        }
        assert!(
            ["get", "set", "del", "run", "env", "who"]
                .iter()
                .all(|it| found.iter().any(|found| found == it))
        );
    }
    #[test]
    fn of_many_names_the_next_parts_are_offered() {
        let names: Vec<_> = (0..=MANY).map(|it| format!("many.{}.web{it}", it / 100)).collect();
        let found: Vec<_> = names.iter().map(|name| (name.as_str(), "7")).collect();
        let offered = |found: &[(&str, &str)], typed: &str| {
            let shown = |it: Candidate| {
                let help = it.get_help().unwrap().to_string();
                format!("{} {help}", it.get_value().to_str().unwrap()).trim_end().to_owned()
            };
            offered(found, typed.len()).into_iter().map(shown).collect::<Vec<_>>()
        };
        let few = offered(&found[1..], "");
        assert_eq!((few.len(), few[0].as_str()), (MANY, "many.0.web1 7"));
        let rows: [(&str, &[&str]); 3] = [
            ("ma", &["many."]),
            ("many.", &["many.0.", "many.1.", "many.2."]),
            ("many.1", &["many.0.", "many.1.", "many.2."]),
        ];
        for (typed, expected) in rows {
            assert_eq!(offered(&found, typed), expected, "{typed}");
        }
        assert_eq!(offered(&found, "many.0.")[..2], ["many.0.web0", "many.0.web1"]);
    }
}
