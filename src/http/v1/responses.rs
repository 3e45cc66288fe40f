//! What the routes may answer besides what was asked for, as the OpenAPI document describes it.

use utoipa::IntoResponses;

use crate::api::Problem;

/// What a route answers to a request that makes no sense.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Wrong {
    /// The name, the port, a parameter or the body is wrong
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
}

/// What a route answers about something that is not registered.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Missing {
    /// It is not registered
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
}

/// What a route answers that takes a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum BadBody {
    /// The body did not arrive within 5 s
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(Problem),
    /// The body is too long
    #[response(status = 413, content_type = "application/problem+json")]
    Long(Problem),
    /// The body has another type
    #[response(status = 415, content_type = "application/problem+json")]
    Type(Problem),
    /// The registry would be too large
    #[response(status = 507, content_type = "application/problem+json")]
    TooLarge(Problem),
}

/// What every route may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Refusals {
    /// The client may not do this: its host, the page that it comes from, or its user
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The store does not take changes, or pald has made a mistake
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
}
