//! A committer on a real store, without its thread, so that each step can be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};

use tempfile::TempDir;

use super::expected::{Entries, Expected};
use super::steps::{Loss, Step};
use super::{listen, max, min, name, name_in_project, occupied, port};
use crate::addresses::Addresses;
use crate::dump::DumpEntry;
use crate::files;
use crate::folder::Folder;
use crate::port::PortRange;
use crate::registration::Registration;
use crate::registry::RegistryOptions;
use crate::registry::batch::Request;
use crate::registry::committer::Committer;
use crate::registry::model::Model;
use crate::registry::pending::Sender;
use crate::registry::{
    Existing, Import, Imported, Pending, ProjectService, ProjectSet, RegisterOptions, Registered,
    RegisteredSet, Target,
};
use crate::short_name::ShortName;
use crate::store::{Contents, Store};

/// The committer, and the only way to it. Two at a time would claim the ports from each other, so the
/// tests run alone.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    committer: Option<Committer>,
    requests: Option<mpsc::Sender<Request>>,
    _occupier: TcpListener,
}

impl Bench {
    pub(super) fn open() -> Self {
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            committer: None,
            requests: None,
            _occupier: TcpListener::bind(("127.0.0.1", occupied())).unwrap(),
        };
        bench.start();
        bench
    }

    pub(super) fn options(&self) -> RegistryOptions {
        RegistryOptions {
            port_range: PortRange::new(port(min()), port(max())).unwrap(),
            port_listen: port(listen()),
            max_holds: 100,
            data_dir: self.folder.path().join("db"),
            dump_file: self.folder.path().join("dump"),
        }
    }

    pub(super) fn start(&mut self) {
        let (committer, requests) = Committer::open(&self.options(), Arc::default()).unwrap();
        (self.committer, self.requests) = (Some(committer), Some(requests));
    }

    /// Ends as a closed registry does, with the dump written.
    pub(super) fn stop(&mut self) {
        self.requests = None;
        self.committer.take().unwrap().run();
    }

    /// Does to a closed store what can happen to one; what is in `<store>.new` never counts.
    pub(super) fn lose_store(&self, loss: Loss) {
        let store = self.options().data_dir;
        let new = files::sibling(&store, ".new");
        match loss {
            Loss::Removed => std::fs::remove_dir_all(&store).unwrap(),
            Loss::Damaged => std::fs::remove_file(store.join("db")).unwrap(),
            Loss::SetAside => {
                std::fs::create_dir(&new).unwrap();
                std::fs::copy(store.join("db"), new.join("db")).unwrap();
                Store::set_aside(&store).unwrap();
            }
        }
    }

    pub(super) fn committer(&mut self) -> &mut Committer {
        self.committer.as_mut().unwrap()
    }

    fn send<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Pending<T> {
        let (sender, pending) = Pending::channel();
        self.requests.as_ref().unwrap().send(request(sender)).unwrap();
        pending
    }

    pub(super) fn register(&self, service: u8, options: RegisterOptions) -> Pending<Registered> {
        self.send(|sender| Request::Register { service: name(service), options, sender })
    }

    pub(super) fn release(&self, target: Target) -> Pending<Vec<Arc<Registration>>> {
        self.send(|sender| Request::Release { targets: vec![target], sender })
    }

    fn set(&self, folder: u8, services: &BTreeSet<u8>) -> Pending<RegisteredSet> {
        let short_name = |text: &str| ShortName::parse(text).unwrap();
        let service = |service: &u8| ProjectService {
            name: short_name(&format!("s{service}")),
            is_shared: false,
            prefer: None,
            addresses: None,
            hold: None,
        };
        let set = ProjectSet {
            folder: Folder::parse(&format!("/checkouts/{folder}")).unwrap(),
            project: short_name("project"),
            labels: vec![None, Some(short_name("x"))],
            services: services.iter().map(service).collect(),
            existing: Existing::Accept,
            own_ports: Vec::new(),
        };
        self.send(|sender| Request::RegisterSet { set, sender })
    }

    pub(super) fn import(&self, import: Import) -> Pending<Imported> {
        self.send(|sender| Request::Import { import, sender })
    }

    /// Commits all that waits, in as many batches as the committer makes of it.
    pub(super) fn commit_waiting(&mut self, mut count: usize) {
        while count > 0 {
            let requests = self.committer().next_requests().unwrap();
            count -= requests.len();
            self.committer().commit(requests);
        }
    }

    /// Sends these requests, and holds each answer against the expected one.
    pub(super) fn change(&mut self, steps: &[Step], expected: &mut Expected) {
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
                        assert_eq!(pending.wait().map(|it| it[0].service.clone()), answer);
                    }));
                }
                Step::Rename { service, label, to } => {
                    let service = match label {
                        Some(label) => name_in_project(label, service % 3),
                        None => name(service),
                    };
                    let answer = expected.rename(service.clone(), name(to));
                    let to = name(to);
                    let pending = self.send(|sender| Request::Rename { service, to, sender });
                    checks.push(Box::new(move || {
                        assert_eq!(pending.wait().map(|it| it.port), answer);
                    }));
                }
                Step::Set { folder, services } => {
                    let answer = expected.set(folder, &services);
                    let pending = self.set(folder, &services);
                    checks.push(Box::new(move || {
                        let ports = |it: RegisteredSet| -> Vec<_> {
                            it.registrations.iter().map(|it| it.port).collect()
                        };
                        assert_eq!(pending.wait().map(ports), answer);
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
                        folder: None,
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

    /// Prunes services, by their place in the order of the ports.
    pub(super) fn prune(&mut self, places: &BTreeSet<usize>, expected: &mut Expected) {
        let all = self.committer().readers.snapshot().registrations;
        let gone: Vec<_> = places.iter().filter_map(|place| all.get(*place)).cloned().collect();
        // One that was seen with another hold is another one by now.
        let other = all.last().filter(|it| !gone.contains(it));
        let other = other.map(|it| Registration { hold: !it.hold, ..Registration::clone(it) });
        let asked = gone.iter().cloned().chain(other.map(Arc::new)).collect();
        let pending = self.send(|sender| Request::Prune { gone: asked, sender });
        expected.start_batch();
        expected.prune(&gone.iter().map(|it| it.service.clone()).collect::<Vec<_>>());
        self.commit_waiting(1);
        assert_eq!(pending.wait(), Ok(gone));
    }

    /// The committer's model, the readers' and what the store loads are the same, and as expected.
    pub(super) fn check(&mut self, expected: &Expected) {
        let committer = self.committer();
        let Contents { registrations, seal, remembered } = committer.store.load().unwrap();
        assert_eq!(remembered.into_iter().collect::<BTreeMap<_, _>>(), expected.remembered);
        assert_eq!(committer.remembered.entries(), &expected.remembered);
        assert_eq!(seal, committer.model.seal());
        assert_eq!(Model::new(registrations.clone(), seal), committer.model);
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
