//! The form of all replies, and the one table from what went wrong to a status.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use thiserror::Error;

use super::guard::Refusal;
use super::parameters::ParameterError;
use crate::port::PortError;
use crate::registry::ChangeError;
use crate::service_name::{ServiceName, ServiceNameError};

/// Why a request was not done.
#[derive(Debug, Error)]
pub(super) enum HttpError {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error(transparent)]
    Name(#[from] ServiceNameError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0} is not registered")]
    NotRegistered(ServiceName),
    #[error("This method is not allowed here; use {allow}")]
    Method { allow: &'static str },
    #[error("There is nothing at this path")]
    UnknownPath,
    #[error("pald has made a mistake; nothing was changed that was not answered before")]
    Panic,
}

impl HttpError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Parameter(error) => error.hint(),
            Self::Name(error) => error.hint(),
            Self::Change(error) => error.hint(),
            Self::Refused(refusal) => refusal.hint(),
            Self::NotRegistered(service) => Some(format!("`/set?service={service}` registers it")),
            Self::UnknownPath => Some("Try /get, /set or /del".to_owned()),
            Self::Panic => Some("The log of pald says more; please report it".to_owned()),
            Self::Port(_) | Self::Method { .. } => None,
        }
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Parameter(ParameterError::SlowBody) => StatusCode::REQUEST_TIMEOUT,
            Self::Parameter(_) | Self::Name(_) | Self::Port(_) => StatusCode::BAD_REQUEST,
            Self::Change(
                ChangeError::NotRegistered(_)
                | ChangeError::Taken { .. }
                | ChangeError::HasAnother { .. }
                | ChangeError::Listening(_),
            ) => StatusCode::BAD_REQUEST,
            Self::Change(ChangeError::Exhausted { .. }) => StatusCode::PRECONDITION_FAILED,
            Self::Change(
                ChangeError::Storage(_) | ChangeError::Unanswered | ChangeError::Probe { .. },
            ) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotRegistered(_) | Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = text(self.status_code());
        if let Self::Method { allow } = self {
            response.insert_header((header::ALLOW, *allow));
        }
        if let Self::Parameter(ParameterError::SlowBody | ParameterError::LongBody) = self {
            // The rest of the body may still be on its way.
            response.force_close();
        }
        response.body(match self.hint() {
            Some(hint) => format!("{self}\nhint: {hint}\n"),
            None => format!("{self}\n"),
        })
    }
}

/// The answer to a request that was done.
pub(super) fn reply(body: String) -> HttpResponse {
    text(StatusCode::OK).body(body)
}

/// A plain text that no cache keeps, no page of another site reads, and no browser takes for
/// anything else.
fn text(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponseBuilder::new(status);
    response
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"))
        .insert_header((header::PRAGMA, "no-cache"))
        .insert_header((header::EXPIRES, "0"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_FRAME_OPTIONS, "DENY"));
    response
}
