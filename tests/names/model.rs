//! Changes of names by chance, against the rules on plain maps: who gets which port, whatever came
//! before.
//!
//! `PALD_NAME_STEPS` says how many steps are made.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::{JSON, pald, post};
use crate::daemon::{Daemon, Home, Reply};
use crate::faults::{PATIENCE, Random, count};

mod rules;

use rules::{Entry, HERE, Outcome, Rules, Wanted};

/// Names outside of projects, of them, and both.
const NAMES: [&str; 13] = [
    "a",
    "b",
    "c",
    "d",
    "shop.web",
    "shop.db",
    "shop.x.web",
    "shop.x.db",
    "shop.x-2.web",
    "shop.mail",
    "shop.y.web",
    "here.web",
    "c.web",
];
type Matches = fn(&str) -> bool;
const GLOBS: [(&str, Matches); 5] = [
    ("shop.*", |name| name.starts_with("shop.")),
    ("*.web", |name| name.ends_with(".web")),
    ("shop.x*.??*", |name| name.starts_with("shop.x") && name.len() > 8),
    ("[ab]", |name| name == "a" || name == "b"),
    ("?", |name| name.len() == 1),
];
/// Checkouts: the first is where the tests run, in a project of its own.
const CHECKOUTS: [(&str, &[&str]); 4] =
    [("here", &[""]), ("shop", &["", "x"]), ("shop", &["x"]), ("shop", &["", "x"])];

/// A pald, and what is true of it.
struct Bench {
    home: Home,
    daemon: Option<Daemon>,
    folders: Vec<PathBuf>,
    listeners: BTreeMap<u16, TcpListener>,
    rules: Rules,
    revision: u64,
}

