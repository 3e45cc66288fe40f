//! The JSON routes under `/v1`, for programs.

use actix_web::HttpRequest;
use actix_web::web::{self, ServiceConfig};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::error::{HttpError, refuse_method};
use super::parameters::Parameters;
use crate::port::Port;
use crate::probe::Look;
use crate::service_name::ServiceName;

mod about;
mod dump;
mod health;
mod openapi;
mod ports;
mod projects;
mod prune;
mod release;
mod rename;
mod responses;
mod services;
pub(super) mod shapes;

pub use about::About;

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    let services = web::resource("/v1/services")
        .route(web::get().to(services::list))
        .route(web::head().to(services::list))
        .route(web::post().to(projects::register))
        .default_service(web::to(async || refuse_method("GET, HEAD, POST")));
    let service = web::resource("/v1/services/{name}")
        .route(web::get().to(services::show))
        .route(web::head().to(services::show))
        .route(web::put().to(services::put))
        .route(web::delete().to(services::release))
        .default_service(web::to(async || refuse_method("GET, HEAD, PUT, DELETE")));
    let rename = web::resource("/v1/services/{name}/rename")
        .route(web::post().to(rename::rename))
        .default_service(web::to(async || refuse_method("POST")));
    let port = web::resource("/v1/ports/{port}")
        .route(web::get().to(ports::show))
        .route(web::head().to(ports::show))
        .route(web::delete().to(ports::release))
        .default_service(web::to(async || refuse_method("GET, HEAD, DELETE")));
    let dump = web::resource("/v1/dump")
        .route(web::get().to(dump::export))
        .route(web::head().to(dump::export))
        .route(web::put().to(dump::import))
        .default_service(web::to(async || refuse_method("GET, HEAD, PUT")));
    let health = web::resource("/v1/health")
        .route(web::get().to(health::show))
        .route(web::head().to(health::show))
        .default_service(web::to(async || refuse_method("GET, HEAD")));
    let openapi = web::resource("/v1/openapi.json")
        .route(web::get().to(openapi::show))
        .route(web::head().to(openapi::show))
        .default_service(web::to(async || refuse_method("GET, HEAD")));
    let prune = web::resource("/v1/prune")
        .route(web::get().to(prune::show))
        .route(web::head().to(prune::show))
        .route(web::post().to(prune::prune))
        .default_service(web::to(async || refuse_method("GET, HEAD, POST")));
    let release = web::resource("/v1/release")
        .route(web::post().to(release::release))
        .default_service(web::to(async || refuse_method("POST")));
    config.service(services).service(service).service(port);
    config.service(prune).service(release).service(rename);
    config.service(dump).service(health).service(openapi);
}

/// Whether a path is under `/v1`, whether there is such a route or not.
pub(super) fn includes(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Parses a body that is a JSON object.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, HttpError> {
    // serde would also take a list of values.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(HttpError::Json("it must be an object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| HttpError::Json(error.to_string()))
}

/// Parses how thoroughly to look at a port.
fn look(parameters: &Parameters) -> Result<Look, HttpError> {
    let knock = parameters.switch("knock")?.unwrap_or(true);
    Ok(if knock { Look::Knock } else { Look::Quiet })
}

/// Parses the service that the path names.
fn service_of(request: &HttpRequest) -> Result<ServiceName, HttpError> {
    Ok(ServiceName::parse(segment(request.uri().path()))?)
}

/// Parses the port that the path names.
fn port_of(request: &HttpRequest) -> Result<Port, HttpError> {
    Ok(Port::parse(segment(request.uri().path()))?)
}

/// Decodes the end of a path. No name or port needs encoding, but some clients encode them.
fn segment(path: &str) -> Vec<u8> {
    percent_decode_str(path.rsplit('/').next().unwrap_or_default()).collect()
}
