//! Gets rid of service workers that a site left behind.
//!
//! A browser keeps a site's service worker for its address. If pald listens there later, the worker
//! still sees all that the page sends and can make requests that look like the page's own. The
//! browser checks now and then for a new version of the worker's script: it gets this one, which
//! takes the old one's place and unregisters itself. Until then the worker lacks the page's key.

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};

use super::reply;

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
/// Lets the script replace a worker for the whole site, whatever the path of the script.
const ALLOWED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("service-worker-allowed"), HeaderValue::from_static("/"));

/// Unregisters itself, and then reloads the pages that the old worker had.
const WORKER: &str = r#"addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(leave()));
async function leave() {
  await registration.unregister();
  for (const page of await clients.matchAll({ type: "window" })) page.navigate(page.url);
}
"#;

/// Returns whether a browser asks for the script of a service worker, whatever its path.
pub(super) fn is_asked_for(head: &RequestHead) -> bool {
    let asks = head.headers.get(SERVICE_WORKER).is_some_and(|value| value == "script");
    asks && head.method == Method::GET
}

/// Makes the reply with the script that replaces the old one.
pub(super) fn reply() -> HttpResponse {
    let mut response = reply::new(StatusCode::OK, SCRIPT, WORKER);
    let (name, value) = ALLOWED;
    response.headers_mut().insert(name, value);
    response
}
