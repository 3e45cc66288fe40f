//! Hints for requests that the daemon refused or did not answer.

use super::Explain;
use crate::api::{Port, Problem, ProblemType, State};
use crate::cli::Exit;
use crate::cli::holder::in_sentence;
use crate::client::ClientError;

impl Explain for ClientError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => return None,
            Self::Nobody { .. } => "Start pald with `pald start`, or in the foreground with `pald`",
            Self::Slow { .. } | Self::Ended { .. } => {
                "If that is pald, see its log; if not, give pald's address with `--url`"
            }
            Self::NotPald { .. } => {
                "Give pald's address with `--url` or PALD_URL, or set another `port_listen`"
            }
            Self::Problem(problem) => return hint_of(problem),
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_client(self)
    }
}

/// Returns a hint in terms of the command line, or else the daemon's own.
fn hint_of(problem: &Problem) -> Option<String> {
    let Problem { kind, status, hint, service, port, occupied, .. } = problem;
    match (kind, service, port) {
        // Only `--new` asks for this status.
        (ProblemType::NameTaken, _, _) if *status == 412 => {
            Some("Drop `--new` to accept it".to_owned())
        }
        (ProblemType::NameTaken, Some(service), _) => Some(format!(
            "Drop `--port` to accept it, or release the service with `pald del {service}`"
        )),
        // An import. Only the text of its problem names the services.
        (ProblemType::NameTaken, None, _) => Some(
            "Release these services first, or replace the registry with `pald import --replace`"
                .to_owned(),
        ),
        (ProblemType::PortTaken, Some(service), _) => {
            Some(format!("Release it with `pald del {service}`"))
        }
        (ProblemType::PortTaken, None, None) => {
            Some("Take it out of the dump, or set another `port_listen`".to_owned())
        }
        (ProblemType::PortTaken, None, Some(_)) => None,
        (ProblemType::RangeExhausted, _, _) => Some(exhausted(occupied)),
        // The command knows the name, and whether it makes sense to register it.
        (ProblemType::NotFound, _, _) => None,
        _ => hint.clone(),
    }
}

fn exhausted(occupied: &[Port]) -> String {
    let start = "Free one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
    occupied
        .iter()
        .filter_map(used_by)
        .fold(start.to_owned(), |hint, used| format!("{hint}; {used}"))
}

/// Describes what uses a port, unless it is free by now.
fn used_by(port: &Port) -> Option<String> {
    let number = port.port;
    let holder = port.holder.as_ref().map(in_sentence);
    let reason = port.reason.as_deref().unwrap_or("something");
    match (port.state, holder) {
        (State::Running, Some(holder)) => Some(format!("{number} is in use by {holder}")),
        (State::Running, None) => Some(format!("{number} is in use")),
        (State::Blocked, Some(holder)) => {
            Some(format!("{number} is blocked by {reason} of {holder}"))
        }
        (State::Blocked, None) => Some(format!("{number} is blocked by {reason}")),
        (State::Idle | State::Unknown, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Holder;

    #[test]
    fn a_problem_is_explained_in_terms_of_the_command_line() {
        use ProblemType as Kind;
        let range =
            "Free one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
        // (kind, status, service, port, the daemon's own hint, ours)
        let rows: [(Kind, u16, Option<&str>, Option<u16>, Option<&str>, Option<&str>); 10] = [
            (Kind::NameTaken, 412, Some("a"), Some(1), None, Some("Drop `--new` to accept it")),
            (
                Kind::NameTaken,
                409,
                Some("a"),
                Some(1),
                None,
                Some("Drop `--port` to accept it, or release the service with `pald del a`"),
            ),
            (
                Kind::NameTaken,
                409,
                None,
                None,
                Some("Use curl"),
                Some(
                    "Release these services first, or replace the registry with `pald import --replace`",
                ),
            ),
            (Kind::PortTaken, 409, Some("a"), Some(1), None, Some("Release it with `pald del a`")),
            (Kind::PortTaken, 409, None, Some(49200), None, None),
            (
                Kind::PortTaken,
                409,
                None,
                None,
                None,
                Some("Take it out of the dump, or set another `port_listen`"),
            ),
            (Kind::RangeExhausted, 409, None, None, None, Some(range)),
            (Kind::RangeExhausted, 409, None, None, Some("Use curl"), Some(range)),
            (Kind::NotFound, 404, None, None, Some("Use curl"), None),
            (Kind::Storage, 500, None, None, Some("Make room"), Some("Make room")),
        ];
        for (kind, status, service, port, own, expected) in rows {
            let problem = Problem {
                kind,
                title: String::new(),
                status,
                detail: String::new(),
                hint: own.map(str::to_owned),
                service: service.map(str::to_owned),
                port,
                occupied: Vec::new(),
                lines: Vec::new(),
            };
            assert_eq!(hint_of(&problem).as_deref(), expected, "{problem:?}");
        }
    }

    #[test]
    fn a_full_range_names_what_uses_its_ports() {
        let holder = Holder {
            pid: Some(812),
            process: Some("node".to_owned()),
            user: "ann".to_owned(),
            since: None,
        };
        let port = |port, state, reason: Option<&str>, holder| Port {
            port,
            state,
            reason: reason.map(str::to_owned),
            reason_code: None,
            service: None,
            holder,
        };
        let occupied = [
            port(49203, State::Running, None, Some(holder)),
            port(49204, State::Blocked, Some("a UDP socket"), None),
            port(49205, State::Idle, None, None),
        ];
        assert_eq!(
            exhausted(&occupied),
            "Free one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml; \
             49203 is in use by node (pid 812); 49204 is blocked by a UDP socket"
        );
    }
}
