//! What the client of a lookup may see, and when its turn comes.
//!
//! What runs on the machine, and why, is the business of those who may make changes. Everybody else
//! sees services, ports and states, and keeps pald busy with one long answer at a time.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::HttpError;
use super::guard::Guard;

/// How long others wait for their turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells apart who asks.
#[derive(Debug)]
pub(super) struct Viewers {
    guard: Arc<Guard>,
    turns_of_others: Arc<Semaphore>,
}

/// How much of an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// All of it.
    Whole,
    /// No holders, reasons or paths: null instead.
    WithoutHolders,
}

/// The turn of a client whose answer takes a while to make or to send, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) sight: Sight,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Returns the turn of a client that waits for nobody.
    pub(super) fn at_once(sight: Sight) -> Self {
        Self { sight, _permit: None }
    }
}

impl Viewers {
    pub(super) fn new(guard: Arc<Guard>) -> Self {
        Self { guard, turns_of_others: Arc::new(Semaphore::new(1)) }
    }

    /// Returns what the client of a request may see.
    pub(super) fn sight_of(&self, request: &HttpRequest) -> Sight {
        if self.guard.may_change(request) { Sight::Whole } else { Sight::WithoutHolders }
    }

    /// Says that nobody can be told apart at the moment.
    pub(super) fn warning(&self) -> Option<String> {
        self.guard.warning()
    }

    /// Waits for the turn of a request, which for those who may make changes is now.
    ///
    /// # Errors
    /// It did not come within 5 s.
    pub(super) async fn turn(&self, request: &HttpRequest) -> Result<Turn, HttpError> {
        let sight = self.sight_of(request);
        if sight == Sight::Whole {
            return Ok(Turn::at_once(sight));
        }
        let permit = timeout(PATIENCE, Arc::clone(&self.turns_of_others).acquire_owned()).await;
        let permit = permit.map_err(|_| HttpError::Busy)?.ok();
        Ok(Turn { sight, _permit: permit })
    }
}
