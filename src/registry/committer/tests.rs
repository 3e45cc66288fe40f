//! The committer on a real store, with real holds, against a model of plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, MutexGuard};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::addresses::Addresses;
use crate::dump::DumpEntry;
use crate::probe;
use crate::registry::{
    Existing, Import, ImportConflict, ImportMode, Imported, Pending, RegisterOptions, Registered,
    Target,
};
use crate::service_name::ServiceName;

/// The first of a run of ports that nobody uses, below those that the kernel gives away by itself.
static FIRST: LazyLock<u16> = LazyLock::new(|| {
    let start = 12_000 + u16::try_from(std::process::id() % 15_000).unwrap();
    let is_free = |number: u16| matches!(Claimer::default().claim(port(number)), Ok(Ok(_)));
    let mut firsts = (start..32_000).step_by(20).chain((12_000..start).step_by(20));
    firsts.find(|first| (*first..first + 20).all(is_free)).unwrap()
});

fn min() -> u16 {
    *FIRST + 5
}

fn max() -> u16 {
    min() + 7
}

/// pald's own port lies inside the range, so that skipping it is part of every run.
fn listen() -> u16 {
    min() + 3
}

/// So does a port on which somebody else listens.
fn occupied() -> u16 {
    min() + 5
}

fn name(service: u8) -> ServiceName {
    ServiceName::parse(format!("service-{service}")).unwrap()
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn addresses(number: u8) -> Addresses {
    Addresses::parse(format!("10.0.0.{number}")).unwrap()
}

#[derive(Debug, Clone)]
enum Action {
    /// These requests wait for the committer at the same time.
    Requests(Vec<Step>),
    /// pald ends and starts again.
    Restart,
    /// The store is lost while pald is not running, and the dump is not.
    LoseStore,
}

#[derive(Debug, Clone)]
enum Step {
    Register { service: u8, options: RegisterOptions },
    ReleasePort(u16),
    ReleaseService(u8),
    Import { entries: BTreeMap<u8, u16>, mode: ImportMode, dry_run: bool },
}

fn steps() -> impl Strategy<Value = Step> {
    let ports = || min() - 2..=max() + 2;
    let mode = prop_oneof![Just(ImportMode::Merge), Just(ImportMode::Replace)];
    let options = (
        proptest::option::weighted(0.2, ports()),
        proptest::option::weighted(0.2, 0u8..3),
        proptest::option::weighted(0.2, any::<bool>()),
        proptest::bool::weighted(0.1),
    );
    let options = options.prop_map(|(number, address, hold, is_new)| RegisterOptions {
        port: number.map(port),
        addresses: address.map(addresses),
        hold,
        existing: if is_new { Existing::Refuse } else { Existing::Accept },
    });
    prop_oneof![
        8 => (0u8..12, options)
            .prop_map(|(service, options)| Step::Register { service, options }),
        3 => ports().prop_map(Step::ReleasePort),
        3 => (0u8..12).prop_map(Step::ReleaseService),
        1 => (proptest::collection::btree_map(0u8..12, ports(), 1..4), mode, any::<bool>())
            .prop_map(|(entries, mode, dry_run)| Step::Import {
                entries: distinct_ports(entries), mode, dry_run
            }),
    ]
}

/// The entries without those whose port an earlier one has.
fn distinct_ports(entries: BTreeMap<u8, u16>) -> BTreeMap<u8, u16> {
    let mut seen = BTreeSet::new();
    entries.into_iter().filter(|(_, number)| seen.insert(*number)).collect()
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        16 => proptest::collection::vec(steps(), 1..8).prop_map(Action::Requests),
        1 => Just(Action::Restart),
        1 => Just(Action::LoseStore),
    ];
    proptest::collection::vec(action, 1..24)
}

/// What is registered, by service: the port, the addresses, and whether it may be held.
type Entries = BTreeMap<ServiceName, (Port, Addresses, bool)>;

/// The registry as it should be, and the batch that is being decided.
#[derive(Debug, Default)]
struct Expected {
    entries: Entries,
    /// Ports that the batch gives to nobody.
    unavailable: BTreeSet<Port>,
    /// Ports that the batch has released, and whose they were.
    freed: BTreeMap<Port, ServiceName>,
    /// Whether the batch has met the port that somebody else uses.
    has_met_occupied: bool,
}

