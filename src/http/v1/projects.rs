//! `POST /v1/services`: the services of a project, for one checkout and as one change.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::responses::{BadBody, Refusals, Wrong};
use super::shapes;
use crate::addresses::Addresses;
use crate::api::{Problem, ProjectRequest, ProjectServiceRequest, ProjectServices};
use crate::folder::Folder;
use crate::http::blocking::run_blocking;
use crate::http::body::{self, Expected};
use crate::http::error::HttpError;
use crate::http::register::explained;
use crate::http::reply;
use crate::http::viewers::Sight;
use crate::port::Port;
use crate::quoted::Quoted;
use crate::registry::{Existing, ProjectService, ProjectSet, Registry};
use crate::short_name::ShortName;

/// The body: a project's file has at most 64 KiB, and its services stand here in more words.
const PROJECT_REQUEST: Expected = Expected::json(1024 * 1024);
/// The maximum length of a label, in bytes: 40 of a folder's name, and a number. With one more number
/// after it, it fits in a service's name.
const MAX_LABEL_BYTES: usize = 46;

const NAME: &str = "1 to 100 letters, digits, _ and -";
const LABEL: &str = "empty, or up to 46 letters, digits, _ and -";
const LABELS: &str = "a list of at least one label";

/// Registers the services of a project for a checkout
///
/// All of them as one change, or none. The checkout gets the label that its folder has already, or
/// else the first of the labels that no other folder has, or else the last with a number.
#[utoipa::path(
    post, path = "/v1/services", operation_id = "register_project",
    request_body(content = ProjectRequest, description = "At most 1 MiB"),
    responses(
        (status = 200, description = "All of them were registered, and have what was asked for",
            body = ProjectServices),
        (status = 201, description = "Some of them are newly registered", body = ProjectServices),
        Wrong,
        BadBody,
        (status = 409, description = "The checkout that is in the way is gone, or the range has too few \
            ports left", body = Problem, content_type = "application/problem+json"),
        Refusals,
    )
)]
pub(super) async fn register(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let body = body::read(&request, payload, PROJECT_REQUEST).await?;
    let wanted =
        serde_json::from_slice(&body).map_err(|error| HttpError::Json(error.to_string()))?;
    let mut set = set(wanted)?;
    let looked_up = Data::clone(&registry);
    let looked = run_blocking(move || {
        set.own_ports = looked_up.own_ports(&set);
        let gone = looked_up.gone_in_the_way(&set);
        (set, gone)
    });
    let (set, gone) = looked.await?;
    if let Some(folder) = gone {
        return Err(HttpError::CheckoutGone { project: set.project, folder });
    }
    let registered = match registry.register_set(set).await {
        Ok(registered) => registered,
        Err(error) => return Err(explained(&registry, error).await),
    };
    let shown = registered.registrations.iter();
    let shown = shown.map(|it| shapes::service(it, None, registry.is_held(it.port), Sight::Whole));
    let services = ProjectServices { services: shown.collect() };
    let status = if registered.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(reply::json(status, &services))
}

fn set(wanted: ProjectRequest) -> Result<ProjectSet, HttpError> {
    let ProjectRequest { folder, project, labels, services, is_move } = wanted;
    if labels.is_empty() {
        let value = Quoted::new("[]");
        return Err(HttpError::Field { name: "labels", value, allowed: LABELS });
    }
    Ok(ProjectSet {
        folder: Folder::parse(&folder)?,
        project: short_name("project", &project)?,
        labels: labels.iter().map(|text| label(text)).collect::<Result<_, _>>()?,
        services: services.into_iter().map(service).collect::<Result<_, _>>()?,
        existing: if is_move { Existing::Move } else { Existing::Accept },
        own_ports: Vec::new(),
    })
}

fn service(wanted: ProjectServiceRequest) -> Result<ProjectService, HttpError> {
    let ProjectServiceRequest { name, shared, prefer, hold, addresses } = wanted;
    Ok(ProjectService {
        name: short_name("name", &name)?,
        is_shared: shared,
        prefer: prefer.map(|port| Port::try_from(u64::from(port))).transpose()?,
        addresses: addresses.map(|list| Addresses::join(&list)).transpose()?,
        hold,
    })
}

fn short_name(name: &'static str, text: &str) -> Result<ShortName, HttpError> {
    let wrong = || HttpError::Field { name, value: Quoted::new(text), allowed: NAME };
    ShortName::parse(text).ok_or_else(wrong)
}

fn label(text: &str) -> Result<Option<ShortName>, HttpError> {
    if text.is_empty() {
        return Ok(None);
    }
    let label = ShortName::parse(text).filter(|_| text.len() <= MAX_LABEL_BYTES);
    let wrong = || HttpError::Field { name: "a label", value: Quoted::new(text), allowed: LABEL };
    label.map(Some).ok_or_else(wrong)
}
