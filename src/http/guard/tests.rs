use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use actix_web::test::TestRequest;

use super::*;

const CROSS_SITE: &str = "Refused: a web page of another site may not use pald";
const UNASKED: &str = "Refused: a browser may not make changes on its own";
const OLD: &str =
    "Refused: a browser that does not say where a request comes from may not make changes";
const HOST_ONCE: &str = "Refused: a request must name its host exactly once";
const WHOLE: Result<Admission, String> = Ok(Admission::Whole);
const TARGET: &str = "Refused: the target names another host than the Host header";

/// `lines` are the method, the target and the version, and then headers.
fn check(lines: &[&str]) -> Result<Admission, String> {
    let [method, target, version] = lines[0].split(' ').collect::<Vec<_>>()[..] else { panic!() };
    let version = if version == "HTTP/1.0" { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request =
        TestRequest::default().method(method.parse().unwrap()).uri(target).version(version);
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.append_header((name, value));
    }
    let request = request.to_srv_request();
    let head = Head::from(request.head());
    let hosts = Hosts::new(vec!["pald.test".to_owned(), "[fe80::1]".to_owned()]);
    let checked = head.check(&hosts).map_err(|refusal| refusal.to_string());
    // A plain lookup is let in before the app is asked: just where the app would answer it.
    let guard = Guard::new(hosts, Users::Anybody);
    let is_answered = guard.admit(&request) == Ok(Admission::Whole);
    assert_eq!(guard.admits_lookup(request.head()), is_answered && !head.is_change(), "{lines:?}");
    checked
}

#[test]
fn only_whole_names_of_this_machine_are_answered_to() {
    let good = [
        "localhost",
        "LocalHost",
        "127.0.0.1",
        "[::1]",
        "localhost:49200",
        "127.0.0.1:1",
        "[::1]:65535",
        "localhost:8080",
        "pald.test",
        "PALD.TEST:80",
        "[fe80::1]:49200",
    ];
    for host in good {
        assert_eq!(check(&["GET /get HTTP/1.1", &format!("Host: {host}")]), WHOLE, "{host}");
    }
    let bad = [
        "",
        ":",
        ":80",
        "evil.test",
        "localhost.",
        "localhost.evil.test",
        "evil-localhost",
        "xlocalhost",
        "localhos",
        "127.0.0.1.evil.test",
        "127.0.0.2",
        "127.1",
        "0.0.0.0",
        "2130706433",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:080",
        "localhost:80:80",
        "localhost:x",
        "localhost: 80",
        "user@localhost",
        "localhost@evil.test",
        "localhost/",
        "localhost,evil.test",
        "pald.test.evil",
        "localhost evil.test",
    ];
    for host in bad {
        let expected = format!("Refused: pald does not answer to the host {}", Quoted::new(host));
        let lines = ["GET /get HTTP/1.1", &format!("Host: {host}")];
        assert_eq!(check(&lines), Err(expected), "{host}");
    }
}

