//! The text routes, for curl: `/get`, `/set` and `/del`, as the 2015 program had them.

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::error::{HttpError, refuse_method};
use super::guard::Guard;
use super::parameters::Parameters;
use super::register::register;
use super::{reply, service_worker};
use crate::port::Port;
use crate::registry::{Existing, RegisterOptions, Registry, Target};
use crate::service_name::ServiceName;

/// Adds the three routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    let get = web::resource("/get")
        .route(web::get().to(get))
        .route(web::head().to(get))
        .route(web::post().to(get))
        .default_service(web::to(async || refuse_method("GET, HEAD, POST")));
    let set = web::resource("/set")
        .route(web::get().to(set))
        .route(web::post().to(set))
        .default_service(web::to(async || refuse_method("GET, POST")));
    let del = web::resource("/del")
        .route(web::get().to(del))
        .route(web::post().to(del))
        .default_service(web::to(async || refuse_method("GET, POST")));
    config.service(get).service(set).service(del);
}

/// Answers `GET /get` of a registered service, for which the app would take as long as all else does
/// (bar: 0.90 of the bare server's lookups). All other requests are the app's to answer, or to refuse.
pub(super) fn lookup(
    head: &RequestHead,
    guard: &Guard,
    registry: &Registry,
) -> Option<HttpResponse> {
    let is_lookup = head.method == Method::GET && head.uri.path() == "/get";
    if !is_lookup || service_worker::is_asked_for(head) || !guard.admits_lookup(head) {
        return None;
    }
    let parameters = Parameters::of_query(head.uri.query().unwrap_or_default()).ok()?;
    let service = parameters.exactly_one("service").ok()?;
    registry.lookup(service).map(port_reply)
}

/// Answers the port of `service`, or 404 if it is not registered.
async fn get(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let parameters = Parameters::of(&request, payload).await?;
    let service = parameters.exactly_one("service")?;
    match registry.lookup(&service) {
        Some(port) => Ok(port_reply(port)),
        // An illegal name gets a better error.
        None => Err(HttpError::NotRegistered(ServiceName::parse(&service)?)),
    }
}

/// Registers `service`, on `port` if that is given, and answers its port.
async fn set(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let parameters = Parameters::of(&request, payload).await?;
    let service = ServiceName::parse(parameters.exactly_one("service")?)?;
    let port = parameters.at_most_one("port")?.map(Port::parse).transpose()?;
    let existing = match parameters.switch("new")? {
        Some(true) => Existing::Refuse,
        Some(false) | None => Existing::Accept,
    };
    let options = RegisterOptions { port, existing, ..RegisterOptions::default() };
    let registered = register(&registry, service, options).await?;
    Ok(port_reply(registered.registration.port))
}

/// Releases the service that has `port`.
async fn del(
    request: HttpRequest,
    payload: Payload,
    registry: Data<Registry>,
) -> Result<HttpResponse, HttpError> {
    let parameters = Parameters::of(&request, payload).await?;
    let port = Port::parse(parameters.exactly_one("port")?)?;
    registry.release(vec![Target::Port(port)]).await?;
    Ok(reply::text("OK\n".to_owned()))
}

fn port_reply(port: Port) -> HttpResponse {
    // `format!` takes as long as three headers (bar: 0.90 of the bare server's lookups).
    reply::text([itoa::Buffer::new().format(port.number()), "\n"].concat())
}
