//! The committer on a real store, with real holds, against a registry of plain maps.

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Wake};

use proptest::prelude::*;

use super::*;
use crate::addresses::Addresses;
use crate::dump::{self, DumpEntry};
use crate::probe;
use crate::registry::{Import, ImportMode, Pending, RegisterOptions, Registered, Target};
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::testing::{has_passed_alone, wait_until};

mod bench;
mod expected;
mod steps;

use bench::Bench;
use expected::Expected;
use steps::{Action, Loss, Step, actions};

/// The first of a run of ports that nobody uses, below those that the kernel gives away by itself.
static FIRST: LazyLock<u16> = LazyLock::new(|| {
    // Tests that run at the same time are processes that begin at different ones.
    let start = 12_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 20;
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

/// The name of a project's service in the checkout of this label, which has a dot at its end.
fn name_in_project(label: &str, service: u8) -> ServiceName {
    ServiceName::parse(format!("project.{label}s{service}")).unwrap()
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn addresses(number: u8) -> Addresses {
    Addresses::parse(format!("10.0.0.{number}")).unwrap()
}

/// How many random registries the model test goes through; each has some 40 steps.
fn cases() -> u32 {
    std::env::var("PALD_MODEL_CASES").map_or(40, |cases| cases.parse().unwrap())
}

#[test]
fn the_registry_follows_the_model_with_holds_on() {
    if has_passed_alone() {
        return;
    }
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() };
    proptest!(config, |(actions in actions())| {
        let mut bench = Bench::open();
        let mut expected = Expected::default();
        for action in actions {
            match action {
                Action::Requests(steps) => bench.change(&steps, &mut expected),
                Action::Prune(places) => bench.prune(&places, &mut expected),
                Action::Restart => {
                    bench.stop();
                    bench.start();
                }
                Action::LoseStore(loss) => {
                    let id = bench.committer().model.seal().id;
                    bench.stop();
                    // An empty dump says nothing of what the registry was.
                    let is_empty = expected.entries.is_empty();
                    bench.lose_store(if is_empty { Loss::Removed } else { loss });
                    // The dump does not say whose released ports were.
                    expected.remembered.clear();
                    if is_empty {
                        std::fs::remove_file(record_place(&bench.options().data_dir)).unwrap();
                    }
                    bench.start();
                    assert_eq!(bench.committer().model.seal().id == id, !is_empty);
                }
            }
            bench.check(&expected);
        }
    });
}

#[test]
fn a_claimed_port_is_held_when_the_answer_comes() {
    if !probe::HOLDS_PORTS {
        return eprintln!("skipped: pald holds no ports on this system");
    }
    if has_passed_alone() {
        return;
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
fn a_hold_follows_what_its_registration_says() {
    if !probe::HOLDS_PORTS {
        return eprintln!("skipped: pald holds no ports on this system");
    }
    if has_passed_alone() {
        return;
    }
    let mut bench = Bench::open();
    let watch = bench.committer().holds.watch();
    for is_held in [true, false, true] {
        let options = RegisterOptions { hold: Some(is_held), ..RegisterOptions::default() };
        let pending = bench.register(1, options);
        bench.commit_waiting(1);
        let port = pending.wait().unwrap().registration.port;
        // A hold that is switched on again is taken by another thread.
        wait_until(|| watch.is_held(port) == is_held);
    }
    // A change of something else leaves the very hold.
    let lowest = watch.inode_at(port(min()));
    assert!(lowest.is_some());
    let elsewhere = RegisterOptions { addresses: Some(addresses(1)), ..RegisterOptions::default() };
    let first = bench.register(1, elsewhere);
    let held = |hold| RegisterOptions { hold: Some(hold), ..RegisterOptions::default() };
    let second = [bench.register(2, held(false)), bench.register(2, held(true))];
    bench.commit_waiting(3);
    let first = first.wait().unwrap().registration.port;
    let [second, _] = second.map(|it| it.wait().unwrap().registration.port);
    assert!(first < second);
    // The lower port is tried first.
    wait_until(|| watch.is_held(second));
    assert_eq!((first, watch.inode_at(first)), (port(min()), lowest));
}

#[test]
fn after_a_failure_readers_see_the_last_durable_state_and_no_change_is_accepted() {
    if has_passed_alone() {
        return;
    }
    let mut bench = Bench::open();
    let mut expected = Expected::default();
    let set = |service| Step::Register { service, options: RegisterOptions::default() };
    bench.change(&[set(1)], &mut expected);
    let (db, aside) = (bench.options().data_dir, bench.folder.path().join("aside"));
    let dump = bench.committer().readers.snapshot().parts().collect::<String>();

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
    assert_eq!(committer.readers.snapshot().parts().collect::<String>(), dump);
    bench.stop();
    assert_eq!(std::fs::read_to_string(bench.options().dump_file).unwrap(), dump);
}

/// A client that panics when it is woken by its answer.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("for the test");
    }
}

#[test]
fn a_panic_ends_changes_and_nothing_else() {
    if has_passed_alone() {
        return;
    }
    let mut bench = Bench::open();
    let mut expected = Expected::default();
    expected.start_batch();
    for service in [1, 2] {
        expected.register(name(service), &RegisterOptions::default()).unwrap();
    }
    let mut panics = pin!(bench.register(1, RegisterOptions::default()));
    let waker = Arc::new(Panics).into();
    assert!(panics.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let unanswered = bench.register(2, RegisterOptions::default());
    let requests = bench.committer().next_requests().unwrap();
    bench.committer().commit_or_fail(requests);
    assert_eq!(unanswered.wait(), Err(ChangeError::Unanswered));

    let refused = bench.register(3, RegisterOptions::default());
    bench.commit_waiting(1);
    let reason = "internal error; pald's log says more".into();
    assert_eq!(refused.wait(), Err(ChangeError::Storage(reason)));
    // The panic came after the batch was stored and shown.
    bench.check(&expected);
}

#[test]
fn what_waits_is_committed_before_the_end() {
    if has_passed_alone() {
        return;
    }
    let mut bench = Bench::open();
    let first = bench.register(0, RegisterOptions::default());
    let second = bench.register(1, RegisterOptions::default());
    bench.stop();
    let ports = [first, second].map(|pending| pending.wait().unwrap().registration.port);
    assert_eq!(ports, [min(), min() + 1].map(port));
}

#[test]
fn a_batch_is_one_change_and_has_a_limit() {
    if has_passed_alone() {
        return;
    }
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

/// The port of an unchanged `port_listen` may be a service's: a first start can have imported it.
#[test]
fn a_new_port_to_listen_on_must_be_nobodys() {
    let registered = dump::parse(b"shop 7").unwrap().registrations();
    let model = Model::new(registered, Seal::default());
    let before = |number| DbRecord { port_listen: Some(port(number)), ..DbRecord::default() };
    // (where pald listens, where it listened before, whether it is refused)
    let rows = [
        (8, None, false),
        (8, Some(before(7)), false),
        (7, None, false),
        (7, Some(DbRecord::default()), false),
        (7, Some(before(7)), false),
        (7, Some(before(8)), true),
    ];
    for (listen, before, expected) in rows {
        let refused = check_listen(&model, port(listen), before.as_ref());
        assert_eq!(refused.is_err(), expected, "{listen} {before:?}");
        if let Err(error) = refused {
            let found = matches!(&error, OpenError::ListenRegistered { service, .. }
                if service.as_str() == "shop");
            assert!(found, "{error:?}");
        }
    }
}

/// A change of many services stores the registry anew, and the next start finds it.
#[test]
fn a_change_of_many_services_is_there_after_a_restart() {
    if has_passed_alone() {
        return;
    }
    for count in [MANY - 1, MANY, MANY + 1] {
        let mut bench = Bench::open();
        let entry = |number: usize| DumpEntry {
            service: ServiceName::parse(format!("s{number}")).unwrap(),
            port: port(u16::try_from(40_000 + number).unwrap()),
            addresses: Addresses::default(),
            created_at: None,
            hold: Some(false),
            folder: None,
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        let import = Import { entries, mode: ImportMode::Merge, dry_run: false };
        let pending = bench.import(import);
        bench.commit_waiting(1);
        assert_eq!(pending.wait().unwrap().added.len(), count);
        let model = bench.committer().model.clone();
        assert_eq!(model.len(), count);
        bench.stop();
        bench.start();
        assert_eq!(bench.committer().model, model, "{count}");
    }
}
