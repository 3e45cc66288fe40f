//! Who is let in and who is not, through the real door.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::daemon::{Daemon, Home, parse};
use crate::faults::finish;
use crate::skip::{is_root, lacks};

#[cfg(target_os = "linux")]
mod flood;

/// The user whom no test runs as.
const NOBODY: u32 = 65534;
const JSON: &str = "Content-Type: application/json\r\n";

/// What a shell of another user sends and reads on a connection of its own.
fn ask_as(user: u32, home: &Home, script: &str) -> String {
    let script = script.replace("PORT", &home.listen.to_string());
    let mut shell = Command::new("bash");
    finish(shell.args(["-c", &script]).uid(user).gid(user)).1
}

const SET_AS_ANOTHER: &str = "exec 3<>/dev/tcp/127.0.0.1/PORT
    printf 'GET /set?service=anothers HTTP/1.0\\r\\n\\r\\n' >&3
    cat <&3";

#[test]
fn a_refusal_is_one_line_that_says_why_and_changes_nothing() {
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("shop").port();
    let own = format!("Origin: http://localhost:{}\r\n", home.listen);
    let rows: &[(&str, &str, u16, &str)] = &[
        (
            "GET /set?service=a",
            "Sec-Fetch-Site: cross-site\r\n",
            403,
            "Refused: a web page of another site may not use pald\n",
        ),
        (
            "GET /get?service=shop",
            "Sec-Fetch-Site: same-site\r\n",
            403,
            "Refused: a web page of another site may not use pald\n",
        ),
        (
            "POST /set?service=a",
            "Origin: http://evil.test\r\n",
            403,
            "Refused: a web page of another site may not use pald\n",
        ),
        (
            "GET /get?service=shop",
            "Origin: null\r\nUpgrade: websocket\r\n",
            403,
            "Refused: a web page of another site may not use pald\n",
        ),
        (
            "GET /set?service=a",
            "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: no-cors\r\n",
            403,
            "Refused: a browser may not make changes on its own\n",
        ),
        (
            "GET /set?service=a",
            "User-Agent: Mozilla/5.0\r\n",
            403,
            "Refused: a browser that does not say where a request comes from may not make changes\nhint: Use curl or a newer browser\n",
        ),
        (
            "GET /nowhere",
            "Sec-Fetch-Site: cross-site\r\n",
            403,
            "Refused: a web page of another site may not use pald\n",
        ),
        (
            "PUT /set",
            "Sec-Fetch-Site: cross-site\r\n",
            403,
            "Refused: a web page of another site may not use pald\n",
        ),
        ("OPTIONS /set", &own, 405, "This method is not allowed here; use GET, POST\n"),
        ("GET /get?service=a", &own, 404, "a is not registered\nhint: Register it with /set\n"),
    ];
    for (request, headers, status, body) in rows {
        let (method, target) = request.split_once(' ').unwrap();
        let reply = daemon.client.request(method, target, headers);
        assert_eq!((reply.status, reply.body.as_str()), (*status, *body), "{request} {headers}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let raw = |request: &str| parse(&daemon.client.raw(request));
    let reply =
        raw("GET /set?service=a HTTP/1.1\r\nHost: evil.test:49200\r\nConnection: close\r\n\r\n");
    let expected = "Refused: pald does not answer to the host \"evil.test:49200\"\n\
                    hint: Use localhost, or add the name to `allowed_hosts` in the configuration\n";
    assert_eq!((reply.status, reply.body.as_str()), (403, expected));
    // actix's own parser answers what is no HTTP at all.
    for broken in [
        "GET /set?service=a HTTP/1.1\r\n\r\n",
        "GET /set?service=a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ] {
        assert_eq!(raw(broken).status, 400, "{broken}");
    }
    assert_eq!(daemon.set("next").port(), home.min + 1, "a refused request has changed something");
}

#[test]
fn the_address_of_a_change_leads_a_browser_to_the_form() {
    let home = Home::new(9);
    let daemon = home.start();
    let port = daemon.set("shop").port();
    let opened = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let rows = [
        ("/set?service=a", "/?form=register&service=a".to_owned()),
        ("/set?service=%3Cb%3E&port='", "/?form=register&service=%3Cb%3E&port='".to_owned()),
        ("/set", "/?form=register&".to_owned()),
        (&format!("/del?port={port}"), format!("/?form=release&port={port}")),
        (&format!("/d%65l?port={port}"), format!("/?form=release&port={port}")),
    ];
    for (target, expected) in rows {
        let reply = daemon.client.request("GET", target, opened);
        assert_eq!((reply.status, reply.header("location")), (303, Some(&*expected)), "{target}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        for (method, more) in [
            ("GET", "Sec-Purpose: prefetch\r\n"),
            ("POST", ""),
            ("HEAD", ""),
            ("GET", "X-Moz: x\r\n"),
        ] {
            let reply = daemon.client.request(method, target, &format!("{opened}{more}"));
            assert_eq!((reply.status, reply.header("location")), (403, None), "{method} {target}");
        }
    }
    let reply = daemon.client.request("PUT", "/v1/services/a", opened);
    assert_eq!(reply.status, 403);
    let linked = opened.replace("none", "cross-site");
    let reply = daemon.client.request("GET", "/?form=register&service=a", &linked);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
    assert_eq!(daemon.get("/get?service=a").status, 404);
    assert_eq!(daemon.get("/get?service=shop").port(), port);
}

#[test]
fn what_curl_and_its_kin_send_passes() {
    let home = Home::new(9);
    let daemon = home.start();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let rows = [
        "GET /set?service=a HTTP/1.0\r\n\r\n".to_owned(),
        "GET /set?service=a HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n".to_owned(),
        "POST /set?service=a HTTP/1.1\r\nHost: [::1]:1\r\nConnection: close\r\n\r\n".to_owned(),
        "POST /set?service=a HTTP/1.1\r\nHost: LOCALHOST\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        format!("POST /set HTTP/1.1\r\nHost: 127.0.0.1\r\n{form}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nserv\r\n5\r\nice=a\r\n0\r\n\r\n"),
        format!("POST /set HTTP/1.0\r\n{form}Content-Length: 9\r\n\r\nservice=a"),
        "GET /set?service=a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n".to_owned(),
        format!("GET http://localhost:{0}/set?service=a HTTP/1.1\r\nHost: localhost:{0}\r\nConnection: close\r\n\r\n", home.listen),
    ];
    for request in rows {
        assert_eq!(parse(&daemon.client.raw(&request)).port(), home.min, "{request}");
    }
    let reply = daemon.client.raw(format!("POST /set HTTP/1.1\r\nHost: localhost\r\n{form}Expect: 100-continue\r\nContent-Length: 9\r\nConnection: close\r\n\r\nservice=a"));
    let reply = reply.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    assert_eq!(parse(reply).port(), home.min);
}

#[test]
fn every_reply_carries_the_headers_that_keep_pages_out() {
    let home = Home::new(9);
    let daemon = home.start();
    let (text, json) = ("text/plain; charset=utf-8", "application/json; charset=utf-8");
    let problem = "application/problem+json; charset=utf-8";
    let client = &daemon.client;
    let replies = [
        (daemon.set("shop"), text),
        (daemon.get("/get?service=nope"), text),
        (daemon.get("/nowhere"), text),
        (client.request("PUT", "/get", ""), text),
        (client.request("GET", "/get?service=shop", "Origin: null\r\n"), text),
        (client.post("/set", "application/json", b"{}"), text),
        (client.get("/v1/dump"), text),
        (client.get("/v1/services"), json),
        (client.request("GET", "/v1/services", "If-None-Match: *\r\n"), json),
        (client.request("DELETE", "/v1/services/shop", ""), json),
        (client.get("/v1/services/shop"), problem),
        (client.request("PUT", "/v1/services/shop", "Origin: null\r\n"), problem),
        (client.get("/"), "text/html; charset=utf-8"),
        (client.get("/page/main.js"), "text/javascript; charset=utf-8"),
    ];
    for (reply, content_type) in replies {
        let headers = [
            ("content-type", content_type),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
        ];
        for (name, value) in headers {
            assert_eq!(reply.header(name), Some(value), "{}: {name}", reply.status);
        }
        assert_eq!(reply.header("server"), None);
    }
}

/// A site that once had pald's port left a service worker, which registered and released services
/// through pald's page.
#[test]
fn a_service_worker_of_an_earlier_site_is_replaced_by_one_that_unregisters_itself() {
    let home = Home::new(9);
    let daemon = home.start();
    let script = "Service-Worker: script\r\nSec-Fetch-Site: same-origin\r\n\
                  Sec-Fetch-Mode: same-origin\r\nSec-Fetch-Dest: serviceworker\r\n";
    for path in ["/sw.js", "/", "/page/main.js", "/set?service=a", "/v1/dump", "/a/b/sw.js?v=2"] {
        let reply = daemon.client.request("GET", path, script);
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some("text/javascript; charset=utf-8"), "{path}");
        assert_eq!(reply.header("service-worker-allowed"), Some("/"), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert!(reply.body.contains("registration.unregister()"), "{path}: {}", reply.body);
    }
    assert_eq!(daemon.get("/get?service=a").status, 404);
    let foreign = daemon.client.request("GET", "/sw.js", &format!("{script}Origin: null\r\n"));
    assert_eq!(foreign.status, 403);
}

#[test]
fn a_script_on_our_own_address_needs_the_key_of_the_page() {
    let home = Home::new(9);
    let daemon = home.start();
    let port = daemon.set("shop").port();
    let client = &daemon.client;
    let sent = |site: &str, mode: &str, dest: &str, more: &str| {
        format!(
            "Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}\r\n{more}"
        )
    };
    let page = |headers: &str| client.request("GET", "/", headers);
    let key_of = |page: &str| {
        page.split_once("name=\"key\" content=\"")
            .map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
    };
    let opened = page(&sent("none", "navigate", "document", ""));
    let key = key_of(&opened.body).unwrap();
    assert_eq!(opened.header("clear-site-data"), Some("\"storage\""));
    assert!(key.len() == 48 && key.starts_with(opened.header("pald-run").unwrap()), "{key}");
    // What a worker passes on or asks for itself, and what is no browser, gets none.
    for headers in [
        &*sent("same-origin", "navigate", "empty", ""),
        &sent("same-origin", "cors", "empty", ""),
        &sent("same-origin", "same-origin", "iframe", ""),
        "",
    ] {
        let shown = page(headers);
        assert!(!shown.body.contains(&key), "{headers}");
        assert_eq!((shown.status, shown.header("clear-site-data")), (200, None), "{headers}");
    }
    let shown = format!("Pald-Page: {key}\r\n");
    let wrong = format!("Pald-Page: {}0\r\n", &key[..47].replace('0', "1"));
    let rows = [
        ("GET", "/v1/services", 200),
        ("GET", "/get?service=shop", 200),
        ("PUT", "/v1/services/shop", 200),
        ("POST", "/set?service=shop", 200),
    ];
    for (method, target, status) in rows {
        let ask = |more: &str| {
            client.request(method, target, &sent("same-origin", "cors", "empty", more)).status
        };
        assert_eq!([ask(&shown), ask(&wrong), ask("")], [status, 403, 403], "{method} {target}");
        let image = sent("same-origin", "no-cors", "image", "");
        assert_eq!(client.request(method, target, &image).status, 403, "{target}");
        // A program may send what it likes.
        let program = client.request(method, target, "Sec-Fetch-Site: same-origin\r\n");
        assert_eq!(program.status, status, "{method} {target}");
    }
    assert_eq!(daemon.get("/get?service=shop").port(), port);
}

#[test]
fn other_names_are_answered_to_once_they_are_allowed() {
    let home = Home::new(9);
    let mut command = home.command();
    command.env("PALD_ALLOWED_HOSTS", "pald.test");
    let daemon = home.start_command(command);
    let ask = |host: &str| {
        let request =
            format!("GET /set?service=a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        parse(&daemon.client.raw(request)).status
    };
    assert_eq!([ask("pald.test"), ask("Pald.Test:80"), ask("localhost")], [200; 3]);
    assert_eq!([ask("xpald.test"), ask("pald.test.evil"), ask("pald.test:")], [403; 3]);
}

#[test]
fn another_user_may_look_and_must_not_change() {
    if lacks("tells users apart") {
        return;
    }
    if !is_root("ask as another user") {
        return;
    }
    let home = Home::new(9);
    let daemon = home.start();
    daemon.set("shop").port();
    let reply = parse(&ask_as(NOBODY, &home, SET_AS_ANOTHER));
    let expected = "Refused: user 65534 may not make changes here\n\
                    hint: The owner of pald may add that user to `allow_users` in the configuration\n";
    assert_eq!((reply.status, reply.body.as_str()), (403, expected));
    for path in ["%73et", "s%65t", "%73%65%74"] {
        let encoded = SET_AS_ANOTHER.replace("/set", &format!("/{path}")).replace('%', "%%");
        assert_eq!(parse(&ask_as(NOBODY, &home, &encoded)).status, 403, "{path}");
    }
    let del = SET_AS_ANOTHER.replace("/set?service=anothers", &format!("/del?port={}", home.min));
    assert_eq!(parse(&ask_as(NOBODY, &home, &del)).status, 403);
    // Which folders are there is not for others to know.
    let gone = SET_AS_ANOTHER.replace("/set?service=anothers", "/v1/prune");
    let reply = parse(&ask_as(NOBODY, &home, &gone));
    assert_eq!(
        (reply.status, &reply.json()["type"]),
        (403, &"urn:pald:error:user-not-allowed".into())
    );
    for path in ["prune", "release", "services/shop/rename"] {
        let change = gone.replace("GET /v1/prune", &format!("POST /v1/{path}"));
        let change = change.replace("HTTP/1.0", "HTTP/1.0\\r\\nContent-Length: 0");
        assert_eq!(parse(&ask_as(NOBODY, &home, &change)).status, 403, "{path}");
    }
    let get = SET_AS_ANOTHER.replace("/set?service=anothers", "/get?service=shop");
    assert_eq!(parse(&ask_as(NOBODY, &home, &get)).port(), home.min);
    for path in ["/v1/services/shop", "/v1/services/%73hop", "/%761/ports/"] {
        let port = if path.ends_with('/') { home.min.to_string() } else { String::new() };
        let look = SET_AS_ANOTHER.replace("/set?service=anothers", &format!("{path}{port}"));
        let reply = parse(&ask_as(NOBODY, &home, &look.replace('%', "%%")));
        assert_eq!((reply.status, &reply.json()["port"]), (200, &home.min.into()), "{path}");
    }
    assert_eq!(daemon.get("/get?service=anothers").status, 404);
    let set =
        br#"{"folder":"/home/ann/x","project":"x","labels":[""],"services":[{"name":"web"}]}"#;
    assert_eq!(daemon.client.send("POST", "/v1/services", JSON, set).status, 201);
    for path in ["/v1/services", "/v1/services/x.web", "/v1/dump"] {
        assert!(daemon.get(path).body.contains("/home/ann/x"), "{path}");
        let look = SET_AS_ANOTHER.replace("/set?service=anothers", path);
        let body = parse(&ask_as(NOBODY, &home, &look)).body;
        assert!(body.contains("x.web") && !body.contains("/home"), "{path}: {body}");
    }
    let head = "POST /v1/services HTTP/1.0\\r\\nContent-Length: 0";
    let post = SET_AS_ANOTHER.replace("GET /set?service=anothers HTTP/1.0", head);
    assert_eq!(parse(&ask_as(NOBODY, &home, &post)).status, 403);
}

#[test]
fn another_user_who_closes_at_once_is_not_taken_for_root() {
    if lacks("tells users apart") {
        return;
    }
    if !is_root("ask as another user") {
        return;
    }
    // Each of these sends a change and is gone, by close or by the end of its process, before or
    // while pald looks; a closed socket reads user 0, which is not root.
    let script = "for i in $(seq 300); do
            exec 3<>/dev/tcp/127.0.0.1/PORT
            printf 'GET /set?service=closed%d HTTP/1.0\\r\\n\\r\\n' $i >&3
            exec 3>&-
            ( exec 4<>/dev/tcp/127.0.0.1/PORT
              printf 'GET /set?service=ended%d HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' $i >&4 )
        done";
    // How many services such clients register.
    let registered = |allow_users: &str| {
        let home = Home::new(900);
        let mut command = home.command();
        command.env("PALD_ALLOW_USERS", allow_users);
        let daemon = home.start_command(command);
        ask_as(NOBODY, &home, script);
        // This connection comes after all of theirs: once it is answered, they have been looked at.
        daemon.set("own").port();
        assert_eq!(daemon.stop().0, Some(0));
        home.dump().lines().filter(|line| !line.starts_with("own\t")).count()
    };
    assert_eq!(registered(""), 0);
    // pald does read what they have sent: where it need not look, it does as they say.
    assert!(registered("*") > 0);
}

#[test]
fn another_user_may_change_once_it_is_allowed() {
    if lacks("tells users apart") {
        return;
    }
    if !is_root("ask as another user") {
        return;
    }
    // (allow_users, what users 1234, 1235 and 65534 are answered)
    for (users, statuses) in [("1234", [200, 403, 403]), ("*", [200; 3])] {
        let home = Home::new(9);
        let mut command = home.command();
        command.env("PALD_ALLOW_USERS", users);
        let _daemon = home.start_command(command);
        let ask = |user| parse(&ask_as(user, &home, SET_AS_ANOTHER)).status;
        assert_eq!([ask(1234), ask(1235), ask(NOBODY)], statuses, "{users}");
    }
}

/// Connections that send only the start of a request.
fn slow_clients(home: &Home, count: usize) -> Vec<TcpStream> {
    let starts = [
        "",
        "GET /get?service=shop HTTP/1.1\r\nHost: ",
        "POST /set HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 900\r\n\r\nserv",
    ];
    (0..count)
        .map(|number| {
            let mut stream = TcpStream::connect(("127.0.0.1", home.listen)).unwrap();
            stream.write_all(starts[number % starts.len()].as_bytes()).unwrap();
            stream
        })
        .collect()
}

fn start_with_64_descriptors(home: &Home) -> Daemon {
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 64 && exec \"$0\"", crate::daemon::PALD]);
    home.prepare(&mut command);
    home.start_command(command)
}

#[test]
fn slow_clients_starve_nobody_even_with_few_descriptors() {
    let home = Home::new(9);
    let daemon = start_with_64_descriptors(&home);
    daemon.set("shop").port();
    let slow = slow_clients(&home, 60);
    // The client's own time limit is four times what a waiting line of 60 takes.
    assert_eq!(daemon.get("/get?service=shop").port(), home.min);
    assert_eq!(daemon.set("during").port(), home.min + 1);
    // Slow clients have been told why they were dropped, or were just dropped.
    for mut stream in slow {
        let mut reply = String::new();
        if stream.read_to_string(&mut reply).is_ok() && !reply.is_empty() {
            assert_eq!(parse(&reply).status, 408, "{reply}");
        }
    }
    // The store never ran out of descriptors.
    assert_eq!(daemon.set("after").port(), home.min + 2);
    let (code, log) = daemon.stop();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(home.dump().lines().count(), 3);
}
