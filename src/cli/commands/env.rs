//! `pald env`: prints ports as variables for shells and other programs.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::Args;
use glob::Pattern;

use crate::cli::assignment::{Assignment, check_distinct};
use crate::cli::completion::Takes;
use crate::cli::env_file;
use crate::cli::env_format::Format;
use crate::cli::error::CommandError;
use crate::cli::here::{Here, Missing};
use crate::cli::names::{Names, Value, is_short};
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session};
use crate::files::Shown;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;
use crate::variable_name::VariableName;

/// Print all variables of the project, or the ports of services
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  eval \"$(pald env)\"
  pald env -f fish | source
  pald env -f dotenv -o .env.ports
  pald env PORT=shop.web DB_PORT=shop.db 'other.*'")]
pub(in crate::cli) struct Env {
    /// A registered service, or a pattern for several: *, ? and [...]. Without VAR it is the variable
    /// of the project's file, or else SHOP_WEB_PORT for shop.web. With a {name} after VAR=, a text
    #[arg(value_name = "[VAR=]NAME", add = Takes::Assignment)]
    assignments: Vec<OsString>,
    #[command(flatten)]
    scope: Scope,
    /// The format
    #[arg(short, long, value_enum, default_value_t = Format::Sh)]
    format: Format,
    /// Register what is not registered yet
    #[arg(long)]
    set: bool,
    /// Write to this file; one that `pald env` did not write stays
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Env {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        if self.output.is_some() && self.format == Format::Json {
            return Err(CommandError::JsonFile.into());
        }
        let requests = self.assignments.iter().map(|it| Request::parse(it));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        let here = self.here(session, &requests)?;
        let missing = match self.set {
            true => Missing::Register,
            false => Missing::Refuse("pald env --set"),
        };
        let names = Names::new(session, self.scope, here, missing, missing)?;
        let variables = variables(&names, &requests)?;
        check_distinct(variables.iter().map(|(variable, _)| variable))?;
        let lines = self.format.lines(&variables)?;
        match &self.output {
            None => session.terminal.answer(lines)?,
            Some(path) => env_file::write(path, &mark(names.here.as_ref()), &lines)?,
        }
        Ok(())
    }

    /// Returns the project here if there are short names, or no names at all: then it must be there.
    fn here(&self, session: &Session, requests: &[Request]) -> Result<Option<Here>, Failure> {
        if !requests.is_empty() {
            return self.scope.here(session, requests.iter().flat_map(Request::names));
        }
        self.scope.project(session, "pald env").map(Some)
    }
}

/// One argument.
enum Request {
    Assignment(Assignment),
    Pattern(Pattern),
}

impl Request {
    fn parse(argument: &OsStr) -> Result<Self, Failure> {
        let text = argument.to_str().filter(|text| !text.contains(['=', '{']));
        let Some(text) = text.filter(|text| text.contains(['*', '?', '['])) else {
            return Ok(Self::Assignment(Assignment::parse(argument)?));
        };
        let wrong = |error: glob::PatternError| CommandError::Pattern {
            pattern: Quoted::new(argument.as_bytes()),
            reason: error.msg,
        };
        Ok(Self::Pattern(Pattern::new(text).map_err(wrong)?))
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Assignment(assignment) => assignment.names(),
            Self::Pattern(pattern) => vec![pattern.as_str()],
        }
    }
}

fn variables(names: &Names, requests: &[Request]) -> Result<Vec<(VariableName, Value)>, Failure> {
    if let (Some(here), []) = (&names.here, requests) {
        return names.of_file(here, here.project.file());
    }
    for request in requests {
        if let Request::Assignment(assignment) = request {
            names.check(assignment, None)?;
        }
    }
    let mut variables = Vec::new();
    for request in requests {
        match request {
            Request::Assignment(assignment) => variables.push(names.assigned(assignment)?),
            Request::Pattern(pattern) => variables.extend(matching(names, pattern)?),
        }
    }
    Ok(variables)
}

/// Returns the variables of all services that match: those of the project here for a pattern without
/// a dot, or else registered ones by their full names.
fn matching(names: &Names, pattern: &Pattern) -> Result<Vec<(VariableName, Value)>, Failure> {
    let here = names.here.as_ref().filter(|_| is_short(pattern.as_str()));
    let found: Vec<_> = match here {
        Some(here) => {
            let services = here.project.file().services.iter();
            services
                .map(|service| service.name.to_string())
                .filter(|it| pattern.matches(it))
                .collect()
        }
        None => {
            let services = names.client.registered_services(Some(pattern.as_str()))?;
            // The names become part of what a shell runs.
            let legal = services.into_iter().map(|service| service.name);
            legal.filter(|name| ServiceName::parse(name).is_ok()).collect()
        }
    };
    if found.is_empty() {
        return Err(CommandError::NoMatch(Quoted::new(pattern.as_str())).into());
    }
    let variable = |name: String| Ok((names.variable_of(&name), Value::Port(names.port(&name)?)));
    found.into_iter().map(variable).collect()
}

/// Returns what the first line of a file says of the checkout.
fn mark(here: Option<&Here>) -> String {
    here.map(|here| {
        let folder = here.project.checkout.folder.path();
        format!(" for {} in {}", here.project.file().project, Shown(&folder))
    })
    .unwrap_or_default()
}
