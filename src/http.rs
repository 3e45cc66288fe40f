//! The HTTP service: who is listened to, what is asked, and how it is answered.
//!
//! Handlers are async and never block: lookups read memory, and changes are waited for as futures.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use crate::registry::Registry;

mod error;
mod listen;
mod parameters;
mod text;

pub use listen::{ListenError, Listeners};

use error::HttpError;

/// How long a client may take for the head of a request, and again for its body.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long an idle connection is kept for the next request.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long requests in flight may take once the service is asked to end, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;
/// Threads that answer requests. Two do on any machine: a request costs microseconds.
const WORKERS: usize = 2;
/// How many connections are open at once; actix counts them for each worker.
const MAX_CONNECTIONS: usize = 256;

/// Serves the registry until `shutdown` is ready, and then finishes what is in flight.
///
/// # Errors
/// The system refused a thread or a socket.
pub async fn serve(
    registry: Arc<Registry>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    server(registry, listeners, shutdown)?.await
}

fn server(
    registry: Arc<Registry>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let registry = web::Data::from(registry);
    let app = move || {
        App::new()
            .app_data(registry.clone())
            .configure(text::routes)
            .default_service(web::to(async || Err::<String, _>(HttpError::UnknownPath)))
    };
    let mut server = HttpServer::new(app)
        .workers(WORKERS)
        .max_connections(MAX_CONNECTIONS / WORKERS)
        .client_request_timeout(REQUEST_TIME)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .shutdown_signal(shutdown);
    for listener in listeners.into_sockets() {
        server = server.listen(listener)?;
    }
    Ok(server.run())
}

/// The addresses as the log shows them.
pub fn shown(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}
