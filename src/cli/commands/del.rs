//! `pald del`: releases services, all that it is given in one change.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::{ArgGroup, Args};
use glob::Pattern;

use crate::api::Service;
use crate::cli::completion::Takes;
use crate::cli::error::CommandError;
use crate::cli::here::{Here, Missing};
use crate::cli::mistyped::{is_not_found, nearest_of};
use crate::cli::names::is_short;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session, restart, table};
use crate::client::{Client, ClientError};
use crate::files::InShell;
use crate::folder::Folder;
use crate::port::Port;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;

/// Release services and their ports: all of them, or none
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "\
Examples:
  pald del shop.web
  pald del 49201 49202
  pald del 'shop.fix-login.*' --yes
  pald del --here --yes"
)]
pub(in crate::cli) struct Del {
    /// The services: in a project names of its own, full names such as shop.web, ports, or patterns of
    /// full names with *, ? and [...]
    #[arg(group = "what", value_name = "NAME", add = Takes::Service)]
    names: Vec<OsString>,
    /// The service's port, instead of its name
    #[arg(long, value_name = "N", group = "what", allow_hyphen_values = true)]
    port: Option<OsString>,
    /// All services of this checkout, but not those that its project shares with others
    #[arg(long, group = "what")]
    here: bool,
    #[command(flatten)]
    scope: Scope,
    /// Don't ask, with patterns and --here
    #[arg(long)]
    yes: bool,
    /// Print what was released as JSON
    #[arg(long)]
    json: bool,
}

impl Del {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let terminal = session.terminal;
        for name in self.names.iter().filter(|name| !is_pattern(name)) {
            ServiceName::parse(name.as_bytes())?;
        }
        let port = self.port.as_ref().map(|port| Port::parse(port.as_bytes())).transpose()?;
        if self.here && !self.yes && !terminal.can_ask() {
            return Err(unconfirmed("pald del --here", "pald list --here".to_owned()).into());
        }
        let folder = self.here.then(|| session.checkout("pald del --here")).transpose()?;
        let client = session.client()?;
        let pattern = self.names.iter().find(|name| is_pattern(name));
        let is_asked_for_many = self.here || pattern.is_some();
        // It takes long where there are many, and names need none of it.
        let registered =
            if is_asked_for_many { client.registered_services(None)? } else { Vec::new() };
        let names = match (folder, port) {
            (Some(folder), _) => of_folder(&registered, &folder)?,
            (None, Some(port)) => vec![at_port(&client, port)?],
            (None, None) => self.named(session, &client, &registered)?,
        };
        if is_asked_for_many && !self.yes {
            let names: HashSet<_> = names.iter().collect();
            confirm(session, registered.iter().filter(|it| names.contains(&it.name)), pattern)?;
        }
        let released = client.release(names).map_err(|error| explain(&client, error))?;
        if self.json {
            terminal.answer_json(&released)?;
        }
        for Service { name, port, .. } in &released {
            terminal.note(&format!("Released {name} and its port {port}"));
        }
        Ok(())
    }

    /// Returns the full names that the arguments stand for; patterns match those that are registered.
    fn named(
        &self,
        session: &Session,
        client: &Client,
        registered: &[Service],
    ) -> Result<Vec<String>, Failure> {
        let texts = self.names.iter().filter_map(|name| name.to_str());
        let here = self.scope.here(session, texts.filter(|text| !is_pattern(text)))?;
        let mut names = Vec::new();
        for name in &self.names {
            match is_pattern(name) {
                true => names.extend(matching(registered, name)?),
                false => names.push(full_name(client, here.as_ref(), name)?),
            }
        }
        Ok(names)
    }
}

