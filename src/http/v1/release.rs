//! `/v1/release`: several services, as one change.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::responses::{BadBody, Missing, Refusals, Wrong};
use super::{object, shapes};
use crate::api::{ProjectServices, ServiceNames};
use crate::http::body::{self, Expected};
use crate::http::error::HttpError;
use crate::http::reply;
use crate::http::viewers::Sight;
use crate::registry::{Registry, Target};
use crate::service_name::ServiceName;

/// Names of services: those of all ports, unless they are long.
pub(super) const NAMES: Expected = Expected::json(2 * 1024 * 1024);

/// Releases services, as one change
///
/// All of them, or none. When the reply arrives, the change is on disk.
#[utoipa::path(
    post, path = "/v1/release", operation_id = "release_services",
    request_body(content = ServiceNames, description = "At most 2 MiB"),
    responses(
        (status = 200, description = "What their registrations were", body = ProjectServices),
        Wrong,
        Missing,
        BadBody,
        Refusals,
    )
)]
pub(super) async fn release(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let body = body::read(&request, payload, NAMES).await?;
    let targets = names(&body)?.into_iter().map(Target::Service).collect();
    let released = registry.release(targets).await?;
    let shown = released.iter().map(|it| shapes::service(it, None, false, Sight::Whole));
    Ok(reply::json(StatusCode::OK, &ProjectServices { services: shown.collect() }))
}

/// Parses the names in a body.
pub(super) fn names(body: &[u8]) -> Result<Vec<ServiceName>, HttpError> {
    let wanted: ServiceNames = object(body)?;
    Ok(wanted.services.iter().map(ServiceName::parse).collect::<Result<_, _>>()?)
}
