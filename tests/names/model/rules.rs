//! The rules of names and ports, on plain maps.

use std::collections::{BTreeMap, BTreeSet};

use pald::probe::LACKS;

/// The checkout where the tests run, so that what they listen on is its own.
pub(super) const HERE: usize = 0;

/// What is registered under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) port: u16,
    pub(super) hold: bool,
    /// The number of the checkout.
    pub(super) folder: Option<usize>,
}

/// The ports of a change, or the type of the problem.
pub(super) type Outcome = Result<Vec<u16>, &'static str>;

/// A service of a project's set.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) is_shared: bool,
    pub(super) prefer: Option<u16>,
}

/// The registry as it should be, and the machine as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    pub(super) range: (u16, u16),
    pub(super) listen: u16,
    pub(super) entries: BTreeMap<String, Entry>,
    /// Released ports, and whose they were.
    pub(super) remembered: BTreeMap<u16, String>,
    /// Ports on which a process listens that works in the checkout [`HERE`].
    pub(super) in_use: BTreeSet<u16>,
    /// Checkouts whose folder is gone.
    pub(super) gone: BTreeSet<usize>,
    /// How often a service has got a port that it had released.
    pub(super) came_back: usize,
    /// How often it has not, since a foreign server listened there.
    pub(super) kept_away: usize,
    /// How often a port went to another service than the one that had released it.
    pub(super) lost: usize,
}

impl Rules {
    /// Ports that a change gives to nobody: what it releases stays taken until it is on disk.
    fn taken(&self) -> BTreeSet<u16> {
        self.entries.values().map(|entry| entry.port).chain([self.listen]).collect()
    }

    fn forget(&mut self, name: &str, port: u16) {
        self.remembered.retain(|remembered, owner| *remembered != port && owner != name);
    }

    fn insert(&mut self, name: &str, entry: Entry) {
        self.came_back +=
            usize::from(self.remembered.get(&entry.port).is_some_and(|it| it == name));
        self.lost += usize::from(self.remembered.get(&entry.port).is_some_and(|it| it != name));
        self.forget(name, entry.port);
        self.entries.insert(name.to_owned(), entry);
    }

    fn release(&mut self, name: &str) -> u16 {
        let port = self.entries.remove(name).unwrap().port;
        self.forget(name, port);
        self.remembered.insert(port, name.to_owned());
        port
    }

