//! The hosts that pald answers to.

/// The hosts that a request may name: those of the loopback addresses and `allowed_hosts`.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<String>);

/// The names of this machine's loopback addresses.
const LOOPBACK: [&[u8]; 3] = [b"localhost", b"127.0.0.1", b"[::1]"];

impl Hosts {
    /// Adds these names to those of the loopback addresses; case does not matter.
    pub fn new(others: Vec<String>) -> Self {
        Self(others)
    }

    /// Whether the whole host is one of the names.
    pub(super) fn include(&self, authority: &Authority<'_>) -> bool {
        let others = self.0.iter().map(String::as_bytes);
        LOOPBACK.into_iter().chain(others).any(|name| name.eq_ignore_ascii_case(authority.name))
    }
}

/// A host and maybe a port, as in a Host header or a target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'a> {
    whole: &'a [u8],
    name: &'a [u8],
}

impl<'a> Authority<'a> {
    /// Parses `name` or `name:port`. The port may be any, since a tunnel changes it.
    pub(super) fn parse(whole: &'a [u8]) -> Option<Self> {
        let name_end = match whole.first()? {
            b'[' => whole.iter().position(|&byte| byte == b']')? + 1,
            _ => whole.iter().position(|&byte| byte == b':').unwrap_or(whole.len()),
        };
        let (name, port) = whole.split_at(name_end);
        let is_port = |digits| crate::port::Port::parse(digits).is_ok();
        match port {
            [] => Some(Self { whole, name }),
            [b':', digits @ ..] if is_port(digits) => Some(Self { whole, name }),
            _ => None,
        }
    }

    /// Whether an Origin header names this host and port.
    pub(super) fn is_origin(&self, origin: &[u8]) -> bool {
        self.after_origin(origin).is_some_and(<[u8]>::is_empty)
    }

    /// Whether a URL has this host and port.
    pub(super) fn is_origin_of(&self, address: &[u8]) -> bool {
        self.after_origin(address).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
    }

    /// Returns what follows `http://` and this authority.
    fn after_origin<'b>(&self, address: &'b [u8]) -> Option<&'b [u8]> {
        let rest = address.strip_prefix(b"http://")?;
        let (start, rest) = rest.split_at_checked(self.whole.len())?;
        start.eq_ignore_ascii_case(self.whole).then_some(rest)
    }
}
