//! `/v1/services/NAME/rename`: another name for a service.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::responses::{BadBody, Missing, Refusals, Wrong};
use super::{object, segment, shapes};
use crate::api::{Problem, RenameRequest, Service};
use crate::http::body::{self, Expected};
use crate::http::error::HttpError;
use crate::http::reply;
use crate::http::viewers::Sight;
use crate::registry::Registry;
use crate::service_name::ServiceName;

const RENAME_REQUEST: Expected = Expected::json(8 * 1024);

/// Gives a service another name
///
/// Its port and all else stay. When the reply arrives, the change is on disk.
#[utoipa::path(
    post, path = "/v1/services/{name}/rename", operation_id = "rename_service",
    params(
        ("name" = String, Path, description = "The name of the service",
            min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_.-]+$"),
    ),
    request_body(content = RenameRequest, description = "At most 8 KiB"),
    responses(
        (status = 200, description = "The service with its new name", body = Service),
        Wrong,
        Missing,
        BadBody,
        (status = 409, description = "Another service has the name, or the name would be of another \
            checkout", body = Problem, content_type = "application/problem+json"),
        Refusals,
    )
)]
pub(super) async fn rename(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let body = body::read(&request, payload, RENAME_REQUEST).await?;
    let path = request.uri().path();
    let service = ServiceName::parse(segment(path.rsplit_once('/').map_or(path, |(it, _)| it)))?;
    let wanted: RenameRequest = object(&body)?;
    let renamed = registry.rename(service, ServiceName::parse(wanted.name)?).await?;
    let held = registry.is_held(renamed.port);
    Ok(reply::json(StatusCode::OK, &shapes::service(&renamed, None, held, Sight::Whole)))
}
