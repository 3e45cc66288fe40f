//! The page at `/`: the registry in a browser. Its files are part of the program; everything it
//! shows and changes goes through `/v1`.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::error::refuse_method;
use super::{guard, reply};

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

/// The path, the type and the text of each file.
static FILES: [(&str, HeaderValue, &str); 8] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/style.css", STYLE, include_str!("page/style.css")),
    ("/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/page/range.js", SCRIPT, include_str!("page/range.js")),
    ("/page/table.js", SCRIPT, include_str!("page/table.js")),
    ("/page/change.js", SCRIPT, include_str!("page/change.js")),
    ("/page/address.js", SCRIPT, include_str!("page/address.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
];

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    for (path, content_type, text) in &FILES {
        let show = async |request: HttpRequest| match is_foreign_form(&request) {
            true => lead_to("/"),
            false => answer(content_type.clone(), text),
        };
        let file = web::resource(*path)
            .route(web::get().to(show))
            .route(web::head().to(show))
            .default_service(web::to(async || refuse_method("GET, HEAD")));
        config.service(file);
    }
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

fn answer(content_type: HeaderValue, text: &'static str) -> HttpResponse {
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
        let bytes: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(bytes <= 40_000, "{bytes} bytes");
        for (path, _, text) in &FILES {
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
