//! The HTTP service: who may ask, what they can ask, and how it is answered.
//!
//! Handlers are async and never block: lookups read memory, and changes are waited for as futures.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{RequestHead, Service as _, ServiceRequest};
use actix_web::{App, HttpResponse, web};
use futures_util::FutureExt as _;
use futures_util::future::{Either, ready};

use crate::registry::Registry;

mod blocking;
mod body;
mod connection;
mod error;
pub mod guard;
mod listen;
mod page;
pub mod parameters;
mod problem;
mod register;
mod reply;
mod seats;
mod server;
mod service_worker;
mod text;
mod v1;
mod viewers;

pub use body::BodyError;
pub use guard::Guard;
pub use listen::{ListenError, Listeners, UnexpectedSocket};
pub use server::workers;
pub use v1::About;

use connection::Progress;
use error::HttpError;
use guard::Admission;
use viewers::Viewers;

/// How long a client may take to send the head of a request, and again to send its body.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// Serves the registry until `shutdown` is ready, and then finishes the requests in flight.
///
/// At most `max_connections` are open at once, of which other users have a part; further ones wait
/// until one is closed.
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
    let pages = web::Data::from(Arc::clone(&guard));
    let at_once = {
        let (guard, registry) = (Arc::clone(&guard), Arc::clone(&registry));
        move |head: &RequestHead| text::lookup(head, &guard, &registry)
    };
    let viewers = web::Data::new(Viewers::new(Arc::clone(&guard)));
    let app = move || {
        let guard = Arc::clone(&guard);
        App::new()
            .app_data(registry.clone())
            .app_data(about.clone())
            .app_data(viewers.clone())
            .app_data(pages.clone())
            .wrap_fn(move |request, service| {
                let progress = request.conn_data::<Rc<Progress>>().map(Progress::answer);
                // The router has decoded this path.
                let is_v1 = v1::includes(request.match_info().as_str());
                let in_its_terms = move |answered| match is_v1 {
                    true => problem::to_problem(answered),
                    false => answered,
                };
                let admission = match guard.admit(&request) {
                    Ok(admission) => admission,
                    Err(refusal) => {
                        let refused = Err(HttpError::Refused(refusal).into());
                        return Either::Left(ready(in_its_terms(refused)));
                    }
                };
                if let Some(reply) = aside(admission, &request) {
                    return Either::Left(ready(Ok(request.into_response(reply))));
                }
                Either::Right(catch_panic(service.call(request)).map(move |answered| {
                    drop(progress);
                    in_its_terms(answered)
                }))
            })
            .configure(text::routes)
            .configure(v1::routes)
            .configure(page::routes)
            .default_service(web::to(async || Err::<String, _>(HttpError::UnknownPath)))
    };
    server::run(app, at_once, door, listeners, max_connections, shutdown).await
}

/// Returns the reply to a request that is let in, but to no handler.
fn aside(admission: Admission, request: &ServiceRequest) -> Option<HttpResponse> {
    match admission {
        Admission::Form => Some(page::lead_to_form(request)),
        Admission::Whole if service_worker::is_asked_for(request.head()) => {
            Some(service_worker::reply())
        }
        Admission::Whole => None,
    }
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
