//! What the names on a command line stand for: services of the project here, or full names.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::assignment::{Assigned, Assignment};
use super::error::looked;
use super::here::{Here, Missing};
use super::mistyped::{is_not_found, suggest};
use super::scope::Scope;
use super::{Failure, Session};
use crate::api::{RegisterRequest, Service};
use crate::client::{Client, ClientError};
use crate::project::{self, Location, ProjectFile, Text};
use crate::registry::Existing;
use crate::service_name::ServiceName;
use crate::variable_name::VariableName;

/// Looks names up.
pub(super) struct Names<'a> {
    session: &'a Session,
    scope: Scope,
    pub(super) client: Client,
    /// The project, if there is one and short names mean its services.
    pub(super) here: Option<Here>,
    /// What to do about services of the project that are not registered.
    missing: Missing,
    /// What to do about other services that are not.
    missing_elsewhere: Missing,
    /// The service that a command is run for, as it was typed, and its port.
    pub(super) running: Option<(ServiceName, u16)>,
    /// The ports of full names that were looked up before.
    known: RefCell<BTreeMap<ServiceName, u16>>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Port(u16),
    Text(String),
}

impl Value {
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Port(port) => port.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Returns whether a name is a short one where there is a project.
pub(super) fn is_short(name: &str) -> bool {
    !name.contains('.')
}

impl<'a> Names<'a> {
    pub(super) fn new(
        session: &'a Session,
        scope: Scope,
        here: Option<Here>,
        missing: Missing,
        missing_elsewhere: Missing,
    ) -> Result<Self, Failure> {
        let (client, known) = (session.client()?, RefCell::default());
        Ok(Self { session, scope, client, here, missing, missing_elsewhere, running: None, known })
    }

    /// Returns the port of a service.
    pub(super) fn port(&self, name: &str) -> Result<u16, Failure> {
        if let Some((running, port)) = &self.running
            && running.as_str() == name
        {
            return Ok(*port);
        }
        match &self.here {
            Some(here) if is_short(name) => Ok(here.service(name, self.missing)?.port),
            _ => self.port_of_full(&ServiceName::parse(name)?),
        }
    }

    /// Checks that all names in an assignment mean something: before anything is registered, all are
    /// checked. The service that a command is run for may be new.
    pub(super) fn check(
        &self,
        assignment: &Assignment,
        running: Option<&ServiceName>,
    ) -> Result<(), Failure> {
        let is_running = |name: &str| running.is_some_and(|running| running.as_str() == name);
        for name in assignment.names().into_iter().filter(|name| !is_running(name)) {
            match &self.here {
                _ if name == project::PORT && running.is_some() => {}
                Some(_) if name == project::CHECKOUT => {}
                Some(here) if is_short(name) && here.project.file_with(name).is_some() => {}
                Some(here) if is_short(name) => drop(here.left_over(name)?),
                _ if self.missing_elsewhere == Missing::Register => {}
                _ => drop(self.port_of_full(&ServiceName::parse(name)?)?),
            }
        }
        Ok(())
    }

