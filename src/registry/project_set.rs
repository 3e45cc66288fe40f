//! Decides on services of a project: which label the checkout gets, and the ports, all or none.

use std::sync::Arc;

use super::claims::Claims;
use super::decide::{Decision, check_size};
use super::model::Model;
use super::{ChangeError, Existing, ProjectService, ProjectSet, RegisteredSet};
use crate::folder::Folder;
use crate::port::Port;
use crate::probe::Hold;
use crate::registration::Registration;
use crate::service_name::ServiceName;
use crate::short_name::ShortName;
use crate::store::Operation;
use crate::timestamp::Timestamp;

/// The label of a checkout; `None` is the main one's.
type Label = Option<ShortName>;

/// Registers the services of a set that are not registered; of the others, takes over what the set
/// says of them.
pub(super) fn register(
    model: &Model,
    claims: &mut Claims<'_>,
    set: &ProjectSet,
) -> Result<Decision<RegisteredSet>, ChangeError> {
    let label = label(model, set);
    let mut draft = Draft { set, label, decision: Decision::default() };
    let drafted = set.services.iter().try_for_each(|service| draft.add(model, claims, service));
    let Decision { operations, holds, answer } = draft.decision;
    // They are set aside again when the operations are applied.
    for operation in &operations {
        if let Operation::Insert(registration) = operation {
            claims.put_back(registration.port);
        }
    }
    drafted?;
    check_size(model, &operations)?;
    Ok(Decision { operations, holds, answer })
}

/// Returns the folders whose checkouts have labels that a set would get before the one that it gets,
/// each with the ports of its services of the project.
pub(super) fn in_the_way(model: &Model, set: &ProjectSet) -> Vec<(Folder, Vec<Port>)> {
    let named: Vec<_> = of_project(model, &set.project).collect();
    if own_label(&named, set).is_some() {
        return Vec::new();
    }
    let of_label = |wanted: &Label| {
        let mut others = named.iter().filter(|(label, _)| label == wanted);
        let folder = others.find_map(|(_, it)| it.folder.clone())?;
        let own = named.iter().filter(|(_, it)| it.folder.as_ref() == Some(&folder));
        Some((folder.clone(), own.map(|(_, it)| it.port).collect()))
    };
    let tried = candidates(set).take_while(|label| is_taken(&named, label));
    tried.filter_map(|label| of_label(&label)).collect()
}

/// Returns the folder of the checkout to which a name would belong, if that is another one than the
/// service's; or the service's own, if its checkout has another label already.
///
/// A checkout is known by its label: with two of them its ports would depend on which comes first.
pub(super) fn other_checkout(
    model: &Model,
    known: &Registration,
    to: &ServiceName,
) -> Option<Folder> {
    let folder = known.folder.as_ref()?;
    let project = ShortName::parse(to.as_str().split('.').next()?)?;
    let (label, _) = ShortName::split(to.as_str(), &project)?;
    let mut others = of_project(model, &project).filter(|(_, it)| it.service != known.service);
    let is_mixed = |it: &(Label, &Registration)| match &it.1.folder {
        Some(other) => (other == folder) != (it.0 == label),
        None => false,
    };
    others.find(is_mixed).and_then(|(_, it)| it.folder.clone())
}

/// Returns the label that the folder has, or else the first candidate that no other has.
fn label(model: &Model, set: &ProjectSet) -> Label {
    let named: Vec<_> = of_project(model, &set.project).collect();
    own_label(&named, set).unwrap_or_else(|| {
        let mut free = candidates(set).filter(|label| !is_taken(&named, label));
        free.next().expect("there are fewer ports than numbers")
    })
}

fn own_label(named: &[(Label, &Registration)], set: &ProjectSet) -> Option<Label> {
    let own = named.iter().find(|(_, it)| it.folder.as_ref() == Some(&set.folder));
    own.map(|(label, _)| label.clone())
}

/// Returns whether another has a label. What remembers no folder is in nobody's way where it can be
/// adopted, in the main checkout.
fn is_taken(named: &[(Label, &Registration)], wanted: &Label) -> bool {
    let is_in_the_way = |label: &Label, it: &Registration| it.folder.is_some() || label.is_some();
    named.iter().any(|(label, it)| label == wanted && is_in_the_way(label, it))
}

