//! `/v1/health`: the health of pald.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::About;
use super::responses::Refusals;
use crate::api::{
    DumpHealth, Health, HealthStatus, HoldsHealth, Overlap, RefusalCause, RefusedHold, StoreHealth,
};
use crate::files::Shown;
use crate::http::reply;
use crate::http::viewers::{Sight, Viewers};
use crate::port::Port;
use crate::registry::{HoldError, Registry};

/// Shows the health of pald
#[utoipa::path(
    get, path = "/v1/health", operation_id = "health",
    responses(
        (status = 200, description = "Changes are accepted", body = Health),
        (status = 503, description = "The store failed and changes are refused; lookups go on", body = Health),
        Refusals,
    )
)]
pub(super) async fn show(
    request: HttpRequest,
    registry: Data<Registry>,
    about: Data<About>,
    viewers: Data<Viewers>,
) -> HttpResponse {
    let sight = viewers.sight_of(&request);
    let shown = |text: String| (sight == Sight::Whole).then_some(text);
    let health = registry.health();
    let (http_status, status) = match health.failure {
        None => (StatusCode::OK, HealthStatus::Ok),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, HealthStatus::Failed),
    };
    let dump = DumpHealth {
        path: shown(Shown(&about.dump_file).to_string()),
        written_at: health.dump.written_at.map(|time| time.to_string()),
        error: health.dump.error.and_then(shown),
    };
    let store = StoreHealth {
        path: shown(Shown(&about.data_dir).to_string()),
        error: health.failure.and_then(|reason| shown(reason.to_string())),
    };
    let holds = HoldsHealth {
        max: health.holds.max,
        held: health.holds.held,
        missing: health.holds.missing.iter().map(|port| port.number()).collect(),
        refused: health.holds.refused.iter().map(refused_hold).collect(),
    };
    // They say nothing of what runs here.
    let warnings = viewers.warning().into_iter().chain(registry.warnings()).collect();
    reply::json(
        http_status,
        &Health {
            status,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: about.started_at.elapsed().as_secs(),
            revision: health.revision,
            services: health.services,
            addresses: about.addresses.iter().map(ToString::to_string).collect(),
            store,
            dump,
            holds,
            overlap: about.overlap.as_ref().map(Overlap::from),
            warnings,
        },
    )
}

fn refused_hold((port, error): &(Port, HoldError)) -> RefusedHold {
    let cause = match error {
        HoldError::OpenFiles(_) => RefusalCause::OpenFiles,
        HoldError::NotPermitted(_) => RefusalCause::NotPermitted,
        HoldError::Other(_) => RefusalCause::Other,
    };
    RefusedHold { port: port.number(), cause, error: error.to_string() }
}
