//! Long bodies, in portions: actix copies what it is given at once, and a text that grows as one
//! piece takes up to three times its size.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

use crate::http::viewers::Turn;

/// The length of a portion in bytes.
const PORTION: usize = 32 * 1024;

/// A text that is written once and then sent.
#[derive(Debug, Default)]
pub(in crate::http) struct Portions {
    full: VecDeque<Bytes>,
    last: Vec<u8>,
}

impl Portions {
    /// The portions, in their order.
    pub(in crate::http) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.full.iter().map(|portion| &portion[..]).chain([&self.last[..]])
    }

    /// Makes the body of a reply, which keeps the client's turn until it is sent.
    pub(super) fn into_body(mut self, turn: Turn) -> Long {
        self.full.push_back(self.last.into());
        let length = self.full.iter().map(Bytes::len).sum();
        Long { rest: self.full, length, _turn: turn }
    }
}

impl From<String> for Portions {
    fn from(text: String) -> Self {
        let (mut rest, mut full) = (Bytes::from(text), VecDeque::new());
        while !rest.is_empty() {
            full.push_back(rest.split_to(rest.len().min(PORTION)));
        }
        Self { full, last: Vec::new() }
    }
}

impl io::Write for Portions {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(PORTION - self.last.len());
        self.last.extend_from_slice(&bytes[..length]);
        if self.last.len() == PORTION {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(PORTION));
            self.full.push_back(full.into());
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A long body.
pub(super) struct Long {
    rest: VecDeque<Bytes>,
    length: usize,
    _turn: Turn,
}

impl MessageBody for Long {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.length).expect("an answer fits in memory"))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.rest.pop_front().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn portions_are_the_text_whole() {
        for length in [0, 1, PORTION - 1, PORTION, PORTION + 1, 3 * PORTION + 7] {
            let text: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
            let mut written = Portions::default();
            text.chunks(11).for_each(|part| written.write_all(part).unwrap());
            let split = Portions::from(String::from_utf8(text.clone()).unwrap());
            for portions in [written, split] {
                assert_eq!(portions.iter().collect::<Vec<_>>().concat(), text);
                assert!(portions.iter().all(|portion| portion.len() <= PORTION));
            }
        }
    }
}
