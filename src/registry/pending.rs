//! A change on its way to the disk, and its answer on the way back.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::ChangeError;

/// Where the committer sends the answer to a change.
pub(super) type Sender<T> = oneshot::Sender<Result<T, ChangeError>>;

/// A change on its way to the disk: a future, which a thread can also wait for.
#[derive(Debug)]
pub struct Pending<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    /// There was nothing to change. `None` once the answer is taken.
    Ready(Option<Result<T, ChangeError>>),
    Waiting(oneshot::Receiver<Result<T, ChangeError>>),
}

impl<T> Pending<T> {
    pub(super) fn ready(result: Result<T, ChangeError>) -> Self {
        Self(State::Ready(Some(result)))
    }

    /// A change that the committer will answer.
    pub(super) fn channel() -> (Sender<T>, Self) {
        let (sender, pending) = oneshot::channel();
        (sender, Self(State::Waiting(pending)))
    }

    /// Blocks the thread until the change is on disk; not for an async worker.
    ///
    /// # Errors
    /// Why the change was not made; [`ChangeError`] says after which errors it may be on disk yet.
    pub fn wait(self) -> Result<T, ChangeError> {
        let answered = match self.0 {
            State::Ready(result) => result,
            State::Waiting(pending) => pending.blocking_recv().ok(),
        };
        answered.unwrap_or(Err(ChangeError::Unanswered))
    }
}

impl<T: Unpin> Future for Pending<T> {
    type Output = Result<T, ChangeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.0 {
            State::Ready(result) => Poll::Ready(result.take()),
            State::Waiting(pending) => Pin::new(pending).poll(context).map(Result::ok),
        };
        answered.map(|answer| answer.unwrap_or(Err(ChangeError::Unanswered)))
    }
}
