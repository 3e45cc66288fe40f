//! Shows what the registry and the machine say in the types of the API.

use crate::api::{self, ReasonCode};
use crate::http::viewers::Sight;
use crate::port::Port;
use crate::probe::{self, PortState, Reason, UnknownReason};
use crate::registration::Registration;

/// Shows a service; `state` is what uses its port, if that was looked up.
pub(super) fn service(
    registration: &Registration,
    state: Option<&PortState>,
    sight: Sight,
) -> api::Service {
    let used = state.map(|state| Used::of(state, sight));
    api::Service {
        name: registration.service.to_string(),
        port: registration.port.number(),
        addresses: registration.addresses.iter().map(str::to_owned).collect(),
        created_at: registration.created_at.to_string(),
        hold: registration.hold,
        folder: None,
        state: used.as_ref().map(|used| used.state),
        reason: used.as_ref().and_then(|used| used.reason.clone()),
        reason_code: used.as_ref().and_then(|used| used.reason_code),
        holder: used.and_then(|used| used.holder),
    }
}

/// Shows a port, what uses it, and the service that it is registered to.
pub(in crate::http) fn port(
    port: Port,
    state: &PortState,
    service: Option<String>,
    sight: Sight,
) -> api::Port {
    let Used { state, reason, reason_code, holder } = Used::of(state, sight);
    api::Port { port: port.number(), state, reason, reason_code, service, holder }
}

/// What a port is used for.
struct Used {
    state: api::State,
    reason: Option<String>,
    reason_code: Option<ReasonCode>,
    holder: Option<api::Holder>,
}

impl Used {
    fn of(state: &PortState, sight: Sight) -> Self {
        let whole = Self::whole(state);
        match sight {
            Sight::Whole => whole,
            Sight::WithoutHolders => Self::without_reason(whole.state, None),
        }
    }

    fn whole(state: &PortState) -> Self {
        match state {
            PortState::Free => Self::without_reason(api::State::Idle, None),
            PortState::Running(holder) => Self::without_reason(api::State::Running, Some(holder)),
            PortState::Blocked { reason, holder } => Self {
                state: api::State::Blocked,
                reason: Some(reason_text(reason)),
                reason_code: Some(reason_code(reason)),
                holder: holder.as_ref().map(shown_holder),
            },
            PortState::Unknown(reason) => Self {
                state: api::State::Unknown,
                reason: Some(reason.to_string()),
                reason_code: Some(unknown_code(reason)),
                holder: None,
            },
        }
    }

    fn without_reason(state: api::State, holder: Option<&probe::Holder>) -> Self {
        Self { state, reason: None, reason_code: None, holder: holder.map(shown_holder) }
    }
}

fn reason_text(reason: &Reason) -> String {
    match reason {
        // With the seconds that are left, a list and its ETag would change each second.
        Reason::TimeWait { .. } => "TIME_WAIT, for up to 60 s".to_owned(),
        reason => reason.to_string(),
    }
}

fn reason_code(reason: &Reason) -> ReasonCode {
    match reason {
        Reason::Bound => ReasonCode::Bound,
        Reason::Udp => ReasonCode::Udp,
        Reason::Outbound { .. } | Reason::Accepted { .. } | Reason::Closing { .. } => {
            ReasonCode::Connection
        }
        Reason::TimeWait { .. } => ReasonCode::TimeWait,
        Reason::Redirect { .. } => ReasonCode::Redirect,
        Reason::Swallowed { .. } => ReasonCode::Swallowed,
        Reason::Forbidden => ReasonCode::Forbidden,
        Reason::Tcp => ReasonCode::Tcp,
    }
}

fn unknown_code(reason: &UnknownReason) -> ReasonCode {
    match reason {
        UnknownReason::Unsupported => ReasonCode::Unsupported,
        UnknownReason::NotListed(_) => ReasonCode::NotListed,
        UnknownReason::NotConnected { .. } => ReasonCode::NotConnected,
        UnknownReason::NoTime => ReasonCode::NoTime,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_reason_has_a_code_for_programs() {
        let address = ([127, 0, 0, 1], 1).into();
        let blocked = |reason| PortState::Blocked { reason, holder: None };
        let unknown = PortState::Unknown;
        let rows = [
            (PortState::Free, None),
            (blocked(Reason::Bound), Some("bound")),
            (blocked(Reason::Udp), Some("udp")),
            (blocked(Reason::Outbound { peer: address }), Some("connection")),
            (blocked(Reason::Accepted { peer: address }), Some("connection")),
            (blocked(Reason::Closing { peer: address }), Some("connection")),
            (blocked(Reason::TimeWait { left: Duration::ZERO }), Some("time_wait")),
            (blocked(Reason::Redirect { address }), Some("redirect")),
            (unknown(UnknownReason::Unsupported), Some("unsupported")),
            (blocked(Reason::Swallowed { address }), Some("swallowed")),
            (blocked(Reason::Forbidden), Some("forbidden")),
            (blocked(Reason::Tcp), Some("tcp")),
            (unknown(UnknownReason::NoTime), Some("no_time")),
            (unknown(UnknownReason::NotListed(String::new())), Some("not_listed")),
            (
                unknown(UnknownReason::NotConnected { address, cause: String::new() }),
                Some("not_connected"),
            ),
        ];
        for (state, code) in rows {
            let shown = serde_json::to_value(port(Port::MIN, &state, None, Sight::Whole)).unwrap();
            assert_eq!(shown["reason_code"].as_str(), code, "{state:?}");
            assert_eq!(shown["reason"].is_string(), code.is_some(), "{state:?}");
        }
    }
}