#[test]
fn each_request_passes_or_fails_by_what_its_sender_says() {
    use Admission::{Form, Whole};
    let set = "GET /set?service=a HTTP/1.1";
    let get = "GET /get?service=a HTTP/1.1";
    let page = "GET / HTTP/1.1";
    let host = "Host: localhost:49200";
    let site = |value: &str| format!("Sec-Fetch-Site: {value}");
    let (same_origin, none) = (&*site("same-origin"), &*site("none"));
    let cross_site = &*site("cross-site");
    let (navigate, document) = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document");
    let ours = "Origin: http://localhost:49200";
    let rows: &[(&[&str], Result<Admission, &str>)] = &[
        // Who names no host, or two.
        (&[get], Err(HOST_ONCE)),
        (&[get, host, host], Err(HOST_ONCE)),
        (&["GET /get HTTP/1.0"], Ok(Whole)),
        (&["GET /set HTTP/1.0"], Ok(Whole)),
        (
            &["GET /set HTTP/1.0", "Host: evil.test"],
            Err("Refused: pald does not answer to the host \"evil.test\""),
        ),
        // A target that names a host.
        (&["GET http://localhost:49200/set HTTP/1.1", host], Ok(Whole)),
        (&["GET http://localhost:49201/set HTTP/1.1", host], Err(TARGET)),
        (&["GET http://evil.test/set HTTP/1.1", host], Err(TARGET)),
        (&["GET http://x@localhost:49200/set HTTP/1.1", host], Err(TARGET)),
        (&["GET https://localhost:49200/set HTTP/1.1", host], Err(TARGET)),
        (
            &["GET http://evil.test/set HTTP/1.0"],
            Err("Refused: pald does not answer to the host \"evil.test\""),
        ),
        (&["GET http://localhost/set HTTP/1.0"], Ok(Whole)),
        // curl and other programs.
        (&[set, host], Ok(Whole)),
        (&[set, host, "User-Agent: curl/8.0", "Accept: */*"], Ok(Whole)),
        (&[set, host, "User-Agent: Mozilla/5.0 (Windows NT) WindowsPowerShell/5.1"], Ok(Whole)),
        // Sec-Fetch-Site.
        (&[set, host, same_origin], Ok(Whole)),
        (&[set, host, same_origin, "User-Agent: Mozilla/5.0"], Ok(Whole)),
        (&[set, host, &site("cross-site")], Err(CROSS_SITE)),
        (&[set, host, &site("same-site")], Err(CROSS_SITE)),
        (&[set, host, &site("Same-Origin")], Err(CROSS_SITE)),
        (&[set, host, &site("")], Err(CROSS_SITE)),
        (&[set, host, &site("same-origin, cross-site")], Err(CROSS_SITE)),
        (&[set, host, same_origin, &site("cross-site")], Err(CROSS_SITE)),
        (&[get, host, &site("cross-site")], Err(CROSS_SITE)),
        (&[get, host, &site("same-site"), navigate, document], Err(CROSS_SITE)),
        // A link to the page, and what is none.
        (&[page, host, cross_site, navigate, document], Ok(Whole)),
        (&[page, host, &site("same-site"), navigate, document], Ok(Whole)),
        (&["HEAD / HTTP/1.1", host, cross_site, navigate, document], Ok(Whole)),
        (&["GET /?from=there HTTP/1.1", host, cross_site, navigate, document], Ok(Whole)),
        (&[page, host, same_origin], Ok(Whole)),
        (&[page, host, none, navigate, document], Ok(Whole)),
        (&[page, host, cross_site], Err(CROSS_SITE)),
        (&[page, host, cross_site, navigate], Err(CROSS_SITE)),
        (&[page, host, cross_site, document], Err(CROSS_SITE)),
        (&[page, host, cross_site, navigate, "Sec-Fetch-Dest: iframe"], Err(CROSS_SITE)),
        (&[page, host, cross_site, navigate, "Sec-Fetch-Dest: object"], Err(CROSS_SITE)),
        (&[page, host, cross_site, navigate, document, document], Err(CROSS_SITE)),
        (&[page, host, cross_site, "Sec-Fetch-Mode: cors", document], Err(CROSS_SITE)),
        (&[page, host, &site("Cross-Site"), navigate, document], Err(CROSS_SITE)),
        (&[page, host, &site("other"), navigate, document], Err(CROSS_SITE)),
        (
            &[page, host, cross_site, navigate, document, "Sec-Purpose: prefetch;prerender"],
            Err(CROSS_SITE),
        ),
        (
            &[page, host, cross_site, navigate, document, "Origin: http://evil.test"],
            Err(CROSS_SITE),
        ),
        (
            &[page, "Host: evil.test", cross_site, navigate, document],
            Err("Refused: pald does not answer to the host \"evil.test\""),
        ),
        (&["POST / HTTP/1.1", host, cross_site, navigate, document], Err(CROSS_SITE)),
        (&["GET // HTTP/1.1", host, cross_site, navigate, document], Err(CROSS_SITE)),
        (&["GET /%2f HTTP/1.1", host, cross_site, navigate, document], Err(CROSS_SITE)),
        (&["GET /page/main.js HTTP/1.1", host, cross_site, navigate, document], Err(CROSS_SITE)),
        (&["GET /v1/health HTTP/1.1", host, cross_site, navigate, document], Err(CROSS_SITE)),
        // An address: typed, of a bookmark or another program, or a redirect of a site that was
        // opened so.
        (&[get, host, none], Ok(Whole)),
        (&[set, host, none], Err(UNASKED)),
        (&[set, host, none, navigate], Err(UNASKED)),
        (&[set, host, none, document], Err(UNASKED)),
        (&[set, host, none, navigate, document], Ok(Form)),
        (&[set, host, none, navigate, document, "Sec-Fetch-User: ?1"], Ok(Form)),
        (&["GET /del?port=1 HTTP/1.1", host, none, navigate, document], Ok(Form)),
        (&["GET /%64el?port=1 HTTP/1.1", host, none, navigate, document], Ok(Form)),
        (&["POST /set?service=a HTTP/1.1", host, none, navigate, document], Err(UNASKED)),
        (&["HEAD /set?service=a HTTP/1.1", host, none, navigate, document], Err(UNASKED)),
        (&["PUT /v1/services/a HTTP/1.1", host, none, navigate, document], Err(UNASKED)),
        (&["DELETE /v1/ports/1 HTTP/1.1", host, none, navigate, document], Err(UNASKED)),
        (&[set, host, none, navigate, document, ours], Ok(Form)),
        (&[set, host, none, navigate, document, "Origin: http://evil.test"], Err(CROSS_SITE)),
        (&[set, host, none, &site("cross-site"), navigate, document], Err(CROSS_SITE)),
        (
            &[set, "Host: evil.test", none, navigate, document],
            Err("Refused: pald does not answer to the host \"evil.test\""),
        ),
        (&[set, host, none, navigate, "Sec-Fetch-Dest: iframe"], Err(UNASKED)),
        (&[set, host, none, "Sec-Fetch-Mode: no-cors", document], Err(UNASKED)),
        (&[set, host, none, navigate, navigate, document], Err(UNASKED)),
        // Prefetching.
        (&[set, host, none, navigate, document, "Sec-Purpose: prefetch"], Err(UNASKED)),
        (&[set, host, same_origin, "Sec-Purpose: prefetch;prerender"], Err(UNASKED)),
        (&[set, host, "Purpose: prefetch"], Err(UNASKED)),
        (&[set, host, "X-Moz: prefetch"], Err(UNASKED)),
        (&[get, host, "Purpose: prefetch"], Ok(Whole)),
        // Origin.
        (&[set, host, ours], Ok(Whole)),
        (&[set, host, same_origin, ours], Ok(Whole)),
        (&[get, host, ours], Ok(Whole)),
        (&[set, host, "Origin: null"], Err(CROSS_SITE)),
        (&[set, host, "Origin: https://localhost:49200"], Err(CROSS_SITE)),
        (&[set, host, "Origin: http://localhost"], Err(CROSS_SITE)),
        (&[set, host, "Origin: http://localhost:49201"], Err(CROSS_SITE)),
        (&[set, host, "Origin: http://localhost:49200.evil.test"], Err(CROSS_SITE)),
        (&[set, host, "Origin: http://localhost:49200/"], Err(CROSS_SITE)),
        (&[set, host, "Origin: http://127.0.0.1:49200"], Err(CROSS_SITE)),
        (&[set, host, ours, ours], Err(CROSS_SITE)),
        (&[get, host, "Origin: http://evil.test", "Upgrade: websocket"], Err(CROSS_SITE)),
        (&["GET /get HTTP/1.0", ours], Err(CROSS_SITE)),
        // Browsers that don't say where a request comes from.
        (&[set, host, "User-Agent: Mozilla/5.0 (X11) Gecko"], Err(OLD)),
        (&[get, host, "User-Agent: Mozilla/5.0 (X11) Gecko"], Ok(Whole)),
        (&[set, host, "Referer: http://evil.test/"], Err(CROSS_SITE)),
        (&[set, host, "Referer: http://localhost:49200.evil.test/"], Err(CROSS_SITE)),
        (&[set, host, "Referer: http://localhost:49201/"], Err(CROSS_SITE)),
        (&[set, host, "Referer: http://localhost:49200/page"], Ok(Whole)),
        (&[set, host, "Referer: http://localhost:49200"], Ok(Whole)),
        (&[get, host, "Referer: http://evil.test/"], Ok(Whole)),
        // A change is any request to these paths, whatever its method.
        (&["OPTIONS /set HTTP/1.1", host, "Purpose: prefetch"], Err(UNASKED)),
        (&["POST /del HTTP/1.1", host, "X-Moz: prefetch"], Err(UNASKED)),
        (&["PUT /v1/services/a HTTP/1.1", host, "X-Moz: prefetch"], Err(UNASKED)),
        (&["GET /v1/services HTTP/1.1", host, "X-Moz: prefetch"], Ok(Whole)),
        // An encoded path is decoded by the router, after the guard.
        (&["GET /%73et?service=a HTTP/1.1", host, "X-Moz: prefetch"], Err(UNASKED)),
        (&["GET /s%65t?service=a HTTP/1.1", host, none], Err(UNASKED)),
        (&["GET /%64el?port=1 HTTP/1.1", host, "User-Agent: Mozilla/5.0"], Err(OLD)),
        (&["GET http://localhost:49200/%73et HTTP/1.1", host, "Purpose: prefetch"], Err(UNASKED)),
        (&["PUT /%761/services/a HTTP/1.1", host, "X-Moz: prefetch"], Err(UNASKED)),
        (&["DELETE /v1%2Fports/1 HTTP/1.1", host, none], Err(UNASKED)),
        // A lookup is one whatever bytes its path was written with.
        (&["POST /get HTTP/1.1", host, "X-Moz: prefetch"], Ok(Whole)),
        (&["GET /v1/services/%61 HTTP/1.1", host, "X-Moz: prefetch"], Ok(Whole)),
        (&["GET /v1/services/%61 HTTP/1.1", host, none], Ok(Whole)),
        (&["HEAD /%761/services/%73et HTTP/1.1", host, "User-Agent: Mozilla/5.0"], Ok(Whole)),
        (&["GET /%67et?service=a HTTP/1.1", host, "Referer: http://evil.test/"], Ok(Whole)),
        (&["GET /%2573et HTTP/1.1", host, none], Ok(Whole)),
    ];
    for (lines, expected) in rows {
        assert_eq!(check(lines), expected.map_err(str::to_owned), "{lines:?}");
    }
}

