//! How tables and long sentences name what uses a port; short ones name it as the API does.

use crate::api::{Holder, Service};

/// Names holders for a table: `node (8812)`, or `user root` if the process is not visible, and how many
/// more there are; `None` if there are none.
pub(super) fn in_column(holders: &[&Holder]) -> Option<String> {
    let (first, others) = holders.split_first()?;
    let first = match (&first.process, first.pid) {
        (Some(process), Some(pid)) => format!("{process} ({pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        _ => first.whose(),
    };
    match others.len() {
        0 => Some(first),
        more => Some(format!("{first} +{more}")),
    }
}

/// Names a holder with its user and start:
/// `node (pid 8812) of user ann, since 2026-11-22T10:00:00Z,`.
pub(super) fn in_full(holder: &Holder) -> String {
    let user = holder.whose();
    if holder.pid.is_none() {
        return format!("A process of {user} that is not visible");
    }
    let since = holder.since.iter().map(|since| format!(", since {since},"));
    format!("{holder} of {user}{}", since.collect::<String>())
}

/// Names a port with its service, if it has one: `49201 (shop.web)`.
pub(super) fn port(number: u16, service: Option<&str>) -> String {
    service.map_or_else(|| number.to_string(), |service| format!("{number} ({service})"))
}

/// Names a service's port: `49201 (shop.web)`.
pub(super) fn port_of(service: &Service) -> String {
    port(service.port, Some(&service.name))
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
        // (holder, in a column, in full)
        let rows = [
            (
                holder(Some("node"), Some(8812), since),
                "node (8812)",
                "node (pid 8812) of user ann, since 2026-11-22T10:00:00Z,",
            ),
            (holder(Some("node"), Some(8812), None), "node (8812)", "node (pid 8812) of user ann"),
            (holder(None, Some(8812), None), "pid 8812", "pid 8812 of user ann"),
            (holder(None, None, None), "user ann", "A process of user ann that is not visible"),
        ];
        for (holder, column, full) in rows {
            assert_eq!(
                (in_column(&[&holder]).as_deref(), &*in_full(&holder)),
                (Some(column), full)
            );
            let three = in_column(&[&holder, &holder, &holder]);
            assert_eq!(three, Some(format!("{column} +2")));
        }
        assert_eq!(in_column(&[]), None);
        assert_eq!(port(49201, Some("shop.web")), "49201 (shop.web)");
        assert_eq!(port(49201, None), "49201");
    }
}