impl Expected {
    fn start_batch(&mut self) {
        self.unavailable = self.entries.values().map(|(port, ..)| *port).collect();
        self.unavailable.insert(port(listen()));
        self.freed.clear();
        self.has_met_occupied = false;
    }

    fn owner(&self, port: Port) -> Option<&ServiceName> {
        let owner = self.entries.iter().find(|(_, (it, ..))| *it == port);
        owner.map(|(service, _)| service)
    }

    fn register(
        &mut self,
        service: ServiceName,
        options: &RegisterOptions,
    ) -> Result<Port, ChangeError> {
        if let Some((port, addresses, hold)) = self.entries.get_mut(&service) {
            if options.existing == Existing::Refuse {
                return Err(ChangeError::NotNew { service, port: *port });
            }
            if options.port.is_some_and(|wanted| wanted != *port) {
                return Err(ChangeError::HasAnother { service, port: *port });
            }
            *addresses = options.addresses.clone().unwrap_or_else(|| addresses.clone());
            *hold = options.hold.unwrap_or(*hold);
            return Ok(*port);
        }
        let port = match options.port {
            Some(wanted) => self.check(wanted, &service)?,
            None => self.lowest_free()?,
        };
        let addresses = options.addresses.clone().unwrap_or_default();
        self.entries.insert(service, (port, addresses, options.hold.unwrap_or(true)));
        self.unavailable.insert(port);
        Ok(port)
    }

    fn check(&self, wanted: Port, service: &ServiceName) -> Result<Port, ChangeError> {
        match self.owner(wanted).or_else(|| self.freed.get(&wanted)) {
            Some(owner) if owner != service => {
                Err(ChangeError::Taken { port: wanted, service: owner.clone() })
            }
            None if wanted == port(listen()) => Err(ChangeError::Listening(wanted)),
            _ => Ok(wanted),
        }
    }

    fn lowest_free(&mut self) -> Result<Port, ChangeError> {
        for number in (min()..=max()).map(port) {
            if self.unavailable.contains(&number) {
                continue;
            }
            if number != port(occupied()) {
                return Ok(number);
            }
            self.has_met_occupied = true;
            self.unavailable.insert(number);
        }
        let first_occupied = if self.has_met_occupied { vec![port(occupied())] } else { vec![] };
        Err(ChangeError::Exhausted {
            port_range: PortRange::new(port(min()), port(max())).unwrap(),
            size: usize::from(max() - min()),
            occupied: first_occupied.len(),
            first_occupied,
        })
    }

    fn release(&mut self, target: Target) -> Result<ServiceName, ChangeError> {
        let service = match &target {
            Target::Port(port) => self.owner(*port).cloned(),
            Target::Service(service) => self.entries.contains_key(service).then(|| service.clone()),
        };
        let service = service.ok_or(ChangeError::NotRegistered(target))?;
        let (port, ..) = self.entries.remove(&service).unwrap();
        self.freed.insert(port, service.clone());
        Ok(service)
    }

