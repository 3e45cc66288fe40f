//! A client's connection, between the socket and actix.
//!
//! actix reads all that a client sends, whether or not its answers go out, parses all of it at once,
//! and waits for ever for a client that does not read. Here a connection is read only while nothing
//! is left to be sent and no answer is being made, a portion at a time; and a client that keeps pald
//! waiting, for a request or with an answer, has a time for it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::time::{Instant, Sleep, sleep};

use super::seats::Seat;
use crate::probe::OwnEnd;

/// How long an idle connection stays open, how long the head of a request may take, and how long an
/// answer may wait until some of it is read: 5 s, in ticks from one that was under way.
const PATIENCE_TICKS: u8 = 6;
const TICK: Duration = Duration::from_secs(1);
/// How much is read at once, in bytes: all requests in it are parsed, and each takes 7 KB, since actix
/// makes room for 16 headers. The shortest has 18 bytes.
const PORTION: u64 = 512;

/// A connection to a client.
pub(super) struct Connection {
    /// Ends where actix has to have a look at what it has read.
    stream: Take<TcpStream>,
    progress: Rc<Progress>,
    /// Whose it is and its seat, where users are told apart.
    client: Option<(Arc<OwnEnd>, Seat)>,
    /// Whether a part of an answer waits for the client to read.
    is_unsent: bool,
    /// Whether actix wanted to read when it was not the time.
    wants_to_read: bool,
    /// Whether nothing has come since the last answer.
    is_idle: bool,
    /// How many ticks the client has kept pald waiting.
    silent_ticks: u8,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Makes a connection of a stream; it keeps its seat until it is dropped.
    pub(super) fn new(stream: TcpStream, client: Option<(Arc<OwnEnd>, Seat)>) -> Self {
        Self {
            stream: stream.take(PORTION),
            progress: Rc::default(),
            client,
            is_unsent: false,
            wants_to_read: false,
            is_idle: true,
            silent_ticks: 0,
            timer: None,
        }
    }

    /// Gives each request on this connection what the guard and the handlers need to know of it.
    pub(super) fn introduce(&self, extensions: &mut Extensions) {
        extensions.insert(Rc::clone(&self.progress));
        if let Some((own_end, _)) = &self.client {
            extensions.insert(Arc::clone(own_end));
        }
    }

    /// Is ready once the client has been silent for too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // It ticks, and is not set for each answer: that, and to ask for the time, takes time (bar:
        // 0.90 of the bare server's lookups).
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(TICK)));
        loop {
            ready!(timer.as_mut().poll(cx));
            self.silent_ticks += 1;
            if self.silent_ticks >= PATIENCE_TICKS {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + TICK);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_unsent || !this.progress.takes_more() {
            this.wants_to_read = true;
            return Poll::Pending;
        }
        if this.stream.limit() == 0 {
            // actix reads until it is told to wait.
            this.stream.set_limit(PORTION);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if Pin::new(&mut this.stream).poll_read(cx, buffer)?.is_pending() {
            // It waits, so it looks at what it has.
            this.stream.set_limit(PORTION);
            return match this.progress.is_answering() {
                true => Poll::Pending,
                // As if the client had closed it, so that all of the last answer is sent.
                false => this.poll_patience(cx).map(Ok),
            };
        }
        if buffer.filled().len() > before && std::mem::take(&mut this.is_idle) {
            this.silent_ticks = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(this.stream.get_mut()).poll_write(cx, bytes);
        if written.is_ready() {
            this.is_idle = true;
            this.silent_ticks = 0;
            return written;
        }
        this.is_unsent = true;
        ready!(this.poll_patience(cx));
        // The kernel drops what is left too.
        let _ = set_socket_linger(this.stream.get_ref(), Some(Duration::ZERO));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// actix calls this once all that it has is written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.is_unsent = false;
        if this.wants_to_read && this.progress.takes_more() {
            this.wants_to_read = false;
            cx.waker().wake_by_ref();
        }
        Pin::new(this.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream.get_mut()).poll_shutdown(cx)
    }
}

/// What is being done for the client of a connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    is_answering: Cell<bool>,
    is_reading_body: Cell<bool>,
}

impl Progress {
    /// Notes that an answer is being made, until the guard is dropped.
    pub(super) fn answer(self: &Rc<Self>) -> During {
        During::new(self, |progress| &progress.is_answering)
    }

    /// Notes that the handler reads the body of its request, until the guard is dropped.
    pub(super) fn read_body(self: &Rc<Self>) -> During {
        During::new(self, |progress| &progress.is_reading_body)
    }

    fn is_answering(&self) -> bool {
        self.is_answering.get()
    }

    /// Whether what the client sends is needed now.
    fn takes_more(&self) -> bool {
        !self.is_answering.get() || self.is_reading_body.get()
    }
}

/// A time during which something is being done.
pub(super) struct During {
    progress: Rc<Progress>,
    flag: fn(&Progress) -> &Cell<bool>,
}

impl During {
    fn new(progress: &Rc<Progress>, flag: fn(&Progress) -> &Cell<bool>) -> Self {
        flag(progress).set(true);
        Self { progress: Rc::clone(progress), flag }
    }
}

impl Drop for During {
    fn drop(&mut self) {
        (self.flag)(&self.progress).set(false);
    }
}
