//! Long bodies, which are made a portion at a time as they are sent.
//!
//! Each is made twice: once for its length and its tag, and once more for a client that reads it.
//! Kept whole meanwhile, the lists of 60,000 services that other users ask for would take 35 MB.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::http::viewers::Turn;

/// A text in portions, each of which is the same whenever it is made.
pub(in crate::http) struct Portions {
    make: Box<dyn Fn(usize) -> Option<Vec<u8>> + Send>,
    length: usize,
    hash: u64,
}

impl Portions {
    /// Makes all portions once. `make` returns the one with a number, counted from 0, or none after
    /// the last.
    pub(in crate::http) fn new(make: impl Fn(usize) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let (mut length, mut hash) = (0, Xxh3::new());
        for portion in (0..).map_while(&make) {
            length += portion.len();
            hash.update(&portion);
        }
        Self { make: Box::new(make), length, hash: hash.digest() }
    }

    /// Returns the hash of the whole text.
    pub(in crate::http) fn hash(&self) -> u64 {
        self.hash
    }

    /// Makes the body of a reply, which keeps the client's turn until it is sent.
    pub(super) fn into_body(self, turn: Turn) -> Long {
        Long { portions: self, next: 0, _turn: turn }
    }
}

/// A long body.
pub(super) struct Long {
    portions: Portions,
    next: usize,
    _turn: Turn,
}

impl MessageBody for Long {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.portions.length).expect("an answer fits in memory"))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let portion = (self.portions.make)(self.next);
        self.next += 1;
        Poll::Ready(portion.map(|portion| Ok(portion.into())))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::http::viewers::Sight;

    #[test]
    fn a_body_has_the_length_and_the_hash_of_its_portions() {
        for text in ["", "a", "abc", "abcdefg"] {
            let make =
                move |number: usize| text.as_bytes().chunks(3).nth(number).map(<[u8]>::to_vec);
            let portions = Portions::new(make);
            assert_eq!(portions.hash(), xxh3_64(text.as_bytes()));
            let body = portions.into_body(Turn::at_once(Sight::Whole));
            let length = u64::try_from(text.len()).unwrap();
            assert_eq!(body.size(), BodySize::Sized(length));
            let sent = actix_web::rt::System::new().block_on(to_bytes(body)).unwrap();
            assert_eq!(sent, text);
        }
    }
}
