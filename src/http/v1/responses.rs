//! The responses that routes share, for the OpenAPI document.

use utoipa::IntoResponses;

use crate::api::Problem;

/// The response to an invalid request.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Wrong {
    /// The name, the port, a parameter or the body is invalid
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
}

/// The response about something that is not registered.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Missing {
    /// The service or the port is not registered
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// The responses of routes that take a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum BadBody {
    /// The body did not arrive within 5 s
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The body is too long
    #[response(status = 413, content_type = "application/problem+json")]
    Long(Problem),
    /// The body has the wrong type
    #[response(status = 415, content_type = "application/problem+json")]
    Type(Problem),
    /// The registry would be too large
    #[response(status = 507, content_type = "application/problem+json")]
    TooLarge(Problem),
}

/// The response of routes whose answers take a while.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Busy {
    /// Others than those who may make changes get one such answer at a time
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}

/// The responses of every route.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Refusals {
    /// Refused because of the Host, of the page that the request comes from, or of the user
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The store refuses changes, or pald failed
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
}