    /// What becomes of the entries, and how many services are added, changed, removed and kept.
    fn import(
        &mut self,
        wanted: &BTreeMap<u8, u16>,
        mode: ImportMode,
        dry_run: bool,
    ) -> Result<[usize; 4], ChangeError> {
        let mut after =
            if mode == ImportMode::Merge { self.entries.clone() } else { Entries::new() };
        let (mut other_port, mut taken, mut on_own_port) = (Vec::new(), Vec::new(), None);
        for (service, number) in wanted {
            let (service, wanted) = (name(*service), port(*number));
            let known = self.entries.get(&service);
            let owner = self.owner(wanted);
            match known {
                Some((registered, ..)) if mode == ImportMode::Merge && *registered != wanted => {
                    let (registered, service) = (*registered, service.clone());
                    other_port.push(ImportConflict::OtherPort { service, registered, wanted });
                    continue;
                }
                Some((registered, ..)) if *registered == wanted => {}
                _ if owner.is_none() && wanted == port(listen()) => {
                    on_own_port = on_own_port.or(Some(service.clone()));
                }
                _ => {}
            }
            if mode == ImportMode::Merge
                && let Some(owner) = owner.filter(|owner| **owner != service)
            {
                let (owner, port) = (owner.clone(), wanted);
                let service = service.clone();
                taken.push(ImportConflict::PortTaken { service, port, owner });
                continue;
            }
            let hold = known.is_none_or(|(.., hold)| *hold);
            match (known, mode) {
                // Merging leaves a registered service as it is.
                (Some(_), ImportMode::Merge) => {}
                _ => drop(after.insert(service, (wanted, Addresses::default(), hold))),
            }
        }
        if let Some(service) = on_own_port {
            return Err(ChangeError::OwnPort { service, port: port(listen()) });
        }
        other_port.extend(taken);
        if !other_port.is_empty() {
            return Err(ChangeError::Conflict(other_port));
        }
        let added = after.keys().filter(|it| !self.entries.contains_key(*it)).count();
        let removed = self.entries.keys().filter(|it| !after.contains_key(*it)).count();
        let kept = after.iter().filter(|(it, entry)| self.entries.get(*it) == Some(entry)).count();
        let changed = after.len() - added - kept;
        if !dry_run {
            let before = std::mem::replace(&mut self.entries, after);
            let still = |service: &ServiceName| self.entries.get(service).map(|(port, ..)| *port);
            let freed = before.iter().filter(|(service, (port, ..))| still(service) != Some(*port));
            self.freed.extend(freed.map(|(service, (port, ..))| (*port, service.clone())));
            self.unavailable.extend(self.entries.values().map(|(port, ..)| *port));
        }
        Ok([added, changed, removed, kept])
    }
}

/// Whoever uses the ports: two benches at a time would claim them from each other.
static PORTS: Mutex<()> = Mutex::new(());

/// A committer without its thread, so that each step can be looked at.
struct Bench {
    folder: TempDir,
    committer: Option<Committer>,
    requests: Option<mpsc::Sender<Request>>,
    _occupier: TcpListener,
    _ports: MutexGuard<'static, ()>,
}

