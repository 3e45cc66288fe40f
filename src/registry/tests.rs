//! The registry as its users have it, on a real store and with its threads.

use std::fs;
use std::path::Path;

use super::*;
use crate::addresses::Addresses;
use crate::dump;
use crate::probe;
use crate::seal::Seal;
use crate::short_name::ShortName;
use crate::testing::{server, wait_until};
use crate::timestamp::Timestamp;

/// A registry in a folder, with all ports, of which pald has the last.
fn options(folder: &Path) -> RegistryOptions {
    RegistryOptions {
        port_range: PortRange::new(port(20_000), port(29_999)).unwrap(),
        port_listen: Port::MAX,
        data_dir: folder.join("db"),
        max_holds: 10,
        dump_file: folder.join("dump"),
    }
}

fn open(folder: &Path) -> Registry {
    Registry::open(options(folder)).unwrap()
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

fn on(number: u16) -> RegisterOptions {
    RegisterOptions { port: Some(port(number)), hold: Some(false), ..RegisterOptions::default() }
}

#[test]
fn what_is_registered_is_found_by_name_and_by_port_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    assert!(registry.is_empty() && registry.warnings().is_empty());
    assert_eq!((registry.port_range().min(), registry.port_listen()), (port(20_000), Port::MAX));
    let web = registry.register(name("web"), on(7)).wait().unwrap();
    assert!(web.is_new);
    registry.register(name("db"), on(8)).wait().unwrap();
    assert_eq!((registry.lookup("web"), registry.lookup("db")), (Some(port(7)), Some(port(8))));
    assert_eq!((registry.lookup("none"), registry.lookup("no name")), (None, None));
    assert_eq!(registry.service(&name("web")), Some(Arc::clone(&web.registration)));
    assert_eq!(registry.service_at(port(7)), Some(web.registration));
    assert_eq!((registry.service(&name("none")), registry.service_at(port(9))), (None, None));
    assert_eq!((registry.len(), registry.is_empty()), (2, false));
    assert_eq!(registry.snapshot().registrations.len(), 2);
    let health = registry.health();
    assert_eq!((health.services, health.revision, health.failure), (2, 2, None));
    assert!(health.dump.written_at.is_some() && health.dump.error.is_none(), "{:?}", health.dump);
    assert_eq!((health.holds.max, health.holds.held), (10, 0));

    registry.release(vec![Target::Service(name("web"))]).wait().unwrap();
    assert_eq!((registry.lookup("web"), registry.len()), (None, 1));
    registry.close();
    // What is asked for later is refused, and nothing waits for ever.
    let late = registry.register(name("late"), on(9)).wait();
    assert_eq!(late, Err(ChangeError::Unanswered));
    drop(registry);
    let registry = open(folder.path());
    assert_eq!((registry.lookup("db"), registry.lookup("web")), (Some(port(8)), None));
    let dump = dump::parse(&fs::read(folder.path().join("dump")).unwrap()).unwrap();
    assert_eq!(dump.entries.len(), 1);
}

/// Such a request is answered at once, and makes no batch.
#[test]
fn a_registration_that_is_as_it_was_asked_for_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let addresses = |text: &str| Some(Addresses::parse(text).unwrap());
    let first = RegisterOptions { addresses: addresses("a"), ..on(7) };
    registry.register(name("web"), first.clone()).wait().unwrap();
    let before = registry.health().revision;
    // (options, whether they change nothing)
    let rows = [
        (RegisterOptions::default(), true),
        (first.clone(), true),
        (RegisterOptions { existing: Existing::Move, ..first.clone() }, true),
        (RegisterOptions { addresses: addresses("b"), ..first.clone() }, false),
        (RegisterOptions { addresses: addresses(""), ..first.clone() }, false),
        (RegisterOptions { hold: Some(true), ..first.clone() }, false),
        (RegisterOptions { port: Some(port(8)), existing: Existing::Move, ..first.clone() }, false),
    ];
    let mut revision = before;
    for (options, is_same) in rows {
        let answer = registry.register(name("web"), options.clone()).wait().unwrap();
        assert!(!answer.is_new);
        revision += u64::from(!is_same);
        assert_eq!(registry.health().revision, revision, "{options:?}");
        // Back to how it was.
        let back = RegisterOptions { existing: Existing::Move, ..first.clone() };
        registry.register(name("web"), back).wait().unwrap();
        revision += u64::from(!is_same);
        assert_eq!(registry.health().revision, revision, "{options:?}");
    }
    let refused =
        [RegisterOptions { existing: Existing::Refuse, ..RegisterOptions::default() }, on(8)];
    for options in refused {
        assert!(registry.register(name("web"), options.clone()).wait().is_err(), "{options:?}");
    }
}

#[test]
fn a_port_has_a_state_and_may_be_held() {
    if !probe::HOLDS_PORTS {
        return eprintln!("skipped: pald holds no ports on this system");
    }
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let web = registry.register(name("web"), RegisterOptions::default()).wait().unwrap();
    let web = web.registration.port;
    wait_until(|| registry.is_held(web));
    assert!(!registry.is_held(Port::MIN));
    assert_eq!(registry.state(web, Look::Quiet), PortState::Free);
    let server = std::net::TcpListener::bind(("127.0.0.1", web.number())).unwrap();
    let state = registry.state(web, Look::Quiet);
    assert!(matches!(state, PortState::Running(_)), "{state:?}");
    assert!(matches!(registry.states(&[web], Age::Now).get(web), PortState::Running(_)));
    drop(server);
}

