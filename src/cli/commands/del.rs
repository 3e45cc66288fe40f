//! `pald del`: releases services.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::{ArgGroup, Args};

use crate::api::Service;
use crate::cli::error::CommandError;
use crate::cli::here::Missing;
use crate::cli::mistyped::suggest;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session};
use crate::port::Port;
use crate::service_name::ServiceName;

/// Release a service and its port
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "\
Examples:
  pald del shop.web
  pald del --port 49201
  pald del --here --yes"
)]
pub(in crate::cli) struct Del {
    /// The service: in a project one of its own, or a full name such as shop.web
    #[arg(group = "what")]
    name: Option<OsString>,
    /// The service's port, instead of its name
    #[arg(long, value_name = "N", group = "what", allow_hyphen_values = true)]
    port: Option<OsString>,
    /// All services of this checkout, but not those that its project shares with others
    #[arg(long, group = "what")]
    here: bool,
    #[command(flatten)]
    scope: Scope,
    /// Don't ask, with --here
    #[arg(long, requires = "here")]
    yes: bool,
}

impl Del {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        if let Some(name) = &self.name {
            let mut service = ServiceName::parse(name.as_bytes())?;
            if let Some(here) = self.scope.here(session, [service.as_str()])? {
                let known = here.service(service.as_str(), Missing::Refuse("pald set"))?;
                service = ServiceName::parse(known.full_name)?;
            }
            let client = session.client()?;
            client.release(&service).map_err(|error| suggest(&client, &service, error))?;
            session.terminal.note(&format!("Released {service}"));
        }
        if let Some(port) = &self.port {
            let port = Port::parse(port.as_bytes())?;
            session.client()?.release_port(port)?;
            session.terminal.note(&format!("Released port {port}"));
        }
        if self.here { self.release_here(session) } else { Ok(()) }
    }

    fn release_here(&self, session: &Session) -> Result<(), Failure> {
        let terminal = session.terminal;
        if !self.yes && !terminal.can_ask() {
            return Err(CommandError::UnconfirmedRelease.into());
        }
        let folder = session.checkout("pald del --here")?;
        let client = session.client()?;
        let mut services = client.registered_services(None)?;
        services.retain(|service| service.folder.as_deref() == Some(folder.as_str()));
        if services.is_empty() {
            return Err(CommandError::NothingHere(folder.path()).into());
        }
        let line = |service: &Service| format!("{}  {}", service.port, service.name);
        let lines: Vec<_> = services.iter().map(line).collect();
        if !self.yes && !terminal.confirm(&lines, "Release them?") {
            return Err(CommandError::NotReleased.into());
        }
        for service in services {
            let name = ServiceName::parse(&service.name)?;
            client.release(&name)?;
            terminal.note(&format!("Released {name}"));
        }
        Ok(())
    }
}
