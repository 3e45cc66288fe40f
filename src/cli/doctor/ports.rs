//! Whether services can use their ports, and whether the ports are held.

use super::Finding;
use crate::api::{Health, RefusalCause, RefusedHold, Service, Services, State, names};
use crate::cli::holder::port_of;
use crate::probe;

/// How many ports a line lists.
const MAX_NAMED: usize = 10;

/// What a limit on open files that is too low needs.
const MORE_FILES: &str = "Set LimitNOFILE=65536 with `systemctl --user edit pald.service`, or run `ulimit -n 65536` before `pald`";

/// The way out for servers that a hold keeps away.
const NO_HOLD: &str = "A server that finds its address in use needs `pald run --no-hold`";

/// Finds services that are not running and could not start, because their ports are blocked; those whose
/// use is unknown; and ports that only pald holds, which no other tool shows.
pub(super) fn examine(services: &Services) -> Vec<Finding> {
    let of = |state| services.services.iter().filter(move |it| it.state == Some(state));
    let mut findings: Vec<_> = of(State::Blocked).map(blocked).collect();
    if let Some(first) = of(State::Unknown).next() {
        let ports = named(of(State::Unknown).map(port_of));
        let reason = first.reason.as_deref().unwrap_or("pald does not say why");
        let text = format!("can't tell what uses {ports}: {reason}");
        findings.push(Finding::warn("port", text, format!("pald who {}", first.port)));
    }
    let held = || of(State::Idle).filter(|service| service.held);
    if held().next().is_some() {
        let names = named(held().map(|service| format!("{} ({})", service.name, service.port)));
        let text = format!("held for {names}; nothing listens. {NO_HOLD}");
        findings.push(Finding::ok("holds", text));
    }
    findings
}

fn blocked(service: &Service) -> Finding {
    let reason = service.reason.as_deref().unwrap_or("something");
    let whose = names(&service.all_holders()).map(|holders| format!(": {holders}"));
    let whose = whose.unwrap_or_default();
    let text = format!("{} is blocked by {reason}{whose}", port_of(service));
    Finding::warn("port", text, format!("pald who {}", service.port))
}

/// Lists the first few of some things.
fn named(mut all: impl Iterator<Item = String>) -> String {
    let mut named: Vec<_> = all.by_ref().take(MAX_NAMED).collect();
    let more = all.count();
    named.extend((more > 0).then(|| format!("and {more} more")));
    named.join(", ")
}

/// Finds ports that should be held and are not.
pub(super) fn holds(health: &Health, is_wanted: bool) -> Vec<Finding> {
    let Health { holds, services, .. } = health;
    let mut findings = Vec::new();
    let is_refused = |port: &u16| holds.refused.iter().any(|refused| refused.port == *port);
    let in_use: Vec<_> = holds.missing.iter().filter(|port| !is_refused(port)).collect();
    if let [first, ..] = in_use.as_slice() {
        let ports = named(in_use.iter().map(ToString::to_string));
        let text = format!("not held, because other programs use them: {ports}");
        findings.push(Finding::warn("holds", text, format!("pald who {first}")));
    }
    for (cause, hint) in [
        (RefusalCause::OpenFiles, MORE_FILES),
        (RefusalCause::NotPermitted, "sysctl net.ipv4.ip_unprivileged_port_start"),
        (RefusalCause::Other, "See pald's log with RUST_LOG=pald=debug"),
    ] {
        let refused = || holds.refused.iter().filter(|refused| refused.cause == cause);
        if let Some(RefusedHold { error, .. }) = refused().next() {
            let ports = named(refused().map(|refused| refused.port.to_string()));
            let text = format!("not held, because the system refuses ({error}): {ports}");
            findings.push(Finding::warn("holds", text, hint));
        }
    }
    if is_wanted && probe::HOLDS_PORTS && holds.max < *services {
        let text =
            format!("the limit on open files lets pald hold {} of {services} ports", holds.max);
        findings.push(Finding::warn("limit", text, MORE_FILES));
    }
    findings
}