/// The service web of the project shop, for a checkout in this folder.
fn set(folder: &Path) -> ProjectSet {
    ProjectSet {
        folder: Folder::parse(folder.to_str().unwrap()).unwrap(),
        project: ShortName::parse("shop").unwrap(),
        labels: vec![None, ShortName::parse("x")],
        services: vec![ProjectService {
            name: ShortName::parse("web").unwrap(),
            is_shared: false,
            prefer: None,
            addresses: None,
            hold: None,
        }],
        existing: Existing::Accept,
        own_ports: Vec::new(),
    }
}

#[test]
fn a_preferred_port_on_which_the_checkout_listens_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let [here, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listened = port(listener.local_addr().unwrap().port());
    let mut server = server(listener, here.path()).spawn().unwrap();
    // (where the checkout is, its preferred port, what is its own)
    let own = probe::LACKS.map_or(vec![listened], |_| Vec::new());
    let rows = [
        (here.path(), Some(listened), own),
        (here.path(), Some(Port::MIN), Vec::new()),
        (here.path(), None, Vec::new()),
        (elsewhere.path(), Some(listened), Vec::new()),
    ];
    for (checkout, prefer, expected) in rows {
        let mut set = set(checkout);
        set.services[0].prefer = prefer;
        assert_eq!(registry.own_ports(&set), expected, "{checkout:?} {prefer:?}");
    }
    drop(server.stdin.take());
    server.wait().unwrap();
}

#[test]
fn a_checkout_whose_folder_is_gone_is_in_the_way_until_something_runs_there() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(folder.path());
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let answer = registry.register_set(set(&there)).wait().unwrap();
    assert!(answer.is_new);
    assert_eq!(answer.registrations[0].service, name("shop.web"));
    let other = set(&folder.path().join("other"));
    assert_eq!(registry.gone_in_the_way(&other), None);
    fs::remove_dir(&there).unwrap();
    assert_eq!(registry.gone_in_the_way(&other), Some(set(&there).folder));
    // It is in nobody's own way.
    assert_eq!(registry.gone_in_the_way(&set(&there)), None);
    let web = answer.registrations[0].port.number();
    let server = std::net::TcpListener::bind(("127.0.0.1", web)).unwrap();
    assert_eq!(registry.gone_in_the_way(&other), None);
    drop(server);
}

#[test]
fn a_changed_port_listen_on_a_services_port_is_refused_time_after_time() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).register(name("web"), on(7)).wait().unwrap();
    for _ in 0..2 {
        let moved = RegistryOptions { port_listen: port(7), ..options(folder.path()) };
        let refused = Registry::open(moved).err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), Some("port_listen is 7, which is registered to web"));
    }
    assert_eq!(open(folder.path()).lookup("web"), Some(port(7)));
}

/// A service that was registered so many days ago.
fn days_old(days: u64, service: &str, number: u16, folder: Option<&Path>) -> Registration {
    let created = Timestamp::now().unix_seconds() - days * 24 * 60 * 60;
    Registration {
        service: name(service),
        port: port(number),
        addresses: Addresses::default(),
        created_at: Timestamp::from_unix_seconds(created).unwrap(),
        hold: false,
        folder: folder.map(|path| Folder::of(path).unwrap()),
    }
}

/// What a registry of these services may do without.
fn candidates(mut services: Vec<Registration>) -> Candidates {
    let folder = tempfile::tempdir().unwrap();
    services.sort_by_key(|it| it.port);
    let dump = dump::render(&services, Seal::of(1, &services));
    fs::write(folder.path().join("dump"), dump).unwrap();
    let range = PortRange::new(port(20_000), port(65_000)).unwrap();
    let registry = Registry::open(RegistryOptions { port_range: range, ..options(folder.path()) });
    registry.unwrap().candidates()
}

#[test]
fn a_full_range_may_do_without_what_is_old_and_idle() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = listener.local_addr().unwrap().port();
    let mut services = vec![
        days_old(29, "new", 20_001, None),
        days_old(31, "fourth", 20_002, None),
        days_old(33, "second", 20_003, None),
        days_old(90, "running", in_use, None),
        days_old(90, "outside", 19_999, None),
        days_old(34, "first", 20_004, None),
        days_old(32, "third", 20_005, None),
    ];
    let named = |candidates: Candidates| match candidates {
        Candidates::Old(old) => old.iter().map(|it| it.service.to_string()).collect::<Vec<_>>(),
        Candidates::Gone(gone) => panic!("{gone:?} are gone"),
    };
    assert_eq!(named(candidates(services.clone())), ["first", "second", "third"]);
    services.retain(|it| it.service.as_str() == "new");
    assert_eq!(named(candidates(services)), [""; 0]);
}

#[test]
fn a_full_range_may_do_without_what_is_gone_before_what_is_old() {
    let top = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = listener.local_addr().unwrap().port();
    let (gone, there) = (top.path().join("gone"), top.path());
    let services = vec![
        days_old(90, "old", 20_001, None),
        days_old(0, "one", 20_002, Some(&gone)),
        days_old(90, "there", 20_003, Some(there)),
        days_old(0, "running", in_use, Some(&gone)),
        days_old(0, "outside", 19_999, Some(&gone)),
        days_old(0, "two", 20_004, Some(&gone)),
        days_old(0, "three", 20_005, Some(&gone)),
        days_old(0, "four", 20_006, Some(&gone)),
    ];
    let Candidates::Gone(named) = candidates(services) else { panic!("none is gone") };
    let named: Vec<_> = named.iter().map(|it| it.service.to_string()).collect();
    assert_eq!(named, ["one", "two", "three"]);
}