#[test]
fn unknown_users_are_logged_once_until_users_are_known_again() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let writer = Arc::new(log.reopen().unwrap());
    let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
    tracing::subscriber::with_default(subscriber, || {
        let guard = Guard::new(Hosts::new(Vec::new()), Users::Anybody);
        let fail = || guard.known(io::Result::<u32>::Err(io::ErrorKind::TimedOut.into()));
        assert_eq!([fail(), fail(), guard.known(Ok(7)), fail()], [None, None, Some(7), None]);
    });
    let lines = std::fs::read_to_string(log.path()).unwrap();
    let warnings = lines.lines().filter(|line| line.contains("`allow_users = [\"*\"]`"));
    assert_eq!(warnings.count(), 2, "{lines}");
}

#[test]
fn who_is_unknown_may_change_something_only_where_everybody_may() {
    let request = TestRequest::default().to_http_request();
    let guard = |users| Guard::new(Hosts::new(Vec::new()), users);
    assert!(guard(Users::Anybody).may_change(&request));
    if probe::TELLS_USERS {
        let own = guard(Users::default());
        assert!(!own.may_change(&request));
        assert!(matches!(own.check_user(&request), Err(Refusal::UnknownUser)));
    }
}

#[test]
fn a_refusal_says_what_can_be_done() {
    let rows = [
        (Refusal::HostMissing, None),
        (
            Refusal::Host(Quoted::new("shop.test")),
            Some("Use localhost, or add the name to `allowed_hosts` in the configuration"),
        ),
        (Refusal::Target, None),
        (Refusal::CrossSite, None),
        (Refusal::Unasked, None),
        (Refusal::NotPage, Some("Load the page again")),
        (Refusal::OldBrowser, Some("Use curl or a newer browser")),
        (
            Refusal::User(1001),
            Some("The owner of pald may add that user to `allow_users` in the configuration"),
        ),
        (
            Refusal::UnknownUser,
            Some("Try again, or set `allow_users = [\"*\"]` in the configuration"),
        ),
    ];
    for (refusal, hint) in rows {
        assert_eq!(refusal.hint().as_deref(), hint, "{refusal:?}");
    }
}

