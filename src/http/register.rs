//! Registers a service for `/set` and for `PUT /v1/services/NAME`; where no port is left, finds out
//! who uses those that others have.

use std::time::Duration;

use actix_web::web::Data;
use tokio::time::timeout;

use super::blocking::run_blocking;
use super::error::HttpError;
use super::v1::shapes::{self, Seen};
use super::viewers::Sight;
use crate::api::{Candidate, Port};
use crate::port;
use crate::probe::{Occupied, PortState};
use crate::registry::{Age, Candidates, ChangeError, RegisterOptions, Registered, Registry};
use crate::service_name::ServiceName;

/// How long an error waits for the services that it names: the disk of their folders may not answer.
const CANDIDATES_TIME: Duration = Duration::from_millis(500);

/// Registers a service; on return the change is on disk.
///
/// # Errors
/// The registry refused. If no port is left, the error says what uses the first occupied ones.
pub(super) async fn register(
    registry: &Data<Registry>,
    service: ServiceName,
    options: RegisterOptions,
) -> Result<Registered, HttpError> {
    match registry.register(service, options).await {
        Ok(registered) => Ok(registered),
        Err(error) => Err(explained(registry, error).await),
    }
}

/// Explains why a change was refused: if no port is left, with what uses the first occupied ones, and
/// with services that nobody may need any more.
pub(super) async fn explained(registry: &Data<Registry>, error: ChangeError) -> HttpError {
    let ChangeError::Exhausted { first_occupied, .. } = &error else { return error.into() };
    match named(registry, first_occupied.clone()).await {
        Ok((occupied, candidates)) => HttpError::Exhausted { error, occupied, candidates },
        Err(panic) => panic,
    }
}

/// Finds out what uses these ports, and who may need its port no longer.
async fn named(
    registry: &Data<Registry>,
    met: Vec<(port::Port, Occupied)>,
) -> Result<(Vec<Port>, Vec<Candidate>), HttpError> {
    let looked_up = Data::clone(registry);
    let occupied = run_blocking(move || {
        let in_use = met.iter().filter(|(_, occupied)| is_socket(*occupied));
        let ports: Vec<_> = in_use.map(|(port, _)| *port).collect();
        let states = looked_up.states(&ports, Age::UpToASecond);
        // Who was let in to register may see it.
        let shown = |(port, occupied)| {
            let state = state(occupied, states.get(port));
            shapes::port(port, Seen::of(&state), None, false, Sight::Whole)
        };
        met.into_iter().map(shown).collect()
    });
    let occupied = occupied.await?;
    let looked_up = Data::clone(registry);
    let candidates = run_blocking(move || candidates(looked_up.candidates()));
    let candidates = timeout(CANDIDATES_TIME, candidates).await;
    Ok((occupied, candidates.unwrap_or_else(|_| Ok(Vec::new()))?))
}

fn candidates(candidates: Candidates) -> Vec<Candidate> {
    let (services, gone) = match candidates {
        Candidates::Gone(services) => (services, true),
        Candidates::Old(services) => (services, false),
    };
    let shown = services.into_iter().map(|it| Candidate {
        name: it.service.to_string(),
        port: it.port.number(),
        created_at: it.created_at.to_string(),
        gone,
    });
    shown.collect()
}

/// The state of a port that could not be claimed.
///
/// What the claim met is what is told: a later look finds something else, or nothing any more. Only
/// whose a socket is takes a look.
fn state(met: Occupied, seen: &PortState) -> PortState {
    match seen {
        PortState::Running(_) | PortState::Blocked { .. } if is_socket(met) => seen.clone(),
        _ => PortState::Blocked { reason: met.into(), holders: Vec::new() },
    }
}

fn is_socket(met: Occupied) -> bool {
    matches!(met, Occupied::Tcp | Occupied::Udp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Reason, UnknownReason};

    /// A port was skipped, and then said to be free.
    #[test]
    fn what_a_claim_met_is_told_unless_a_look_names_the_socket() {
        let address = ([127, 0, 0, 1], 1).into();
        let blocked = |reason| PortState::Blocked { reason, holders: Vec::new() };
        let swallowed = Occupied::Swallowed(address);
        let rows = [
            (Occupied::Tcp, PortState::Free, blocked(Reason::Tcp)),
            (Occupied::Udp, PortState::Unknown(UnknownReason::NoTime), blocked(Reason::Udp)),
            (Occupied::Tcp, blocked(Reason::Bound), blocked(Reason::Bound)),
            (Occupied::Forbidden, blocked(Reason::Bound), blocked(Reason::Forbidden)),
            (swallowed, PortState::Free, blocked(Reason::Swallowed { address })),
        ];
        for (met, seen, told) in rows {
            assert_eq!(state(met, &seen), told, "{met:?} {seen:?}");
        }
    }
}
