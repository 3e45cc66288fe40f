//! `pald set`: registers a service, or all services of a project.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::addresses::Addresses;
use crate::api::{ProjectServiceRequest, RegisterRequest, Service, State};
use crate::cli::completion::Takes;
use crate::cli::error::{ADD_SERVICES, CommandError};
use crate::cli::here::{self, Here, Missing};
use crate::cli::hold;
use crate::cli::holder::with_origins;
use crate::cli::names::note_twin;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session};
use crate::files::Shown;
use crate::port::Port;
use crate::project::{ProjectFile, Registered};
use crate::registry::Existing;
use crate::service_name::ServiceName;

/// Register the project's services, or NAME, and print their ports
///
/// Those that are registered keep their ports.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald set
  pald set shop.web
  pald set shop.db --port 5432
  pald set shop.db --no-hold")]
pub(in crate::cli) struct Set {
    /// The service: in a project one of its file, or else a full name: 1 to 255 letters, digits
    /// and . _ -
    #[arg(add = Takes::Service)]
    name: Option<OsString>,
    #[command(flatten)]
    scope: Scope,
    /// Ask for this port
    #[arg(long, value_name = "N", allow_hyphen_values = true, requires = "name")]
    port: Option<OsString>,
    /// Move the service to the port of --port; without NAME, each to the one that it prefers
    #[arg(long = "move")]
    is_move: bool,
    /// Store an address with the service; may be repeated
    #[arg(long, value_name = "A", requires = "name")]
    addr: Vec<OsString>,
    /// Let pald hold the service's port again
    #[arg(long, requires = "name", overrides_with = "no_hold")]
    hold: bool,
    /// Don't hold the service's port: for servers that can't bind a held port
    #[arg(long, requires = "name", overrides_with = "hold")]
    no_hold: bool,
    /// Fail if the service is already registered
    #[arg(long, requires = "name", conflicts_with = "is_move")]
    new: bool,
    /// Print the service as JSON; without NAME, a list of all
    #[arg(long)]
    json: bool,
}