impl Bench {
    fn open() -> Self {
        let ports = PORTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            committer: None,
            requests: None,
            _occupier: TcpListener::bind(("127.0.0.1", occupied())).unwrap(),
            _ports: ports,
        };
        bench.start();
        bench
    }

    fn options(&self) -> RegistryOptions {
        RegistryOptions {
            port_range: PortRange::new(port(min()), port(max())).unwrap(),
            port_listen: port(listen()),
            port_listen_before: None,
            max_holds: 100,
            data_dir: self.folder.path().join("db"),
            dump_file: self.folder.path().join("dump"),
        }
    }

    fn start(&mut self) {
        let (committer, requests) = Committer::open(&self.options()).unwrap();
        (self.committer, self.requests) = (Some(committer), Some(requests));
    }

    /// Ends as a closed registry does, with the dump written.
    fn stop(&mut self) {
        self.requests = None;
        self.committer.take().unwrap().run();
    }

    fn committer(&mut self) -> &mut Committer {
        self.committer.as_mut().unwrap()
    }

    fn send<T>(
        &self,
        request: impl FnOnce(crate::registry::pending::Answer<T>) -> Request,
    ) -> Pending<T> {
        let (answer, pending) = Pending::channel();
        self.requests.as_ref().unwrap().send(request(answer)).unwrap();
        pending
    }

    fn register(&self, service: u8, options: RegisterOptions) -> Pending<Registered> {
        self.send(|answer| Request::Register { service: name(service), options, answer })
    }

    fn release(&self, target: Target) -> Pending<Arc<Registration>> {
        self.send(|answer| Request::Release { target, answer })
    }

    fn import(&self, import: Import) -> Pending<Imported> {
        self.send(|answer| Request::Import { import, answer })
    }

    /// Commits all that waits, in as many batches as the committer makes of it.
    fn commit_waiting(&mut self, mut count: usize) {
        while count > 0 {
            let requests = self.committer().next_requests().unwrap();
            count -= requests.len();
            self.committer().commit(requests);
        }
    }

    /// Sends these requests, and holds each answer against the expected one.
    fn change(&mut self, steps: &[Step], expected: &mut Expected) {
        let mut checks: Vec<Box<dyn FnOnce()>> = Vec::new();
        expected.start_batch();
        for step in steps.iter().cloned() {
            match step {
                Step::Register { service, options } => {
                    let answer = expected.register(name(service), &options);
                    let pending = self.register(service, options);
                    checks.push(Box::new(move || {
                        let registered = pending.wait();
                        assert_eq!(registered.map(|it| it.registration.port), answer);
                    }));
                }
                Step::ReleasePort(_) | Step::ReleaseService(_) => {
                    let target = match step {
                        Step::ReleasePort(number) => Target::Port(port(number)),
                        Step::ReleaseService(service) => Target::Service(name(service)),
                        _ => unreachable!("only releases come here"),
                    };
                    let answer = expected.release(target.clone());
                    let pending = self.release(target);
                    checks.push(Box::new(move || {
                        assert_eq!(pending.wait().map(|it| it.service.clone()), answer);
                    }));
                }
                Step::Import { entries, mode, dry_run } => {
                    // An import starts a batch of its own.
                    expected.start_batch();
                    let answer = expected.import(&entries, mode, dry_run);
                    let entry = |(service, number): (&u8, &u16)| DumpEntry {
                        service: name(*service),
                        port: port(*number),
                        addresses: Addresses::default(),
                        created_at: None,
                        hold: None,
                    };
                    let entries = entries.iter().map(entry).collect();
                    let pending = self.import(Import { entries, mode, dry_run });
                    checks.push(Box::new(move || {
                        let counts = |it: Imported| {
                            [it.added.len(), it.changed.len(), it.removed.len(), it.kept]
                        };
                        assert_eq!(pending.wait().map(counts), answer);
                    }));
                }
            }
        }
        self.commit_waiting(steps.len());
        checks.into_iter().for_each(|check| check());
    }

    /// The committer's model, the readers' and what the store loads are the same, and as expected.
    fn check(&mut self, expected: &Expected) {
        let committer = self.committer();
        let Contents { registrations, seal } = committer.store.load().unwrap();
        assert_eq!(seal, committer.model.seal());
        assert_eq!(Model::new(registrations.clone(), seal.revision), committer.model);
        assert_eq!(*committer.readers.read(), committer.model);
        let stored =
            registrations.into_iter().map(|it| (it.service, (it.port, it.addresses, it.hold)));
        assert_eq!(stored.collect::<Entries>(), expected.entries);
        let watch = committer.holds.watch();
        for number in (min() - 2..=max() + 2).map(port) {
            let may_be_held = expected.entries.values().any(|(it, _, hold)| *it == number && *hold);
            assert!(may_be_held || watch.inode_at(number).is_none(), "{number} is held");
        }
    }
}

