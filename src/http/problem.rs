//! Turns errors under `/v1` into `application/problem+json`.

use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;
use actix_web::error::InternalError;
use actix_web::http::StatusCode;

use super::error::{HttpError, Routes, Row};
use super::reply;
use crate::api::{Candidate, LineProblem, Port, Problem, ProblemType};
use crate::registry::{ChangeError, Target};

/// How many bad lines of a dump a problem lists at most.
const MAX_LISTED_LINES: usize = 20;

/// Turns the error of a handler, or one before it ran, into a problem; leaves other answers alone.
pub(super) fn to_problem(
    answered: Result<ServiceResponse, actix_web::Error>,
) -> Result<ServiceResponse, actix_web::Error> {
    match answered {
        Ok(answer) => match answer.response().error().and_then(|error| error.as_error()) {
            Some(error) => {
                let response = response(error);
                Ok(answer.into_response(response))
            }
            None => Ok(answer),
        },
        Err(error) => match error.as_error::<HttpError>() {
            Some(known) => {
                let response = response(known);
                Err(InternalError::from_response(error, response).into())
            }
            None => Err(error),
        },
    }
}

fn response(error: &HttpError) -> HttpResponse {
    let Row { kind, v1, .. } = error.row();
    let (service, port) = named_by(error);
    let problem = Problem {
        kind,
        title: title(kind, v1).to_owned(),
        status: v1,
        detail: error.to_string(),
        hint: error.hint(Routes::V1),
        service,
        port,
        lines: lines(error),
        occupied: occupied(error),
        candidates: candidates(error),
    };
    error.reply(v1, reply::PROBLEM, reply::to_json(&problem))
}

/// Returns the service and the port that the error names.
fn named_by(error: &HttpError) -> (Option<String>, Option<u16>) {
    match error {
        HttpError::Change(
            ChangeError::Taken { port, service }
            | ChangeError::OtherPort { service, registered: port, .. }
            | ChangeError::NotNew { service, port }
            | ChangeError::NameTaken { service, port },
        ) => (Some(service.to_string()), Some(port.number())),
        HttpError::NotRegistered(service)
        | HttpError::Change(ChangeError::NotRegistered(Target::Service(service))) => {
            (Some(service.to_string()), None)
        }
        HttpError::Change(
            ChangeError::NotRegistered(Target::Port(port))
            | ChangeError::Listening(port)
            | ChangeError::OwnPort { port, .. },
        ) => (None, Some(port.number())),
        _ => (None, None),
    }
}

fn lines(error: &HttpError) -> Vec<LineProblem> {
    let HttpError::BadLines(lines) = error else { return Vec::new() };
    let listed = lines.iter().take(MAX_LISTED_LINES);
    listed.map(|bad| LineProblem { line: bad.number, reason: bad.error.to_string() }).collect()
}

fn occupied(error: &HttpError) -> Vec<Port> {
    let HttpError::Exhausted { occupied, .. } = error else { return Vec::new() };
    occupied.clone()
}

fn candidates(error: &HttpError) -> Vec<Candidate> {
    let HttpError::Exhausted { candidates, .. } = error else { return Vec::new() };
    candidates.clone()
}

fn title(kind: ProblemType, status: u16) -> &'static str {
    match kind {
        ProblemType::NotFound => "Not registered, or no such path",
        ProblemType::NameInvalid => "Invalid service name",
        ProblemType::NameTaken => "The service is already registered",
        ProblemType::PortTaken => "The port is already registered",
        ProblemType::PortOutOfRange => "Invalid port",
        ProblemType::RangeExhausted => "No ports available",
        ProblemType::HostNotAllowed => "Host not allowed",
        ProblemType::CrossSite => "Web pages of other sites are not allowed",
        ProblemType::UserNotAllowed => "User not allowed",
        ProblemType::Storage => "The change can't be stored",
        ProblemType::DumpInvalid => "The dump can't be imported",
        // RFC 9457 section 4.2.1.
        ProblemType::Blank => StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown"),
    }
}
