//! Hints for requests that the daemon refused or did not answer.

use super::Explain;
use crate::api::{Port, Problem, ProblemType};
use crate::cli::Exit;
use crate::client::ClientError;

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
    let Problem { kind, status, hint, service, occupied, .. } = problem;
    match (kind, service) {
        // Only `--new` asks for this status.
        (ProblemType::NameTaken, _) if *status == 412 => {
            Some("Drop `--new` to accept it".to_owned())
        }
        (ProblemType::NameTaken, Some(service)) => Some(format!(
            "Drop `--port` to accept it, or release the service with `pald del {service}`"
        )),
        // An import. Only the text of its problem names the services.
        (ProblemType::NameTaken, None) => Some(
            "Release these services first, or replace the registry with `pald import --replace`"
                .to_owned(),
        ),
        (ProblemType::PortTaken, Some(service)) => {
            Some(format!("Release it with `pald del {service}`"))
        }
        (ProblemType::RangeExhausted, _) => Some(exhausted(occupied)),
        // The command knows the name, and whether it makes sense to register it.
        (ProblemType::NotFound, _) => None,
        _ => hint.clone(),
    }
}

fn exhausted(occupied: &[Port]) -> String {
    let start =
        "Release one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml";
    // A port may have come free since.
    let usages = occupied.iter().filter_map(Port::usage);
    usages.fold(start.to_owned(), |hint, usage| format!("{hint}; {usage}"))
}
