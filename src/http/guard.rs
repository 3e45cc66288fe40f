//! Decides which requests are admitted: the checks that each must pass before anything else.
//!
//! pald answers curl without any set-up and makes changes on GET, so without these checks any web
//! page in the user's browser could drive it. A browser says where a request comes from, in headers
//! that a page can't forge; curl, wget and scripts send none of these headers and pass.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::dev::{RequestHead, ServiceRequest};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::http::{Method, Uri, Version};
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tracing::warn;

use crate::probe::{self, OwnEnd, Peers};
use crate::quoted::Quoted;
use crate::users::Users;

mod host;
mod page_key;

pub use host::Hosts;
pub(super) use page_key::{PageKey, is_passed_on};

use host::Authority;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// The headers of a prefetch: of something that the user has not asked for yet.
const PREFETCH: [HeaderName; 3] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
];

/// Admits requests or refuses them.
#[derive(Debug)]
pub struct Guard {
    hosts: Hosts,
    users: Users,
    peers: Peers,
    /// What the page's own scripts show.
    page_key: PageKey,
    /// Why users are unknown, until they are known again. The log says it once.
    unknown: Mutex<Option<String>>,
}

impl Guard {
    /// Makes a guard that admits requests to these hosts, and changes by these users.
    ///
    /// Where the system does not tell which user a connection is from, every user may. Else a
    /// connection of pald's own is looked up, so that the log says at the start if that fails.
    pub fn new(hosts: Hosts, users: Users) -> Self {
        let users = if probe::TELLS_USERS { users } else { Users::Anybody };
        let (peers, page_key) = (Peers::default(), PageKey::default());
        let guard = Self { hosts, users, peers, page_key, unknown: Mutex::default() };
        if guard.users != Users::Anybody {
            guard.known(guard.peers.check());
        }
        guard
    }

    /// Whether what a client may do depends on its user.
    pub(super) fn tells_users_apart(&self) -> bool {
        self.users != Users::Anybody
    }

    /// Whether a connection is from somebody who may make changes. Where nobody can be told, each
    /// is: else the owner might be shut out.
    pub(super) fn counts_as_owner(&self, own_end: &OwnEnd) -> bool {
        self.known(self.peers.user(own_end)).is_none_or(|user| self.users.include(user))
    }

    /// Returns what shows that a script is one of pald's page.
    pub(super) fn page_key(&self) -> &PageKey {
        &self.page_key
    }

    /// Lets a request in, or says where it is led instead.
    ///
    /// # Errors
    /// The first check that the request does not pass.
    pub(super) fn admit(&self, request: &ServiceRequest) -> Result<Admission, Refusal> {
        let head = Head::from(request.head());
        let is_change = head.is_change();
        let admission = self.admit_as(&head, is_change)?;
        if !is_change || admission != Admission::Whole {
            return Ok(admission);
        }
        self.check_user(request.request()).map(|()| admission)
    }

    /// Whether a request is let in as one that changes nothing.
    pub(super) fn admits_lookup(&self, head: &RequestHead) -> bool {
        let head = Head::from(head);
        !head.is_change() && self.admit_as(&head, false) == Ok(Admission::Whole)
    }

    fn admit_as(&self, head: &Head<'_>, is_change: bool) -> Result<Admission, Refusal> {
        let admission = head.check_as(is_change, &self.hosts)?;
        self.page_key.check(head).map(|()| admission)
    }

    /// Checks that the user whose connection a request came on may make changes.
    pub(super) fn check_user(&self, request: &HttpRequest) -> Result<(), Refusal> {
        if self.users == Users::Anybody {
            return Ok(());
        }
        match self.user_of(request) {
            user if self.users.include(user) => Ok(()),
            Some(user) => Err(Refusal::User(user)),
            None => Err(Refusal::UnknownUser),
        }
    }

    /// Whether the user whose connection a request came on may make changes.
    pub(super) fn may_change(&self, request: &HttpRequest) -> bool {
        self.check_user(request).is_ok()
    }

    /// Returns the user whose connection a request came on, if that is known.
    fn user_of(&self, request: &HttpRequest) -> Option<u32> {
        self.known(self.peers.user(request.conn_data::<Arc<OwnEnd>>()?))?
    }

