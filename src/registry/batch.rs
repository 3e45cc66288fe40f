//! The requests that share one transaction and one sync, decided one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use super::claims::Claims;
use super::decide::{self, Decision};
use super::import::import;
use super::model::Model;
use super::pending::Sender;
use super::project_set;
use super::{
    ChangeError, Import, Imported, ProjectSet, RegisterOptions, Registered, RegisteredSet, Target,
};
use crate::port::Port;
use crate::probe::{Hold, Occupied};
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::store::Operation;

/// What the committer is asked for, and where it sends the answer.
#[derive(Debug)]
pub(super) enum Request {
    /// To register a service, or to change how it is registered.
    Register { service: ServiceName, options: RegisterOptions, sender: Sender<Registered> },
    /// To register services of a project, all or none.
    RegisterSet { set: ProjectSet, sender: Sender<RegisteredSet> },
    /// To give a service another name.
    Rename { service: ServiceName, to: ServiceName, sender: Sender<Arc<Registration>> },
    /// To release services, all or none.
    Release { targets: Vec<Target>, sender: Sender<Vec<Arc<Registration>>> },
    /// To release those services that are registered like this still.
    Prune { gone: Vec<Arc<Registration>>, sender: Sender<Vec<Arc<Registration>>> },
    /// To import a dump.
    Import { import: Import, sender: Sender<Imported> },
}

impl Request {
    /// Answers with an error. The client may have gone away; then nobody hears it.
    pub(super) fn refuse(self, error: ChangeError) {
        match self {
            Self::Register { sender, .. } => drop(sender.send(Err(error))),
            Self::RegisterSet { sender, .. } => drop(sender.send(Err(error))),
            Self::Rename { sender, .. } => drop(sender.send(Err(error))),
            Self::Release { sender, .. } | Self::Prune { sender, .. } => {
                drop(sender.send(Err(error)));
            }
            Self::Import { sender, .. } => drop(sender.send(Err(error))),
        }
    }
}

/// Answers a request, once it is known whether its batch is on disk.
pub(super) type SendAnswer = Box<dyn FnOnce(Result<(), ChangeError>)>;

/// A batch that is being decided. The model is ahead of the disk from its first operation on.
pub(super) struct Batch<'a> {
    model: &'a mut Model,
    claims: Claims<'a>,
    outcome: Outcome,
}

/// What a batch changes and answers, once all its requests are decided.
#[derive(Default)]
pub(super) struct Outcome {
    /// What has to be stored, in this order.
    pub(super) operations: Vec<Operation>,
    /// The holds on the ports that were claimed.
    pub(super) holds: HashMap<Port, Hold>,
    /// Ports of the range that others use, and why each could not be claimed.
    pub(super) occupied: Vec<(Port, Occupied)>,
    /// The answers, in the order of the requests.
    pub(super) answers: Vec<SendAnswer>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(model: &'a mut Model, claims: Claims<'a>) -> Self {
        Self { model, claims, outcome: Outcome::default() }
    }

    /// Decides one more request, and applies its operations to the model if it is not refused.
    pub(super) fn decide(&mut self, request: Request) {
        match request {
            Request::Register { service, options, sender } => {
                let decision = decide::register(self.model, &mut self.claims, service, options);
                let registered = self.apply(decision);
                self.keep_answer(registered, sender);
            }
            Request::RegisterSet { set, sender } => {
                let decision = project_set::register(self.model, &mut self.claims, &set);
                let registered = self.apply(decision);
                self.keep_answer(registered, sender);
            }
            Request::Rename { service, to, sender } => {
                let renamed = self.apply(decide::rename(self.model, service, to));
                self.keep_answer(renamed, sender);
            }
            Request::Release { targets, sender } => {
                let released = self.apply(decide::release(self.model, targets));
                self.keep_answer(released, sender);
            }
            Request::Prune { gone, sender } => {
                let released = self.apply(Ok(decide::prune(self.model, gone)));
                self.keep_answer(released, sender);
            }
            Request::Import { import: Import { entries, mode, dry_run }, sender } => {
                let mut decision = import(self.model, self.claims.port_listen(), entries, mode);
                if dry_run && let Ok(decision) = &mut decision {
                    decision.operations.clear();
                }
                let imported = self.apply(decision);
                let revision = self.model.seal().revision;
                let imported = imported.map(|imported| Imported { revision, ..imported });
                self.keep_answer(imported, sender);
            }
        }
    }

    /// Ends the batch; there are no more requests.
    pub(super) fn finish(self) -> Outcome {
        Outcome { occupied: self.claims.into_occupied(), ..self.outcome }
    }

    /// Applies a decision, whole; an error applies nothing.
    fn apply<T>(&mut self, decision: Result<Decision<T>, ChangeError>) -> Result<T, ChangeError> {
        let Decision { operations, holds, answer } = decision?;
        if self.outcome.operations.is_empty() && !operations.is_empty() {
            self.model.advance();
        }
        for operation in &operations {
            self.model.apply(operation);
            self.claims.follow(operation);
        }
        self.outcome.operations.extend(operations);
        self.outcome.holds.extend(holds);
        Ok(answer)
    }

    /// Keeps an answer until the batch is on disk.
    fn keep_answer<T: Send + 'static>(
        &mut self,
        answer: Result<T, ChangeError>,
        sender: Sender<T>,
    ) {
        self.outcome.answers.push(Box::new(move |stored| {
            // The client may have gone away; then nobody hears it.
            drop(sender.send(stored.and(answer)));
        }));
    }
}
