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

use actix_web::dev::Service as _;
use actix_web::{App, HttpServer, web};
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
    let guard = Arc::new(guard);
    let door = Arc::clone(&guard);
    let app = move || {
        let guard = Arc::clone(&guard);
        App::new()
            .app_data(registry.clone())
            .app_data(about.clone())
            .wrap_fn(move |request, service| {
                // The router has decoded this path.
                let is_v1 = v1::includes(request.match_info().as_str());
                let in_its_terms = move |answered| match is_v1 {
                    true => problem::to_problem(answered),
                    false => answered,
                };
                if let Err(refusal) = guard.admit(&request) {
                    let refused = Err(HttpError::Refused(refusal).into());
                    return Either::Left(ready(in_its_terms(refused)));
                }
                if service_worker::is_asked_for(&request) {
                    return Either::Left(ready(Ok(request.into_response(service_worker::reply()))));
                }
                Either::Right(catch_panic(service.call(request)).map(in_its_terms))
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

/// Runs a handler. One that panics is a 500, and pald goes on.
async fn catch_panic<T>(
    handler: impl Future<Output = Result<T, actix_web::Error>>,
) -> Result<T, actix_web::Error> {
    let answered = AssertUnwindSafe(handler).catch_unwind().await;
    answered.unwrap_or_else(|_| Err(HttpError::Panic.into()))
}

/// Formats addresses for the log.
pub fn shown(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_panics_is_a_500() {
        let panics = async || -> Result<(), actix_web::Error> { panic!("for the test") };
        let answered = actix_web::rt::System::new().block_on(catch_panic(panics()));
        let response = answered.unwrap_err().error_response();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers().get("x-content-type-options").unwrap(), "nosniff");
    }
}
