//! What is known of the machine: what connects to the loopback addresses met, for a minute, and what
//! fails for all ports.
//!
//! A connect is a knock at somebody's door: a server behind a redirect may count those that are
//! reset, and one that a firewall swallows takes its time. So nobody is knocked at again within a
//! minute after something was in the way.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::claim::Occupied;
use crate::port::Port;

/// How long it is remembered.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A family of addresses, by its loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, 127.0.0.1.
    V4,
    /// IPv6, ::1.
    V6,
}

impl Family {
    /// Both, in the order in which they are asked.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Returns its loopback address.
    pub fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// Returns its place in a list of both.
    pub fn index(self) -> usize {
        usize::from(self == Self::V6)
    }
}

/// Why a family says nothing about a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// This machine has no such addresses.
    Missing,
    /// Not even pald's own listener is reached there.
    Unreached(String),
}

/// What was met at ports, which families are left out, and whether sockets are listed. Shared by all
/// who look at ports.
#[derive(Debug)]
pub struct Knocks {
    /// Where pald itself listens, on both loopback addresses.
    own_port: Option<Port>,
    max_age: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When connects to both loopback addresses of a port were refused.
    refused: HashMap<Port, Instant>,
    /// What was in the way at a port, and when.
    obstacles: HashMap<Port, (Instant, Occupied)>,
    left_out: [Option<(Instant, LeftOut)>; 2],
    has_warned: [bool; 2],
    /// Why the sockets could not be listed the last time.
    not_listed: Option<String>,
    swept_at: Option<Instant>,
}

impl Default for Knocks {
    /// Nothing is known, and pald listens nowhere.
    fn default() -> Self {
        Self { own_port: None, max_age: MAX_AGE, state: Mutex::default() }
    }
}

impl Knocks {
    /// Nothing is known yet; pald listens on this port of both loopback addresses.
    pub fn new(own_port: Port) -> Self {
        Self { own_port: Some(own_port), ..Self::default() }
    }

    /// Where pald itself listens.
    pub fn own_port(&self) -> Option<Port> {
        self.own_port
    }

    /// What was in the way at a port within the last minute.
    pub fn obstacle(&self, port: Port) -> Option<Occupied> {
        let state = self.lock();
        let (at, occupied) = state.obstacles.get(&port)?;
        (at.elapsed() < self.max_age).then_some(*occupied)
    }

    /// Whether connects to a port were refused within the last minute, and nothing was in the way
    /// since.
    pub fn was_refused(&self, port: Port) -> bool {
        self.lock().refused.get(&port).is_some_and(|at| at.elapsed() < self.max_age)
    }

    /// Remembers what was met at a port: nothing, or what is in the way.
    pub fn remember(&self, port: Port, met: Result<(), Occupied>) {
        let (mut state, now) = (self.lock(), Instant::now());
        state.sweep(now, self.max_age);
        match met {
            Ok(()) => {
                state.obstacles.remove(&port);
                state.refused.insert(port, now);
            }
            Err(occupied) => {
                state.refused.remove(&port);
                state.obstacles.insert(port, (now, occupied));
            }
        }
    }

    /// Forgets what was met at a port.
    pub fn forget(&self, port: Port) {
        let mut state = self.lock();
        state.obstacles.remove(&port);
        state.refused.remove(&port);
    }

    /// Whether a family was left out within the last minute; `None` if that has to be found out
    /// again.
    pub fn is_left_out(&self, family: Family) -> Option<bool> {
        match &self.lock().left_out[family.index()] {
            None => Some(false),
            Some((at, _)) => (at.elapsed() < self.max_age).then_some(true),
        }
    }

    /// Leaves a family out for a minute. The log says so once, until it is taken in again; a machine
    /// without IPv6 is nothing to be told of.
    pub fn leave_out(&self, family: Family, why: LeftOut) {
        let mut state = self.lock();
        let index = family.index();
        if let LeftOut::Unreached(_) = why
            && !std::mem::replace(&mut state.has_warned[index], true)
        {
            warn!("{}", Warning { family, why: &why });
        }
        state.left_out[index] = Some((Instant::now(), why));
    }

    /// Takes a family in again.
    pub fn take_in(&self, family: Family) {
        let mut state = self.lock();
        let index = family.index();
        state.left_out[index] = None;
        if std::mem::take(&mut state.has_warned[index]) {
            info!("Connections to {} reach pald again", family.loopback());
        }
    }

    /// Notes that the sockets can't be listed, or can be again. The log says each once.
    pub fn note_listing(&self, error: Option<&io::Error>) {
        let mut state = self.lock();
        match (error, &state.not_listed) {
            (Some(cause), None) => warn!(
                %cause,
                "Can't list sockets, so what uses a port is unknown; trying again with the next look"
            ),
            (None, Some(_)) => info!("Sockets are listed again"),
            _ => {}
        }
        state.not_listed = error.map(ToString::to_string);
    }

