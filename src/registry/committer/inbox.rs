//! The requests that wait for the committer.

use std::cell::Cell;
use std::sync::mpsc;

use super::Request;

/// What the committer is told.
#[derive(Debug)]
pub(in crate::registry) enum Message {
    /// Something is asked for.
    Request(Request),
    /// No more requests.
    Close,
}

/// The messages to the committer, of which those after the last request are never looked at.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: mpsc::Receiver<Message>,
    is_closed: Cell<bool>,
}

impl Inbox {
    pub(super) fn new(messages: mpsc::Receiver<Message>) -> Self {
        Self { messages, is_closed: Cell::new(false) }
    }

    /// Waits for a request; there is none once the registry is closed.
    pub(super) fn wait(&self) -> Option<Request> {
        match self.is_closed.get() {
            true => None,
            false => self.open(self.messages.recv().ok()?),
        }
    }

    /// The requests that wait already, in their order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Request> {
        std::iter::from_fn(|| match self.is_closed.get() {
            true => None,
            false => self.open(self.messages.try_recv().ok()?),
        })
    }

    fn open(&self, message: Message) -> Option<Request> {
        match message {
            Message::Request(request) => Some(request),
            Message::Close => {
                self.is_closed.set(true);
                None
            }
        }
    }
}