impl Set {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let Some(name) = &self.name else { return self.whole_project(session) };
        let service = ServiceName::parse(name.as_bytes())?;
        let request = self.request()?;
        if self.is_move && request.port.is_none() {
            return Err(CommandError::MoveWhere.into());
        }
        let answer = match self.scope.here(session, [service.as_str()])? {
            Some(here) => self.of_project(session, &here, service.as_str(), &request)?,
            None => self.register(session, &service, &request)?,
        };
        match self.json {
            true => session.terminal.answer_json(&answer)?,
            false => session.terminal.answer([answer.port.to_string()])?,
        }
        Ok(())
    }

    fn request(&self) -> Result<RegisterRequest, Failure> {
        let port = self.port.as_ref().map(|port| Port::parse(port.as_bytes())).transpose()?;
        let addresses = self.addr.join(OsStr::new(","));
        let addresses = Addresses::parse(addresses.as_bytes())?;
        Ok(RegisterRequest {
            port: port.map(|port| port.number().into()),
            addresses: (!self.addr.is_empty())
                .then(|| addresses.iter().map(str::to_owned).collect()),
            hold: (self.hold || self.no_hold).then_some(self.hold),
            ..RegisterRequest::default()
        })
    }

    /// Registers a service by its full name.
    fn register(
        &self,
        session: &Session,
        service: &ServiceName,
        request: &RegisterRequest,
    ) -> Result<Service, Failure> {
        let existing = match (self.new, self.is_move) {
            (true, _) => Existing::Refuse,
            (false, true) => Existing::Move,
            (false, false) => Existing::Accept,
        };
        let client = session.client()?;
        let is_changed = request.hold.is_some_and(|hold| hold::differs(&client, service, hold));
        let before = if self.is_move { client.service(service).ok() } else { None };
        let registered = client.register(service, request, existing)?;
        if let Some(before) = before {
            say_what_stays(session, &before, registered.service.port);
        }
        if is_changed {
            hold::say(session.terminal, &registered.service);
        }
        if registered.is_new {
            note_twin(session, self.scope, &client, &registered.service);
        }
        Ok(registered.service)
    }

    /// Registers a service of the project here.
    fn of_project(
        &self,
        session: &Session,
        here: &Here,
        name: &str,
        request: &RegisterRequest,
    ) -> Result<Service, Failure> {
        let full_name = |name: &str| ServiceName::parse(name).map_err(Failure::from);
        let Some(file) = here.project.file_with(name) else {
            let known = here.left_over(name)?;
            return self.register(session, &full_name(&known.full_name)?, request);
        };
        let known = here.known(file)?;
        let listed = file.service(name).expect("the file lists it");
        if let Some(known) = known.service(name).filter(|it| it.is_own || listed.is_shared) {
            return self.register(session, &full_name(&known.full_name)?, request);
        }
        self.check_unregistered(session)?;
        let new = ProjectServiceRequest {
            addresses: request.addresses.clone(),
            hold: request.hold,
            ..here::request(listed)
        };
        let registered = here.register(file, vec![new])?;
        let missing = || here.not_here(file, vec![name.to_owned()], Missing::Register);
        let service = registered.service(name).ok_or_else(missing)?;
        // A set takes no port, so a service that asks for one moves there.
        let service = full_name(&service.full_name)?;
        Ok(session.client()?.register(&service, request, Existing::Move)?.service)
    }

    /// Checks that the port that is asked for is no service's, before a new service gets another.
    fn check_unregistered(&self, session: &Session) -> Result<(), Failure> {
        let Some(port) = &self.port else { return Ok(()) };
        let port = Port::parse(port.as_bytes())?;
        match session.client()?.port(port)?.service {
            Some(service) => Err(CommandError::PortTaken { port: port.number(), service }.into()),
            None => Ok(()),
        }
    }

    fn whole_project(&self, session: &Session) -> Result<(), Failure> {
        let here = self.scope.project(session, "pald set")?;
        let file = here.project.file();
        let known = here.known(file)?;
        let registered = match known.is_complete(file) && !self.is_move {
            true => known,
            false => here.set(file, self.is_move)?,
        };
        self.print(session, file, &registered)?;
        if file.services.is_empty() {
            session.terminal.say(&format!("{} has no services; {ADD_SERVICES}", Shown(&file.path)));
        }
        for service in &registered.left_over {
            let (name, port, path) = (&service.full_name, service.port, Shown(&file.path));
            session.terminal.say(&format!(
                "{name} on {port} is no longer in {path}; `pald del {name}` releases it"
            ));
        }
        Ok(())
    }

    fn print(
        &self,
        session: &Session,
        file: &ProjectFile,
        registered: &Registered,
    ) -> Result<(), Failure> {
        let names = file.services.iter().map(|service| service.name.as_str());
        let found = names.filter_map(|name| registered.service(name));
        if self.json {
            let found = found.map(|service| ServiceName::parse(&service.full_name));
            let client = session.client()?;
            let mut services = Vec::new();
            for name in found {
                services.push(client.registered_service(&name?)?);
            }
            return Ok(session.terminal.answer_json(&services)?);
        }
        let found: Vec<_> = found.collect();
        let width = found.iter().map(|service| service.name.as_str().len()).max().unwrap_or(0);
        let line = |service: &&crate::project::RegisteredService| {
            format!("{:width$}  {}", service.name.as_str(), service.port)
        };
        Ok(session.terminal.answer(found.iter().map(line))?)
    }
}

/// Says what still listens on the port that a service had before it moved to another.
fn say_what_stays(session: &Session, before: &Service, port: u16) {
    let by = with_origins(&before.all_holders()).filter(|_| before.state == Some(State::Running));
    if let Some(by) = by.filter(|_| before.port != port) {
        session.terminal.say(&format!("port {} is still used by {by}", before.port));
    }
}
