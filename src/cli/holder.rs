//! How sentences name what uses a port, and where it comes from.

use crate::api::{Holder, Service, names};
use crate::files::Shown;
use crate::folder::Folder;

/// Names a holder with its user, its folder and its start:
/// `node (pid 8812) of user ann, in ~/src/shop, since 2026-11-22T10:00:00Z,`.
pub(super) fn in_full(holder: &Holder) -> String {
    let user = holder.whose();
    if holder.pid.is_none() {
        return format!("A process of {user} that is not visible");
    }
    let folder = folder(holder).map(|folder| format!(", in {folder}"));
    let since = holder.since.as_ref().map(|since| format!(", since {since}"));
    let more: String = folder.into_iter().chain(since).collect();
    let comma = if more.is_empty() { "" } else { "," };
    format!("{holder} of {user}{more}{comma}")
}

/// Names holders by where they come from: `node (pid 8812) of shop.web, in ~/src/shop`; `None` if there
/// are none.
pub(super) fn with_origins(holders: &[&Holder]) -> Option<String> {
    let described = origins(holders).into_iter().map(|group| {
        let of = group[0].service.as_ref().map(|service| format!(" of {service}"));
        let at = folder(group[0]).map(|folder| format!(", in {folder}")).unwrap_or_default();
        format!("{}{}{at}", named(&group), of.unwrap_or_default())
    });
    Some(described.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
}

/// Names holders that come from one place, with their user where nothing else is known of them.
pub(super) fn named(group: &[&Holder]) -> String {
    let first = group[0];
    let is_known = first.service.is_some() || first.folder.is_some() || first.pid.is_none();
    let of = if is_known { String::new() } else { format!(" of {}", first.whose()) };
    names(group).unwrap_or_default() + &of
}

/// Groups holders that come from the same place, in their order. No group is empty.
pub(super) fn origins<'a>(holders: &[&'a Holder]) -> Vec<Vec<&'a Holder>> {
    fn origin(it: &Holder) -> (&Option<String>, &Option<String>, &str) {
        (&it.service, &it.folder, &it.user)
    }
    let mut groups: Vec<Vec<&Holder>> = Vec::new();
    for holder in holders {
        match groups.iter_mut().find(|group| origin(group[0]) == origin(holder)) {
            Some(group) => group.push(holder),
            None => groups.push(vec![holder]),
        }
    }
    groups
}

/// Names the working folder of a holder.
pub(super) fn folder(holder: &Holder) -> Option<String> {
    let folder = Folder::parse(holder.folder.as_deref()?).ok()?;
    Some(Shown(&folder.path()).to_string())
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

    fn holder(process: Option<&str>, pid: Option<u32>) -> Holder {
        Holder {
            pid,
            process: process.map(str::to_owned),
            command: None,
            user: "ann".to_owned(),
            since: None,
            folder: None,
            service: None,
        }
    }

    #[test]
    fn a_holder_is_named_as_precisely_as_possible() {
        let node = || holder(Some("node"), Some(8812));
        let since = Some("2026-11-22T10:00:00Z".to_owned());
        let folder = Some("/src/my%20shop".to_owned());
        let rows = [
            (
                Holder { since: since.clone(), ..node() },
                "node (pid 8812) of user ann, since 2026-11-22T10:00:00Z,",
            ),
            (
                Holder { since, folder, ..node() },
                "node (pid 8812) of user ann, in /src/my shop, since 2026-11-22T10:00:00Z,",
            ),
            (node(), "node (pid 8812) of user ann"),
            (holder(None, Some(8812)), "pid 8812 of user ann"),
            (holder(None, None), "A process of user ann that is not visible"),
        ];
        for (holder, full) in rows {
            assert_eq!(in_full(&holder), full);
        }
        assert_eq!(port(49201, Some("shop.web")), "49201 (shop.web)");
        assert_eq!(port(49201, None), "49201");
    }

    #[test]
    fn holders_are_named_by_where_they_come_from() {
        let at = |pid, folder: &str, service: Option<&str>| Holder {
            folder: Some(folder.to_owned()),
            service: service.map(str::to_owned),
            ..holder(Some("node"), Some(pid))
        };
        let of =
            |pid, user: &str| Holder { user: user.to_owned(), ..holder(Some("sh"), Some(pid)) };
        let rows: [(&[Holder], Option<&str>); 6] = [
            (&[], None),
            (
                &[at(1, "/src/shop", Some("shop.web"))],
                Some("node (pid 1) of shop.web, in /src/shop"),
            ),
            (&[at(1, "/a%20b", None)], Some("node (pid 1), in /a b")),
            (&[holder(None, None)], Some("user ann; process not visible")),
            (
                &[of(1, "ann"), of(2, "bob"), of(3, "ann")],
                Some("sh (pid 1) and sh (pid 3) of user ann; sh (pid 2) of user bob"),
            ),
            (
                &[at(1, "/a", None), at(2, "/b", Some("b")), at(3, "/a", None)],
                Some("node (pid 1) and node (pid 3), in /a; node (pid 2) of b, in /b"),
            ),
        ];
        for (holders, expected) in rows {
            assert_eq!(with_origins(&holders.iter().collect::<Vec<_>>()).as_deref(), expected);
        }
    }
}
