//! Tells the scripts of pald's page from those that another site left behind.
//!
//! A browser keeps a site's service worker for its address. If pald listens there later, the worker
//! sees all that the page asks for, and what it asks for itself looks like the page's own. So the
//! page is given a key, which its scripts show; and with the key the browser is told to forget what
//! an earlier site stored, workers among it, before it shows the page.
//!
//! The key is given only to a navigation (`Sec-Fetch-Dest: document`). One that a worker passes on
//! says `empty`, as all that a worker fetches, so no worker can read the key.

use std::hash::{BuildHasher as _, RandomState};

use actix_web::http::header::{HeaderMap, HeaderName};

use super::{Head, Refusal, SEC_FETCH_DEST, SEC_FETCH_SITE};

const PALD_PAGE: HeaderName = HeaderName::from_static("pald-page");

/// How much of the key anybody may know, so that a page notices without a refusal that it is older
/// than the process and must be loaded again.
const RUN_DIGITS: usize = 16;

/// The key of this process, 48 hexadecimal digits.
#[derive(Debug)]
pub(in crate::http) struct PageKey(String);

impl Default for PageKey {
    fn default() -> Self {
        // The standard library's hashes have a key of the system's random numbers.
        let random = || format!("{:016x}", RandomState::new().hash_one(0));
        Self([random(), random(), random()].concat())
    }
}

impl PageKey {
    /// Returns the key if a request is a navigation that no worker has seen the answer of.
    pub(in crate::http) fn for_page(&self, headers: &HeaderMap) -> Option<&str> {
        headers.get(SEC_FETCH_DEST).filter(|dest| *dest == "document").map(|_| &*self.0)
    }

    /// Returns the name of this run of pald.
    pub(in crate::http) fn run(&self) -> &str {
        &self.0[..RUN_DIGITS]
    }

    /// Checks that a request of a script on pald's own origin is one of pald's page.
    pub(super) fn check(&self, head: &Head<'_>) -> Result<(), Refusal> {
        // A program names no destination.
        let Some(dest) = head.headers.get(SEC_FETCH_DEST) else { return Ok(()) };
        // The browser itself asks for a worker's script.
        let is_of_page = dest != "serviceworker"
            && head.headers.get_all(SEC_FETCH_SITE).any(|site| site == "same-origin");
        let path = head.path();
        let is_public = &*path == b"/" || path.starts_with(b"/page/");
        let has_key = || head.headers.get(PALD_PAGE).is_some_and(|key| *key == *self.0);
        if !is_of_page || is_public || has_key() { Ok(()) } else { Err(Refusal::NotPage) }
    }
}

/// Whether a service worker passes a navigation on.
pub(in crate::http) fn is_passed_on(headers: &HeaderMap) -> bool {
    headers.get(super::SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate")
        && headers.get(SEC_FETCH_DEST).is_some_and(|dest| dest == "empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_have_the_same_key() {
        let (one, other) = (PageKey::default(), PageKey::default());
        assert_eq!((one.0.len(), one.run().len()), (48, 16));
        assert!(one.run() != other.run() && one.0[16..] != other.0[16..]);
        assert!(one.0[16..32] != one.0[32..] && !one.0[16..].contains(one.run()));
    }
}
