//! How what uses a port reads in a sentence, for curl and for the command line.

use std::fmt;

use super::{Holder, Port, State};

impl fmt::Display for Holder {
    /// `node (pid 8812)`, or `user root; process not visible`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.process, self.pid) {
            (Some(process), Some(pid)) => write!(f, "{process} (pid {pid})"),
            (None, Some(pid)) => write!(f, "pid {pid}"),
            (_, None) => write!(f, "user {}; process not visible", self.user),
        }
    }
}

impl Port {
    /// Says what uses the port, as in `49201 is in use by node (pid 8812)`; `None` if nothing does.
    pub fn usage(&self) -> Option<String> {
        let (port, reason) = (self.port, self.reason.as_deref().unwrap_or("something"));
        match (self.state, &self.holder) {
            (State::Idle, _) => None,
            (State::Running, Some(holder)) => Some(format!("{port} is in use by {holder}")),
            (State::Running, None) => Some(format!("{port} is in use")),
            (State::Blocked, Some(holder)) => {
                Some(format!("{port} is blocked by {reason}: {holder}"))
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
            user: "ann".to_owned(),
            since: None,
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
            };
            assert_eq!(port.usage().as_deref(), expected, "{port:?}");
        }
    }
}