    /// What fails for all ports of this machine, for people.
    pub fn warnings(&self) -> Vec<String> {
        let state = self.lock();
        let left_out = Family::ALL.into_iter().zip(&state.left_out);
        let left_out = left_out.filter_map(|(family, left_out)| match left_out {
            Some((_, why @ LeftOut::Unreached(_))) => Some(Warning { family, why }.to_string()),
            _ => None,
        });
        let not_listed = state.not_listed.iter();
        let not_listed = not_listed.map(|cause| {
            format!("Sockets can't be listed ({cause}), so what uses a port is unknown")
        });
        not_listed.chain(left_out).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops what is too old, once in that time.
    fn sweep(&mut self, now: Instant, max_age: Duration) {
        if self.swept_at.is_some_and(|at| now.duration_since(at) < max_age) {
            return;
        }
        self.refused.retain(|_, at| now.duration_since(*at) < max_age);
        self.obstacles.retain(|_, (at, _)| now.duration_since(*at) < max_age);
        self.swept_at = Some(now);
    }
}

struct Warning<'a> {
    family: Family,
    why: &'a LeftOut,
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = self.family.loopback();
        let cause = match self.why {
            LeftOut::Missing => "there is no such address",
            LeftOut::Unreached(cause) => cause,
        };
        write!(
            f,
            "Connections to {ip} do not even reach pald itself ({cause}), so pald can't see there \
             whether a port is redirected; a firewall may be the reason"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWALLOWED: Occupied =
        Occupied::Swallowed(std::net::SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1));

    fn aged(max_age: Duration) -> Knocks {
        Knocks { max_age, ..Knocks::default() }
    }

    #[test]
    fn what_was_met_last_is_remembered_for_a_while() {
        let (fresh, old) = (aged(Duration::MAX), aged(Duration::ZERO));
        for (knocks, is_known) in [(&fresh, true), (&old, false)] {
            knocks.remember(Port::MIN, Err(SWALLOWED));
            assert_eq!(knocks.obstacle(Port::MIN), is_known.then_some(SWALLOWED));
            assert!(!knocks.was_refused(Port::MIN));
            knocks.remember(Port::MIN, Ok(()));
            assert_eq!(knocks.was_refused(Port::MIN), is_known);
            assert_eq!(knocks.obstacle(Port::MIN), None);
            assert!(!knocks.was_refused(Port::MAX));
        }
        fresh.forget(Port::MIN);
        assert!(!fresh.was_refused(Port::MIN));
        // What is too old is dropped, so that nothing grows for ever.
        old.remember(Port::MAX, Err(SWALLOWED));
        let state = old.lock();
        assert_eq!((state.refused.len(), state.obstacles.len()), (0, 1));
    }

    /// A netlink that failed used to leave no trace in the log.
    #[test]
    fn sockets_that_are_not_listed_are_told_of_once() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = std::sync::Arc::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        let knocks = Knocks::default();
        tracing::subscriber::with_default(subscriber, || {
            for error in [None, Some(()), Some(()), None, None] {
                let error = error.map(|()| io::ErrorKind::NotFound.into());
                knocks.note_listing(error.as_ref());
                assert_eq!(knocks.warnings().len(), usize::from(error.is_some()));
            }
        });
        let lines = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(lines.matches("Can't list sockets").count(), 1, "{lines}");
        assert_eq!(lines.matches("Sockets are listed again").count(), 1, "{lines}");
    }

    /// Each of hundreds of ports was warned of.
    #[test]
    fn a_family_that_is_left_out_is_told_of_once() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let writer = std::sync::Arc::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        let (fresh, old) = (aged(Duration::MAX), aged(Duration::ZERO));
        let silent = || LeftOut::Unreached("no answer".into());
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(fresh.is_left_out(Family::V6), Some(false));
            fresh.leave_out(Family::V4, LeftOut::Missing);
            assert_eq!(fresh.warnings(), [""; 0]);
            for _ in 0..2 {
                fresh.leave_out(Family::V6, silent());
                assert_eq!(fresh.is_left_out(Family::V6), Some(true));
            }
            assert_eq!(fresh.warnings().len(), 1);
            fresh.take_in(Family::V6);
            assert_eq!(fresh.is_left_out(Family::V6), Some(false));
            assert_eq!(fresh.warnings(), [""; 0]);
            old.leave_out(Family::V6, silent());
            assert_eq!(old.is_left_out(Family::V6), None);
        });
        let lines = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(lines.matches("Connections to ::1 do not even reach").count(), 2, "{lines}");
        assert_eq!(lines.matches("Connections to ::1 reach pald again").count(), 1, "{lines}");
    }
}
