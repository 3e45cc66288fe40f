//! The project where a command runs, and what the daemon knows of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::CommandError;
use super::restart;
use super::{Failure, Session, Terminal};
use crate::api::{ProblemType, ProjectRequest, ProjectServiceRequest, Service};
use crate::client::{Client, ClientError};
use crate::files::Shown;
use crate::project::{
    self, Label, Project, ProjectFile, ProjectService, Registered, RegisteredService,
};
use crate::service_name::ServiceName;
use crate::suggest::nearest;

/// A project and the daemon's services of it, which are asked for when they are needed.
pub(super) struct Here {
    pub(super) project: Project,
    client: Client,
    terminal: Terminal,
    /// What was looked up last for each file.
    known: RefCell<BTreeMap<PathBuf, Registered>>,
}

/// What to do about a service that is not registered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Register it, and say so.
    Register,
    /// Refuse, and name the command that registers it.
    Refuse(&'static str),
}

impl Here {
    pub(super) fn new(session: &Session, project: Project) -> Result<Self, Failure> {
        let (client, terminal) = (session.client()?, session.terminal);
        Ok(Self { project, client, terminal, known: RefCell::default() })
    }

    /// Returns what the checkout has registered of a file's project.
    pub(super) fn known(&self, file: &ProjectFile) -> Result<Registered, Failure> {
        if let Some(known) = self.known.borrow().get(&file.path) {
            return Ok(known.clone());
        }
        let services = self.client.registered_services(Some(&format!("{}.*", file.project)))?;
        Ok(self.remember(file, &services))
    }

    /// Returns the same; with [`Missing::Register`] it is all of the file on return.
    pub(super) fn registered(
        &self,
        file: &ProjectFile,
        missing: Missing,
    ) -> Result<Registered, Failure> {
        let known = self.known(file)?;
        if missing != Missing::Register || known.is_complete(file) {
            return Ok(known);
        }
        let registered = self.set(file, false)?;
        for service in new_services(file, &known, &registered) {
            let RegisteredService { full_name, port, .. } = service;
            self.terminal.say(&format!("registered {full_name} on {port}"));
        }
        Ok(registered)
    }

    /// Registers all services of a file as one change, without saying which were new; `is_move` moves
    /// them to the ports that they prefer.
    pub(super) fn set(&self, file: &ProjectFile, is_move: bool) -> Result<Registered, Failure> {
        let services = file.services.iter().map(request).collect();
        self.change(file, services, is_move)
    }

    /// Registers services of a file's project as one change; says what is not as the file has it.
    pub(super) fn register(
        &self,
        file: &ProjectFile,
        services: Vec<ProjectServiceRequest>,
    ) -> Result<Registered, Failure> {
        self.change(file, services, false)
    }

    fn change(
        &self,
        file: &ProjectFile,
        services: Vec<ProjectServiceRequest>,
        is_move: bool,
    ) -> Result<Registered, Failure> {
        let before = self.client.registered_services(None)?;
        let known = Registered::of(file, &self.project.checkout, &before);
        let label = project::label_of(&self.project.checkout, &before);
        let labels = self.project.labels(label.as_ref());
        let request = ProjectRequest {
            folder: self.project.checkout.folder.to_string(),
            project: file.project.to_string(),
            labels: labels.iter().map(Label::to_string).collect(),
            services,
            is_move,
        };
        let answer = self.client.register_project(&request).map_err(|error| self.explain(error))?;
        let is_other = |it: &&Service| !answer.iter().any(|answered| answered.name == it.name);
        let after: Vec<_> = before.iter().filter(is_other).chain(&answer).cloned().collect();
        let registered = self.remember(file, &after);
        self.say_label(file, &before, &known, &registered);
        // With a move, all of them may have missed the ports that they prefer.
        let before = if is_move { Registered::default() } else { known };
        for service in new_services(file, &before, &registered) {
            self.say_preference(file, &registered, service);
        }
        Ok(registered)
    }

    /// Returns the service that a short name means: one of the files, or one that this checkout has
    /// registered.
    pub(super) fn service(
        &self,
        name: &str,
        missing: Missing,
    ) -> Result<RegisteredService, Failure> {
        if let Some(file) = self.project.file_with(name) {
            let registered = self.registered(file, missing)?;
            let found = registered.service(name).cloned();
            return found.ok_or_else(|| self.not_here(file, vec![name.to_owned()], missing));
        }
        self.left_over(name)
    }

    /// Returns the service of this checkout that no file lists any more.
    pub(super) fn left_over(&self, name: &str) -> Result<RegisteredService, Failure> {
        let mut others = Vec::new();
        for file in self.project.files() {
            others.extend(self.known(file)?.left_over);
        }
        let found = others.iter().find(|service| service.name.as_str() == name);
        found.cloned().ok_or_else(|| self.no_service(name, &others))
    }

