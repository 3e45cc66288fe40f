//! The committer on a real store, against a model of two plain maps.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, mpsc};

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::dump;
use crate::registry::recovery::open_store;
use crate::store::Contents;

/// The first of a run of ports that nobody uses, below those that the kernel gives away by itself.
static FIRST: LazyLock<u16> = LazyLock::new(|| {
    let start = 12_000 + u16::try_from(std::process::id() % 15_000).unwrap();
    let is_free = |number: u16| matches!(Claimer::default().claim(port(number)), Ok(Ok(_)));
    (start..start + 5_000).step_by(20).find(|first| (*first..first + 20).all(is_free)).unwrap()
});

fn min() -> u16 {
    *FIRST + 5
}

fn max() -> u16 {
    min() + 7
}

/// The listening port lies inside the range, so that skipping it is part of every run.
fn listen() -> u16 {
    min() + 3
}

#[derive(Debug, Clone)]
enum Operation {
    /// One batch of changes.
    Change(Vec<Step>),
    /// The store is closed and opened again.
    Restart,
    /// The store is gone, and the next start imports this dump: the model's own and one more.
    Import { service: u8, port: u16 },
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Set(u8),
    Del(u16),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let step = prop_oneof![
        3 => (0u8..12).prop_map(Step::Set),
        2 => (min() - 1..=max() + 1).prop_map(Step::Del),
    ];
    let operation = prop_oneof![
        8 => proptest::collection::vec(step, 1..6).prop_map(Operation::Change),
        1 => Just(Operation::Restart),
        1 => (0u8..12, min() - 5..max() + 5)
            .prop_map(|(service, port)| Operation::Import { service, port }),
    ];
    proptest::collection::vec(operation, 1..16)
}

