//! Hints for what the daemon refused, and for a daemon that did not answer.

use super::Explain;
use crate::api::{Problem, ProblemType};
use crate::cli::Exit;
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
    let Problem { kind, status, hint, service, port, .. } = problem;
    match (kind, service, port) {
        // Only `--new` asks for this status.
        (ProblemType::NameTaken, _, _) if *status == 412 => {
            Some("Drop `--new` to accept it".to_owned())
        }
        (ProblemType::NameTaken, Some(service), _) => Some(format!(
            "Leave the port out to accept it, or release it with `pald del {service}`"
        )),
        // An import: its text names the services, its values don't.
        (ProblemType::NameTaken, None, _) => Some(
            "Release these services first, or replace the registry with `pald import --replace`"
                .to_owned(),
        ),
        (ProblemType::PortTaken, Some(service), _) => {
            Some(format!("`pald del {service}` releases it"))
        }
        (ProblemType::PortTaken, None, None) => {
            Some("Take it out of the dump, or set another `port_listen`".to_owned())
        }
        (ProblemType::PortTaken, None, Some(_)) => None,
        (ProblemType::RangeExhausted, _, _) => {
            let way =
                "Free one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
            // After a semicolon, the daemon's own hint says what uses the ports.
            let users = hint.as_deref().and_then(|hint| hint.split_once("; "));
            Some(users.map_or_else(|| way.to_owned(), |(_, users)| format!("{way}; {users}")))
        }
        // The command knows the name, and whether it makes sense to register it.
        (ProblemType::NotFound, _, _) => None,
        _ => hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_explained_in_terms_of_the_command_line() {
        use ProblemType as Kind;
        let range =
            "Free one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
        let with_users = format!("{range}; node (pid 7) uses 49201");
        // (kind, status, service, port, the daemon's own hint, ours)
        let rows: [(Kind, u16, Option<&str>, Option<u16>, Option<&str>, Option<&str>); 11] = [
            (Kind::NameTaken, 412, Some("a"), Some(1), None, Some("Drop `--new` to accept it")),
            (
                Kind::NameTaken,
                409,
                Some("a"),
                Some(1),
                None,
                Some("Leave the port out to accept it, or release it with `pald del a`"),
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
            (Kind::PortTaken, 409, Some("a"), Some(1), None, Some("`pald del a` releases it")),
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
            (
                Kind::RangeExhausted,
                409,
                None,
                None,
                Some("Use curl; node (pid 7) uses 49201"),
                Some(&with_users),
            ),
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
                lines: Vec::new(),
            };
            assert_eq!(hint_of(&problem).as_deref(), expected, "{problem:?}");
        }
    }
}
