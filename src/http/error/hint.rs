//! Hints: what a client of the text routes or of `/v1` can do about an error.
//!
//! Not here: hints that name commands. The command line makes those from a problem's type and values.

use super::{HttpError, Routes};
use crate::api::{self, Port};
use crate::http::parameters::ParameterError;
use crate::registry::ChangeError;

impl HttpError {
    /// Returns what to do about the error, in the terms of these routes.
    pub(in crate::http) fn hint(&self, routes: Routes) -> Option<String> {
        let hint = match self {
            Self::Parameter(ParameterError::Missing("port")) => {
                "Add `-d port=PORT` to the curl command"
            }
            Self::Parameter(ParameterError::Missing(_)) => {
                "Add `-d service=NAME` to the curl command"
            }
            Self::Name(error) => return error.hint(),
            Self::Change(error) => return change(error, routes),
            Self::Exhausted { error, occupied, candidates } => {
                let hint = exhausted(error, occupied, routes)?;
                return Some(api::with_candidates(hint, candidates));
            }
            Self::NotRegistered(_) if routes == Routes::Text => "Register it with /set",
            Self::NotRegistered(_) => "Register it with PUT",
            Self::Refused(refusal) => return refusal.hint(),
            Self::CheckoutGone { .. } => "Release its services first",
            Self::BadLines(_) => "Fix the dump and import it again",
            Self::DumpNotWhole => {
                "Use an undamaged copy; or if you edited the dump, remove pald's comments: \
                 sed 's/# pald:.*//'"
            }
            Self::UnknownPath => "Try /get, /set, /del or /v1/openapi.json",
            Self::Busy => "Try again",
            Self::Panic => "See pald's log, and please report this",
            Self::Parameter(_)
            | Self::Pattern { .. }
            | Self::Json(_)
            | Self::Port(_)
            | Self::Addresses(_)
            | Self::Field { .. }
            | Self::Folder(_)
            | Self::DumpEmpty
            | Self::Method { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn change(error: &ChangeError, routes: Routes) -> Option<String> {
    use Routes::{Text, V1};
    let hint = match (error, routes) {
        (ChangeError::Name(error), _) => return error.hint(),
        (ChangeError::Exhausted { .. }, Text) => {
            "Release one with /del, or raise `port_max` in ~/.pald/config.toml"
        }
        (ChangeError::Exhausted { .. }, V1) => {
            "Release a service, or raise `port_max` in ~/.pald/config.toml"
        }
        (ChangeError::Taken { .. }, Text) => "Release it with /del, or ask for another port",
        (ChangeError::Taken { service, .. }, V1) => {
            return Some(format!("Release {service} first, or ask for another port"));
        }
        (ChangeError::NotNew { .. }, Text) => "Leave `new` out to accept it",
        (ChangeError::NotNew { .. }, V1) => "Leave `If-None-Match` out to accept it",
        (ChangeError::OtherPort { .. }, Text) => {
            "Leave `port` out to accept it, or release it first with /del"
        }
        (ChangeError::OtherPort { service, .. }, V1) => {
            return Some(format!("Leave `port` out to accept it, or release {service} first"));
        }
        (ChangeError::NameTaken { .. }, _) => "Release it first, or choose another name",
        (ChangeError::OtherCheckout { .. }, _) => {
            "Choose a name that begins like those of its checkout's other services"
        }
        (ChangeError::Conflict(_), _) => {
            "Release these services first, or replace the registry with `mode=replace`"
        }
        (ChangeError::OwnPort { .. }, _) => "Remove it from the dump, or set another `port_listen`",
        (ChangeError::TooLarge, _) => "Register fewer services, or fewer addresses for them",
        (ChangeError::Storage(_), _) => "Free up space or repair the disk, then restart pald",
        (ChangeError::Unanswered, _) => "Look the service up once pald is running again",
        (
            ChangeError::NotRegistered(_) | ChangeError::Listening(_) | ChangeError::Probe { .. },
            _,
        ) => return None,
    };
    Some(hint.to_owned())
}

/// The hint of an exhausted range, with what uses the first ports that others have.
fn exhausted(error: &ChangeError, occupied: &[Port], routes: Routes) -> Option<String> {
    let hint = change(error, routes)?;
    // A port may have come free since.
    let usages = occupied.iter().filter_map(Port::usage);
    Some(usages.fold(hint, |hint, usage| format!("{hint}; {usage}")))
}
