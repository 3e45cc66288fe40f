//! How the commands name what uses a port.

use crate::api::{Holder, Service};

/// Names a holder for a table: `node (8812)`, or `user root` if the process is not visible.
pub(super) fn in_column(holder: &Holder) -> String {
    match (process(holder), holder.pid) {
        (Some(process), Some(pid)) => format!("{process} ({pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        _ => format!("user {}", holder.user),
    }
}

/// Names a holder for a sentence: `node (pid 8812)`, or `user root; process not visible`.
pub(super) fn in_sentence(holder: &Holder) -> String {
    match (process(holder), holder.pid) {
        (Some(process), Some(pid)) => format!("{process} (pid {pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        _ => format!("user {}; process not visible", holder.user),
    }
}

/// Names a holder with its user and start:
/// `node (pid 8812) of user ann, since 2026-11-22T10:00:00Z,`.
pub(super) fn in_full(holder: &Holder) -> String {
    let user = &holder.user;
    if holder.pid.is_none() {
        return format!("A process of user {user} that is not visible");
    }
    let since = holder.since.iter().map(|since| format!(", since {since},"));
    format!("{} of user {user}{}", in_sentence(holder), since.collect::<String>())
}

/// Names a port with its service, if it has one: `49201 (shop.web)`.
pub(super) fn port(number: u16, service: Option<&str>) -> String {
    service.map_or_else(|| number.to_string(), |service| format!("{number} ({service})"))
}

/// Names a service's port: `49201 (shop.web)`.
pub(super) fn port_of(service: &Service) -> String {
    port(service.port, Some(&service.name))
}

fn process(holder: &Holder) -> Option<&str> {
    holder.process.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_as_precisely_as_possible() {
        let holder = |process: Option<&str>, pid, since: Option<&str>| Holder {
            pid,
            process: process.map(str::to_owned),
            user: "ann".to_owned(),
            since: since.map(str::to_owned),
        };
        let since = Some("2026-11-22T10:00:00Z");
        // (holder, in a column, in a sentence, in full)
        let rows = [
            (
                holder(Some("node"), Some(8812), since),
                "node (8812)",
                "node (pid 8812)",
                "node (pid 8812) of user ann, since 2026-11-22T10:00:00Z,",
            ),
            (
                holder(Some("node"), Some(8812), None),
                "node (8812)",
                "node (pid 8812)",
                "node (pid 8812) of user ann",
            ),
            (holder(None, Some(8812), None), "pid 8812", "pid 8812", "pid 8812 of user ann"),
            (
                holder(None, None, None),
                "user ann",
                "user ann; process not visible",
                "A process of user ann that is not visible",
            ),
        ];
        for (holder, column, sentence, full) in rows {
            assert_eq!(
                (
                    in_column(&holder).as_str(),
                    in_sentence(&holder).as_str(),
                    in_full(&holder).as_str()
                ),
                (column, sentence, full)
            );
        }
        assert_eq!(port(49201, Some("shop.web")), "49201 (shop.web)");
        assert_eq!(port(49201, None), "49201");
    }
}
