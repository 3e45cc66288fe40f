//! What the registry and the machine say, in the shapes of the API.

use crate::api;
use crate::port::Port;
use crate::probe::{self, PortState, Reason};
use crate::registration::Registration;

/// A service, and what its port is used for if somebody has looked.
pub(super) fn service(registration: &Registration, state: Option<&PortState>) -> api::Service {
    let used = state.map(Used::of);
    api::Service {
        name: registration.service.to_string(),
        port: registration.port.number(),
        addresses: registration.addresses.iter().map(str::to_owned).collect(),
        created_at: registration.created_at.to_string(),
        hold: registration.hold,
        state: used.as_ref().map(|used| used.state),
        reason: used.as_ref().and_then(|used| used.reason.clone()),
        holder: used.and_then(|used| used.holder),
    }
}

/// A port, what it is used for, and the service that it is registered to.
pub(in crate::http) fn port(port: Port, state: &PortState, service: Option<String>) -> api::Port {
    let Used { state, reason, holder } = Used::of(state);
    api::Port { port: port.number(), state, reason, service, holder }
}

/// What a port is used for.
struct Used {
    state: api::State,
    reason: Option<String>,
    holder: Option<api::Holder>,
}

impl Used {
    fn of(state: &PortState) -> Self {
        let (state, reason, holder) = match state {
            PortState::Free => (api::State::Idle, None, None),
            PortState::Running(holder) => (api::State::Running, None, Some(holder)),
            PortState::Blocked { reason: Reason::TimeWait { .. }, .. } => {
                (api::State::Blocked, Some(api::TIME_WAIT.to_owned()), None)
            }
            PortState::Blocked { reason, holder } => {
                (api::State::Blocked, Some(reason.to_string()), holder.as_ref())
            }
            PortState::Unknown(reason) => (api::State::Unknown, Some(reason.to_string()), None),
        };
        Self { state, reason, holder: holder.map(shown_holder) }
    }
}

fn shown_holder(holder: &probe::Holder) -> api::Holder {
    let process = holder.process.as_ref();
    api::Holder {
        pid: process.map(|process| process.pid),
        process: process.map(|process| process.name.escape_default().to_string()),
        user: holder.user.to_string(),
        since: process.and_then(|process| process.since).map(|time| time.to_string()),
    }
}
