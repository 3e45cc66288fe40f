//! Changes, restarts and failing disks, one byte each, on a real store and against a plain map.
//!
//! While its disk fails the registry refuses changes, shows none of them, and goes on answering
//! lookups; after a restart everything that it has acknowledged is there.
#![no_main]

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use pald::port::{Port, PortRange};
use pald::registry::{
    ChangeError, OccupiedCount, OpenError, RegisterOptions, Registry, RegistryOptions, Target,
};
use pald::service_name::ServiceName;
use tempfile::TempDir;

const MIN: u16 = 100;
const MAX: u16 = 107;
/// The listening port lies inside the range, so that skipping it is part of every run.
const LISTEN: u16 = 103;
/// How many services there are: more than ports.
const SERVICES: u8 = 10;
const MAX_OPERATIONS: usize = 64;

fuzz_target!(|input: &[u8]| {
    static START: Once = Once::new();
    START.call_once(prepare_process);
    let mut world = World::new();
    for byte in input.iter().take(MAX_OPERATIONS) {
        world.take(Operation::of(*byte));
        world.check();
    }
});

/// Lets a write that is over the limit fail, instead of ending the process.
fn prepare_process() {
    // SAFETY: no handler of ours runs; the signal is ignored.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
}

/// sled never frees the first error that it met; a process meets one.
#[unsafe(no_mangle)]
extern "C" fn __lsan_default_suppressions() -> *const c_char {
    c"leak:sled::config::Config>::set_global_error".as_ptr()
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Set(u8),
    Del(u16),
    /// The disk fails from here on, in one of several ways.
    Fail(Fault),
    /// What failed is mended; the registry is not told.
    Mend,
    /// The registry is closed, what failed is mended, and it is opened again.
    Restart,
    /// The registry is closed and its store is lost; the dump is there.
    Lose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The store's folder is elsewhere.
    Moved,
    /// The store's file is elsewhere, and another one is in its place.
    Replaced,
    /// No file can be written.
    Full,
}

impl Operation {
    fn of(byte: u8) -> Self {
        let low = byte & 0x0f;
        match byte >> 4 {
            0..=7 => Self::Set(low % SERVICES),
            8..=11 => Self::Del(MIN - 1 + u16::from(low % 10)),
            12 => Self::Fail([Fault::Moved, Fault::Replaced, Fault::Full][usize::from(low % 3)]),
            13 => Self::Mend,
            14 => Self::Restart,
            _ => Self::Lose,
        }
    }
}

/// Service to port.
type Model = BTreeMap<u8, u16>;

/// What a change makes of the model: the answer, and the model afterwards.
type Changed<T> = (Result<T, ChangeError>, Option<Model>);

fn set(model: &Model, service: u8) -> Changed<Port> {
    if let Some(number) = model.get(&service) {
        return (Ok(port(*number)), None);
    }
    let is_free = |number: &u16| *number != LISTEN && model.values().all(|taken| taken != number);
    match (MIN..=MAX).find(is_free) {
        Some(number) => {
            let mut after = model.clone();
            after.insert(service, number);
            (Ok(port(number)), Some(after))
        }
        None => {
            let (port_range, size) = (port_range(), usize::from(MAX - MIN));
            (
                Err(ChangeError::Exhausted {
                    port_range,
                    size,
                    occupied: OccupiedCount::default(),
                    first_occupied: Vec::new(),
                }),
                None,
            )
        }
    }
}

fn del(model: &Model, number: u16) -> Changed<ServiceName> {
    match model.iter().find(|(_, taken)| **taken == number) {
        Some((service, _)) => {
            let mut after = model.clone();
            after.remove(service);
            (Ok(name(*service)), Some(after))
        }
        None => (Err(ChangeError::NotRegistered(Target::Port(port(number)))), None),
    }
}

/// A registry in a folder of its own, and what it should hold.
struct World {
    folder: TempDir,
    registry: Option<Registry>,
    /// What was acknowledged.
    model: Model,
    fault: Option<Fault>,
    /// The first change that was refused because of a fault may be on the disk nevertheless.
    refused: Option<Model>,
}

