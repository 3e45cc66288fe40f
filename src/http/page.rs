//! The page at `/`: the registry in a browser. Its files are part of the program; everything it
//! shows and changes goes through `/v1`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, ServiceConfig};

use super::error::refuse_method;
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

/// The path, the type and the text of each file.
static FILES: [(&str, HeaderValue, &str); 7] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page/style.css", STYLE, include_str!("page/style.css")),
    ("/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/page/range.js", SCRIPT, include_str!("page/range.js")),
    ("/page/table.js", SCRIPT, include_str!("page/table.js")),
    ("/page/change.js", SCRIPT, include_str!("page/change.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
];

/// Adds the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    for (path, content_type, text) in &FILES {
        let show = async || answer(content_type.clone(), text);
        let file = web::resource(*path)
            .route(web::get().to(show))
            .route(web::head().to(show))
            .default_service(web::to(async || refuse_method("GET, HEAD")));
        config.service(file);
    }
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
        assert!(bytes <= 30_000, "{bytes} bytes");
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