    /// Returns the port of a registered service by its full name; `None` if there is none.
    pub(super) fn port_if_registered(&self, name: &str) -> Result<Option<u16>, Failure> {
        if let Some((running, port)) = &self.running
            && running.as_str() == name
        {
            return Ok(Some(*port));
        }
        let Ok(service) = ServiceName::parse(name) else { return Ok(None) };
        match self.client.registered_service(&service) {
            Ok(service) => Ok(Some(service.port)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the variable of an assignment.
    pub(super) fn variable(&self, assignment: &Assignment) -> VariableName {
        let of_service = || self.variable_of(&assignment.names().concat());
        assignment.variable.clone().unwrap_or_else(of_service)
    }

    /// Returns a variable with its value.
    pub(super) fn assigned(
        &self,
        assignment: &Assignment,
    ) -> Result<(VariableName, Value), Failure> {
        let variable = self.variable(assignment);
        let value = match &assignment.value {
            Assigned::Port(service) => Value::Port(self.port(service.as_str())?),
            Assigned::Text(text) => Value::Text(self.text(text)?),
        };
        Ok((variable, value))
    }

    /// Returns the variable that carries a service's port: the file's, or else the default one.
    pub(super) fn variable_of(&self, name: &str) -> VariableName {
        let here = self.here.as_ref().filter(|_| is_short(name));
        let listed = here.and_then(|here| here.project.file_with(name)?.service(name));
        listed.map_or_else(|| VariableName::of_service(name), |service| service.variable.clone())
    }

    /// Returns all variables of a file, in its order: those of its services, then the texts.
    pub(super) fn of_file(
        &self,
        here: &Here,
        file: &ProjectFile,
    ) -> Result<Vec<(VariableName, Value)>, Failure> {
        let registered = here.registered(file, self.missing)?;
        let names = file.services.iter().map(|service| service.name.as_str());
        let missing = names.filter(|name| registered.service(name).is_none());
        let missing: Vec<_> = missing.map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(here.not_here(file, missing, self.missing));
        }
        let mut variables = Vec::new();
        for service in &file.services {
            let port = self.port(service.name.as_str())?;
            variables.push((service.variable.clone(), Value::Port(port)));
        }
        for (variable, text) in &file.texts {
            variables.push((variable.clone(), Value::Text(self.text(text)?)));
        }
        Ok(variables)
    }

    fn text(&self, text: &Text) -> Result<String, Failure> {
        text.fill(|name| match (name, &self.here, &self.running) {
            (project::PORT, _, Some((_, port))) => Ok(port.to_string()),
            (project::CHECKOUT, Some(here), _) => {
                let file = here.project.file();
                Ok(here.checkout_name(file, &here.registered(file, self.missing)?))
            }
            _ => Ok(self.port(name)?.to_string()),
        })
    }

    fn port_of_full(&self, service: &ServiceName) -> Result<u16, Failure> {
        if let Some(port) = self.known.borrow().get(service) {
            return Ok(*port);
        }
        let port = self.ask(service)?;
        self.known.borrow_mut().insert(service.clone(), port);
        Ok(port)
    }

    fn ask(&self, service: &ServiceName) -> Result<u16, Failure> {
        if self.missing_elsewhere == Missing::Register {
            let request = RegisterRequest::default();
            let registered = self.client.register(service, &request, Existing::Accept)?;
            let port = registered.service.port;
            if registered.is_new {
                say_new(self.session, self.scope, &self.client, &registered.service);
            }
            return Ok(port);
        }
        let answer = self.client.registered_service(service);
        Ok(answer.map_err(|error| self.not_registered(service, error))?.port)
    }

    fn not_registered(&self, service: &ServiceName, error: ClientError) -> Failure {
        let is_missing = is_not_found(&error);
        let mut failure = suggest(&self.client, service, error);
        if let (true, Missing::Refuse(remedy)) = (is_missing, self.missing_elsewhere) {
            let nearest = failure.hint.map(|hint| format!("{hint} ")).unwrap_or_default();
            failure.hint = Some(format!("{nearest}`{remedy} {service}` registers it"));
        }
        failure
    }
}

/// Says that a service was registered, and where it may be mistaken for a project's, that it is not.
pub(super) fn say_new(session: &Session, scope: Scope, client: &Client, service: &Service) {
    if !note_twin(session, scope, client, service) {
        let Service { name, port, .. } = service;
        session.terminal.say(&format!("registered {name} on {port}"));
    }
}

/// Says that a new service is none of a project's, where its name is that of one with a project
/// before it; returns whether it said so. Where names are full ones, nobody mistakes them.
pub(super) fn note_twin(
    session: &Session,
    scope: Scope,
    client: &Client,
    service: &Service,
) -> bool {
    let Service { name, port, .. } = service;
    if scope.is_global() || !is_short(name) {
        return false;
    }
    // Errors do not matter: the service is registered.
    let twins = client.registered_services(Some(&format!("*.{name}"))).unwrap_or_default();
    let twin = twins.first().and_then(|twin| ServiceName::parse(&twin.name).ok());
    let (Some(twin), Ok(Location { from, to, .. })) = (twin, session.location()) else {
        return false;
    };
    session.terminal.say(&format!(
        "registered {name} on {port}, which is not {twin}: there is no pald.toml {}",
        looked(&from, &to)
    ));
    true
}
