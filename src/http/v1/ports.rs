//! `/v1/ports`: one port, registered or not.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::responses::{Busy, Missing, Refusals, Wrong};
use super::shapes::{self, Seen};
use super::{look, port_of};
use crate::api::Port;
use crate::http::blocking::run_blocking;
use crate::http::error::HttpError;
use crate::http::parameters::Parameters;
use crate::http::reply;
use crate::http::viewers::Viewers;
use crate::registry::{Registry, Target};

/// Shows a port
#[utoipa::path(
    get, path = "/v1/ports/{port}", operation_id = "show_port",
    params(
        ("port" = u16, Path, description = "The port, 1 to 65535", minimum = 1, maximum = 65535),
        ("knock" = Option<bool>, Query,
            description = "`false` looks at sockets alone and connects to nothing: for who asks again and again"),
    ),
    responses(
        (status = 200, description = "What the port is used for now, and the service that it is registered to", body = Port),
        Wrong,
        Refusals,
        Busy,
    )
)]
pub(super) async fn show(
    request: HttpRequest,
    registry: Data<Registry>,
    viewers: Data<Viewers>,
) -> Result<HttpResponse, HttpError> {
    let port = port_of(&request)?;
    let look = look(&Parameters::of_query(request.query_string())?)?;
    let turn = viewers.turn(&request).await?;
    let known = registry.service_at(port);
    let service = known.as_ref().map(|registration| registration.service.to_string());
    let look = move || {
        let state = registry.state(port, look);
        let verdict = known.and_then(|known| registry.verdict(&known, &state));
        (state, verdict, registry.is_held(port))
    };
    let (state, verdict, held) = run_blocking(look).await?;
    let seen = Seen { state: &state, verdict };
    Ok(reply::json(StatusCode::OK, &shapes::port(port, seen, service, held, turn.sight)))
}

/// Releases the service that has a port
///
/// When the reply arrives, the change is on disk.
#[utoipa::path(
    delete, path = "/v1/ports/{port}", operation_id = "delete_port",
    params(("port" = u16, Path, description = "The port, 1 to 65535", minimum = 1, maximum = 65535)),
    responses(
        (status = 204, description = "The port is no longer registered"),
        Wrong,
        Missing,
        Refusals,
    )
)]
pub(super) async fn release(
    request: HttpRequest,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    registry.release(vec![Target::Port(port_of(&request)?)]).await?;
    Ok(reply::no_content())
}
