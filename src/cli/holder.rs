//! How the commands name who uses a port.

use crate::api::{Holder, Service};

/// As a column has it: `node (8812)`, or `user root` where the process is not visible.
pub(super) fn short(holder: &Holder) -> String {
    match (process(holder), holder.pid) {
        (Some(process), Some(pid)) => format!("{process} ({pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        _ => format!("user {}", holder.user),
    }
}

/// As a sentence has it: `node (pid 8812)`, or `user root; process not visible`.
pub(super) fn in_words(holder: &Holder) -> String {
    match (process(holder), holder.pid) {
        (Some(process), Some(pid)) => format!("{process} (pid {pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        _ => format!("user {}; process not visible", holder.user),
    }
}

/// All that is known: `node (pid 8812) of user ann, since 2026-11-22T10:00:00Z`.
pub(super) fn in_full(holder: &Holder) -> String {
    let user = &holder.user;
    if holder.pid.is_none() {
        return format!("A process of user {user} that is not visible");
    }
    let since = holder.since.iter().map(|since| format!(", since {since},"));
    format!("{} of user {user}{}", in_words(holder), since.collect::<String>())
}

/// A port with the service that it is registered to: `49201 (shop.web)`.
pub(super) fn port(number: u16, service: Option<&str>) -> String {
    service.map_or_else(|| number.to_string(), |service| format!("{number} ({service})"))
}

/// A service's port: `49201 (shop.web)`.
pub(super) fn port_of(service: &Service) -> String {
    port(service.port, Some(&service.name))
}

fn process(holder: &Holder) -> Option<&str> {
    holder.process.as_deref()
}
