//! Hints for requests that the daemon refused or did not answer.

use super::Explain;
use crate::api::{Candidate, Port, Problem, ProblemType, with_candidates};
use crate::cli::Exit;
use crate::cli::error::release_or_other;
use crate::client::ClientError;
use crate::service_name::ServiceName;

impl Explain for ClientError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => return None,
            Self::NotListening { .. } => {
                "Start pald with `pald start`, or in the foreground with `pald`"
            }
            Self::Slow { .. } | Self::Ended { .. } => {
                "If that is pald, see its log; if not, give pald's address with `--url`"
            }
            Self::NotPald { .. } => {
                "Give pald's address with `--url` or PALD_URL, or set another `port_listen`"
            }
            Self::OtherUser(_) => {
                "If you mean to use that user's pald, set `daemon_user`; if not, have that program \
                 stopped, or set another `port_listen`"
            }
            // The command knows which process to restart.
            Self::TooOld { .. } => "Restart pald",
            Self::Problem(problem) => return hint_of(problem),
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::of_client(self)
    }
}

/// Returns a hint in terms of the command line.
///
/// The daemon's own hint is left alone: it is for curl, and what answers may not be pald.
fn hint_of(problem: &Problem) -> Option<String> {
    let Problem { kind, status, service, occupied, candidates, .. } = problem;
    // It becomes part of a command.
    let service = service.as_ref().and_then(|name| ServiceName::parse(name).ok());
    match (kind, service) {
        // Only `--new` asks for this status.
        (ProblemType::NameTaken, _) if *status == 412 => {
            Some("Drop `--new` to accept it".to_owned())
        }
        (ProblemType::NameTaken, Some(_)) => {
            Some("Drop `--port` to accept it, or add `--move` to move it".to_owned())
        }
        // An import. Only the text of its problem names the services.
        (ProblemType::NameTaken, None) => Some(
            "Release these services first, or replace the registry with `pald import --replace`"
                .to_owned(),
        ),
        (ProblemType::PortTaken, Some(service)) => Some(release_or_other(service.as_str())),
        (ProblemType::RangeExhausted, _) => {
            let is_legal = |it: &&Candidate| ServiceName::parse(&it.name).is_ok();
            let legal: Vec<_> = candidates.iter().filter(is_legal).cloned().collect();
            Some(with_candidates(exhausted(occupied), &legal))
        }
        // The command knows the name, and whether it makes sense to register it.
        (ProblemType::NotFound, _) => None,
        (kind, _) => by_kind(*kind, *status).map(str::to_owned),
    }
}

fn by_kind(kind: ProblemType, status: u16) -> Option<&'static str> {
    Some(match kind {
        ProblemType::HostNotAllowed => {
            "Ask for localhost, or add the name to `allowed_hosts` in that pald's configuration"
        }
        ProblemType::UserNotAllowed => {
            "The owner of that pald may add you to `allow_users` in its configuration"
        }
        ProblemType::Storage if status == 507 => {
            "Register fewer services, or fewer addresses for them"
        }
        ProblemType::Storage => "Free up space or repair the disk, then restart pald",
        ProblemType::DumpInvalid => {
            "Use an undamaged copy; or if you edited the dump, remove pald's comments: \
             sed 's/# pald:.*//'"
        }
        ProblemType::Blank if status >= 500 => "See pald's log",
        _ => return None,
    })
}

fn exhausted(occupied: &[Port]) -> String {
    let start =
        "Release one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
    // A port may have come free since.
    let usages = occupied.iter().filter_map(Port::usage);
    usages.fold(start.to_owned(), |hint, usage| format!("{hint}; {usage}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_here_becomes_a_hint() {
        use ProblemType as Kind;
        let rows = [
            (Kind::NameTaken, 412, Some("a"), Some("Drop `--new` to accept it")),
            (
                Kind::PortTaken,
                409,
                Some("a"),
                Some("Release it with `pald del a`, or ask for another port"),
            ),
            (Kind::PortTaken, 409, Some("a; evil"), None),
            (Kind::PortTaken, 409, None, None),
            (Kind::NotFound, 404, None, None),
            (Kind::Storage, 500, None, Some("Free up space or repair the disk, then restart pald")),
            (
                Kind::Storage,
                507,
                None,
                Some("Register fewer services, or fewer addresses for them"),
            ),
            (Kind::PortOutOfRange, 400, None, None),
            (
                Kind::NameTaken,
                409,
                Some("a"),
                Some("Drop `--port` to accept it, or add `--move` to move it"),
            ),
            (
                Kind::HostNotAllowed,
                403,
                None,
                Some(
                    "Ask for localhost, or add the name to `allowed_hosts` in that pald's configuration",
                ),
            ),
            (
                Kind::UserNotAllowed,
                403,
                None,
                Some("The owner of that pald may add you to `allow_users` in its configuration"),
            ),
            (
                Kind::DumpInvalid,
                400,
                None,
                Some(
                    "Use an undamaged copy; or if you edited the dump, remove pald's comments: \
                     sed 's/# pald:.*//'",
                ),
            ),
            (Kind::Blank, 500, None, Some("See pald's log")),
            (Kind::Blank, 499, None, None),
        ];
        for (kind, status, service, expected) in rows {
            let problem = Problem {
                kind,
                title: String::new(),
                status,
                detail: String::new(),
                hint: Some("Run `evil`".to_owned()),
                service: service.map(str::to_owned),
                port: None,
                occupied: Vec::new(),
                candidates: Vec::new(),
                lines: Vec::new(),
            };
            assert_eq!(hint_of(&problem).as_deref(), expected, "{problem:?}");
        }
    }
}