fn name(service: u8) -> ServiceName {
    ServiceName::parse(format!("service-{service}")).unwrap()
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

/// What the registry should hold: service to port.
#[derive(Default)]
struct Model(BTreeMap<ServiceName, Port>);

impl Model {
    fn set(&mut self, service: ServiceName) -> Result<Port, ChangeError> {
        if let Some(port) = self.0.get(&service) {
            return Ok(*port);
        }
        let is_free =
            |number: &u16| *number != listen() && self.service_at(port(*number)).is_none();
        let port_range = PortRange::new(port(min()), port(max())).unwrap();
        let exhausted = ChangeError::Exhausted {
            port_range,
            size: usize::from(max() - min()),
            occupied: 0,
            holders: "".into(),
        };
        let lowest = port((min()..=max()).find(is_free).ok_or(exhausted)?);
        self.0.insert(service, lowest);
        Ok(lowest)
    }

    fn del(&mut self, port: Port) -> Result<ServiceName, ChangeError> {
        let service =
            self.service_at(port).ok_or(ChangeError::NotRegistered(Target::Port(port)))?;
        self.0.remove(&service);
        Ok(service)
    }

    fn service_at(&self, port: Port) -> Option<ServiceName> {
        self.0.iter().find(|(_, owner)| **owner == port).map(|(service, _)| service.clone())
    }
}

/// Whoever uses the ports: two benches at a time would claim them from each other.
static PORTS: Mutex<()> = Mutex::new(());

/// A committer without its thread, so that each step can be looked at.
struct Bench {
    folder: TempDir,
    committer: Option<Committer>,
    /// Where the committer is sent what waits for it.
    messages: Option<mpsc::Sender<Message>>,
    _ports: MutexGuard<'static, ()>,
}

impl Bench {
    fn new() -> Self {
        let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        Self { folder: tempfile::tempdir().unwrap(), committer: None, messages: None, _ports }
    }

    fn options(&self) -> RegistryOptions {
        RegistryOptions {
            port_range: PortRange::new(port(min()), port(max())).unwrap(),
            port_listen: port(listen()),
            port_listen_before: None,
            max_holds: 0,
            data_dir: self.folder.path().join("db"),
            dump_file: self.folder.path().join("dump"),
        }
    }

    fn open(&mut self) {
        let options = self.options();
        let (store, Contents { registrations, seal }) = open_store(&options).unwrap();
        let view = Arc::new(SharedView::new(registrations, seal));
        // The dump is only an input here, so it is not refreshed.
        let elsewhere = self.folder.path().join("refreshed");
        let refresher = Refresher::start(elsewhere, String::new).unwrap();
        let holds = Holds::start(std::iter::empty(), 0).unwrap();
        let (messages, inbox) = Inbox::channel();
        self.messages = Some(messages);
        self.committer = Some(Committer::new(
            &options,
            store,
            view,
            holds,
            refresher,
            inbox,
            Failure::default(),
        ));
    }

    fn committer(&mut self) -> &mut Committer {
        self.committer.as_mut().unwrap()
    }

    /// Commits one batch, while which nothing is gathered.
    fn commit(&mut self, requests: Vec<Request>) {
        assert!(self.committer().commit(requests.into()).requests.is_empty());
    }

    /// Commits one batch; every answer must be the model's.
    fn change(&mut self, steps: &[Step], model: &mut Model) {
        let (mut requests, mut ports, mut services) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            match *step {
                Step::Set(service) => {
                    let (answer, pending) = oneshot::channel();
                    requests.push(Request::Register {
                        service: name(service),
                        options: RegisterOptions::default(),
                        answer,
                    });
                    ports.push((pending, model.set(name(service))));
                }
                Step::Del(number) => {
                    let (answer, pending) = oneshot::channel();
                    requests.push(Request::Release { target: Target::Port(port(number)), answer });
                    services.push((pending, model.del(port(number))));
                }
            }
        }
        self.commit(requests);
        for (mut pending, expected) in ports {
            let answer = pending.try_recv().unwrap();
            assert_eq!(answer.map(|registered| registered.registration.port), expected);
        }
        for (mut pending, expected) in services {
            let answer = pending.try_recv().unwrap();
            assert_eq!(answer.map(|registration| registration.service.clone()), expected);
        }
    }

    /// Writes the view as the dump and loses the store.
    fn lose_store_but_dump(&mut self, model: &mut Model, service: u8, number: u16) {
        let committer = self.committer.take().unwrap();
        let (registrations, seal) = committer.view.read().snapshot();
        let mut text = dump::render(registrations.iter().map(Arc::as_ref), seal);
        if !model.0.contains_key(&name(service)) && model.service_at(port(number)).is_none() {
            // A dump that pald has not written is imported as it is.
            text = text
                .lines()
                .map(|line| line.split("# pald").next().unwrap().to_owned() + "\n")
                .collect();
            text.push_str(&format!("{} {number}\n", name(service)));
            model.0.insert(name(service), port(number));
        }
        drop(committer);
        std::fs::write(self.options().dump_file, text).unwrap();
        std::fs::remove_dir_all(self.options().data_dir).unwrap();
    }

    /// The view, both trees and the seal agree with the model.
    fn check(&mut self, model: &Model) {
        let committer = self.committer();
        let contents = committer.store.load().unwrap();
        let stored = contents.registrations.iter().map(|a| (a.service.clone(), a.port)).collect();
        assert_eq!(&model.0, &stored);
        let view = committer.view.read();
        assert_eq!(view.seal(), contents.seal);
        let (shown, _) = view.snapshot();
        assert_eq!(shown.len(), model.0.len());
        for (service, port) in &model.0 {
            assert_eq!(view.port_of(service.as_ref()), Some(*port));
            assert_eq!(view.registration_at(*port).unwrap().service, *service);
            assert!(view.registered().contains(*port));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn store_and_view_follow_the_model(operations in operations()) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        bench.open();
        for operation in operations {
            match operation {
                Operation::Change(steps) => bench.change(&steps, &mut model),
                Operation::Restart => {
                    bench.committer = None;
                    bench.open();
                }
                Operation::Import { service, port } => {
                    bench.lose_store_but_dump(&mut model, service, port);
                    bench.open();
                }
            }
            bench.check(&model);
        }
    }
}

#[test]
fn after_a_failure_nothing_is_shown_and_changes_are_refused() {
    let mut bench = Bench::new();
    let mut model = Model::default();
    bench.open();
    bench.change(&[Step::Set(1)], &mut model);
    bench.committer().failure.set("the disk is full".into()).unwrap();
    let refused = ChangeError::Storage("the disk is full".into());

    let (answer, mut set) = oneshot::channel();
    let (other_answer, mut del) = oneshot::channel();
    bench.commit(vec![
        Request::Register { service: name(2), options: RegisterOptions::default(), answer },
        Request::Release { target: Target::Port(port(min())), answer: other_answer },
    ]);
    assert_eq!(set.try_recv().unwrap(), Err(refused.clone()));
    assert_eq!(del.try_recv().unwrap(), Err(refused));
    bench.check(&model);

    // What changes nothing is still answered.
    bench.change(&[Step::Set(1)], &mut model);
}

#[test]
fn what_a_batch_releases_is_claimed_by_none_before_it_is_stored() {
    // It met pald's own hold, and the next batch took it for a stranger's.
    let mut bench = Bench::new();
    bench.open();
    bench.change(&[Step::Set(1)], &mut Model::default());
    let mut claimer = Claimer::default();
    let port_range = PortRange::new(port(min()), port(max())).unwrap();
    let view = bench.committer().view.read();
    let mut batch = Batch::new(&view, port_range, port(listen()), &mut claimer, HashMap::new());
    batch.release(Target::Port(port(min()))).unwrap();
    assert!(batch.finish().claimable.taken.contains(port(min())));
}

#[test]
fn what_waits_joins_the_batch_until_the_registry_is_closed() {
    let mut bench = Bench::new();
    bench.open();
    let register = |service| {
        let (answer, pending) = oneshot::channel();
        let options = RegisterOptions::default();
        (Request::Register { service: name(service), options, answer }, pending)
    };
    let (first, first_pending) = register(0);
    let (second, second_pending) = register(1);
    let (late, mut late_pending) = register(2);
    let sender = bench.messages.take().unwrap();
    for message in [Message::Request(second), Message::Close, Message::Request(late)] {
        sender.send(message).unwrap();
    }

    let revision = bench.committer().view.read().seal().revision;
    bench.commit(vec![first]);
    assert_eq!(bench.committer().view.read().seal().revision, revision + 1);
    let ports = [first_pending, second_pending]
        .map(|mut pending| pending.try_recv().unwrap().unwrap().registration.port);
    assert_eq!(ports, [min(), min() + 1].map(port));

    // The sender is still there, but nothing more is taken from it.
    bench.committer.take().unwrap().run();
    assert_eq!(late_pending.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    drop(sender);
}

#[test]
fn a_panic_on_the_way_to_the_disk_ends_changes_and_nothing_else() {
    let mut bench = Bench::new();
    let mut model = Model::default();
    bench.open();
    bench.change(&[Step::Set(1)], &mut model);
    bench.committer().commit_or_stop(|_| panic!("for the test"));
    let (answer, mut set) = oneshot::channel();
    bench.commit(vec![Request::Register {
        service: name(2),
        options: RegisterOptions::default(),
        answer,
    }]);
    let refused = ChangeError::Storage("pald has made a mistake; its log says more".into());
    assert_eq!(set.try_recv().unwrap(), Err(refused));
    bench.change(&[Step::Set(1)], &mut model);
    bench.check(&model);
}
