//! Whether services can use their ports, and whether the ports are held.

use super::Finding;
use crate::api::{Health, Services, State, names};
use crate::cli::holder::port_of;
use crate::probe;

/// How many ports a line lists.
const MAX_NAMED: usize = 10;

/// Finds services that are not running and could not start, because their ports are blocked.
pub(super) fn examine(services: &Services) -> Vec<Finding> {
    let blocked = services.services.iter().filter(|it| it.state == Some(State::Blocked));
    blocked
        .map(|service| {
            let reason = service.reason.as_deref().unwrap_or("something");
            let whose = names(&service.all_holders()).map(|holders| format!(": {holders}"));
            let whose = whose.unwrap_or_default();
            let text = format!("{} is blocked by {reason}{whose}", port_of(service));
            Finding::warn("port", text, format!("pald who {}", service.port))
        })
        .collect()
}

/// Finds ports that should be held and are not.
pub(super) fn holds(health: &Health, is_wanted: bool) -> Vec<Finding> {
    let Health { holds, services, .. } = health;
    let mut findings = Vec::new();
    if let [first, ..] = holds.missing.as_slice() {
        let mut ports: Vec<_> = holds.missing.iter().take(MAX_NAMED).map(u16::to_string).collect();
        if let Some(more) = holds.missing.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            ports.push(format!("and {more} more"));
        }
        let text = format!("not held, because other programs use them: {}", ports.join(", "));
        findings.push(Finding::warn("holds", text, format!("pald who {first}")));
    }
    if is_wanted && probe::HOLDS_PORTS && holds.max < *services {
        let text =
            format!("the limit on open files lets pald hold {} of {services} ports", holds.max);
        let hint = "Set LimitNOFILE=65536 with `systemctl --user edit pald.service`, or run `ulimit -n 65536` before `pald`";
        findings.push(Finding::warn("limit", text, hint));
    }
    findings
}
