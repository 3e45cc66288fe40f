//! The ceiling: an actix-web server that answers a constant to everybody, with as many threads as pald.

use actix_web::{App, HttpServer, web};

use crate::process::{self, Server};

/// The first argument of a process that is to be a bare server.
pub(crate) const ROLE: &str = "bare";

/// Serves in this process until it is killed.
pub(crate) fn serve(port: u16, workers: usize) {
    let app = || App::new().route("/get", web::get().to(async || "49201\n"));
    let server = HttpServer::new(app).workers(workers).bind(("127.0.0.1", port)).unwrap();
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}

/// Starts a bare server in a process of its own.
pub(crate) fn start(workers: usize) -> Server {
    let port = process::free_port();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args([ROLE, &port.to_string(), &workers.to_string()]);
    let server = Server::start(command, port);
    server.wait_for_answer("/get");
    server
}
