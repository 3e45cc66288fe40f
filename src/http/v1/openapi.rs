//! `/v1/openapi.json`: the description of `/v1`, made from the handlers.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use utoipa::OpenApi;

use super::responses::Refusals;
use super::{dump, health, ports, projects, prune, release, rename, services};
use crate::http::reply;

/// The OpenAPI 3.1 document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "pald",
        description = "Which service on this machine has which port",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(
        services::list,
        projects::register,
        services::show,
        services::put,
        services::release,
        rename::rename,
        ports::show,
        ports::release,
        release::release,
        prune::show,
        prune::prune,
        dump::export,
        dump::import,
        health::show,
        show,
    )
)]
struct Document;

/// Shows this document
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "openapi",
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
        Refusals,
    )
)]
pub(super) async fn show() -> HttpResponse {
    /// It is made once: to make it takes as long as hundreds of lookups.
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| reply::to_json(&Document::openapi()).into());
    reply::new(StatusCode::OK, reply::JSON, Bytes::clone(&TEXT))
}
