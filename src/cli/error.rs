//! Errors that the commands themselves find.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::Exit;
use super::duration::duration;
use super::explain::{Explain, sentence};
use crate::client::UrlError;
use crate::dump_file::MAX_BYTES;
use crate::files::Shown;
use crate::project::{self, Text};
use crate::quoted::Quoted;
use crate::service_name::ServiceName;

/// What to do about a project without services.
pub(super) const ADD_SERVICES: &str =
    "add lines such as `web = {}` below its `[services]`, then run `pald set`";

/// An error of a command that does not come from the daemon or from the modules below.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    #[error("--url is {0}")]
    UrlFlag(UrlError),
    #[error("PALD_URL is {0}")]
    UrlVariable(UrlError),
    #[error("{0} is not a valid variable name; use letters, digits and _, and no digit first")]
    VariableName(Quoted),
    #[error("Text {text} can't be used; it must be {}", Text::ALLOWED)]
    Text { text: Quoted },
    #[error("The pattern {pattern} can't be used: {reason}")]
    Pattern { pattern: Quoted, reason: &'static str },
    #[error("Variable {0} is set twice")]
    VariableTwice(String),
    #[error("Two of these services would have the variable {0}")]
    SameVariable(String),
    #[error("Port {port} is used by {by}")]
    Used { port: String, number: u16, by: String, pid: Option<u32> },
    #[error("Nothing listens on port {port}{}", after(*.waited))]
    Silent { port: String, waited: Option<Duration> },
    #[error("{0} is not a time; use seconds, or a number with ms, s, min or h, as in `30s`")]
    Time(Quoted),
    #[error("Nothing uses port {port}")]
    Unused { port: String },
    #[error("Port {port} is held for {service}; nothing listens")]
    Held { port: u16, service: String },
    #[error("Can't tell what uses port {port}: {reason}")]
    UnknownUse { port: String, reason: String },
    #[error("Can't run {program}")]
    NotRunnable { program: Quoted, source: io::Error },
    #[error("Can't run {program}")]
    NoSuchCommand { program: Quoted, hint: Option<String>, source: io::Error },
    #[error("Can't change to {}", Shown(.path))]
    Directory { path: PathBuf, source: io::Error },
    #[error("Can't tell the current folder")]
    CurrentFolder(#[source] io::Error),
    #[error("`{command}` needs a project, and there is no pald.toml {}", looked(.from, .to))]
    NoProject { command: &'static str, from: PathBuf, to: PathBuf },
    #[error("`{command} -g` needs a name")]
    NoName { command: &'static str },
    #[error("`--move` needs the port to move to")]
    MoveWhere,
    #[error("{name} is no service of {project} ({})", Shown(.file))]
    NoService {
        name: String,
        project: String,
        file: PathBuf,
        nearest: Option<String>,
        is_full: bool,
    },
    #[error("{} not registered for {project} in {}", are(.names), Shown(.folder))]
    NotHere { names: Vec<String>, project: String, folder: PathBuf, remedy: &'static str },
    #[error("No service is registered for {}", Shown(.0))]
    NothingHere(PathBuf),
    #[error("Port {port} is already registered to {service}")]
    PortTaken { port: u16, service: String },
    #[error("No registered service matches {0}")]
    NoMatch(Quoted),
    #[error("{} already exists", Shown(.0))]
    FileExists(PathBuf),
    #[error("{0} can't be the name of a project, which has 1 to 100 letters, digits, _ and -")]
    ProjectName(Quoted),
    #[error(
        "{0} can't be a service of a project: its name has 1 to 100 letters, digits, _ and -, and is neither `port` nor `checkout`"
    )]
    ProjectService(Quoted),
    #[error(
        "{service} can't be a service here: shells and loaders run code by its variable {variable}"
    )]
    RefusedVariable { service: String, variable: String },
    #[error("A pald.toml in the home folder is never used")]
    HomeFolder,
    #[error("{} was not written by `pald env`", Shown(.0))]
    NotOurs(PathBuf),
    #[error("JSON has no comments, so `-o` can't mark the file as pald's")]
    JsonFile,
    #[error("{variable} is {value}, which programs that read .env files understand differently")]
    Dotenv { variable: String, value: Quoted },
    #[error("`{command}` can't ask for confirmation here")]
    UnconfirmedRelease { command: &'static str, list: String },
    #[error("{what} is not registered")]
    NotRegistered { what: String, hint: Option<String> },
    #[error("Nothing was released")]
    NotReleased,
    #[error("Can't read {}", Shown(.path))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {MAX_BYTES} bytes, the maximum for a dump; nothing was imported", Shown(.path))]
    TooLarge { path: PathBuf },
    #[error("{}", .lines.join("\n"))]
    BadLines { lines: Vec<String> },
    #[error("pald doctor found {}", faults(*.0))]
    Faults(usize),
    #[error("pald has no command {0}")]
    UnknownCommand(Quoted),
    #[error("`pald import --replace` can't ask for confirmation here")]
    Unconfirmed,
    #[error("Nothing was imported")]
    Declined,
    #[error("{} is not a regular file", Shown(.path))]
    NotAFile { path: PathBuf },
    #[error("Can't write {}", Shown(.path))]
    Write { path: PathBuf, source: io::Error },
    #[error("Can't write to stdout")]
    Stdout(#[source] io::Error),
}

impl Explain for CommandError {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::BadLines { lines } => lines.clone(),
            error => vec![sentence(error.to_string(), error.source())],
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoService { name, file, nearest, is_full, .. } => {
                return Some(hint_for_name(name, file, nearest.as_deref(), *is_full));
            }
            Self::NotHere { names, remedy, .. } => {
                let it = if names.len() == 1 { "it" } else { "them" };
                return Some(format!("`{remedy}` registers {it}"));
            }
            Self::PortTaken { service, .. } if ServiceName::parse(service).is_ok() => {
                return Some(release_or_other(service));
            }
            Self::NoProject { command, .. } if command.ends_with("--here") => {
                "Change to a project's folder first, or write its file with `pald init NAME...`"
            }
            Self::NoProject { .. } => "Write one with `pald init NAME...`, or give a full name",
            Self::NoName { .. } => "Leave `-g` out for the project here",
            Self::MoveWhere => "Add `--port N`",
            Self::NoMatch(_) => "A pattern matches full names; `pald list` shows them",
            Self::FileExists(_) => return Some(format!("It stays as it is; {ADD_SERVICES}")),
            Self::SameVariable(_) => "Leave one out, and add it to the file with `env = \"VAR\"`",
            Self::RefusedVariable { .. } => {
                "Choose another name, or add it to the file with `env = \"VAR\"`"
            }
            Self::HomeFolder => "Change to a project's folder first",
            Self::NotOurs(_) => "Move it away, or name another file",
            Self::JsonFile => "Choose another format, or write it with `>`",
            Self::Dotenv { .. } => "Use `-f sh` or `-f json`, or leave quotes and backslashes out",
            Self::UnconfirmedRelease { list, .. } => {
                return Some(format!("Add `--yes`, or see what it is with `{list}`"));
            }
            Self::NotRegistered { hint, .. } | Self::NoSuchCommand { hint, .. } => {
                return hint.clone();
            }
            Self::Used { number, pid: Some(pid), .. } => {
                return Some(format!("Stop it with `kill {pid}`, or see `pald who {number}`"));
            }
            Self::Used { number, .. } => return Some(format!("See `pald who {number}`")),
            Self::Held { service, .. } => return Some(without_hold(service)),
            Self::BadLines { .. } => "Fix the dump and import it again",
            Self::Unconfirmed => "Add `--yes`, or see what would change with `--dry-run`",
            Self::UnknownCommand(_) => "`pald man` lists all commands",
            Self::NotAFile { .. } => "Leave the file out to write to stdout",
            Self::VariableTwice(_) => "Choose another name, as in `WEB=shop.web`",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_command(self)
    }
}

/// The ways out where a port that was asked for is a service's.
pub(super) fn release_or_other(service: &str) -> String {
    format!("Release it with `pald del {service}`, or ask for another port")
}

/// The way out for servers that a hold keeps away.
fn without_hold(service: &str) -> String {
    // It becomes part of a command.
    let service = ServiceName::parse(service).map_or_else(|_| "NAME".into(), |it| it.to_string());
    format!("If its server says that the address is in use: `pald run --no-hold {service} -- CMD`")
}

fn hint_for_name(name: &str, file: &Path, nearest: Option<&str>, is_full: bool) -> String {
    match (nearest, is_full) {
        // No service of a project can have these names.
        _ if name == project::PORT => {
            "`{port}` is the port of NAME in `pald run NAME`; with `-g` it is a full name"
                .to_owned()
        }
        _ if name == project::CHECKOUT => {
            "`{checkout}` is the name of the checkout; with `-g` it is a full name".to_owned()
        }
        (Some(nearest), false) => format!("Did you mean {nearest}?"),
        (Some(nearest), true) => {
            format!("Did you mean {nearest}? With `-g` it is the registered service {name}")
        }
        (None, true) => format!("With `-g` it is the registered service {name}"),
        (None, false) => {
            let file = Shown(file);
            format!(
                "Add `{name} = {{}}` below `[services]` in {file}, or take it as a full name with `-g`"
            )
        }
    }
}

/// Says where a file was looked for.
pub(super) fn looked(from: &Path, to: &Path) -> String {
    match from == to {
        true => format!("in {}", Shown(from)),
        false => format!("from {} up to {}", Shown(from), Shown(to)),
    }
}

/// Says of names that they are, or it is: `web is`, `web and db are`, `web, api and db are`.
fn are(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} is"),
        [first @ .., last] => format!("{} and {last} are", first.join(", ")),
    }
}

/// Says how long was waited.
fn after(waited: Option<Duration>) -> String {
    match waited {
        None => String::new(),
        Some(time) if time.subsec_millis() > 0 => format!(", after {} ms", time.as_millis()),
        Some(time) => format!(", after {}", duration(time.as_secs())),
    }
}

fn faults(count: usize) -> String {
    if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") }
}