    /// Returns what was looked up, and says in the log if the system does not answer, once until it
    /// answers again.
    fn known<T>(&self, looked_up: io::Result<T>) -> Option<T> {
        let cause = looked_up.as_ref().err().map(ToString::to_string);
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.is_none()
            && let Some(cause) = &cause
        {
            warn!(
                %cause,
                "Can't tell which user a connection is from, so changes are refused; \
                 `allow_users = [\"*\"]` lets every user of this machine make them"
            );
        }
        *unknown = cause;
        looked_up.ok()
    }

    /// Says that users were unknown when one was last looked up.
    pub(super) fn warning(&self) -> Option<String> {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = unknown.as_ref()?;
        Some(format!(
            "Which user a connection is from is unknown ({cause}), so changes are refused"
        ))
    }
}

/// How far a request is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is answered.
    Whole,
    /// It is a change that a browser asks for without saying who wants it, and that leads to the
    /// page's form instead.
    ///
    /// An address that somebody typed is no different from a redirect of a site that was opened by
    /// an address, a bookmark or a link in another program.
    Form,
}

/// The part of a request that the guard examines.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target, as the client sent it.
    pub uri: &'a Uri,
    /// The version of HTTP that the client speaks.
    pub version: Version,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The Host header is missing or repeated.
    #[error("Refused: a request must name its host exactly once")]
    HostMissing,
    /// pald does not answer to this host.
    #[error("Refused: pald does not answer to the host {0}")]
    Host(Quoted),
    /// The target names another host than the Host header.
    #[error("Refused: the target names another host than the Host header")]
    Target,
    /// A browser says that the request comes from another site.
    #[error("Refused: a web page of another site may not use pald")]
    CrossSite,
    /// A browser says that the user did not ask for this request.
    #[error("Refused: a browser may not make changes on its own")]
    Unasked,
    /// The request is from a script that may not be one of pald's page.
    #[error("Refused: this is not from the page as pald shows it now")]
    NotPage,
    /// The request looks like one of an old browser, which does not say where it comes from.
    #[error("Refused: a browser that does not say where a request comes from may not make changes")]
    OldBrowser,
    /// The client's user may not make changes.
    #[error("Refused: user {0} may not make changes here")]
    User(u32),
    /// The client's user is unknown.
    #[error("Refused: can't tell which user this connection is from")]
    UnknownUser,
}

impl Refusal {
    /// Returns what to do about it, if the user can do anything.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Host(_) => Some(
                "Use localhost, or add the name to `allowed_hosts` in the configuration".into(),
            ),
            Self::NotPage => Some("Load the page again".into()),
            Self::OldBrowser => Some("Use curl or a newer browser".into()),
            Self::User(_) => Some(
                "The owner of pald may add that user to `allow_users` in the configuration".into(),
            ),
            Self::UnknownUser => {
                Some("Try again, or set `allow_users = [\"*\"]` in the configuration".into())
            }
            _ => None,
        }
    }
}

impl<'a> From<&'a RequestHead> for Head<'a> {
    fn from(head: &'a RequestHead) -> Self {
        let RequestHead { method, uri, version, headers, .. } = head;
        Self { method, uri, version: *version, headers }
    }
}

