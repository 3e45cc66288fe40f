//! The page at `/`: the registry in a browser. Its files are part of the program; everything it
//! shows and changes goes through `/v1`.

use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::error::refuse_method;
use super::guard::{self, Guard};
use super::reply;

/// What the page may do: load its own files and talk to this pald. Nothing may frame it, and text
/// can't become code or elements in it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const STYLE: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");

/// The page, and in it where its key is written.
const PAGE: &str = include_str!("page/index.html");
const KEY: &str = "{key}";
/// What a service worker of an earlier site gets for the page.
const LEFT_OVER: &str = include_str!("page/left_over.html");

/// Tells the browser to forget what an earlier site stored, service workers among it, before it shows
/// the page. Chromium does not finish a navigation that a worker passes on, if this is in its answer.
const CLEAR: (HeaderName, HeaderValue) =
    (HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"storage\""));
/// Names the run of pald, so that a page notices that it is older.
const RUN: HeaderName = HeaderName::from_static("pald-run");

/// The path, the type and the text of each other file.
static FILES: [(&str, HeaderValue, &str); 8] = [
    ("/page/style.css", STYLE, include_str!("page/style.css")),
    ("/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/page/range.js", SCRIPT, include_str!("page/range.js")),
    ("/page/table.js", SCRIPT, include_str!("page/table.js")),
    ("/page/change.js", SCRIPT, include_str!("page/change.js")),
    ("/page/address.js", SCRIPT, include_str!("page/address.js")),
    ("/page/left_over.js", SCRIPT, include_str!("page/left_over.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
];

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    let page = web::resource("/")
        .route(web::get().to(show_page))
        .route(web::head().to(show_page))
        .default_service(web::to(async || refuse_method("GET, HEAD")));
    config.service(page);
    for (path, content_type, text) in &FILES {
        let show = async || answer(content_type.clone(), *text);
        let file = web::resource(*path)
            .route(web::get().to(show))
            .route(web::head().to(show))
            .default_service(web::to(async || refuse_method("GET, HEAD")));
        config.service(file);
    }
}

/// Shows the page, with a key if nobody else can read it.
async fn show_page(request: HttpRequest, guard: Data<Guard>) -> HttpResponse {
    let headers = request.headers();
    if is_foreign_form(&request) {
        return lead_to("/");
    }
    let key = guard.page_key().for_page(headers);
    let mut response = match guard::is_passed_on(headers) {
        true => answer(HTML, LEFT_OVER),
        false => answer(HTML, PAGE.replacen(KEY, key.unwrap_or_default(), 1)),
    };
    if key.is_some() {
        response.headers_mut().append(CLEAR.0, CLEAR.1);
    }
    let run = HeaderValue::try_from(guard.page_key().run()).expect("digits are legal in a header");
    response.headers_mut().append(RUN, run);
    response
}

/// Leads a browser that was to make a change to the page, with the form for it filled in.
pub(super) fn lead_to_form(request: &ServiceRequest) -> HttpResponse {
    let form = if request.match_info().as_str() == "/del" { "release" } else { "register" };
    lead_to(&format!("/?form={form}&{}", request.query_string()))
}

/// Whether a page of another site leads to a form that it has filled in. Whoever follows such a
/// link may press the button only because it lies where something else was a moment ago.
fn is_foreign_form(request: &HttpRequest) -> bool {
    request.query_string().starts_with("form=") && guard::is_from_elsewhere(request.headers())
}

fn lead_to(address: &str) -> HttpResponse {
    let mut response = reply::new(StatusCode::SEE_OTHER, reply::TEXT, "See the page\n");
    let address = HeaderValue::try_from(address).expect("a target is legal in a header");
    response.headers_mut().insert(header::LOCATION, address);
    response
}

fn answer(content_type: HeaderValue, text: impl MessageBody + 'static) -> HttpResponse {
    let mut response = reply::new(StatusCode::OK, content_type, text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_asks_nobody_else() {
        assert_eq!(PAGE.matches(KEY).count(), 1);
        let pages = [("/", HTML, PAGE), ("/", HTML, LEFT_OVER)];
        let files = || pages.iter().chain(&FILES);
        let bytes: usize = files().map(|(_, _, text)| text.len()).sum();
        assert!(bytes <= 40_000, "{bytes} bytes");
        for (path, _, text) in files() {
            for (at, _) in text.match_indices("//") {
                let (before, after) = (&text[..at], &text[at..]);
                // Comments, links to this machine, and the name of a namespace, which nobody loads.
                let is_harmless = !before.ends_with(':')
                    || after.starts_with("//localhost:")
                    || after.starts_with("//www.w3.org/2000/svg");
                assert!(is_harmless, "{path} names {}", after.lines().next().unwrap());
            }
        }
    }
}
