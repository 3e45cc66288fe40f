//! `/v1/prune`: services whose folder is gone.

use std::collections::HashSet;
use std::io;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::release::{NAMES, names};
use super::responses::{BadBody, Refusals, Wrong};
use super::shapes::{self, Seen};
use crate::api::{GoneService, GoneServices, KeptCode, Pruned, ServiceNames};
use crate::http::blocking::run_blocking;
use crate::http::body;
use crate::http::error::HttpError;
use crate::http::guard::Guard;
use crate::http::reply;
use crate::http::viewers::Sight;
use crate::registry::{Gone, Kept, Registry};

/// Lists the services whose folder is not there
///
/// Only who may make changes is told. A prune releases those that are not kept.
#[utoipa::path(
    get, path = "/v1/prune", operation_id = "list_gone",
    responses(
        (status = 200, description = "The services, and why some of them are kept", body = GoneServices),
        Refusals,
    )
)]
pub(super) async fn show(
    request: HttpRequest,
    registry: Data<Registry>,
    guard: Data<Guard>,
) -> Result<HttpResponse, HttpError> {
    guard.check_user(&request)?;
    let gone = run_blocking(move || registry.gone()).await?;
    Ok(reply::json(StatusCode::OK, &GoneServices { services: gone.iter().map(shown).collect() }))
}

/// Releases services whose folder is gone, as one change
///
/// Of those that are named, and only where pald, looking again, finds the folder gone and the port
/// idle. When the reply arrives, the change is on disk.
#[utoipa::path(
    post, path = "/v1/prune", operation_id = "prune",
    request_body(content = ServiceNames, description = "At most 2 MiB"),
    responses(
        (status = 200, description = "What was released, and what was not", body = Pruned),
        Wrong,
        BadBody,
        Refusals,
    )
)]
pub(super) async fn prune(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let body = body::read(&request, payload, NAMES).await?;
    let wanted: HashSet<_> = names(&body)?.into_iter().collect();
    let looked_up = Data::clone(&registry);
    let mut gone = run_blocking(move || looked_up.gone()).await?;
    gone.retain(|it| wanted.contains(&it.registration.service));
    let (kept, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(|it| it.kept.is_some());
    let released = registry.prune(gone.into_iter().map(|it| it.registration).collect()).await?;
    let pruned = Pruned {
        released: released.iter().map(|it| it.service.to_string()).collect(),
        kept: kept.iter().map(shown).collect(),
    };
    Ok(reply::json(StatusCode::OK, &pruned))
}

fn shown(gone: &Gone) -> GoneService {
    let Gone { registration, kept } = gone;
    let kept = kept.as_ref().map(|kept| code_and_reason(kept, gone));
    GoneService {
        name: registration.service.to_string(),
        port: registration.port.number(),
        folder: registration.folder.as_ref().map(ToString::to_string).unwrap_or_default(),
        kept: kept.as_ref().map(|(code, _)| *code),
        reason: kept.map(|(_, reason)| reason),
    }
}

fn code_and_reason(kept: &Kept, gone: &Gone) -> (KeptCode, String) {
    let (code, reason) = match kept {
        Kept::InUse(state) => {
            // Who may prune may see it.
            let seen = Seen::of(state);
            let port = shapes::port(gone.registration.port, seen, None, false, Sight::Whole);
            return (KeptCode::InUse, port.usage().unwrap_or_default());
        }
        Kept::NotVisible(kind) => {
            let cause = io::Error::from(*kind);
            return (KeptCode::NotVisible, format!("pald can't look there: {cause}"));
        }
        Kept::Replaced => (KeptCode::Replaced, "something else has the folder's place"),
        Kept::NothingAbove => (
            KeptCode::NothingAbove,
            "the folder above is missing too: a disk that is not mounted, or a container's path",
        ),
        Kept::BelowRoot => (KeptCode::BelowRoot, "a folder right below / may be a container's"),
        Kept::NothingMounted => (
            KeptCode::NothingMounted,
            "the folder above is empty and not yours: a disk may not be mounted",
        ),
    };
    (code, reason.to_owned())
}
