//! Why a request was not done, and the one table from that to problem types and statuses.

use actix_web::body::MessageBody;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use thiserror::Error;

use super::body::BodyError;
use super::guard::Refusal;
use super::parameters::ParameterError;
use super::reply;
use crate::addresses::AddressesError;
use crate::api::{Candidate, Port, ProblemType};
use crate::dump::BadLine;
use crate::files::Shown;
use crate::folder::{Folder, FolderError};
use crate::port::PortError;
use crate::quoted::Quoted;
use crate::registry::{ChangeError, Target};
use crate::service_name::{ServiceName, ServiceNameError};
use crate::short_name::ShortName;

mod hint;

/// Why a request was not done.
#[derive(Debug, Error)]
pub(super) enum HttpError {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("The pattern {pattern} can't be used: {reason}")]
    Pattern { pattern: Quoted, reason: &'static str },
    #[error("The JSON in the body is wrong: {0}")]
    Json(String),
    #[error(transparent)]
    Name(#[from] ServiceNameError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Addresses(#[from] AddressesError),
    #[error("{}", bad_lines(.0))]
    BadLines(Vec<BadLine>),
    #[error("The dump has no services; nothing was imported")]
    DumpEmpty,
    #[error("The dump is incomplete, or was edited after pald wrote it; nothing was imported")]
    DumpNotWhole,
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// No port is left. `occupied` says what uses the first ports that others have, `candidates` who may
    /// need none any more.
    #[error("{error}")]
    Exhausted { error: ChangeError, occupied: Vec<Port>, candidates: Vec<Candidate> },
    #[error("{project} is registered for the checkout {}, which is gone", Shown(&.folder.path()))]
    CheckoutGone { project: ShortName, folder: Folder },
    #[error("{name} is {value}; it must be {allowed}")]
    Field { name: &'static str, value: Quoted, allowed: &'static str },
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The answer to a lookup; a change answers with the registry's own error.
    #[error("{0} is not registered")]
    NotRegistered(ServiceName),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("This method is not allowed here; use {allow}")]
    Method { allow: &'static str },
    #[error("There is nothing at this path")]
    UnknownPath,
    #[error("pald is busy with long answers to other users")]
    Busy,
    #[error("Internal error: pald could not finish this request")]
    Panic,
}

/// The two kinds of routes. Their clients get other statuses, and hints in other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routes {
    /// `/get`, `/set` and `/del`.
    Text,
    /// Those under `/v1`.
    V1,
}

/// Refuses a method that a path does not take.
pub(super) fn refuse_method(allow: &'static str) -> Result<HttpResponse, HttpError> {
    Err(HttpError::Method { allow })
}

fn bad_lines(lines: &[BadLine]) -> String {
    match lines {
        [BadLine { number, error }] => format!("Line {number}: {error}; nothing was imported"),
        lines => format!("The dump has {} bad lines; nothing was imported", lines.len()),
    }
}

impl From<BodyError> for HttpError {
    fn from(error: BodyError) -> Self {
        Self::Parameter(error.into())
    }
}

/// A row of the table of errors.
pub(super) struct Row {
    pub(super) kind: ProblemType,
    /// The status on a text route, as clients of the 2015 program expect it.
    pub(super) text: u16,
    /// The status under `/v1`.
    pub(super) v1: u16,
}

