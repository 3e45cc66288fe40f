//! Claims for the new services of a whole batch, made by two threads: the kernel takes about 40 µs
//! for each, which all that wait for the batch wait for.

use std::collections::HashMap;
use std::io;
use std::panic::resume_unwind;
use std::thread;

use crate::port::Port;
use crate::probe::{self, Hold, Occupied};

/// What came of the claim of a port.
pub(super) type Claim = io::Result<Result<Hold, Occupied>>;

/// For fewer claims than these a second thread costs more than it saves.
const FEWEST: usize = 16;

/// Claims all these ports; none if they are few, or if the system has no thread left.
pub(super) fn claim_all(ports: &[Port]) -> HashMap<Port, Claim> {
    if ports.len() < FEWEST {
        return HashMap::new();
    }
    let claim = |ports: &[Port]| -> Vec<(Port, Claim)> {
        ports.iter().map(|port| (*port, probe::claim(*port))).collect()
    };
    let (first, second) = ports.split_at(ports.len() / 2);
    thread::scope(|scope| {
        let other = thread::Builder::new().name("claims".into());
        let Ok(other) = other.spawn_scoped(scope, || claim(second)) else {
            return HashMap::new();
        };
        let claims = claim(first);
        let others = other.join().unwrap_or_else(|panic| resume_unwind(panic));
        claims.into_iter().chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn each_port_is_claimed_as_it_would_be_alone() {
        let listeners: Vec<_> =
            (0..FEWEST).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let number = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let ports: Vec<_> = listeners.iter().map(|l| Port::new(number(l)).unwrap()).collect();
        let claims = claim_all(&ports);
        assert_eq!(claims.len(), FEWEST);
        assert!(claims.values().all(|claim| matches!(claim, Ok(Err(Occupied::Tcp)))));
        assert!(claim_all(&ports[1..]).is_empty());
    }
}
