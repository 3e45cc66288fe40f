//! Shows what the registry and the machine say in the types of the API.

use crate::api::{self, ReasonCode};
use crate::folder::Folder;
use crate::http::viewers::Sight;
use crate::port::Port;
use crate::printable::Printable;
use crate::probe::{self, PortState, Reason, UnknownReason};
use crate::registration::Registration;
use crate::registry::Verdict;

/// What was looked up of a port: what uses it, and whose the listener is, as far as it is a service's.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Seen<'a> {
    pub(in crate::http) state: &'a PortState,
    pub(in crate::http) verdict: Option<Verdict>,
}

impl<'a> Seen<'a> {
    /// What uses a port, without a verdict.
    pub(in crate::http) fn of(state: &'a PortState) -> Self {
        Self { state, verdict: None }
    }
}

/// Shows a service; `seen` is what was looked up of its port, and `held` whether pald holds it.
pub(super) fn service(
    registration: &Registration,
    seen: Option<Seen<'_>>,
    held: bool,
    sight: Sight,
) -> api::Service {
    let name = registration.service.to_string();
    let used = seen.map(|seen| Used::of(seen, held.then_some(&*name), sight));
    let used = used.unwrap_or_default();
    api::Service {
        name,
        port: registration.port.number(),
        addresses: registration.addresses.iter().map(str::to_owned).collect(),
        created_at: registration.created_at.to_string(),
        hold: registration.hold,
        folder: registration
            .folder
            .as_ref()
            .filter(|_| sight == Sight::Whole)
            .map(Folder::to_string),
        state: used.state,
        reason: used.reason,
        reason_code: used.reason_code,
        holder: used.holders.first().cloned(),
        holders: used.holders,
        verdict: used.verdict,
        held,
    }
}

/// Shows a port, what uses it, and the service that it is registered to; `held` is whether pald holds
/// it for that service.
pub(in crate::http) fn port(
    port: Port,
    seen: Seen<'_>,
    service: Option<String>,
    held: bool,
    sight: Sight,
) -> api::Port {
    let used = Used::of(seen, service.as_deref().filter(|_| held), sight);
    api::Port {
        port: port.number(),
        state: used.state.unwrap_or(api::State::Unknown),
        reason: used.reason,
        reason_code: used.reason_code,
        service,
        holder: used.holders.first().cloned(),
        holders: used.holders,
        verdict: used.verdict,
        held,
    }
}

/// What a port is used for.
#[derive(Default)]
struct Used {
    state: Option<api::State>,
    reason: Option<String>,
    reason_code: Option<ReasonCode>,
    holders: Vec<api::Holder>,
    verdict: Option<api::Verdict>,
}

impl Used {
    fn of(seen: Seen<'_>, held_for: Option<&str>, sight: Sight) -> Self {
        let whole = Self::whole(seen.state, held_for);
        match sight {
            Sight::Whole => Self { verdict: seen.verdict.map(shown_verdict), ..whole },
            Sight::WithoutHolders => Self { state: whole.state, ..Self::default() },
        }
    }

    fn whole(state: &PortState, held_for: Option<&str>) -> Self {
        match state {
            PortState::Free => Self {
                state: Some(api::State::Idle),
                reason: held_for.map(|service| format!("held for {service}; nothing listens")),
                reason_code: held_for.map(|_| ReasonCode::Held),
                ..Self::default()
            },
            PortState::Running(holders) => Self {
                state: Some(api::State::Running),
                holders: holders.iter().map(shown_holder).collect(),
                ..Self::default()
            },
            PortState::Blocked { reason, holders } => Self {
                state: Some(api::State::Blocked),
                reason: Some(reason_text(reason)),
                reason_code: Some(reason_code(reason)),
                holders: holders.iter().map(shown_holder).collect(),
                verdict: None,
            },
            PortState::Unknown(reason) => Self {
                state: Some(api::State::Unknown),
                reason: Some(reason.to_string()),
                reason_code: Some(unknown_code(reason)),
                ..Self::default()
            },
        }
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
        Reason::Connection { .. } | Reason::Closing { .. } => ReasonCode::Connection,
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
        UnknownReason::Hidden { .. } => ReasonCode::Hidden,
        UnknownReason::NoTime => ReasonCode::NoTime,
    }
}

fn shown_verdict(verdict: Verdict) -> api::Verdict {
    match verdict {
        Verdict::Own => api::Verdict::Own,
        Verdict::Foreign => api::Verdict::Foreign,
        Verdict::Unknown => api::Verdict::Unknown,
    }
}