impl HttpError {
    /// Returns the row of the one table.
    pub(super) fn row(&self) -> Row {
        use ProblemType as Kind;
        match self {
            Self::Parameter(ParameterError::Body(error)) => match error {
                BodyError::Slow => row(Kind::Blank, 408, 408),
                BodyError::Long { .. } => row(Kind::Blank, 400, 413),
                BodyError::Broken => row(Kind::Blank, 400, 400),
                BodyError::Compressed(_) | BodyError::Type { .. } | BodyError::Untyped { .. } => {
                    row(Kind::Blank, 400, 415)
                }
            },
            Self::Parameter(_)
            | Self::Pattern { .. }
            | Self::Json(_)
            | Self::Field { .. }
            | Self::Folder(_)
            | Self::Addresses(_) => row(Kind::Blank, 400, 400),
            Self::CheckoutGone { .. } => row(Kind::NameTaken, 409, 409),
            Self::Name(_) => row(Kind::NameInvalid, 400, 400),
            Self::Port(_) => row(Kind::PortOutOfRange, 400, 400),
            Self::BadLines(_) | Self::DumpEmpty | Self::DumpNotWhole => {
                row(Kind::DumpInvalid, 400, 400)
            }
            Self::NotRegistered(_) => row(Kind::NotFound, 404, 404),
            Self::Change(error) | Self::Exhausted { error, .. } => row_of_change(error),
            Self::Refused(refusal) => match refusal {
                Refusal::HostMissing | Refusal::Host(_) | Refusal::Target => {
                    row(Kind::HostNotAllowed, 403, 403)
                }
                Refusal::CrossSite | Refusal::Unasked | Refusal::NotPage | Refusal::OldBrowser => {
                    row(Kind::CrossSite, 403, 403)
                }
                Refusal::User(_) | Refusal::UnknownUser => row(Kind::UserNotAllowed, 403, 403),
            },
            Self::Method { .. } => row(Kind::Blank, 405, 405),
            Self::UnknownPath => row(Kind::NotFound, 404, 404),
            Self::Busy => row(Kind::Blank, 503, 503),
            Self::Panic => row(Kind::Blank, 500, 500),
        }
    }

    /// Makes a reply of this status, with the headers that the error needs.
    pub(super) fn reply(
        &self,
        status: u16,
        content_type: HeaderValue,
        body: impl MessageBody + 'static,
    ) -> HttpResponse {
        let status = StatusCode::from_u16(status).expect("the table has only real statuses");
        let mut response = reply::new(status, content_type, body);
        if let Self::Method { allow } = self {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Self::Parameter(ParameterError::Body(BodyError::Slow | BodyError::Long { .. })) =
            self
        {
            // The rest of the body may still arrive.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }
}

fn row(kind: ProblemType, text: u16, v1: u16) -> Row {
    Row { kind, text, v1 }
}

fn row_of_change(error: &ChangeError) -> Row {
    use ProblemType as Kind;
    match error {
        ChangeError::NotRegistered(Target::Service(_)) => row(Kind::NotFound, 404, 404),
        ChangeError::NotRegistered(Target::Port(_)) => row(Kind::NotFound, 400, 404),
        ChangeError::Taken { .. } | ChangeError::Listening(_) | ChangeError::OwnPort { .. } => {
            row(Kind::PortTaken, 400, 409)
        }
        ChangeError::Name(_) => row(Kind::NameInvalid, 400, 400),
        ChangeError::NotNew { .. } => row(Kind::NameTaken, 400, 412),
        ChangeError::OtherPort { .. } | ChangeError::Conflict(_) => row(Kind::NameTaken, 400, 409),
        ChangeError::NameTaken { .. } | ChangeError::OtherCheckout { .. } => {
            row(Kind::NameTaken, 409, 409)
        }
        ChangeError::Exhausted { .. } => row(Kind::RangeExhausted, 412, 409),
        ChangeError::Storage(_) | ChangeError::Unanswered => row(Kind::Storage, 500, 500),
        ChangeError::TooLarge => row(Kind::Storage, 500, 507),
        ChangeError::Probe { .. } => row(Kind::Blank, 500, 500),
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.row().text).expect("the table has only real statuses")
    }

    fn error_response(&self) -> HttpResponse {
        let text = match self.hint(Routes::Text) {
            Some(hint) => format!("{self}\nhint: {hint}\n"),
            None => format!("{self}\n"),
        };
        self.reply(self.row().text, reply::TEXT, text)
    }
}