/// Returns the labels that a new folder may get, the best first: those of the set, then its last one
/// with a number.
fn candidates(set: &ProjectSet) -> impl Iterator<Item = Label> {
    let last = set.labels.last().cloned().flatten();
    let last = last.map_or_else(|| "checkout".to_owned(), |label| label.to_string());
    let numbered = (2..).filter_map(move |number| ShortName::parse(&format!("{last}-{number}")));
    set.labels.iter().cloned().chain(numbered.map(Some))
}

/// Returns the registrations of a project, each with its label, in the order of their ports.
fn of_project<'a>(
    model: &'a Model,
    project: &'a ShortName,
) -> impl Iterator<Item = (Label, &'a Registration)> {
    model.registrations().filter_map(move |registration| {
        let (label, _) = ShortName::split(registration.service.as_str(), project)?;
        Some((label, &**registration))
    })
}

/// A set that is being decided.
struct Draft<'a> {
    set: &'a ProjectSet,
    label: Label,
    decision: Decision<RegisteredSet>,
}

impl Draft<'_> {
    fn add(
        &mut self,
        model: &Model,
        claims: &mut Claims<'_>,
        service: &ProjectService,
    ) -> Result<(), ChangeError> {
        let label = self.label.as_ref().filter(|_| !service.is_shared);
        let name = service.name.full(&self.set.project, label)?;
        let mut answered = self.decision.answer.registrations.iter();
        if answered.any(|it| it.service == name) {
            // A name that stands in the set twice is one service.
            return Ok(());
        }
        let registration = match model.of_service(name.as_ref()) {
            Some(known) => self.update(model, claims, known, service)?,
            None => self.insert(model, claims, name, service)?,
        };
        self.decision.answer.registrations.push(registration);
        Ok(())
    }

    fn insert(
        &mut self,
        model: &Model,
        claims: &mut Claims<'_>,
        name: ServiceName,
        service: &ProjectService,
    ) -> Result<Arc<Registration>, ChangeError> {
        let folder = self.folder(service);
        let remembered = claims.remembered(model, &name, folder.as_ref());
        let remembered = remembered.filter(|port| !self.gives(*port));
        let (port, hold) = match remembered {
            Some(port) => (port, None),
            None => match self.preferred(model, claims, &name, service)? {
                Some(preferred) => preferred,
                None => claims.lowest_free().map(|(port, hold)| (port, Some(hold)))?,
            },
        };
        let registration = Arc::new(Registration {
            service: name,
            port,
            addresses: service.addresses.clone().unwrap_or_default(),
            created_at: Timestamp::now(),
            hold: service.hold.unwrap_or(true),
            folder,
        });
        self.decision.answer.is_new = true;
        self.keep(claims, Operation::Insert(Arc::clone(&registration)), hold);
        Ok(registration)
    }

    fn update(
        &mut self,
        model: &Model,
        claims: &mut Claims<'_>,
        known: &Arc<Registration>,
        service: &ProjectService,
    ) -> Result<Arc<Registration>, ChangeError> {
        let registration = Registration {
            addresses: service.addresses.clone().unwrap_or_else(|| known.addresses.clone()),
            hold: service.hold.unwrap_or(known.hold),
            folder: self.folder(service).map(|own| known.folder.clone().unwrap_or(own)),
            ..Registration::clone(known)
        };
        let is_move = self.set.existing == Existing::Move && service.prefer != Some(known.port);
        let preferred = match is_move {
            true => self.preferred(model, claims, &known.service, service)?,
            false => None,
        };
        if let Some((port, hold)) = preferred {
            let moved = Arc::new(Registration { port, ..registration });
            self.decision.operations.push(Operation::Remove(Arc::clone(known)));
            self.keep(claims, Operation::Insert(Arc::clone(&moved)), hold);
            return Ok(moved);
        }
        if registration == **known {
            return Ok(Arc::clone(known));
        }
        let registration = Arc::new(registration);
        let update = Operation::Update(Arc::clone(known), Arc::clone(&registration));
        self.decision.operations.push(update);
        Ok(registration)
    }

    /// Claims the port that a service prefers, in the main checkout and if it can be had.
    fn preferred(
        &self,
        model: &Model,
        claims: &mut Claims<'_>,
        name: &ServiceName,
        service: &ProjectService,
    ) -> Result<Option<(Port, Option<Hold>)>, ChangeError> {
        let Some(port) = service.prefer.filter(|_| self.label.is_none()) else { return Ok(None) };
        // What listens there is the checkout's own, which a claim does not know.
        let is_nobodys = || claims.check_unregistered(model, port, name).is_ok();
        if self.set.own_ports.contains(&port) && !self.gives(port) && is_nobodys() {
            return Ok(Some((port, None)));
        }
        Ok(claims.preferred(port)?.map(|hold| (port, Some(hold))))
    }

    /// Whether a service of the set gets a port.
    fn gives(&self, port: Port) -> bool {
        self.decision.operations.iter().filter_map(Operation::after).any(|it| it.port == port)
    }

    fn keep(&mut self, claims: &mut Claims<'_>, insert: Operation, hold: Option<Hold>) {
        let port = insert.after().map(|registration| registration.port);
        port.into_iter().for_each(|port| claims.set_aside(port));
        self.decision.holds.extend(port.zip(hold));
        self.decision.operations.push(insert);
    }

    fn folder(&self, service: &ProjectService) -> Option<Folder> {
        (!service.is_shared).then(|| self.set.folder.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PortRange;
    use crate::probe::Claimer;
    use crate::registry::model::Model;
    use crate::registry::remembered::Remembered;
    use crate::seal::Seal;

    fn port(number: u16) -> Port {
        Port::new(number).unwrap()
    }

    /// Registrations, each as `name@folder`, on ports from 1.
    fn model(list: &str) -> Model {
        let registration = |(entry, number): (&str, u16)| {
            let (name, folder) = entry.split_once('@').unwrap();
            Registration {
                service: ServiceName::parse(name).unwrap(),
                port: port(number),
                addresses: Default::default(),
                created_at: Timestamp::now(),
                hold: true,
                folder: Folder::parse(folder).ok(),
            }
        };
        let registrations = list.split_whitespace().zip(1..).map(registration).collect();
        Model::new(registrations, Seal::of(1, []))
    }

    fn set(folder: &str, labels: &[&str], services: &str) -> ProjectSet {
        let service = |text: &str| {
            let (name, prefer) = text.split_once('=').unwrap_or((text, ""));
            ProjectService {
                name: ShortName::parse(name.trim_end_matches('+')).unwrap(),
                is_shared: name.ends_with('+'),
                prefer: Port::parse(prefer).ok(),
                addresses: None,
                hold: None,
            }
        };
        ProjectSet {
            folder: Folder::parse(folder).unwrap(),
            project: ShortName::parse("shop").unwrap(),
            labels: labels.iter().map(|label| ShortName::parse(label)).collect(),
            services: services.split_whitespace().map(service).collect(),
            existing: Existing::Accept,
            own_ports: Vec::new(),
        }
    }

    /// The full names that a set gets, and whether any is new.
    fn registered(model: &Model, set: &ProjectSet) -> (String, bool) {
        let range = PortRange::new(port(20_000), port(29_999)).unwrap();
        let (mut claimer, mut remembered) = Default::default();
        let mut claims = Claims::new(model, range, Port::MAX, &mut claimer, &mut remembered);
        let answer = register(model, &mut claims, set).unwrap().answer;
        let names: Vec<_> = answer.registrations.iter().map(|it| it.service.as_str()).collect();
        (names.join(" "), answer.is_new)
    }

    #[test]
    fn a_folder_keeps_its_label_or_gets_the_first_that_is_free() {
        // (registered, folder, labels, the name of web)
        let rows: [(&str, &str, &[&str], &str); 12] = [
            ("", "/a", &["", "x"], "shop.web"),
            ("", "/a", &["x"], "shop.x.web"),
            ("shop.db@/a", "/a", &["x"], "shop.web"),
            ("shop.y.db@/a", "/a", &["", "x"], "shop.y.web"),
            ("shop.db@/b", "/a", &["", "x"], "shop.x.web"),
            ("shop.db@/b shop.x.db@/c", "/a", &["", "x"], "shop.x-2.web"),
            ("shop.x.db@/c shop.x-2.db@/d", "/a", &["x"], "shop.x-3.web"),
            ("shop.db@/b", "/a", &[""], "shop.checkout-2.web"),
            // What was registered by hand is adopted without a label, and in the way with one.
            ("shop.web@", "/a", &["", "x"], "shop.web"),
            ("shop.x.web@", "/a", &["x"], "shop.x-2.web"),
            ("shop.mail@ shop.db@/b", "/a", &["", "x"], "shop.x.web"),
            ("other.db@/a shopx.db@/b", "/a", &["", "x"], "shop.web"),
        ];
        for (list, folder, labels, name) in rows {
            let (found, _) = registered(&model(list), &set(folder, labels, "web"));
            assert_eq!(found, name, "{list}");
        }
    }

    #[test]
    fn a_set_is_one_decision_with_distinct_ports() {
        let model = model("shop.web@ shop.mail@");
        let set = set("/a", &["", "x"], "web api mail+ api");
        assert_eq!(registered(&model, &set), ("shop.web shop.api shop.mail".to_owned(), true));
        let range = PortRange::new(port(20_000), port(29_999)).unwrap();
        let (mut claimer, mut remembered) = Default::default();
        let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
        let decision = register(&model, &mut claims, &set).unwrap();
        // web is adopted, api is new, and mail stays as it is.
        assert_eq!((decision.operations.len(), decision.holds.len()), (2, 1));
        let folders: Vec<_> =
            decision.answer.registrations.iter().map(|it| it.folder.is_some()).collect();
        assert_eq!(folders, [true, true, false]);
    }

    /// A service that a checkout had before its project shared it was released with the checkout.
    #[test]
    fn a_service_that_is_shared_now_forgets_its_folder() {
        let range = PortRange::new(port(20_000), port(29_999)).unwrap();
        for (services, folder) in [("web", Some("/a")), ("web+", None)] {
            for list in ["shop.web@/a", "shop.web@"] {
                let (model, mut claimer, mut remembered) =
                    (model(list), Claimer::default(), Remembered::default());
                let mut claims =
                    Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
                let decision = register(&model, &mut claims, &set("/a", &[""], services)).unwrap();
                let [web] = &decision.answer.registrations[..] else { panic!("one service") };
                let found = web.folder.as_ref().map(Folder::as_str);
                assert_eq!((found, web.port), (folder, port(1)), "{list}");
            }
        }
    }

    #[test]
    fn a_set_that_does_not_fit_takes_nothing() {
        let model = model("shop.db@/b");
        let range = PortRange::new(port(20_000), port(29_999)).unwrap();
        let (mut claimer, mut remembered) = Default::default();
        let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
        let (lowest, _) = claims.lowest_free().unwrap();
        let (mut claimer, mut remembered) = Default::default();
        let range = PortRange::new(lowest, lowest).unwrap();
        let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
        let refused = register(&model, &mut claims, &set("/a", &["x"], "web api"));
        assert!(matches!(refused, Err(ChangeError::Exhausted { .. })), "{refused:?}");
        // The port that web would have had is free again.
        assert!(register(&model, &mut claims, &set("/a", &["x"], "web")).is_ok());
    }

    #[test]
    fn only_the_main_checkout_gets_preferred_ports() {
        let range = PortRange::new(port(20_000), port(29_999)).unwrap();
        let ports = |list: &str, set: &ProjectSet| {
            let (model, mut claimer, mut remembered) =
                (model(list), Claimer::default(), Default::default());
            let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
            let registrations = register(&model, &mut claims, set).unwrap().answer.registrations;
            registrations[0].port.number()
        };
        let main = set("/a", &["", "x"], "web=65535 db=65535");
        // pald's own port is nobody's.
        assert_ne!(ports("", &main), 65535);
        let main = set("/a", &["", "x"], "web=1 db");
        assert_ne!(ports("other@", &main), 1);
        let own = ProjectSet { own_ports: vec![port(7)], ..set("/a", &[""], "web=7") };
        assert_eq!(ports("", &own), 7);
        assert_ne!(
            ports("", &ProjectSet { labels: vec![ShortName::parse("x")], ..own.clone() }),
            7
        );
        // A registered service moves only when it is told to.
        assert_eq!(ports("shop.web@/a", &own), 1);
        assert_eq!(ports("shop.web@/a", &ProjectSet { existing: Existing::Move, ..own }), 7);
    }

    /// Another service of the set looked for a port before, and found that one in use.
    #[test]
    fn a_port_of_the_checkouts_own_server_is_had_whoever_looked_at_it_before() {
        let (listener, server) = (20_000..29_999)
            .find_map(|number| {
                let listener = std::net::TcpListener::bind(("127.0.0.1", number)).ok()?;
                let next = Port::new(number + 1)?;
                let is_free = matches!(Claimer::default().claim(next), Ok(Ok(_)));
                is_free.then_some((listener, port(number)))
            })
            .unwrap();
        let next = port(server.number() + 1);
        let (model, mut claimer, mut remembered) =
            (model(""), Claimer::default(), Default::default());
        let range = PortRange::new(server, next).unwrap();
        let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
        let services = format!("web db={server}");
        let own = ProjectSet { own_ports: vec![server], ..set("/a", &[""], &services) };
        let registrations = register(&model, &mut claims, &own).unwrap().answer.registrations;
        let ports: Vec<_> = registrations.iter().map(|it| it.port).collect();
        assert_eq!(ports, [next, server]);
        // It has one service, and what others use is told once.
        let services = format!("web db={server} api={server}");
        let own = ProjectSet { services: set("/a", &[""], &services).services, ..own };
        let (mut claimer, mut remembered) = Default::default();
        let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
        for _ in 0..2 {
            let refused = register(&model, &mut claims, &own);
            let Err(ChangeError::Exhausted { occupied, .. }) = refused else { panic!("no error") };
            assert_eq!(occupied.total(), 1);
        }
        drop(listener);
    }

    #[test]
    fn a_service_that_comes_back_gets_its_port_before_the_preferred_one() {
        let released = model("shop.web@/a shop.db@/a");
        let range = PortRange::new(port(20_000), port(29_999)).unwrap();
        let (mut claimer, mut remembered) = (Claimer::default(), Remembered::default());
        for registration in released.registrations() {
            remembered.follow(&Operation::Remove(Arc::clone(registration)));
        }
        let model = model("");
        let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
        // api takes the port that db has released, so db can't come back to it.
        let own = ProjectSet { own_ports: vec![port(2)], ..set("/a", &[""], "web=7 api=2 db") };
        let registrations = register(&model, &mut claims, &own).unwrap().answer.registrations;
        let ports: Vec<_> = registrations.iter().map(|it| it.port.number()).collect();
        assert_eq!(ports[..2], [1, 2]);
        assert!(ports[2] >= 20_000, "{ports:?}");
    }

    /// A service came back to the port on which another checkout's server had started meanwhile.
    #[test]
    fn a_remembered_port_is_not_had_again_while_a_foreign_server_listens_on_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let here = Folder::of(&std::env::current_dir().unwrap()).unwrap().to_string();
        let range = PortRange::new(self::port(20_000), self::port(29_999)).unwrap();
        // (registered, folder of what comes back, whether this process is foreign to it)
        let rows = [
            (format!("other.web@{here}"), "/nowhere", true),
            (String::new(), "/nowhere", false),
            (format!("other.web@{here}"), &*here, false),
        ];
        for (list, folder, is_foreign) in rows {
            let (mut claimer, mut remembered) = (Claimer::default(), Remembered::default());
            let mut released =
                Registration::clone(model("shop.web@/x").at_port(Port::MIN).unwrap());
            released.port = port;
            remembered.follow(&Operation::Remove(Arc::new(released)));
            let model = model(&list);
            let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
            let wanted = set(folder, &[""], "web");
            let answer = register(&model, &mut claims, &wanted).unwrap().answer;
            let gets_it = answer.registrations[0].port == port;
            // Elsewhere nobody knows where a process works.
            let is_known = crate::probe::LACKS.is_none();
            assert_eq!(gets_it, !(is_foreign && is_known), "{list} {folder}");
        }
    }

    #[test]
    fn folders_that_have_better_labels_are_in_the_way() {
        // (registered, labels, folders with the number of their ports)
        let rows: [(&str, &[&str], &str); 10] = [
            ("", &["", "x"], ""),
            ("shop.web@/b shop.db@/b", &["", "x"], "/b=2"),
            ("shop.web@/b", &["x"], ""),
            ("shop.web@/b shop.x.web@/a", &["", "x"], ""),
            ("shop.web@/b shop.y.web@/a", &["", "x"], ""),
            ("shop.web@", &["", "x"], ""),
            ("shop.web@/b shop.x.web@/c", &["", "x"], "/b=1 /c=1"),
            ("shop.x.web@/c shop.x-2.web@/d shop.x-4.web@/e", &["x"], "/c=1 /d=1"),
            ("shop.x.web@ shop.x-2.web@/d", &["x"], "/d=1"),
            ("other.web@/b", &["", "x"], ""),
        ];
        for (list, labels, expected) in rows {
            let found = in_the_way(&model(list), &set("/a", labels, "web"));
            let found: Vec<_> =
                found.iter().map(|(folder, ports)| format!("{folder}={}", ports.len())).collect();
            assert_eq!(found.join(" "), expected, "{list}");
        }
    }
}