/// The server's end of a connection, beside both streams.
fn connection() -> (OwnEnd, [TcpStream; 2]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    let own_end = OwnEnd::of(&server, server.local_addr().unwrap(), peer).unwrap();
    (own_end, [server, client])
}

#[test]
fn who_is_connected_counts_as_the_owner_or_as_somebody_else() {
    let me = Users::Only([nix::unistd::Uid::effective().as_raw()].into());
    for (users, tells_apart, is_owner) in
        [(Users::Anybody, false, true), (me, true, true), (Users::default(), true, false)]
    {
        let guard = Guard::new(Hosts::new(Vec::new()), users);
        let (own_end, _streams) = connection();
        // Where nobody can be told, the owner must not be shut out.
        let (tells_apart, is_owner) =
            if probe::TELLS_USERS { (tells_apart, is_owner) } else { (false, true) };
        assert_eq!(guard.tells_users_apart(), tells_apart, "{guard:?}");
        assert_eq!(guard.counts_as_owner(&own_end), is_owner, "{guard:?}");
        assert_eq!(guard.warning().is_none(), probe::TELLS_USERS, "{guard:?}");
    }
}

#[test]
fn unknown_users_are_warned_of_until_they_are_known_again() {
    let guard = Guard::new(Hosts::new(Vec::new()), Users::default());
    assert_eq!(guard.known::<u32>(Err(io::Error::other("no netlink"))), None);
    let warning = "Which user a connection is from is unknown (no netlink), so changes are refused";
    assert_eq!(guard.warning().as_deref(), Some(warning));
    assert_eq!(guard.known(Ok(1001)), Some(1001));
    assert_eq!(guard.warning(), None);
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut request = TestRequest::default();
    for line in lines {
        request = request.append_header(*line);
    }
    request.to_srv_request().headers().clone()
}