impl Bench {
    fn new() -> Self {
        let home = Home::new(9);
        let daemon = home.start();
        let top = home.path().canonicalize().unwrap();
        let folder = |number| match number {
            HERE => std::env::current_dir().unwrap(),
            number => top.join(format!("checkout{number}")),
        };
        let folders: Vec<_> = (0..CHECKOUTS.len()).map(folder).collect();
        folders[1..].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        let range = (home.min, home.max);
        let rules = Rules { range, listen: home.listen, ..Rules::default() };
        let listeners = BTreeMap::new();
        Self { home, daemon: Some(daemon), folders, listeners, rules, revision: 0 }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    fn encoded(&self, folder: usize) -> String {
        pald::folder::Folder::of(&self.folders[folder]).unwrap().to_string()
    }

    /// Makes a step by chance; what it was, what should come of it and what did.
    fn step(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let before = self.rules.entries.clone();
        let done = match random.below(100) {
            0..18 => self.set(random),
            18..38 => self.set_project(random),
            38..51 => self.del(random),
            51..53 => self.del_by_pattern(random),
            53..62 => self.mv(random),
            62..75 => self.listen(random),
            75..81 => self.folder(random),
            81..87 => self.prune(),
            87..91 => self.restart(random),
            91..93 => self.restore(),
            _ => self.come_back(random),
        };
        self.revision += u64::from(before != self.rules.entries);
        done
    }

    fn put(&mut self, name: &str, wish: &Value, expected: Outcome) -> (String, Outcome, Outcome) {
        let path = format!("/v1/services/{name}");
        let reply = self.daemon().client.send("PUT", &path, JSON, wish.to_string().as_bytes());
        (format!("set {name} {wish}"), expected, outcome(&reply))
    }

    fn set(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        // One that nobody has had takes what is nobody's.
        let name = match random.below(3) {
            0 => format!("new{}", random.below(1_000_000)),
            _ => NAMES[random.index(NAMES.len())].to_owned(),
        };
        let port = (random.below(3) == 0).then(|| self.port(random));
        let is_move = port.is_some() && random.below(2) == 0;
        let hold = [None, None, Some(true), Some(false)][random.index(4)];
        let expected = self.rules.set(&name, port, is_move, hold);
        self.put(&name, &json!({ "port": port, "move": is_move, "hold": hold }), expected)
    }

    /// A service that was released is set again.
    fn come_back(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let released: Vec<_> = self.rules.remembered.values().cloned().collect();
        if released.is_empty() {
            return self.set(random);
        }
        let name = &released[random.index(released.len())];
        let expected = self.rules.set(name, None, false, None);
        self.put(name, &json!({}), expected)
    }

    /// A port of the range, a little beside it, or pald's own.
    fn port(&self, random: &mut Random) -> u16 {
        self.home.listen + u16::try_from(random.below(12)).unwrap()
    }

    fn set_project(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let folder = random.index(CHECKOUTS.len());
        let (project, labels) = CHECKOUTS[folder];
        let mut services = Vec::new();
        for name in ["web", "db", "mail"] {
            if random.below(3) > 0 {
                let prefer = (random.below(3) == 0).then(|| self.port(random));
                services.push(Wanted { name, is_shared: name == "mail", prefer });
            }
        }
        let is_move = random.below(3) == 0;
        let expected = self.rules.set_project(project, folder, labels, &services, is_move);
        let services: Vec<_> = services
            .iter()
            .map(|it| json!({ "name": it.name, "shared": it.is_shared, "prefer": it.prefer }))
            .collect();
        let wish = json!({
            "folder": self.encoded(folder), "project": project, "labels": labels,
            "services": services, "move": is_move,
        });
        let reply = post(&self.daemon().client, "/v1/services", &wish);
        (format!("set of a project {wish}"), expected, outcome(&reply))
    }

    fn del(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let registered: Vec<_> = self.rules.entries.keys().cloned().collect();
        let name = |random: &mut Random| match registered.len() {
            // Now and then one that is not registered.
            0 => NAMES[random.index(NAMES.len())].to_owned(),
            _ if random.below(12) == 0 => NAMES[random.index(NAMES.len())].to_owned(),
            length => registered[random.index(length)].clone(),
        };
        let names: Vec<_> = (0..=random.below(3)).map(|_| name(random)).collect();
        let expected = self.rules.del(&names);
        let reply = post(&self.daemon().client, "/v1/release", &json!({ "services": names }));
        (format!("del {names:?}"), expected.map(sorted), outcome(&reply).map(sorted))
    }

    /// Through the command, which knows patterns.
    fn del_by_pattern(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let (glob, matches) = GLOBS[random.index(GLOBS.len())];
        let matching = self.rules.entries.keys().filter(|name| matches(name));
        let names: Vec<_> = matching.cloned().collect();
        let expected = match names.is_empty() {
            true => Err("not-found"),
            false => self.rules.del(&names).map(|_| Vec::new()),
        };
        let seen = match pald(&self.home, &format!("del --yes {glob}")).0 {
            Some(0) => Ok(Vec::new()),
            Some(1) => Err("not-found"),
            _ => Err("another exit code"),
        };
        (format!("del --yes {glob}"), expected, seen)
    }

    fn mv(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let [from, to] = [(); 2].map(|()| NAMES[random.index(NAMES.len())]);
        let expected = self.rules.mv(from, to);
        let path = format!("/v1/services/{from}/rename");
        let reply = post(&self.daemon().client, &path, &json!({ "name": to }));
        (format!("mv {from} {to}"), expected, outcome(&reply))
    }

    /// A server starts or ends.
    fn listen(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let released: Vec<_> = self.rules.remembered.range(self.home.min..=self.home.max).collect();
        let port = match random.below(2) {
            0 if !released.is_empty() => *released[random.index(released.len())].0,
            _ => self.home.min + u16::try_from(random.below(9)).unwrap(),
        };
        let address = ("127.0.0.1", port);
        match self.listeners.remove(&port) {
            None => drop(self.listeners.insert(port, TcpListener::bind(address).unwrap())),
            Some(listener) => {
                drop(listener);
                // A program that another test starts has a copy for a moment, until it runs.
                let closed = Instant::now();
                while TcpStream::connect(address).is_ok() {
                    assert!(closed.elapsed() < PATIENCE, "{port} is still listened on");
                }
            }
        }
        self.rules.in_use = self.listeners.keys().copied().collect();
        (format!("listen on {:?}", self.rules.in_use), Ok(Vec::new()), Ok(Vec::new()))
    }

    /// A folder goes, or comes back.
    fn folder(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let number = 1 + random.index(CHECKOUTS.len() - 1);
        match self.rules.gone.remove(&number) {
            true => fs::create_dir(&self.folders[number]).unwrap(),
            false => {
                fs::remove_dir(&self.folders[number]).unwrap();
                self.rules.gone.insert(number);
            }
        }
        (format!("gone are {:?}", self.rules.gone), Ok(Vec::new()), Ok(Vec::new()))
    }

    fn prune(&mut self) -> (String, Outcome, Outcome) {
        let names = self.rules.left_over();
        let expected = self.rules.del(&names).map(sorted);
        let client = &self.daemon().client;
        let shown = client.get("/v1/prune").json();
        let gone = shown["services"].as_array().unwrap().iter();
        let gone: Vec<_> = gone.filter(|it| it["kept"].is_null()).collect();
        let ports = gone.iter().map(|it| u16::try_from(it["port"].as_u64().unwrap()).unwrap());
        let ports: Vec<_> = ports.collect();
        let gone: Vec<_> = gone.iter().map(|it| it["name"].clone()).collect();
        let pruned = post(client, "/v1/prune", &json!({ "services": gone }));
        assert_eq!(pruned.json()["released"], json!(gone));
        (format!("prune {names:?}"), expected, Ok(sorted(ports)))
    }

    fn restart(&mut self, random: &mut Random) -> (String, Outcome, Outcome) {
        let (daemon, is_kill) = (self.daemon.take().unwrap(), random.below(2) == 0);
        match is_kill {
            true => daemon.kill(),
            false => assert_eq!(daemon.stop().0, Some(0)),
        }
        self.daemon = Some(self.home.start());
        (format!("restart, kill: {is_kill}"), Ok(Vec::new()), Ok(Vec::new()))
    }

    /// The store is lost. The dump does not say whose released ports were.
    fn restore(&mut self) -> (String, Outcome, Outcome) {
        // Nothing is restored from an empty dump.
        if !self.rules.entries.is_empty() {
            assert_eq!(self.daemon.take().unwrap().stop().0, Some(0));
            fs::remove_dir_all(self.home.file("db")).unwrap();
            self.daemon = Some(self.home.start());
            self.rules.remembered.clear();
        }
        ("restore".to_owned(), Ok(Vec::new()), Ok(Vec::new()))
    }

    /// The registry as it is, and its revision.
    fn seen(&self) -> (BTreeMap<String, Entry>, u64) {
        let list = self.daemon().get("/v1/services?state=false").json();
        let folders: Vec<_> = (0..CHECKOUTS.len()).map(|folder| self.encoded(folder)).collect();
        let entry = |it: &Value| {
            let folder = it["folder"].as_str();
            let folder = folder.map(|it| folders.iter().position(|own| own == it).unwrap());
            let port = it["port"].as_u64().unwrap().try_into().unwrap();
            let entry = Entry { port, hold: it["hold"].as_bool().unwrap(), folder };
            (it["name"].as_str().unwrap().to_owned(), entry)
        };
        let entries = list["services"].as_array().unwrap().iter().map(entry);
        (entries.collect(), list["revision"].as_u64().unwrap())
    }
}

/// The ports in a reply, or the type of its problem.
fn outcome(reply: &Reply) -> Outcome {
    let json = reply.json();
    let port = |it: &Value| u16::try_from(it["port"].as_u64().unwrap()).unwrap();
    match (reply.status, &json["services"]) {
        (200 | 201, Value::Array(services)) => Ok(services.iter().map(port).collect()),
        (200 | 201, _) => Ok(vec![port(&json)]),
        _ => {
            let kind = json["type"].as_str().unwrap().rsplit(':').next().unwrap();
            let known = ["not-found", "name-taken", "port-taken", "pool-exhausted"];
            Err(known.into_iter().find(|it| *it == kind).unwrap_or("another problem"))
        }
    }
}

fn sorted(mut ports: Vec<u16>) -> Vec<u16> {
    ports.sort_unstable();
    ports
}

#[test]
fn each_name_has_the_port_that_the_rules_give_it_whatever_came_before() {
    let (mut random, mut bench) = (Random::new(), Bench::new());
    let mut steps = Vec::new();
    for number in 0..count("PALD_NAME_STEPS", 200) {
        let (step, expected, seen) = bench.step(&mut random);
        steps.push(step);
        let last = || steps[steps.len().saturating_sub(40)..].join("\n");
        assert_eq!(seen, expected, "step {number} of\n{}\n{:#?}", last(), bench.rules);
        let expected = (bench.rules.entries.clone(), bench.revision);
        assert_eq!(bench.seen(), expected, "step {number} of\n{}\n{:#?}", last(), bench.rules);
    }
    let Rules { came_back, kept_away, lost, .. } = bench.rules;
    println!("{came_back} ports came back, {kept_away} did not, {lost} went to others");
    assert!(came_back > 0 && lost > 0, "{came_back} {lost}");
}
