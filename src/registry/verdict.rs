//! Whose a listener is: of a service's own checkout, or of another one.
//!
//! Pure: what is decided from is where processes come from, and the registry.

use std::collections::{HashMap, HashSet};

use crate::folder::Folder;
use crate::probe::{Holder, Origin, Place, PortState, Reason, UnknownReason};
use crate::registration::Registration;
use crate::service_name::ServiceName;

/// Whose a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The service's: it comes from the service's folder, or was started for a service that has none.
    Own,
    /// Another checkout's, or another service's.
    Foreign,
    /// Nobody can tell.
    Unknown,
}

/// What the registry knows of checkouts.
#[derive(Debug)]
pub struct Checkouts<'a> {
    /// The folder of each service; `None` for one that remembers none.
    services: HashMap<&'a ServiceName, Option<&'a Folder>>,
    folders: HashSet<&'a str>,
}

/// Where one piece of evidence points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pointer {
    ToUs,
    Elsewhere,
    Nowhere,
}

impl<'a> Checkouts<'a> {
    /// The checkouts of these registrations, which should be all.
    pub fn of(registrations: impl Iterator<Item = &'a Registration>) -> Self {
        let services: HashMap<_, _> =
            registrations.map(|it| (&it.service, it.folder.as_ref())).collect();
        let folders = services.values().flatten().map(|folder| folder.as_str()).collect();
        Self { services, folders }
    }

    /// Those of these checkouts, which should be all, to which what uses a port may point: enough for the
    /// verdict on that port. To sort 16,000 services by name and folder takes 8 ms.
    pub fn around(
        state: &PortState,
        registrations: impl Iterator<Item = &'a Registration>,
    ) -> Self {
        let holders = if let PortState::Running(holders) = state { &holders[..] } else { &[] };
        let processes = holders.iter().filter_map(|holder| holder.process.as_ref());
        let origins: Vec<&Origin> = processes.map(|process| &process.origin).collect();
        let is_around = |it: &&Registration| {
            let is_named = |origin: &&Origin| origin.service.as_ref() == Some(&it.service);
            let is_place = |origin: &&Origin| match (&origin.place, &it.folder) {
                (Some(place), Some(folder)) => place.folder.is_within(folder),
                _ => false,
            };
            origins.iter().any(|origin| is_named(origin) || is_place(origin))
        };
        Self::of(registrations.filter(is_around))
    }

    /// Whose the listener on the port of a service is; `None` if nothing listens.
    pub fn verdict(
        &self,
        service: &ServiceName,
        folder: Option<&Folder>,
        state: &PortState,
    ) -> Option<Verdict> {
        let holders = match state {
            PortState::Running(holders) => holders,
            // Something answers, and pald does not see what.
            PortState::Blocked { reason: Reason::Redirect { .. }, .. }
            | PortState::Unknown(UnknownReason::Hidden { .. }) => return Some(Verdict::Unknown),
            PortState::Free | PortState::Blocked { .. } | PortState::Unknown(_) => return None,
        };
        let of_holder = |holder: &Holder| {
            let origin = holder.process.as_ref().map(|process| &process.origin);
            origin.map_or(Verdict::Unknown, |origin| self.of_origin(service, folder, origin))
        };
        let verdicts: Vec<_> = holders.iter().map(of_holder).collect();
        let is_any = |verdict| verdicts.contains(&verdict).then_some(verdict);
        let decided = is_any(Verdict::Foreign).or_else(|| is_any(Verdict::Own));
        Some(decided.unwrap_or(Verdict::Unknown))
    }

    /// Whose one process is. A process of the same checkout is never foreign, whatever else it says.
    fn of_origin(
        &self,
        service: &ServiceName,
        folder: Option<&Folder>,
        origin: &Origin,
    ) -> Verdict {
        let by_place = folder.zip(origin.place.as_ref());
        let by_place = by_place.map(|(folder, place)| self.by_place(folder, place));
        let by_service = origin.service.as_ref();
        let by_service = by_service.map(|other| self.by_service(service, folder, other));
        let pointers = [by_place, by_service].map(|pointer| pointer.unwrap_or(Pointer::Nowhere));
        match pointers {
            _ if pointers.contains(&Pointer::ToUs) => Verdict::Own,
            _ if pointers.contains(&Pointer::Elsewhere) => Verdict::Foreign,
            _ => Verdict::Unknown,
        }
    }

