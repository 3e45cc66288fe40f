//! Claims for the requests that arrive while a batch is on its way to the disk: the kernel takes
//! some 50 µs for each, which no request of the next batch then waits for.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::thread;

use super::inbox::Inbox;
use super::{MAX_REQUESTS, Request};
use crate::port::{Port, PortRange};
use crate::probe::{Claimer, Hold, Occupied};
use crate::registry::PortSet;

/// What came of the claim of a port.
pub(super) type Claim = Result<Hold, Occupied>;

/// What the next batch is made of.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Requests that wait, in their order.
    pub(super) requests: Vec<Request>,
    /// Claims that were made for them.
    pub(super) claims: HashMap<Port, Claim>,
}

impl Gathered {
    /// These, or if there are none, the next request; nothing once the registry is closed.
    pub(super) fn or_wait(self, inbox: &Inbox) -> Option<Self> {
        match self.requests.is_empty() {
            true => inbox.wait().map(|request| vec![request].into()),
            false => Some(self),
        }
    }
}

impl From<Vec<Request>> for Gathered {
    fn from(requests: Vec<Request>) -> Self {
        Self { requests, claims: HashMap::new() }
    }
}

/// The ports that may be claimed.
pub(super) struct Claimable {
    pub(super) port_range: PortRange,
    /// Ports of the range that may not.
    pub(super) taken: PortSet,
}

/// Does the work, and gathers meanwhile, in a second thread, what arrives.
pub(super) fn gather_during(inbox: &Inbox, claimable: Claimable, work: impl FnOnce()) -> Gathered {
    thread::scope(|scope| {
        let gatherer = thread::Builder::new().name("claims".into());
        let gatherer = gatherer.spawn_scoped(scope, || gather(inbox, claimable));
        // Dropped before the other thread is waited for, also when the work panics.
        let end = End(inbox);
        work();
        drop(end);
        match gatherer {
            Ok(gatherer) => gatherer.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Without a thread, what arrives waits in the inbox.
            Err(_) => Gathered::default(),
        }
    })
}

/// Ends the gathering.
struct End<'a>(&'a Inbox);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

fn gather(inbox: &Inbox, mut claimable: Claimable) -> Gathered {
    let mut gathered = Gathered::default();
    let mut claimer = Claimer::default();
    while gathered.requests.len() < MAX_REQUESTS
        && let Some(request) = inbox.wait_unless_interrupted()
    {
        if request.wants_port() {
            gathered.claims.extend(claimable.claim(&mut claimer));
        }
        gathered.requests.push(request);
    }
    gathered
}

impl Claimable {
    /// Claims the lowest ports, up to and with the first that nobody has. Where the system fails, it
    /// is asked again by whoever needs the port.
    fn claim(&mut self, claimer: &mut Claimer) -> Vec<(Port, Claim)> {
        let mut claims = Vec::new();
        while let Some(port) = self.taken.lowest_free(self.port_range) {
            self.taken.insert(port);
            let Ok(claim) = claimer.claim(port) else { break };
            let is_free = claim.is_ok();
            claims.push((port, claim));
            if is_free {
                break;
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::sync::oneshot;

    use super::*;
    use crate::registry::RegisterOptions;
    use crate::registry::committer::Message;
    use crate::service_name::ServiceName;

    /// Somebody's port, and the nearest one above that nobody has, with all between.
    fn claimable() -> (TcpListener, Port, Claimable) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let port_range = PortRange::new(port, Port::MAX).unwrap();
        (listener, port, Claimable { port_range, taken: PortSet::default() })
    }

    fn register(name: &str, port: Option<Port>) -> Request {
        let (answer, _) = oneshot::channel();
        let options = RegisterOptions { port, ..RegisterOptions::default() };
        Request::Register { service: ServiceName::parse(name).unwrap(), options, answer }
    }

    #[test]
    fn what_arrives_meanwhile_is_gathered_with_claims() {
        let (messages, inbox) = Inbox::channel();
        let (_listener, occupied, claimable) = claimable();
        let gathered = gather_during(&inbox, claimable, || {
            for request in [register("a", None), register("b", Some(Port::MAX))] {
                messages.send(Message::Request(request)).unwrap();
            }
        });
        assert_eq!(gathered.requests.len(), 2);
        assert!(matches!(gathered.claims[&occupied], Err(Occupied::Tcp)));
        let free = gathered.claims.values().filter(|claim| claim.is_ok()).count();
        assert_eq!(free, 1);
    }

    #[test]
    fn gathering_ends_when_the_work_panics() {
        let (messages, inbox) = Inbox::channel();
        let (_listener, _, claimable) = claimable();
        let work = || panic!("for the test");
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            gather_during(&inbox, claimable, work)
        }));
        assert!(panicked.is_err());
        // What ended it is not taken for the end of all.
        messages.send(Message::Request(register("c", None))).unwrap();
        assert!(inbox.wait().is_some());
    }
}