/// How many random registries the model test goes through; each has some 40 steps.
fn cases() -> u32 {
    std::env::var("PALD_MODEL_CASES").map_or(40, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_registry_follows_the_model_with_holds_on(actions in actions()) {
        let mut bench = Bench::open();
        let mut expected = Expected::default();
        for action in actions {
            match action {
                Action::Requests(steps) => bench.change(&steps, &mut expected),
                Action::Restart => {
                    bench.stop();
                    bench.start();
                }
                Action::LoseStore => {
                    bench.stop();
                    std::fs::remove_dir_all(bench.options().data_dir).unwrap();
                    // An empty dump says nothing of what the registry was.
                    if expected.entries.is_empty() {
                        std::fs::remove_file(bench.folder.path().join("db.revision")).unwrap();
                    }
                    bench.start();
                }
            }
            bench.check(&expected);
        }
    }
}

#[test]
fn a_claimed_port_is_held_when_the_answer_comes() {
    if !probe::HOLDS_PORTS {
        return eprintln!("skipped: pald holds no ports on this system");
    }
    let mut bench = Bench::open();
    let pending = bench.register(1, RegisterOptions::default());
    let not_held = RegisterOptions { hold: Some(false), ..RegisterOptions::default() };
    let other = bench.register(2, not_held);
    bench.commit_waiting(2);
    let watch = bench.committer().holds.watch();
    let held = |pending: Pending<Registered>| {
        watch.inode_at(pending.wait().unwrap().registration.port).is_some()
    };
    assert!(held(pending));
    assert!(!held(other));
}

#[test]
fn after_a_failure_readers_see_the_last_durable_state_and_no_change_is_accepted() {
    let mut bench = Bench::open();
    let mut expected = Expected::default();
    let set = |service| Step::Register { service, options: RegisterOptions::default() };
    bench.change(&[set(1)], &mut expected);
    let (db, aside) = (bench.options().data_dir, bench.folder.path().join("aside"));
    let dump = bench.committer().readers.dump();

    // The fault: the store is moved away, which the next commit notices.
    std::fs::rename(&db, &aside).unwrap();
    let pending = (
        bench.register(2, RegisterOptions::default()),
        bench.register(1, RegisterOptions::default()),
        bench.release(Target::Service(name(1))),
        bench.release(Target::Service(name(7))),
    );
    bench.commit_waiting(4);
    let reason = bench.committer().failure.get().cloned().unwrap();
    assert!(reason.contains("Can't use the store"), "{reason}");
    let refused = ChangeError::Storage(Arc::clone(&reason));
    // However a request was decided, that was on changes that are not on disk.
    assert_eq!(pending.0.wait(), Err(refused.clone()));
    assert_eq!(pending.1.wait(), Err(refused.clone()));
    assert_eq!(pending.2.wait(), Err(refused.clone()));
    assert_eq!(pending.3.wait(), Err(refused.clone()));

    // It is final, also once the store is back.
    std::fs::rename(&aside, &db).unwrap();
    let later = bench.register(3, RegisterOptions::default());
    bench.commit_waiting(1);
    assert_eq!(later.wait(), Err(refused));
    let committer = bench.committer();
    assert_eq!(committer.readers.read().registrations().count(), 1);
    assert_ne!(*committer.readers.read(), committer.model);
    // The dump is made from what readers see, and never from the committer's model.
    assert_eq!(committer.readers.dump(), dump);
    bench.stop();
    assert_eq!(std::fs::read_to_string(bench.options().dump_file).unwrap(), dump);
}

#[test]
fn a_panic_ends_changes_and_nothing_else() {
    let mut bench = Bench::open();
    let mut expected = Expected::default();
    bench.change(
        &[Step::Register { service: 1, options: RegisterOptions::default() }],
        &mut expected,
    );
    let dropped = bench.register(3, RegisterOptions::default());
    bench.committer().or_fail(|committer| {
        let _requests = committer.next_requests();
        panic!("for the test");
    });
    assert_eq!(dropped.wait(), Err(ChangeError::Unanswered));
    let pending = bench.register(2, RegisterOptions::default());
    bench.commit_waiting(1);
    let reason = "internal error; pald's log says more".into();
    assert_eq!(pending.wait(), Err(ChangeError::Storage(reason)));
    bench.check(&expected);
}

#[test]
fn what_waits_is_committed_before_the_end() {
    let mut bench = Bench::open();
    let first = bench.register(0, RegisterOptions::default());
    let second = bench.register(1, RegisterOptions::default());
    bench.stop();
    let ports = [first, second].map(|pending| pending.wait().unwrap().registration.port);
    assert_eq!(ports, [min(), min() + 1].map(port));
}

#[test]
fn a_batch_is_one_change_and_has_a_limit() {
    let mut bench = Bench::open();
    let pending: Vec<_> =
        (0..MAX_REQUESTS + 1).map(|_| bench.release(Target::Service(name(0)))).collect();
    assert_eq!(bench.committer().next_requests().unwrap().len(), MAX_REQUESTS);
    bench.commit_waiting(1);
    drop(pending);

    let revision = bench.committer().model.seal().revision;
    let pending = [1, 2].map(|service| bench.register(service, RegisterOptions::default()));
    bench.commit_waiting(2);
    assert_eq!(bench.committer().model.seal().revision, revision + 1);
    assert!(pending.into_iter().all(|pending| pending.wait().is_ok()));
}
