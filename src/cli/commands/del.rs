//! `pald del`: releases services, all that it is given in one change.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::{ArgGroup, Args};
use glob::Pattern;

use crate::api::Service;
use crate::cli::completion::Takes;
use crate::cli::error::CommandError;
use crate::cli::here::{Here, Missing};
use crate::cli::mistyped::nearest_of;
use crate::cli::names::is_short;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session, restart};
use crate::client::Client;
use crate::files::InShell;
use crate::port::Port;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;

/// Release services and their ports: all of them in one change, or none
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
        let registered = client.registered_services(None)?;
        let found = match folder {
            Some(folder) => {
                let is_here = |it: &&Service| it.folder.as_deref() == Some(folder.as_str());
                let found: Vec<_> = registered.iter().filter(is_here).collect();
                if found.is_empty() {
                    return Err(CommandError::NothingHere(folder.path()).into());
                }
                found
            }
            None => match port {
                Some(port) => vec![at_port(&registered, port)?],
                None => self.named(session, &registered)?,
            },
        };
        let pattern = self.names.iter().find(|name| is_pattern(name));
        if !self.yes && (self.here || pattern.is_some()) {
            confirm(session, &found, pattern)?;
        }
        self.release(session, &client, &found)
    }

    /// Returns the services that the arguments name, each once.
    fn named<'a>(
        &self,
        session: &Session,
        registered: &'a [Service],
    ) -> Result<Vec<&'a Service>, Failure> {
        let texts = self.names.iter().filter_map(|name| name.to_str());
        let here = self.scope.here(session, texts.filter(|text| !is_pattern(text)))?;
        let mut found: Vec<&Service> = Vec::new();
        for name in &self.names {
            let services = match is_pattern(name) {
                true => matching(registered, name)?,
                false => vec![service(registered, here.as_ref(), name)?],
            };
            for service in services {
                if !found.iter().any(|it| it.name == service.name) {
                    found.push(service);
                }
            }
        }
        Ok(found)
    }

    fn release(
        &self,
        session: &Session,
        client: &Client,
        services: &[&Service],
    ) -> Result<(), Failure> {
        let names = services.iter().map(|service| service.name.clone()).collect();
        let released = client.release(names).map_err(|error| restart::explain(client, error))?;
        if self.json {
            session.terminal.answer_json(&released)?;
        }
        for Service { name, port, .. } in &released {
            session.terminal.note(&format!("Released {name} and its port {port}"));
        }
        Ok(())
    }
}

/// Whether an argument is a pattern: no name has these characters.
fn is_pattern(argument: impl AsRef<std::ffi::OsStr>) -> bool {
    argument.as_ref().as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

fn matching<'a>(registered: &'a [Service], glob: &OsString) -> Result<Vec<&'a Service>, Failure> {
    let text = glob.to_string_lossy();
    let quoted = || Quoted::new(glob.as_bytes());
    let pattern = Pattern::new(&text)
        .map_err(|error| CommandError::Pattern { pattern: quoted(), reason: error.msg })?;
    let found: Vec<_> = registered.iter().filter(|it| pattern.matches(&it.name)).collect();
    if found.is_empty() { Err(CommandError::NoMatch(quoted()).into()) } else { Ok(found) }
}

fn at_port(registered: &[Service], port: Port) -> Result<&Service, CommandError> {
    let found = registered.iter().find(|service| service.port == port.number());
    found.ok_or_else(|| CommandError::NotRegistered { what: format!("Port {port}"), hint: None })
}

/// Returns the service of this name; a number that is no name is a port.
fn service<'a>(
    registered: &'a [Service],
    here: Option<&Here>,
    name: &OsString,
) -> Result<&'a Service, Failure> {
    let name = ServiceName::parse(name.as_bytes())?;
    let name = name.as_str();
    let of_name = |full: &str| registered.iter().find(|service| service.name == full);
    let missing = |hint| CommandError::NotRegistered { what: name.to_owned(), hint };
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let own = match here.filter(|_| is_short(name)) {
        Some(here) => here.service(name, Missing::Refuse("pald set")).map(|it| it.full_name),
        None => Ok(name.to_owned()),
    };
    match own.map(|full| of_name(&full).ok_or(missing(hint(registered, name)).into())) {
        Ok(Ok(service)) => Ok(service),
        _ if is_number && of_name(name).is_none() => {
            Ok(at_port(registered, Port::parse(name.as_bytes())?)?)
        }
        Ok(Err(failure)) => Err(failure),
        // What the project lacks may be the beginning of full names.
        Err(failure) => Err(Failure { hint: offer(registered, name).or(failure.hint), ..failure }),
    }
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
fn confirm(
    session: &Session,
    services: &[&Service],
    pattern: Option<&OsString>,
) -> Result<(), Failure> {
    let terminal = session.terminal;
    let line = |service: &&Service| format!("{}  {}", service.port, service.name);
    let lines: Vec<_> = services.iter().map(line).collect();
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