    /// The port that a new service gets by itself: the one that it released last, or the lowest that is
    /// nobody's, or the lowest.
    fn port_for(
        &mut self,
        name: &str,
        folder: Option<usize>,
        prefer: Option<u16>,
        taken: &BTreeSet<u16>,
    ) -> Result<u16, &'static str> {
        let released = self.remembered.iter().find(|(_, owner)| *owner == name);
        let released = released.map(|(port, _)| *port).filter(|port| !taken.contains(port));
        if let Some(port) = released {
            let is_here_known = self.entries.values().any(|entry| entry.folder == Some(HERE));
            let is_elsewhere = folder.is_some_and(|folder| folder != HERE);
            let is_foreign = is_here_known && is_elsewhere && LACKS.is_none();
            if !(is_foreign && self.in_use.contains(&port)) {
                return Ok(port);
            }
            self.kept_away += 1;
        }
        let is_free = |port: &u16| !taken.contains(port) && !self.in_use.contains(port);
        let free = || (self.range.0..=self.range.1).filter(is_free);
        let nobodys = || free().find(|port| !self.remembered.contains_key(port));
        prefer.or_else(nobodys).or_else(|| free().next()).ok_or("pool-exhausted")
    }

    pub(super) fn set(
        &mut self,
        name: &str,
        port: Option<u16>,
        is_move: bool,
        hold: Option<bool>,
    ) -> Outcome {
        let taken = self.taken();
        let known = self.entries.get(name).cloned();
        let is_other = |wanted: u16| known.as_ref().is_none_or(|known| known.port != wanted);
        let wanted = port.filter(|wanted| is_other(*wanted));
        if known.is_some() && wanted.is_some() && !is_move {
            return Err("name-taken");
        }
        if wanted.is_some_and(|wanted| taken.contains(&wanted)) {
            return Err("port-taken");
        }
        let entry = match (known, wanted) {
            (Some(known), wanted) => Entry {
                port: wanted.unwrap_or(known.port),
                hold: hold.unwrap_or(known.hold),
                ..known
            },
            (None, Some(port)) => Entry { port, hold: hold.unwrap_or(true), folder: None },
            (None, None) => {
                let port = self.port_for(name, None, None, &taken)?;
                Entry { port, hold: hold.unwrap_or(true), folder: None }
            }
        };
        let port = entry.port;
        self.insert(name, entry);
        Ok(vec![port])
    }

    pub(super) fn del(&mut self, names: &[String]) -> Outcome {
        if names.iter().any(|name| !self.entries.contains_key(name)) {
            return Err("not-found");
        }
        let distinct: BTreeSet<_> = names.iter().collect();
        Ok(distinct.into_iter().map(|name| self.release(name)).collect())
    }

    pub(super) fn mv(&mut self, from: &str, to: &str) -> Outcome {
        let Some(entry) = self.entries.get(from).cloned() else { return Err("not-found") };
        if from != to {
            if self.entries.contains_key(to) || self.would_mix(from, &entry, to) {
                return Err("name-taken");
            }
            self.entries.remove(from);
            self.insert(to, entry.clone());
        }
        Ok(vec![entry.port])
    }

    /// Whether a checkout would have two labels of a project, or two checkouts one.
    fn would_mix(&self, from: &str, entry: &Entry, to: &str) -> bool {
        let (Some(folder), Some(project)) = (entry.folder, to.split('.').next()) else {
            return false;
        };
        let Some(label) = label(to, project) else { return false };
        let mut others = self.of_project(project).filter(|(name, ..)| *name != from);
        others.any(|(_, other, it)| it.folder.is_some_and(|it| (it == folder) != (other == label)))
    }

    /// The services of a project, with their labels; the main checkout's is empty.
    fn of_project<'a>(
        &'a self,
        project: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a Entry)> {
        let labelled =
            move |(name, entry): (&'a String, _)| Some((&**name, label(name, project)?, entry));
        self.entries.iter().filter_map(labelled)
    }

    /// The label that a checkout has or gets; or else the one of a checkout that is gone is in the way.
    fn label_for(
        &self,
        project: &str,
        folder: usize,
        labels: &[&str],
    ) -> Result<String, &'static str> {
        if let Some((_, own, _)) = self.of_project(project).find(|it| it.2.folder == Some(folder)) {
            return Ok(own.to_owned());
        }
        let last = labels.last().unwrap();
        let numbered = (2..).map(|number| format!("{last}-{number}"));
        for label in labels.iter().map(|&label| label.to_owned()).chain(numbered) {
            let mut of_label = self.of_project(project).filter(|it| it.1 == label);
            let owner = of_label.find_map(|it| it.2.folder);
            let is_taken = self
                .of_project(project)
                .any(|(_, other, it)| other == label && (it.folder.is_some() || !label.is_empty()));
            if !is_taken {
                return Ok(label);
            }
            let is_idle = |owner| {
                let mut own = self.of_project(project).filter(|it| it.2.folder == Some(owner));
                own.all(|it| !self.in_use.contains(&it.2.port))
            };
            if owner.is_some_and(|owner| self.gone.contains(&owner) && is_idle(owner)) {
                return Err("name-taken");
            }
        }
        unreachable!()
    }

    /// Registers services of a project for a checkout, all or none.
    pub(super) fn set_project(
        &mut self,
        project: &str,
        folder: usize,
        labels: &[&str],
        services: &[Wanted],
        is_move: bool,
    ) -> Outcome {
        let label = self.label_for(project, folder, labels)?;
        let (before, mut taken, mut ports) = (self.clone(), self.taken(), Vec::new());
        let is_main = label.is_empty();
        for Wanted { name, is_shared, prefer } in services {
            let name = match is_main || *is_shared {
                true => format!("{project}.{name}"),
                false => format!("{project}.{label}.{name}"),
            };
            let prefer = prefer.filter(|port| {
                let is_own = folder == HERE && LACKS.is_none();
                is_main && !taken.contains(port) && (is_own || !self.in_use.contains(port))
            });
            let own = (!is_shared).then_some(folder);
            let entry = match self.entries.get(&name).cloned() {
                Some(known) => Entry {
                    port: prefer.filter(|_| is_move).unwrap_or(known.port),
                    folder: own.map(|own| known.folder.unwrap_or(own)),
                    ..known
                },
                None => match self.port_for(&name, own, prefer, &taken) {
                    Ok(port) => Entry { port, hold: true, folder: own },
                    Err(error) => {
                        *self = before;
                        return Err(error);
                    }
                },
            };
            taken.insert(entry.port);
            ports.push(entry.port);
            self.insert(&name, entry);
        }
        Ok(ports)
    }

    /// The services that a prune releases.
    pub(super) fn left_over(&self) -> Vec<String> {
        let is_gone = |it: &Entry| it.folder.is_some_and(|folder| self.gone.contains(&folder));
        let idle = self.entries.iter().filter(|(_, it)| !self.in_use.contains(&it.port));
        idle.filter(|(_, it)| is_gone(it)).map(|(name, _)| name.clone()).collect()
    }
}

/// The label in a name of a project's service.
fn label<'a>(name: &'a str, project: &str) -> Option<&'a str> {
    match name.split('.').collect::<Vec<_>>()[..] {
        [of, _] if of == project => Some(""),
        [of, label, _] if of == project => Some(label),
        _ => None,
    }
}
