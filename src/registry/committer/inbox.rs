//! The requests that wait for the committer.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::Request;

/// How long the committer stays awake for the next request. Who makes one change after the other
/// asks again within that time, and to wake a thread takes some 50 µs.
const AWAKE_TIME: Duration = Duration::from_micros(150);

/// What the committer is told.
#[derive(Debug)]
pub(in crate::registry) enum Message {
    /// Something is asked for.
    Request(Request),
    /// No more requests.
    Close,
    /// Whoever waits for a request while something else is done is to stop waiting. One that nobody
    /// waits for may end the next such wait early, which costs nothing but time.
    Interrupt,
}

/// The messages to the committer.
#[derive(Debug)]
pub(in crate::registry) struct Inbox {
    /// Nothing is received any more after [`Message::Close`].
    messages: Mutex<Option<mpsc::Receiver<Message>>>,
    interrupts: mpsc::Sender<Message>,
}

impl Inbox {
    /// An inbox, and where to send messages to it.
    pub(in crate::registry) fn channel() -> (mpsc::Sender<Message>, Self) {
        let (sender, messages) = mpsc::channel();
        let (messages, interrupts) = (Mutex::new(Some(messages)), sender.clone());
        (sender, Self { messages, interrupts })
    }

    /// Waits for a request, awake at first; there is none once the registry is closed.
    pub(super) fn wait(&self) -> Option<Request> {
        let start = Instant::now();
        while start.elapsed() < AWAKE_TIME {
            if let Some(request) = self.waiting().next() {
                return Some(request);
            }
            thread::yield_now();
        }
        loop {
            if let Message::Request(request) = self.next(|messages| messages.recv().ok())? {
                return Some(request);
            }
        }
    }

    /// Waits for a request or an interrupt.
    pub(super) fn wait_unless_interrupted(&self) -> Option<Request> {
        match self.next(|messages| messages.recv().ok())? {
            Message::Request(request) => Some(request),
            Message::Interrupt | Message::Close => None,
        }
    }

    /// The requests that wait already, in their order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Request> {
        let messages = std::iter::from_fn(|| self.next(|messages| messages.try_recv().ok()));
        messages.filter_map(|message| match message {
            Message::Request(request) => Some(request),
            Message::Interrupt | Message::Close => None,
        })
    }

    /// Ends a wait that may be interrupted, once all that was sent before is taken.
    pub(super) fn interrupt(&self) {
        // It fails only once the inbox is closed, when nobody waits.
        let _ = self.interrupts.send(Message::Interrupt);
    }

    fn next(
        &self,
        receive: impl Fn(&mpsc::Receiver<Message>) -> Option<Message>,
    ) -> Option<Message> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let message = receive(messages.as_ref()?);
        if matches!(message, Some(Message::Close)) {
            *messages = None;
        }
        message
    }
}
