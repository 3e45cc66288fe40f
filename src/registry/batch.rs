//! The requests that share one transaction and one sync, decided one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use super::claims::Claims;
use super::decide::{self, Decision};
use super::import::import;
use super::model::Model;
use super::pending::Answer;
use super::{ChangeError, Import, Imported, RegisterOptions, Registered, Target};
use crate::port::Port;
use crate::probe::{Hold, Occupied};
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::store::Operation;

/// What the committer is asked for, and where the answer goes.
#[derive(Debug)]
pub(super) enum Request {
    /// To register a service, or to change how it is registered.
    Register { service: ServiceName, options: RegisterOptions, answer: Answer<Registered> },
    /// To release a service.
    Release { target: Target, answer: Answer<Arc<Registration>> },
    /// To import a dump.
    Import { import: Import, answer: Answer<Imported> },
}

impl Request {
    /// Answers with an error. The client may have gone away; then nobody hears it.
    pub(super) fn refuse(self, error: ChangeError) {
        match self {
            Self::Register { answer, .. } => drop(answer.send(Err(error))),
            Self::Release { answer, .. } => drop(answer.send(Err(error))),
            Self::Import { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

/// Answers a request, once it is known whether its batch is on disk.
pub(super) type Reply = Box<dyn FnOnce(Result<(), ChangeError>)>;

/// A batch that is being decided. The model is ahead of the disk from its first operation on.
pub(super) struct Batch<'a> {
    model: &'a mut Model,
    claims: Claims<'a>,
    decided: Decided,
}

/// What a batch changes and answers, once all its requests are decided.
#[derive(Default)]
pub(super) struct Decided {
    /// What has to be stored, in this order.
    pub(super) operations: Vec<Operation>,
    /// The holds on the ports that were claimed.
    pub(super) holds: HashMap<Port, Hold>,
    /// Ports of the range that others use, and why each could not be claimed.
    pub(super) occupied: Vec<(Port, Occupied)>,
    /// The answers, in the order of the requests.
    pub(super) replies: Vec<Reply>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(model: &'a mut Model, claims: Claims<'a>) -> Self {
        Self { model, claims, decided: Decided::default() }
    }

    /// Decides one more request, and applies its operations to the model if it is not refused.
    pub(super) fn add(&mut self, request: Request) {
        match request {
            Request::Register { service, options, answer } => {
                let decision = decide::register(self.model, &mut self.claims, service, options);
                let registered = self.apply(decision);
                self.reply(registered, answer);
            }
            Request::Release { target, answer } => {
                let released = self.apply(decide::release(self.model, target));
                self.reply(released, answer);
            }
            Request::Import { import: Import { entries, mode, dry_run }, answer } => {
                let mut decision = import(self.model, self.claims.port_listen(), entries, mode);
                if dry_run && let Ok(decision) = &mut decision {
                    decision.operations.clear();
                }
                let imported = self.apply(decision);
                let revision = self.model.seal().revision;
                let imported = imported.map(|imported| Imported { revision, ..imported });
                self.reply(imported, answer);
            }
        }
    }

    /// Ends the batch; there are no more requests.
    pub(super) fn finish(self) -> Decided {
        Decided { occupied: self.claims.into_occupied(), ..self.decided }
    }

    /// Applies a decision, whole; an error applies nothing.
    fn apply<T>(&mut self, decision: Result<Decision<T>, ChangeError>) -> Result<T, ChangeError> {
        let Decision { operations, hold, answer } = decision?;
        if self.decided.operations.is_empty() && !operations.is_empty() {
            self.model.advance();
        }
        for operation in &operations {
            self.model.apply(operation);
            self.claims.follow(operation);
        }
        self.decided.operations.extend(operations);
        self.decided.holds.extend(hold);
        Ok(answer)
    }

    /// Keeps an answer until the batch is on disk.
    fn reply<T: Send + 'static>(&mut self, decided: Result<T, ChangeError>, answer: Answer<T>) {
        self.decided.replies.push(Box::new(move |stored| {
            // The client may have gone away; then nobody hears it.
            drop(answer.send(stored.and(decided)));
        }));
    }
}
