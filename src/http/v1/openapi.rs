//! `/v1/openapi.json`: what `/v1` takes and answers, made from the handlers.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use utoipa::{IntoResponses, OpenApi};

use super::{dump, health, ports, services};
use crate::api::Problem;
use crate::http::reply;

/// The document, OpenAPI 3.1.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "pald",
        description = "Which service of this machine has which port",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(
        services::list,
        services::show,
        services::put,
        services::delete,
        ports::show,
        ports::delete,
        dump::export,
        dump::import,
        health::show,
        show,
    )
)]
struct Document;

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

/// This document
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi",
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
        Refusals,
    )
)]
pub(super) async fn show() -> HttpResponse {
    reply::json(StatusCode::OK, &Document::openapi())
}