    /// Where a working folder points: to the deepest folder of a checkout around it.
    fn by_place(&self, own: &Folder, place: &Place) -> Pointer {
        // What comes back may not be registered yet.
        let is_checkout = |it: &&str| *it == own.as_str() || self.folders.contains(it);
        match place.folder.ancestors().find(is_checkout) {
            // A checkout that has not registered yet lies in between.
            Some(found) if found == own.as_str() => match &place.top {
                Some(top) if !own.is_within(top) => Pointer::Nowhere,
                _ => Pointer::ToUs,
            },
            Some(_) => Pointer::Elsewhere,
            None => Pointer::Nowhere,
        }
    }

    /// Where the service points for which a process was started.
    fn by_service(
        &self,
        own: &ServiceName,
        folder: Option<&Folder>,
        other: &ServiceName,
    ) -> Pointer {
        match self.services.get(other) {
            _ if own == other => Pointer::ToUs,
            Some(Some(of_other)) if folder == Some(*of_other) => Pointer::ToUs,
            Some(_) => Pointer::Elsewhere,
            // It was released or renamed, so nobody knows its folder.
            None => Pointer::Nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Port;
    use crate::probe::{Process, User};
    use crate::timestamp::Timestamp;

    /// A registration as `name@folder`.
    fn registration(entry: &str) -> Registration {
        let (name, folder) = entry.split_once('@').unwrap();
        Registration {
            service: ServiceName::parse(name).unwrap(),
            port: Port::MIN,
            addresses: Default::default(),
            created_at: Timestamp::now(),
            hold: true,
            folder: Folder::parse(folder).ok(),
        }
    }

    /// A process as `folder^top=service`; each part may be left out.
    fn holder(text: &str) -> Holder {
        let (place, service) = text.split_once('=').unwrap_or((text, ""));
        let (folder, top) = place.split_once('^').unwrap_or((place, ""));
        let folder = Folder::parse(folder).ok();
        let place = folder.map(|folder| Place { folder, top: Folder::parse(top).ok() });
        let origin = Origin { place, service: ServiceName::parse(service).ok() };
        let user = User { uid: 0, name: None, is_outside: false };
        let (name, command) = Default::default();
        let process = Process { pid: 1, name, command, since: None, origin };
        Holder { user, process: Some(Box::new(process)) }
    }

    /// A project in two checkouts, one inside the other, and beside another one; one that is not
    /// registered; and services without a folder.
    const REGISTRY: &str = "shop.web@/src/shop shop.db@/src/shop tool.ui@/src/shop shop.mail@ \
        shop.fix.web@/src/shop/trees/fix blog.web@/src/blog%20x alone@ shop.a.web@/src/a";

    #[test]
    fn a_listener_is_judged_by_where_it_comes_from() {
        use Verdict::{Foreign, Own, Unknown};
        let registrations: Vec<_> = REGISTRY.split_whitespace().map(registration).collect();
        let checkouts = Checkouts::of(registrations.iter());
        // (service, processes, verdict)
        let rows = [
            // By its folder.
            ("shop.web@/src/shop", "/src/shop^/src/shop", Own),
            ("shop.web@/src/shop", "/src/shop/packages/app^/src/shop", Own),
            ("shop.web@/src/shop", "/src/shop/packages/app", Own),
            ("shop.web@/src/shop", "/src/blog%20x/a^/src/blog%20x", Foreign),
            ("shop.web@/src/shop", "/src/a", Foreign),
            ("shop.web@/src/shop", "/src/shop2", Unknown),
            ("shop.web@/src/shop", "/src", Unknown),
            ("shop.web@/src/shop", "/tmp", Unknown),
            ("shop.web@/src/shop", "", Unknown),
            // A worktree inside the main checkout, and the other way round.
            ("shop.web@/src/shop", "/src/shop/trees/fix^/src/shop/trees/fix", Foreign),
            ("shop.fix.web@/src/shop/trees/fix", "/src/shop/trees/fix/app", Own),
            ("shop.fix.web@/src/shop/trees/fix", "/src/shop^/src/shop", Foreign),
            ("shop.fix.web@/src/shop/trees/fix", "/src/shop/trees^/src/shop", Foreign),
            // One that has not registered yet.
            ("shop.web@/src/shop", "/src/shop/trees/new/app^/src/shop/trees/new", Unknown),
            (
                "shop.fix.web@/src/shop/trees/fix",
                "/src/shop/trees/new^/src/shop/trees/new",
                Foreign,
            ),
            // One that is gone, with its folder; and a folder that is gone of a checkout that is not.
            ("shop.fix.web@/src/shop/trees/fix", "/src/shop/trees/fix^/src/shop/trees/fix", Own),
            ("shop.fix.web@/src/shop/trees/fix", "/src/shop/trees/fix/app^/src/shop/trees", Own),
            ("shop.web@/src/shop", "/src/shop/dist/x^/src/shop/dist", Unknown),
            // By its service.
            ("shop.web@/src/shop", "/tmp=shop.web", Own),
            ("shop.web@/src/shop", "=shop.web", Own),
            ("shop.web@/src/shop", "=shop.db", Own),
            ("shop.web@/src/shop", "=shop.fix.web", Foreign),
            ("shop.web@/src/shop", "=blog.web", Foreign),
            ("shop.web@/src/shop", "=alone", Foreign),
            ("shop.web@/src/shop", "=shop.mail", Foreign),
            ("shop.web@/src/shop", "=released.web", Unknown),
            ("shop.web@/src/shop", "/src/a=released.web", Foreign),
            // Another project of the same checkout.
            ("shop.web@/src/shop", "=tool.ui", Own),
            ("tool.ui@/src/shop", "/src/shop/web=shop.web", Own),
            // Never foreign within one checkout.
            ("shop.web@/src/shop", "/src/shop=blog.web", Own),
            ("shop.web@/src/shop", "/src/shop=shop.mail", Own),
            ("shop.web@/src/shop", "/src/blog%20x=shop.web", Own),
            ("shop.web@/src/shop", "/src/shop/trees/new^/src/shop/trees/new=shop.db", Own),
            ("shop.web@/src/shop", "/src/shop/trees/new^/src/shop/trees/new=blog.web", Foreign),
            // Without a folder, only the service is evidence.
            ("alone@", "/src/shop", Unknown),
            ("alone@", "/src/shop=alone", Own),
            ("alone@", "/src/shop=shop.mail", Foreign),
            ("alone@", "=shop.web", Foreign),
            ("shop.mail@", "=shop.mail", Own),
            ("shop.mail@", "=released", Unknown),
            // What comes back is not registered yet.
            ("shop.old.web@/src/shop/trees/old", "/src/shop/trees/old/app", Own),
            ("shop.old.web@/src/shop/trees/old", "=shop.old.web", Own),
            ("shop.old.web@/src/shop/trees/old", "/src/shop", Foreign),
            // Several processes.
            ("shop.web@/src/shop", "/src/shop /src/shop /src/shop", Own),
            ("shop.web@/src/shop", "/src/shop ^ /tmp", Own),
            ("shop.web@/src/shop", "/src/shop /src/a", Foreign),
            ("shop.web@/src/shop", "^ /tmp =alone", Foreign),
            ("shop.web@/src/shop", "^ /tmp", Unknown),
        ];
        for (service, processes, expected) in rows {
            let of = registration(service);
            let state = PortState::Running(processes.split(' ').map(holder).collect());
            for checkouts in [&checkouts, &Checkouts::around(&state, registrations.iter())] {
                let verdict = checkouts.verdict(&of.service, of.folder.as_ref(), &state);
                assert_eq!(verdict, Some(expected), "{service}: {processes}");
            }
        }
    }

    #[test]
    fn only_where_something_listens_there_is_a_verdict() {
        let checkouts = Checkouts::of(std::iter::empty());
        let address = ([127, 0, 0, 1], 1).into();
        let blocked = |reason, holders| PortState::Blocked { reason, holders };
        let user = User { uid: 7, name: None, is_outside: false };
        let invisible = vec![Holder { user, process: None }];
        let unknown = Some(Verdict::Unknown);
        let rows = [
            (PortState::Free, None),
            (PortState::Running(Vec::new()), unknown),
            (PortState::Running(invisible), unknown),
            (blocked(Reason::Bound, vec![holder("/src/shop")]), None),
            (blocked(Reason::Udp, Vec::new()), None),
            (blocked(Reason::Redirect { address }, Vec::new()), unknown),
            (PortState::Unknown(UnknownReason::Hidden { address }), unknown),
            (PortState::Unknown(UnknownReason::NoTime), None),
        ];
        let of = registration("shop.web@/src/shop");
        for (state, expected) in rows {
            let verdict = checkouts.verdict(&of.service, of.folder.as_ref(), &state);
            assert_eq!(verdict, expected, "{state:?}");
        }
    }
}
