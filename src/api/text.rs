//! How what uses a port reads in a sentence, for curl and for the command line.

use std::fmt;

use super::{Candidate, Holder, Port, Service, State};

/// How many holders a sentence names before it counts the others.
const MAX_NAMED: usize = 3;

impl fmt::Display for Holder {
    /// `node (pid 8812)`, or `user root; process not visible`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.process, self.pid) {
            (Some(process), Some(pid)) => write!(f, "{process} (pid {pid})"),
            (None, Some(pid)) => write!(f, "pid {pid}"),
            (_, None) => write!(f, "{}; process not visible", self.whose()),
        }
    }
}

impl Holder {
    /// `user ann`, or `a user outside this namespace`.
    pub fn whose(&self) -> String {
        // No name of a user has a blank.
        let user = if self.user.contains(' ') { "" } else { "user " };
        format!("{user}{}", self.user)
    }
}

/// Names holders in a sentence: `node (pid 8812), sleep (pid 9) and 2 more`; `None` if there are none.
pub fn names(holders: &[&Holder]) -> Option<String> {
    let (named, more) = match holders.len() {
        ..=MAX_NAMED => (holders.len(), 0),
        all => (MAX_NAMED - 1, all - (MAX_NAMED - 1)),
    };
    let mut names: Vec<String> = holders.iter().take(named).map(ToString::to_string).collect();
    names.extend((more > 0).then(|| format!("{more} more")));
    let last = names.pop()?;
    if names.is_empty() { Some(last) } else { Some(format!("{} and {last}", names.join(", "))) }
}

/// Adds to a hint about a full range which services nobody may need any more.
pub fn with_candidates(hint: String, candidates: &[Candidate]) -> String {
    let Some(first) = candidates.first() else { return hint };
    let named = candidates.iter().map(|it| {
        let date = it.created_at.split('T').next().unwrap_or_default();
        if it.gone { it.name.clone() } else { format!("{} ({date})", it.name) }
    });
    let named = named.collect::<Vec<_>>().join(", ");
    match first.gone {
        true => format!("{hint}; the folder is gone of {named}: `pald prune` releases them"),
        false => format!(
            "{hint}; registered long ago, and nothing runs there: {named}; `pald del {}`",
            first.name
        ),
    }
}

/// All holders; pald 0.1 tells of one only.
fn all<'a>(holders: &'a [Holder], holder: Option<&'a Holder>) -> Vec<&'a Holder> {
    match holders {
        [] => holder.into_iter().collect(),
        holders => holders.iter().collect(),
    }
}

impl Service {
    /// All that use its port.
    pub fn all_holders(&self) -> Vec<&Holder> {
        all(&self.holders, self.holder.as_ref())
    }
}

impl Port {
    /// All that use it.
    pub fn all_holders(&self) -> Vec<&Holder> {
        all(&self.holders, self.holder.as_ref())
    }

    /// Says what uses the port, as in `49201 is in use by node (pid 8812)`; `None` if nothing does.
    pub fn usage(&self) -> Option<String> {
        let (port, reason) = (self.port, self.reason.as_deref().unwrap_or("something"));
        match (self.state, names(&self.all_holders())) {
            (State::Idle, _) => None,
            (State::Running, Some(holders)) => Some(format!("{port} is in use by {holders}")),
            (State::Running, None) => Some(format!("{port} is in use")),
            (State::Blocked, Some(holders)) => {
                Some(format!("{port} is blocked by {reason}: {holders}"))
            }
            (State::Blocked, None) => Some(format!("{port} is blocked by {reason}")),
            (State::Unknown, _) => Some(format!("what uses {port} is unknown: {reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_a_port_but_idle_has_its_sentence() {
        let holder = |process: Option<&str>, pid| Holder {
            pid,
            process: process.map(str::to_owned),
            command: None,
            user: "ann".to_owned(),
            since: None,
            folder: None,
            service: None,
        };
        let node = holder(Some("node"), Some(812));
        let rows = [
            (State::Idle, None, None, None),
            (State::Running, None, Some(&node), Some("9 is in use by node (pid 812)")),
            (State::Running, None, Some(&holder(None, Some(812))), Some("9 is in use by pid 812")),
            (
                State::Running,
                None,
                Some(&holder(None, None)),
                Some("9 is in use by user ann; process not visible"),
            ),
            (State::Running, None, None, Some("9 is in use")),
            (
                State::Blocked,
                Some("a UDP socket"),
                Some(&node),
                Some("9 is blocked by a UDP socket: node (pid 812)"),
            ),
            (State::Blocked, Some("a UDP socket"), None, Some("9 is blocked by a UDP socket")),
            (State::Unknown, Some("no answer"), None, Some("what uses 9 is unknown: no answer")),
        ];
        for (state, reason, holder, expected) in rows {
            let port = Port {
                port: 9,
                state,
                reason: reason.map(str::to_owned),
                reason_code: None,
                service: None,
                holder: holder.cloned(),
                holders: Vec::new(),
                verdict: None,
                held: false,
            };
            assert_eq!(port.usage().as_deref(), expected, "{port:?}");
        }
    }

    #[test]
    fn several_holders_are_named_in_their_order() {
        let holder = |pid: u32| Holder {
            pid: Some(pid),
            process: Some("node".to_owned()),
            command: None,
            user: "ann".to_owned(),
            since: None,
            folder: None,
            service: None,
        };
        let all: Vec<Holder> = (1..=5).map(holder).collect();
        let rows = [
            (0, None),
            (1, Some("node (pid 1)")),
            (2, Some("node (pid 1) and node (pid 2)")),
            (3, Some("node (pid 1), node (pid 2) and node (pid 3)")),
            (5, Some("node (pid 1), node (pid 2) and 3 more")),
        ];
        for (count, expected) in rows {
            let holders: Vec<&Holder> = all.iter().take(count).collect();
            assert_eq!(names(&holders).as_deref(), expected, "{count}");
        }
        let outside =
            Holder { pid: None, process: None, user: "a user outside".to_owned(), ..holder(1) };
        assert_eq!(outside.to_string(), "a user outside; process not visible");
    }
}