#[test]
fn a_browser_says_whether_another_site_leads_here() {
    let site = "sec-fetch-site";
    let rows: &[(&[_], _)] = &[
        (&[], false),
        (&[(site, "same-origin")], false),
        (&[(site, "none")], false),
        (&[(site, "same-site")], true),
        (&[(site, "cross-site")], true),
        (&[(site, "")], true),
        (&[(site, "none"), (site, "cross-site")], true),
    ];
    for (lines, elsewhere) in rows {
        assert_eq!(is_from_elsewhere(&headers(lines)), *elsewhere, "{lines:?}");
    }
}

#[test]
fn only_a_navigation_that_no_worker_passes_on_is_given_the_key() {
    let (dest, mode) = ("sec-fetch-dest", "sec-fetch-mode");
    // (headers, whether the page has its key, whether a worker passes it on)
    let rows: &[(&[_], _, _)] = &[
        (&[], false, false),
        (&[(mode, "navigate"), (dest, "document")], true, false),
        (&[(mode, "navigate"), (dest, "empty")], false, true),
        (&[(mode, "navigate")], false, false),
        (&[(mode, "cors"), (dest, "empty")], false, false),
        (&[(mode, "navigate"), (dest, "iframe")], false, false),
        (&[(dest, "empty")], false, false),
    ];
    for (lines, has_key, passed_on) in rows {
        let (guard, headers) = (Guard::new(Hosts::new(Vec::new()), Users::Anybody), headers(lines));
        let key = guard.page_key().for_page(&headers);
        assert_eq!(key.is_some(), *has_key, "{lines:?}");
        assert!(key.is_none_or(|key| key.len() == 48 && key.starts_with(guard.page_key().run())));
        assert_eq!(is_passed_on(&headers), *passed_on, "{lines:?}");
    }
}
