//! `/v1/dump`: the whole registry as text, out and in.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::responses::{BadBody, Busy, Refusals, Wrong};
use crate::api::{Imported, Problem};
use crate::dump::{self, DumpEntry};
use crate::dump_file;
use crate::http::blocking::run_blocking;
use crate::http::body::{self, Expected};
use crate::http::error::HttpError;
use crate::http::parameters::{ParameterError, Parameters};
use crate::http::reply::{self, Portions};
use crate::http::viewers::{Sight, Viewers};
use crate::quoted::Quoted;
use crate::registry::{Import, ImportMode, Registry};
use crate::service_name::ServiceName;

/// A dump. It needs no type, since `curl -T` sends none.
const DUMP: Expected = Expected {
    max_bytes: dump_file::MAX_BYTES,
    content_type: "text/plain",
    words: "a dump, text/plain",
    may_be_untyped: true,
};

/// Exports the dump of all services
#[utoipa::path(
    get, path = "/v1/dump", operation_id = "export_dump",
    responses(
        (status = 200, description = "The dump", body = String, content_type = "text/plain"),
        Refusals,
        Busy,
    )
)]
pub(super) async fn export(
    request: HttpRequest,
    registry: Data<Registry>,
    viewers: Data<Viewers>,
) -> Result<HttpResponse, HttpError> {
    let turn = viewers.turn(&request).await?;
    let sight = turn.sight;
    let dump = run_blocking(move || {
        let snapshot = match sight {
            Sight::Whole => registry.snapshot(),
            Sight::WithoutHolders => registry.snapshot().without_folders(),
        };
        Portions::new(move |number| snapshot.part(number).map(Into::into))
    });
    Ok(reply::long(reply::TEXT, dump.await?, turn))
}

/// Imports a dump: all of it or nothing
///
/// When the reply arrives, the change is on disk.
#[utoipa::path(
    put, path = "/v1/dump", operation_id = "import_dump",
    params(
        ("mode" = Option<String>, Query,
            description = "`merge`, the default, adds new services and is refused if a service has \
                another port or a port another service; `replace` also releases services that the \
                dump does not have, and moves those that have another port", pattern = "^(merge|replace)$"),
        ("dry_run" = Option<bool>, Query, description = "`true` only says what would change"),
    ),
    request_body(content = String, content_type = "text/plain",
        description = "A dump, at most 16 MiB"),
    responses(
        (status = 200, description = "What changed, or would change", body = Imported),
        Wrong,
        BadBody,
        (status = 409, description = "Services of the dump are registered on other ports, \
            or their ports to other services", body = Problem,
            content_type = "application/problem+json"),
        Refusals,
    )
)]
pub(super) async fn import(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let text = body::read(&request, payload, DUMP).await?;
    let parameters = Parameters::of_query(request.query_string())?;
    let mode = match parameters.at_most_one("mode")?.as_deref() {
        None | Some(b"merge") => ImportMode::Merge,
        Some(b"replace") => ImportMode::Replace,
        Some(other) => {
            let value = Quoted::new(other);
            let allowed = "merge or replace";
            return Err(ParameterError::Value { name: "mode", value, allowed }.into());
        }
    };
    let dry_run = parameters.switch("dry_run")?.unwrap_or(false);
    let entries = run_blocking(move || entries(&text)).await??;
    let imported = registry.import(Import { entries, mode, dry_run }).await?;
    let names = |services: Vec<ServiceName>| services.iter().map(ToString::to_string).collect();
    let shown = Imported {
        added: names(imported.added),
        changed: names(imported.changed),
        removed: names(imported.removed),
        kept: imported.kept,
        revision: imported.revision,
        dry_run,
    };
    Ok(reply::json(StatusCode::OK, &shown))
}

/// Parses a dump that is whole or that pald did not write.
fn entries(text: &[u8]) -> Result<Vec<DumpEntry>, HttpError> {
    let dump = dump::parse(text).map_err(HttpError::BadLines)?;
    // A file that was not sent must not pass for a registry without services.
    if dump.entries.is_empty() {
        return Err(HttpError::DumpEmpty);
    }
    // A dump that pald wrote may have lost a part.
    let is_whole = dump.is_foreign() || dump.whole_seal().is_some();
    if is_whole { Ok(dump.entries) } else { Err(HttpError::DumpNotWhole) }
}