impl Head<'_> {
    /// Whether the request could change the registry, with whatever parameters.
    pub fn is_change(&self) -> bool {
        let path = self.path();
        let is_lookup = *self.method == Method::GET || *self.method == Method::HEAD;
        is_text_change(&path) || (!is_lookup && path.starts_with(b"/v1/"))
    }

    /// Returns the path decoded once, as the router does before it picks a handler.
    ///
    /// The router leaves some bytes encoded. No path of a handler has these, so to decode them too
    /// makes no request pass for a lookup.
    fn path(&self) -> Cow<'_, [u8]> {
        let path = self.uri.path();
        // To look for it is faster than to decode (bar: 0.90 of the bare server's lookups).
        if path.contains('%') { percent_decode_str(path).into() } else { path.as_bytes().into() }
    }

    /// Checks all that the head of a request shows.
    ///
    /// # Errors
    /// The first check that it fails.
    pub fn check(&self, hosts: &Hosts) -> Result<Admission, Refusal> {
        self.check_as(self.is_change(), hosts)
    }

    fn check_as(&self, is_change: bool, hosts: &Hosts) -> Result<Admission, Refusal> {
        let authority = self.check_host(hosts)?;
        let admission = self.check_site(is_change)?;
        self.check_origin(authority)?;
        if is_change {
            self.check_old_browser(authority)?;
        }
        Ok(admission)
    }

    /// Checks that the host is one of ours. This stops DNS rebinding, which has no other sign.
    fn check_host(&self, hosts: &Hosts) -> Result<Option<Authority<'_>>, Refusal> {
        let target = self.uri.authority().map(|authority| authority.as_str().as_bytes());
        let mut values = self.headers.get_all(header::HOST);
        let host = match (values.next(), values.next()) {
            (Some(host), None) => host.as_bytes(),
            (None, _) if self.version == Version::HTTP_10 => match target {
                Some(target) => target,
                None => return Ok(None),
            },
            _ => return Err(Refusal::HostMissing),
        };
        let authority = Authority::parse(host).filter(|authority| hosts.include(authority));
        let authority = authority.ok_or_else(|| Refusal::Host(Quoted::new(host)))?;
        let is_http = self.uri.scheme_str().is_none_or(|scheme| scheme == "http");
        match is_http && target.is_none_or(|target| target.eq_ignore_ascii_case(host)) {
            true => Ok(Some(authority)),
            false => Err(Refusal::Target),
        }
    }

    fn check_site(&self, is_change: bool) -> Result<Admission, Refusal> {
        let mut admission = Admission::Whole;
        for site in self.headers.get_all(SEC_FETCH_SITE) {
            match site.as_bytes() {
                b"same-origin" => {}
                b"none" if !is_change => {}
                b"none" if self.opens_form() => admission = Admission::Form,
                b"none" => return Err(Refusal::Unasked),
                b"same-site" | b"cross-site" if self.opens_page() => {}
                _ => return Err(Refusal::CrossSite),
            }
        }
        if is_change && self.is_prefetch() { Err(Refusal::Unasked) } else { Ok(admission) }
    }

    /// Whether a window would show the answer to a change on the text routes.
    fn opens_form(&self) -> bool {
        *self.method == Method::GET && is_text_change(&self.path()) && self.is_navigation()
    }

    /// Whether the user opens the page, maybe by a link on another site. That site learns nothing:
    /// it can't read the answer, frame the page, or control its window.
    fn opens_page(&self) -> bool {
        let is_lookup = *self.method == Method::GET || *self.method == Method::HEAD;
        is_lookup && self.uri.path() == "/" && self.is_navigation() && !self.is_prefetch()
    }

    fn is_prefetch(&self) -> bool {
        PREFETCH.iter().any(|name| self.headers.contains_key(name))
    }

    /// Whether a window will show the answer: for an address, a bookmark or a link.
    fn is_navigation(&self) -> bool {
        let is_only = |name, expected: &[u8]| {
            let mut values = self.headers.get_all(name);
            values.next().is_some_and(|value| value.as_bytes() == expected)
                && values.next().is_none()
        };
        is_only(SEC_FETCH_MODE, b"navigate") && is_only(SEC_FETCH_DEST, b"document")
    }

    /// Checks that a page's origin is pald's own. A WebSocket handshake has no other such header.
    fn check_origin(&self, authority: Option<Authority<'_>>) -> Result<(), Refusal> {
        let mut values = self.headers.get_all(header::ORIGIN);
        match (values.next(), values.next(), authority) {
            (None, ..) => Ok(()),
            (Some(origin), None, Some(authority)) if authority.is_origin(origin.as_bytes()) => {
                Ok(())
            }
            _ => Err(Refusal::CrossSite),
        }
    }

    /// Refuses browsers before 2020, which send no Sec-Fetch-Site, and no Origin with a GET.
    fn check_old_browser(&self, authority: Option<Authority<'_>>) -> Result<(), Refusal> {
        if self.headers.contains_key(SEC_FETCH_SITE) {
            return Ok(());
        }
        let mut agents = self.headers.get_all(header::USER_AGENT).map(|value| value.as_bytes());
        // PowerShell says Mozilla too.
        if agents.any(|agent| agent.starts_with(b"Mozilla/") && !contains(agent, b"PowerShell")) {
            return Err(Refusal::OldBrowser);
        }
        let is_own = |referer: &[u8]| authority.is_some_and(|ours| ours.is_origin_of(referer));
        match self.headers.get_all(header::REFERER).all(|value| is_own(value.as_bytes())) {
            true => Ok(()),
            false => Err(Refusal::CrossSite),
        }
    }
}

/// Whether a path is that of a change on the text routes.
fn is_text_change(path: &[u8]) -> bool {
    matches!(path, b"/set" | b"/del")
}

/// Whether a browser says that a page of another site leads here.
pub(super) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).map(|site| site.as_bytes());
    sites.any(|site| site != b"same-origin" && site != b"none")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests;
