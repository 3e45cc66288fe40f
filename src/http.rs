//! The HTTP service: who may ask, what they can ask, and how it is answered.
//!
//! Handlers are async and never block: lookups read memory, and changes are waited for as futures.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Service as _, ServiceRequest};
use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};

use crate::registry::Registry;

mod blocking;
mod body;
mod error;
pub mod guard;
mod listen;
mod page;
pub mod parameters;
mod problem;
mod register;
mod reply;
mod service_worker;
mod text;
mod v1;

pub use body::BodyError;
pub use guard::Guard;
pub use listen::{ListenError, Listeners, UnexpectedSocket};
pub use v1::About;

use error::HttpError;
use guard::{Admission, Refusal};
use register::OccupiedPorts;

/// How long a client may take to send the head of a request, and again to send its body.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long an idle connection stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long requests in flight may take once pald is told to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;
/// The maximum number of threads that answer requests: a request costs microseconds.
const MAX_WORKERS: usize = 2;

/// Serves the registry until `shutdown` is ready, and then finishes the requests in flight.
///
/// At most `max_connections` are open at once; further ones wait until one is closed.
///
/// # Errors
/// The system refuses a thread or a socket.
pub async fn serve(
    registry: Arc<Registry>,
    about: About,
    guard: Guard,
    listeners: Listeners,
    max_connections: usize,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (registry, about) = (web::Data::from(registry), web::Data::new(about));
    let occupied_ports = web::Data::new(OccupiedPorts::default());
    let guard = Arc::new(guard);
    let door = Arc::clone(&guard);
    let app = move || {
        let guard = Arc::clone(&guard);
        App::new()
            .app_data(registry.clone())
            .app_data(about.clone())
            .app_data(occupied_ports.clone())
            .wrap_fn(move |request, service| {
                let admitted = guard.admit(&request);
                if let Some(reply) = aside(&admitted, &request) {
                    return Either::Left(ready(Ok(request.into_response(reply))));
                }
                // The router has decoded this path.
                let is_v1 = v1::includes(request.match_info().as_str());
                // The handler's future is polled only once the request is admitted.
                let answer = answer(admitted, service.call(request));
                Either::Right(answer.map(move |answered| match is_v1 {
                    true => problem::tell(answered),
                    false => answered,
                }))
            })
            .configure(text::routes)
            .configure(v1::routes)
            .configure(page::routes)
            .default_service(web::to(async || Err::<String, _>(HttpError::UnknownPath)))
    };
    let workers = workers();
    let mut server = HttpServer::new(app)
        .workers(workers)
        // actix counts the connections of each worker.
        .max_connections((max_connections / workers).max(1))
        .client_request_timeout(REQUEST_TIME)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .on_connect(move |connection, extensions| door.meet(connection, extensions))
        .shutdown_signal(shutdown);
    for listener in listeners.into_sockets() {
        server = server.listen(listener)?;
    }
    server.run().await
}

/// Returns how many threads answer requests: half of the CPUs, since each client needs one too.
///
/// On two CPUs, a second thread costs a fifth of the lookups per second (bar: 0.90 of the bare
/// server).
fn workers() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cpus / 2).clamp(1, MAX_WORKERS)
}

/// Returns the reply to a request that is let in, but to no handler.
fn aside(admitted: &Result<Admission, Refusal>, request: &ServiceRequest) -> Option<HttpResponse> {
    match admitted {
        Ok(Admission::Form) => Some(page::lead_to_form(request)),
        Ok(Admission::Whole) if service_worker::is_asked_for(request) => {
            Some(service_worker::reply())
        }
        _ => None,
    }
}

/// Answers a request that is admitted. A handler that panics is a 500, and pald goes on.
async fn answer<T>(
    admitted: Result<Admission, Refusal>,
    handler: impl Future<Output = Result<T, actix_web::Error>>,
) -> Result<T, actix_web::Error> {
    admitted.map_err(HttpError::Refused)?;
    let answer = AssertUnwindSafe(handler).catch_unwind().await;
    answer.unwrap_or_else(|_| Err(HttpError::Panic.into()))
}

/// Formats addresses for the log.
pub fn shown(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_panics_is_a_500_and_one_that_is_refused_never_runs() {
        let panics = async || -> Result<(), actix_web::Error> { panic!("for the test") };
        let answer = |admitted| {
            actix_web::rt::System::new().block_on(answer(admitted, panics())).unwrap_err()
        };
        let answered = answer(Ok(Admission::Whole));
        let response = answered.error_response();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers().get("x-content-type-options").unwrap(), "nosniff");

        let answered = answer(Err(Refusal::CrossSite));
        assert_eq!(answered.error_response().status(), 403);
    }
}