fn shown_holder(holder: &probe::Holder) -> api::Holder {
    let process = holder.process.as_ref();
    let origin = process.map(|process| &process.origin);
    let place = origin.and_then(|origin| origin.place.as_ref());
    let command = process.map(|process| &process.command).filter(|command| !command.is_empty());
    api::Holder {
        pid: process.map(|process| process.pid),
        process: process.map(|process| Printable(&process.name).to_string()),
        command: command.map(|command| Printable(command).to_string()),
        user: holder.user.short(),
        since: process.and_then(|process| process.since).map(|time| time.to_string()),
        folder: place.map(|place| place.folder.to_string()),
        service: origin.and_then(|origin| origin.service.as_ref()).map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::{Origin, Process, User};

    fn seen(state: &PortState) -> Seen<'_> {
        Seen { state, verdict: Some(Verdict::Foreign) }
    }

    #[test]
    fn each_reason_has_a_code_for_programs() {
        let address = ([127, 0, 0, 1], 1).into();
        let blocked = |reason| PortState::Blocked { reason, holders: Vec::new() };
        let unknown = PortState::Unknown;
        let rows = [
            (PortState::Free, None),
            (blocked(Reason::Bound), Some("bound")),
            (blocked(Reason::Udp), Some("udp")),
            (blocked(Reason::Connection { peer: address }), Some("connection")),
            (blocked(Reason::Closing { peer: address }), Some("connection")),
            (blocked(Reason::TimeWait { left: Duration::ZERO }), Some("time_wait")),
            (blocked(Reason::Redirect { address }), Some("redirect")),
            (blocked(Reason::Tcp), Some("tcp")),
            (unknown(UnknownReason::Hidden { address }), Some("hidden")),
            (unknown(UnknownReason::NoTime), Some("no_time")),
            (unknown(UnknownReason::Unsupported), Some("unsupported")),
            (blocked(Reason::Swallowed { address }), Some("swallowed")),
            (blocked(Reason::Forbidden), Some("forbidden")),
            (unknown(UnknownReason::NotListed(String::new())), Some("not_listed")),
            (
                unknown(UnknownReason::NotConnected { address, cause: String::new() }),
                Some("not_connected"),
            ),
        ];
        for (state, code) in rows {
            let shown =
                serde_json::to_value(port(Port::MIN, seen(&state), None, false, Sight::Whole))
                    .unwrap();
            assert_eq!(shown["reason_code"].as_str(), code, "{state:?}");
            assert_eq!(shown["reason"].is_string(), code.is_some(), "{state:?}");
        }
    }

    /// A process called `сервер` was shown as `\u{441}\u{435}\u{440}…`.
    #[test]
    fn names_in_any_script_are_shown_as_they_are() {
        let rows = [("сервер", "сервер"), ("开发", "开发"), ("a\u{1b}[2J", "a\\u{1b}[2J")];
        for (name, shown) in rows {
            let (name, command) = (name.to_owned(), String::new());
            let process = Process { pid: 7, name, command, since: None, origin: Origin::default() };
            let user = User { uid: 7, name: Some("größe".to_owned()), is_outside: false };
            let state =
                PortState::Running(vec![probe::Holder { user, process: Some(Box::new(process)) }]);
            let port = port(Port::MIN, seen(&state), None, false, Sight::Whole);
            let holder = &port.holders[0];
            assert_eq!((holder.process.as_deref(), &*holder.user), (Some(shown), "größe"));
            assert_eq!(port.holder, Some(holder.clone()));
        }
    }

    #[test]
    fn only_who_may_make_changes_sees_whose_a_listener_is() {
        let state = PortState::Running(Vec::new());
        for (sight, verdict) in
            [(Sight::Whole, Some(api::Verdict::Foreign)), (Sight::WithoutHolders, None)]
        {
            assert_eq!(port(Port::MIN, seen(&state), None, false, sight).verdict, verdict);
        }
    }

    #[test]
    fn what_pald_holds_is_told_apart_from_what_is_idle() {
        let shown = |state: &PortState, held, sight| {
            let service = Some("shop".to_owned());
            let port = port(Port::MIN, seen(state), service, held, sight);
            (port.held, port.reason, port.reason_code)
        };
        let held = Some("held for shop; nothing listens".to_owned());
        let (free, whole) = (PortState::Free, Sight::Whole);
        assert_eq!(shown(&free, true, whole), (true, held, Some(ReasonCode::Held)));
        assert_eq!(shown(&free, false, whole), (false, None, None));
        assert_eq!(shown(&PortState::Running(Vec::new()), true, whole), (true, None, None));
        assert_eq!(shown(&free, true, Sight::WithoutHolders), (true, None, None));
    }
}