    /// Returns the name of the checkout for a file's project.
    pub(super) fn checkout_name(&self, file: &ProjectFile, registered: &Registered) -> String {
        // Only a project of nothing but shared services has no label by now.
        let best = || self.project.labels(None).first().cloned().unwrap_or_default();
        registered.label.clone().unwrap_or_else(best).checkout(&file.project)
    }

    /// Returns the error that services are not registered for this checkout.
    pub(super) fn not_here(
        &self,
        file: &ProjectFile,
        names: Vec<String>,
        missing: Missing,
    ) -> Failure {
        let remedy = match missing {
            Missing::Register => "pald set",
            Missing::Refuse(remedy) => remedy,
        };
        let (project, folder) = (file.project.to_string(), self.project.checkout.folder.path());
        CommandError::NotHere { names, project, folder, remedy }.into()
    }

    fn remember(&self, file: &ProjectFile, services: &[Service]) -> Registered {
        let registered = Registered::of(file, &self.project.checkout, services);
        self.known.borrow_mut().insert(file.path.clone(), registered.clone());
        registered
    }

    fn no_service(&self, name: &str, others: &[RegisteredService]) -> Failure {
        let listed = self.project.files().iter().flat_map(|file| &file.services);
        let listed = listed.map(|service| service.name.as_str());
        let own = others.iter().map(|it| it.name.as_str());
        let full = ServiceName::parse(name).ok();
        let file = self.project.file();
        CommandError::NoService {
            name: name.to_owned(),
            project: file.project.to_string(),
            file: file.path.clone(),
            nearest: nearest(name, listed.chain(own)).map(str::to_owned),
            is_full: full.is_some_and(|name| self.client.registered_service(&name).is_ok()),
        }
        .into()
    }

    /// Explains why a set was refused.
    fn explain(&self, error: ClientError) -> Failure {
        let hint = match &error {
            ClientError::Problem(problem) if problem.kind == ProblemType::NameTaken => {
                "`pald prune` releases what is left of it".to_owned()
            }
            _ => return restart::explain(&self.client, error),
        };
        Failure { hint: Some(hint), ..error.into() }
    }

    /// Says why the checkout is not the main one, when it gets its label.
    fn say_label(
        &self,
        file: &ProjectFile,
        before: &[Service],
        known: &Registered,
        registered: &Registered,
    ) {
        let had_label =
            !known.left_over.is_empty() || known.services.iter().any(|service| service.is_own);
        let label = registered.label.as_ref().filter(|label| !label.is_main() && !had_label);
        // Without one, the label is what the checkout has for another project.
        let other = project::main_folder(file, before);
        let (true, Some(label), Some(other)) = (self.project.checkout.may_be_main, label, other)
        else {
            return;
        };
        let (folder, project) = (Shown(&other), &file.project);
        self.terminal.say(&format!(
            "another checkout in {folder} has the project {project}; this one has the label {label}"
        ));
    }

    /// Says why a service has not the port that it prefers.
    fn say_preference(
        &self,
        file: &ProjectFile,
        registered: &Registered,
        service: &RegisteredService,
    ) {
        let listed = file.service(service.name.as_str());
        let is_main = registered.label.as_ref().is_some_and(Label::is_main);
        let prefer = listed.and_then(|listed| listed.prefer).filter(|_| is_main);
        let Some(prefer) = prefer.filter(|prefer| prefer.number() != service.port) else { return };
        let answer = self.client.port(prefer).ok();
        let reason = answer.and_then(|answer| match answer.service.clone() {
            Some(other) => Some(format!("{prefer} is registered to {other}")),
            None => answer.usage(),
        });
        let reason = reason.unwrap_or_else(|| format!("{prefer} was in use"));
        let (name, port) = (&service.full_name, service.port);
        self.terminal
            .say(&format!("{name} has {port}, since {reason}; `pald set --move` tries again"));
    }
}

/// Returns what of a file was registered only now, in the order of the file.
fn new_services<'a>(
    file: &'a ProjectFile,
    before: &'a Registered,
    after: &'a Registered,
) -> impl Iterator<Item = &'a RegisteredService> {
    let found = file.services.iter().filter_map(|service| after.service(service.name.as_str()));
    found.filter(|it| !before.services.iter().any(|known| known.full_name == it.full_name))
}

/// Returns how a service of a file is to be registered.
pub(super) fn request(service: &ProjectService) -> ProjectServiceRequest {
    ProjectServiceRequest {
        name: service.name.to_string(),
        shared: service.is_shared,
        prefer: service.prefer.map(|port| port.number()),
        ..ProjectServiceRequest::default()
    }
}