impl World {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("pald-fuzz-").tempdir_in(place).unwrap();
        let mut world =
            Self { folder, registry: None, model: Model::new(), fault: None, refused: None };
        world.registry = Some(world.open().unwrap());
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Result<Registry, OpenError> {
        Registry::open(RegistryOptions {
            port_range: port_range(),
            port_listen: port(LISTEN),
            max_holds: 0,
            data_dir: self.path("db"),
            dump_file: self.path("dump"),
        })
    }

    fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("it is closed only while it is restarted")
    }

    fn take(&mut self, operation: Operation) {
        match operation {
            Operation::Set(service) => {
                let changed = set(&self.model, service);
                let answer =
                    self.registry().register(name(service), RegisterOptions::default()).wait();
                self.expect(answer.map(|registered| registered.registration.port), changed);
            }
            Operation::Del(number) => {
                let changed = del(&self.model, number);
                let answer = self.registry().release(vec![Target::Port(port(number))]).wait();
                self.expect(answer.map(|released| released[0].service.clone()), changed);
            }
            Operation::Fail(fault) if self.fault.is_none() => self.fail(fault),
            Operation::Fail(_) => {}
            Operation::Mend => self.mend(),
            Operation::Restart => self.restart(),
            Operation::Lose => self.lose(),
        }
    }

    /// The answer must be the model's, or a refusal if there was something to store and can't be.
    fn expect<T: PartialEq + std::fmt::Debug>(
        &mut self,
        answer: Result<T, ChangeError>,
        (expected, after): Changed<T>,
    ) {
        let Some(after) = after else { return assert_eq!(answer, expected) };
        if self.fault.is_none() && self.refused.is_none() {
            assert_eq!(answer, expected);
            self.model = after;
        } else {
            assert!(matches!(answer, Err(ChangeError::Storage(_))), "{answer:?}");
            self.refused.get_or_insert(after);
        }
    }

    fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Moved => fs::rename(self.path("db"), self.path("elsewhere")).unwrap(),
            Fault::Replaced => {
                fs::rename(self.path("db/db"), self.path("elsewhere")).unwrap();
                fs::copy(self.path("elsewhere"), self.path("db/db")).unwrap();
            }
            Fault::Full => limit_files(Some(0)),
        }
        self.fault = Some(fault);
    }

    fn mend(&mut self) {
        match self.fault.take() {
            Some(Fault::Moved) => fs::rename(self.path("elsewhere"), self.path("db")).unwrap(),
            Some(Fault::Replaced) => {
                fs::rename(self.path("elsewhere"), self.path("db/db")).unwrap()
            }
            Some(Fault::Full) => limit_files(None),
            None => {}
        }
    }

    fn restart(&mut self) {
        self.registry = None;
        self.mend();
        let registry = self.open().unwrap();
        if let Some(refused) = self.refused.take()
            && holds(&registry, &refused)
        {
            self.model = refused;
        }
        self.registry = Some(registry);
    }

    /// The dump is written when the registry is closed, and tells all that was shown.
    fn lose(&mut self) {
        self.mend();
        self.registry = None;
        fs::remove_dir_all(self.path("db")).unwrap();
        self.refused = None;
        self.registry = Some(self.open().unwrap());
    }

    fn check(&self) {
        assert!(holds(self.registry(), &self.model), "not what was acknowledged: {:?}", self.model);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.registry = None;
        self.mend();
    }
}

fn holds(registry: &Registry, model: &Model) -> bool {
    let is_right = |service| {
        registry.lookup(&name(service)) == model.get(&service).map(|number| port(*number))
    };
    registry.len() == model.len() && (0..SERVICES).all(is_right)
}

/// Limits the size that files of this process can be written to, in bytes.
fn limit_files(size: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, size.unwrap_or(hard), hard).unwrap();
}

fn name(service: u8) -> ServiceName {
    ServiceName::parse(format!("service-{service}")).unwrap()
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn port_range() -> PortRange {
    PortRange::new(port(MIN), port(MAX)).unwrap()
}
