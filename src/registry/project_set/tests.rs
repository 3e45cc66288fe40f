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
            let mut claims = Claims::new(&model, range, Port::MAX, &mut claimer, &mut remembered);
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
    assert_ne!(ports("", &ProjectSet { labels: vec![ShortName::parse("x")], ..own.clone() }), 7);
    // A registered service moves only when it is told to.
    assert_eq!(ports("shop.web@/a", &own), 1);
    assert_eq!(ports("shop.web@/a", &ProjectSet { existing: Existing::Move, ..own }), 7);
}

/// Another service of the set looked for a port before, and found that one in use.
#[test]
fn a_port_of_the_checkouts_own_server_is_had_whoever_looked_at_it_before() {
    // No other test looks for a port here.
    let (listener, server) = (9_500..9_990)
        .find_map(|number| {
            let listener = std::net::TcpListener::bind(("127.0.0.1", number)).ok()?;
            let next = Port::new(number + 1)?;
            let is_free = matches!(Claimer::default().claim(next), Ok(Ok(_)));
            is_free.then_some((listener, port(number)))
        })
        .unwrap();
    let next = port(server.number() + 1);
    let (model, mut claimer, mut remembered) = (model(""), Claimer::default(), Default::default());
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
        let mut released = Registration::clone(model("shop.web@/x").at_port(Port::MIN).unwrap());
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