/// Whether an argument is a pattern: no name has these characters.
fn is_pattern(argument: impl AsRef<std::ffi::OsStr>) -> bool {
    argument.as_ref().as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

fn matching(registered: &[Service], glob: &OsString) -> Result<Vec<String>, Failure> {
    let text = glob.to_string_lossy();
    let quoted = || Quoted::new(glob.as_bytes());
    let pattern = Pattern::new(&text)
        .map_err(|error| CommandError::Pattern { pattern: quoted(), reason: error.msg })?;
    let names = registered.iter().map(|it| &it.name).filter(|name| pattern.matches(name));
    let names: Vec<_> = names.cloned().collect();
    if names.is_empty() { Err(CommandError::NoMatch(quoted()).into()) } else { Ok(names) }
}

fn of_folder(registered: &[Service], folder: &Folder) -> Result<Vec<String>, CommandError> {
    let own = registered.iter().filter(|it| it.folder.as_deref() == Some(folder.as_str()));
    let names: Vec<_> = own.map(|it| it.name.clone()).collect();
    if names.is_empty() { Err(CommandError::NothingHere(folder.path())) } else { Ok(names) }
}

fn at_port(client: &Client, port: Port) -> Result<String, Failure> {
    let missing = || CommandError::NotRegistered { what: format!("Port {port}"), hint: None };
    Ok(client.port(port)?.service.ok_or_else(missing)?)
}

/// Returns the full name that an argument stands for; a number that is no name is a port.
fn full_name(client: &Client, here: Option<&Here>, name: &OsString) -> Result<String, Failure> {
    let name = ServiceName::parse(name.as_bytes())?;
    let here = here.filter(|_| is_short(name.as_str()));
    let own = here.map(|here| here.service(name.as_str(), Missing::Refuse("pald set")));
    match own {
        Some(Ok(own)) => Ok(own.full_name),
        _ if is_number(&name) && !is_registered(client, &name)? => {
            at_port(client, Port::parse(name.as_ref())?)
        }
        None => Ok(name.to_string()),
        // What the project lacks may be the beginning of full names.
        Some(Err(failure)) => {
            let begun = client.registered_services(Some(&format!("{name}.*"))).unwrap_or_default();
            Err(Failure { hint: offer(&begun, name.as_str()).or(failure.hint), ..failure })
        }
    }
}

fn is_number(name: &ServiceName) -> bool {
    name.as_str().bytes().all(|byte| byte.is_ascii_digit())
}

fn is_registered(client: &Client, name: &ServiceName) -> Result<bool, ClientError> {
    match client.registered_service(name) {
        Ok(_) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Explains why nothing was released; if a name is not registered, with what may be meant.
fn explain(client: &Client, error: ClientError) -> Failure {
    let missing = match &error {
        ClientError::Problem(problem) if is_not_found(&error) => problem.service.as_ref(),
        _ => None,
    };
    // It becomes part of a command.
    let Some(name) = missing.and_then(|name| ServiceName::parse(name).ok()) else {
        return restart::explain(client, error);
    };
    let registered = client.registered_services(None).unwrap_or_default();
    Failure { hint: hint(&registered, name.as_str()), ..error.into() }
}

fn hint(registered: &[Service], name: &str) -> Option<String> {
    let nearest = || nearest_of(registered.iter(), name).map(|it| format!("Did you mean {it}?"));
    offer(registered, name).or_else(nearest)
}

/// Offers the pattern of the services whose names begin like this.
fn offer(registered: &[Service], name: &str) -> Option<String> {
    let count = registered.iter().filter(|it| it.name.starts_with(&format!("{name}."))).count();
    let services = if count == 1 { "service" } else { "services" };
    (count > 0).then(|| format!("`pald del '{name}.*'` releases {count} {services}"))
}

/// Lists what would be released, and asks.
fn confirm<'a>(
    session: &Session,
    services: impl Iterator<Item = &'a Service>,
    pattern: Option<&OsString>,
) -> Result<(), Failure> {
    let terminal = session.terminal;
    let rows: Vec<_> = services.map(|it| [it.port.to_string(), it.name.clone()]).collect();
    let lines = table::lines(&rows, [0; 2]);
    if !terminal.can_ask() {
        let list = pattern.map(|glob| format!("pald list {}", InShell(Path::new(glob))));
        let error = unconfirmed("pald del", list.unwrap_or_default());
        let mut failure = Failure::from(error);
        failure.lines.extend(lines);
        return Err(failure);
    }
    match terminal.confirm(&lines, "Release them?") {
        true => Ok(()),
        false => Err(CommandError::NotReleased.into()),
    }
}

fn unconfirmed(command: &'static str, list: String) -> CommandError {
    CommandError::UnconfirmedRelease { command, list }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_may_be_a_beginning_or_a_typo() {
        let service = |name: &str| Service::sample(name, 7);
        let registered = ["shop.web", "shop.db", "blog.web"].map(service);
        let rows = [
            ("shop", Some("`pald del 'shop.*'` releases 2 services")),
            ("blog", Some("`pald del 'blog.*'` releases 1 service")),
            ("shop.wbe", Some("Did you mean shop.web?")),
            ("something", None),
        ];
        for (name, expected) in rows {
            assert_eq!(hint(&registered, name).as_deref(), expected, "{name}");
        }
        assert_eq!(offer(&registered, "sho"), None);
    }
}
