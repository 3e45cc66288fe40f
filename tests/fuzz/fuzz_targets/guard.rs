//! The head of a request, as lines: the target, and then headers, of which the first byte is the
//! name. Who passes the guard must have named one of its hosts, and no other origin.
#![no_main]

use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::http::{Method, Uri, Version};
use libfuzzer_sys::fuzz_target;
use pald::http::guard::{Admission, Head, Hosts};
use pald_fuzz::spell;

const WORDS: &[&str] = &[
    "localhost",
    "127.0.0.1",
    "[::1]",
    "pald.test",
    "evil.test",
    ":49200",
    ":80",
    "http://",
    "https://",
    "http://localhost:49200",
    "http://pald.test",
    "@",
    "/set",
    "/del",
    "/get",
    "/v1/services",
    "same-origin",
    "same-site",
    "cross-site",
    "none",
    "navigate",
    "document",
    "prefetch",
    "Mozilla/5.0",
    "PowerShell",
    "null",
    "\nhlocalhost",
    "\nhlocalhost:49200",
    "\nohttp://localhost:49200",
    "\nssame-origin",
    "\nrhttp://localhost:49200/",
    "\nscross-site\nmnavigate\nddocument",
];
const NAMES: [(u8, &str); 10] = [
    (b'h', "host"),
    (b'o', "origin"),
    (b'r', "referer"),
    (b's', "sec-fetch-site"),
    (b'm', "sec-fetch-mode"),
    (b'd', "sec-fetch-dest"),
    (b'p', "sec-purpose"),
    (b'q', "purpose"),
    (b'x', "x-moz"),
    (b'u', "user-agent"),
];
const ALLOWED: [&str; 5] = ["localhost", "127.0.0.1", "[::1]", "pald.test", "[fe80::1]"];

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let input = spell(input, WORDS);
    let mut lines = input.split(|byte| *byte == b'\n');
    let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) else { return };
    let methods = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::PUT];
    let version = if choice & 0x80 == 0 { Version::HTTP_11 } else { Version::HTTP_10 };
    let method = &methods[usize::from(choice & 0x7f) % methods.len()];
    let headers: HeaderMap = lines.filter_map(header).collect();
    let head = Head { method, uri: &uri, version, headers: &headers };
    let hosts = Hosts::new(ALLOWED[3..].iter().map(|name| name.to_string()).collect());
    if let Ok(admission) = head.check(&hosts) {
        check_let_in(&head, admission);
    }
});

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_first()?;
    let (_, name) = NAMES.iter().find(|(letter, _)| letter == name)?;
    Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
}

/// What must be true of a request that was let in.
fn check_let_in(head: &Head<'_>, admission: Admission) {
    let texts = |name: &HeaderName| -> Vec<String> {
        let values = head.headers.get_all(name).map(|value| value.as_bytes());
        values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    };
    let in_lower_case = |name| -> Vec<String> {
        texts(name).iter().map(|text| text.to_ascii_lowercase()).collect()
    };
    let (hosts, origins) = (in_lower_case(&HOST), in_lower_case(&ORIGIN));
    let target = head.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    let host = match &hosts[..] {
        [host] => Some(host),
        [] if head.version == Version::HTTP_10 => target.as_ref(),
        _ => panic!("{} hosts were let in", hosts.len()),
    };
    if let Some(host) = host {
        assert!(ALLOWED.iter().any(|allowed| is_named(host, allowed)), "{host}");
    }
    if let Some(target) = &target {
        assert_eq!(Some(target), host, "the target is another host");
    }
    assert!(head.uri.scheme_str().is_none_or(|scheme| scheme == "http"));
    match &origins[..] {
        [] => {}
        [origin] => {
            assert_eq!(Some(origin.as_str()), host.map(|h| format!("http://{h}")).as_deref())
        }
        _ => panic!("{} origins were let in", origins.len()),
    }
    for site in texts(&HeaderName::from_static("sec-fetch-site")) {
        let is_ours = site == "same-origin" || site == "none";
        assert!(is_ours || check_opens_page(head, &texts), "{site}");
    }
    if head.is_change() {
        check_change(&texts, host, admission);
    }
}

/// Whether a host in lower case is this name, alone or with a port.
fn is_named(host: &str, name: &str) -> bool {
    let port = host.strip_prefix(name).map(|rest| rest.strip_prefix(':').ok_or(rest));
    match port {
        Some(Err(rest)) => rest.is_empty(),
        Some(Ok(digits)) => digits.parse::<u16>().is_ok_and(|p| p > 0 && p.to_string() == digits),
        None => false,
    }
}

/// What another site may do: send somebody to the page, and nothing else.
fn check_opens_page(head: &Head<'_>, texts: &impl Fn(&HeaderName) -> Vec<String>) -> bool {
    let [mode, dest] =
        ["sec-fetch-mode", "sec-fetch-dest"].map(|name| texts(&HeaderName::from_static(name)));
    let is_lookup = [Method::GET, Method::HEAD].contains(head.method);
    is_lookup && head.uri.path() == "/" && mode == ["navigate"] && dest == ["document"]
}

fn check_change(
    texts: &impl Fn(&HeaderName) -> Vec<String>,
    host: Option<&String>,
    admission: Admission,
) {
    let [site, mode, dest] = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"]
        .map(|name| texts(&HeaderName::from_static(name)));
    let is_unsaid = site.iter().any(|site| site == "none");
    assert_eq!(admission, if is_unsaid { Admission::Form } else { Admission::Whole });
    if is_unsaid {
        assert_eq!((mode, dest), (vec!["navigate".to_owned()], vec!["document".to_owned()]));
    }
    for name in ["sec-purpose", "purpose", "x-moz"] {
        assert!(texts(&HeaderName::from_static(name)).is_empty(), "{name}");
    }
    if site.is_empty() {
        for referer in texts(&HeaderName::from_static("referer")) {
            let ours = format!("http://{}", host.expect("a referer needs a host"));
            let referer = referer.to_ascii_lowercase();
            let rest = referer.strip_prefix(&ours).expect("another site's referer");
            assert!(rest.is_empty() || rest.starts_with('/'), "{referer}");
        }
    }
}
