//! `/get`, `/set` and `/del` through curl's door.

use std::net::{TcpListener, TcpStream};

use crate::daemon::{Home, Reply};

#[test]
fn a_service_gets_the_lowest_free_port_and_keeps_it() {
    let home = Home::new(5);
    let daemon = home.start();
    for (service, port) in [("shop", 0), ("db", 1), ("shop", 0), ("web", 2), ("db", 1)] {
        assert_eq!(daemon.set(service).port(), home.min + port, "{service}");
        assert_eq!(daemon.get(&format!("/get?service={service}")).port(), home.min + port);
    }
    // What is released is remembered for its service, also over a restart.
    let released = daemon.client.del(home.min + 1);
    assert_eq!((released.status, released.body.as_str()), (200, "OK\n"));
    assert_eq!(daemon.get("/get?service=db").status, 404);
    assert_eq!(daemon.set("mail").port(), home.min + 3);
    daemon.kill();
    let daemon = home.start();
    assert_eq!(daemon.set("cache").port(), home.min + 4);
    assert_eq!(daemon.set("db").port(), home.min + 1);
    // A port of nobody is given out before one that is remembered for somebody.
    for service in ["db", "mail"] {
        daemon.client.del(daemon.get(&format!("/get?service={service}")).port());
    }
    assert_eq!(daemon.set("db").port(), home.min + 1);
    assert_eq!(daemon.set("last").port(), home.min + 3);
    assert_eq!(daemon.set("mail").status, 412);
}

#[test]
fn the_listening_port_is_never_given_to_a_service() {
    let mut home = Home::new(2);
    home.min = home.listen;
    let daemon = home.start();
    assert_eq!(daemon.set("a").port(), home.listen + 1);
    assert_eq!(daemon.set("b").port(), home.listen + 2);
    let reply = daemon.set("c");
    assert_eq!(reply.status, 412);
    let expected = format!(
        "No ports available: all 2 ports in {}-{} are registered (2) or in use by others (0)\n\
         hint: Release one with /del, or raise `port_max` in ~/.pald/config.toml\n",
        home.min, home.max
    );
    assert_eq!(reply.body, expected);
    // A registered service still gets its answer.
    assert_eq!(daemon.set("a").port(), home.listen + 1);
}

#[test]
fn parameters_come_from_the_query_or_from_a_form() {
    let home = Home::new(9);
    let daemon = home.start();
    let client = &daemon.client;
    let form = "application/x-www-form-urlencoded";
    let rows: &[(&str, &str, &str, &str)] = &[
        ("GET", "/set?service=a", "", ""),
        ("GET", "/set?x=y&service=a", "", ""),
        ("GET", "/set?service=%61", "", ""),
        ("POST", "/set?service=a", "", ""),
        ("POST", "/set", form, "service=a"),
        ("POST", "/set?", "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "x=1&service=%61&"),
        ("POST", "/get", form, "service=a"),
    ];
    for (method, target, kind, body) in rows {
        let reply = match *method {
            "GET" => client.request("GET", target, ""),
            _ => client.post(target, kind, body.as_bytes()),
        };
        assert_eq!((reply.status, reply.body), (200, format!("{}\n", home.min)), "{target}");
    }
    let reply = client.post("/del", form, format!("port={}", home.min).as_bytes());
    assert_eq!((reply.status, reply.body.as_str()), (200, "OK\n"));
}

#[test]
fn a_mistake_is_400_with_a_plain_line_and_changes_nothing() {
    let home = Home::new(9);
    let daemon = home.start();
    let client = &daemon.client;
    assert_eq!(daemon.set("shop").port(), home.min);
    let form = "application/x-www-form-urlencoded";
    let long = format!("/get?service={}", "n".repeat(256));
    let numbers = "is not a plain number; use 1 to 65535 without sign, blanks or leading zeros";
    let rows: &[(&str, u16, String)] = &[
        ("/get", 400, "Parameter `service` is missing\nhint: Add `-d service=NAME` to the curl command\n".into()),
        ("/set?service", 400, "Service name is empty; use 1 to 255 letters, digits and . _ -\n".into()),
        ("/set?service=", 400, "Service name is empty; use 1 to 255 letters, digits and . _ -\n".into()),
        ("/set?service=my+app", 400, "Service name \"my app\" contains a space; use letters, digits and . _ -\nhint: Try `my-app`\n".into()),
        ("/set?service=shop/web", 400, "Service name \"shop/web\" contains a slash; use letters, digits and . _ -\nhint: Try `shop.web`\n".into()),
        ("/set?service=%C3%A4", 400, "Service name \"\\u{e4}\" contains a character that is not ASCII; use letters, digits and . _ -\n".into()),
        ("/set?service=%ff", 400, "Service name \"\\xff\" contains a character that is not ASCII; use letters, digits and . _ -\n".into()),
        ("/set?service=a%0d%0ab", 400, "Service name \"a\\r\\nb\" contains a line break; use letters, digits and . _ -\nhint: Try `a-b`\n".into()),
        ("/set?service=a%00", 400, "Service name \"a\\u{0}\" contains a control character; use letters, digits and . _ -\nhint: Try `a`\n".into()),
        ("/set?service=%zz", 400, "\"%zz\" contains a % that is not followed by two hexadecimal digits\n".into()),
        ("/set?service=a&service=a", 400, "Parameter `service` occurs more than once\n".into()),
        (&long, 400, "Service name is 256 bytes long; at most 255 are allowed\n".into()),
        ("/get?service=nope", 404, "nope is not registered\nhint: Register it with /set\n".into()),
        ("/del", 400, "Parameter `port` is missing\nhint: Add `-d port=PORT` to the curl command\n".into()),
        ("/del?port=", 400, format!("Port \"\" {numbers}\n")),
        ("/del?port=0", 400, "Port 0 is outside 1-65535\n".into()),
        ("/del?port=1", 400, "Port 1 is not registered\n".into()),
        ("/del?port=65536", 400, "Port 65536 is outside 1-65535\n".into()),
        ("/del?port=4294967297", 400, "Port 4294967297 is outside 1-65535\n".into()),
        ("/del?port=%2B1", 400, format!("Port \"+1\" {numbers}\n")),
        ("/del?port=+1", 400, format!("Port \" 1\" {numbers}\n")),
        ("/del?port=01", 400, format!("Port \"01\" {numbers}\n")),
        ("/del?port=-1", 400, format!("Port \"-1\" {numbers}\n")),
        ("/del?port=%D9%A1", 400, format!("Port \"\\u{{661}}\" {numbers}\n")),
        ("/del?service=shop", 400, "Parameter `port` is missing\nhint: Add `-d port=PORT` to the curl command\n".into()),
        ("//", 404, "There is nothing at this path\nhint: Try /get, /set, /del or /v1/openapi.json\n".into()),
        ("/set/", 404, "There is nothing at this path\nhint: Try /get, /set, /del or /v1/openapi.json\n".into()),
        ("/SET?service=a", 404, "There is nothing at this path\nhint: Try /get, /set, /del or /v1/openapi.json\n".into()),
    ];
    for (target, status, body) in rows {
        let reply = client.request("GET", target, "");
        assert_eq!((reply.status, &reply.body), (*status, body), "{target}");
    }

    let body_of_8193 = [b"service=".to_vec(), vec![b'a'; 8185]].concat();
    let megabyte = vec![b'a'; 1 << 20];
    let bodies: &[(&str, &[u8], &str)] = &[
        (
            "application/json",
            b"{\"service\":\"a\"}",
            "The body is \"application/json\"; send a form, application/x-www-form-urlencoded\n",
        ),
        (
            "text/plain",
            b"service=a",
            "The body is \"text/plain\"; send a form, application/x-www-form-urlencoded\n",
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x--",
            "The body is \"multipart/form-data; boundary=x\"; send a form, application/x-www-form-urlencoded\n",
        ),
        (
            "",
            b"service=a",
            "The body has no Content-Type; send a form, application/x-www-form-urlencoded\n",
        ),
        (
            form,
            b"",
            "Parameter `service` is missing\nhint: Add `-d service=NAME` to the curl command\n",
        ),
        (form, &body_of_8193, "The body is longer than 8192 bytes\n"),
        (form, &megabyte, "The body is longer than 8192 bytes\n"),
    ];
    for (kind, body, expected) in bodies {
        let reply = client.post("/set", kind, body);
        assert_eq!((reply.status, reply.body.as_str()), (400, *expected), "{kind}");
    }
    let reply = client.post("/set?service=a", form, b"service=a");
    assert_eq!(reply.body, "Parameter `service` occurs more than once\n");

    // None of this has changed anything: the next service gets the next port.
    assert_eq!(daemon.set("next").port(), home.min + 1);
}

#[test]
fn queries_up_to_8192_bytes_are_read() {
    let home = Home::new(3);
    let daemon = home.start();
    let padding =
        |bytes: usize| format!("/set?service=a&x={}", "n".repeat(bytes - "service=a&x=".len()));
    assert_eq!(daemon.client.request("GET", &padding(8192), "").status, 200);
    let reply = daemon.client.request("GET", &padding(8193), "");
    assert_eq!(reply.body, "The query is 8193 bytes long; at most 8192 are allowed\n");
    assert_eq!(reply.status, 400);
}

#[test]
fn other_methods_are_405_and_say_which_are_allowed() {
    let home = Home::new(3);
    let daemon = home.start();
    let rows = [("/get", "GET, HEAD, POST"), ("/set", "GET, POST"), ("/del", "GET, POST")];
    for (path, allow) in rows {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let target = format!("{path}?service=a&port={}", home.min);
            let reply = daemon.client.request(method, &target, "");
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), Some(allow));
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(daemon.client.request("HEAD", "/set?service=a", "").status, 405);
    assert_eq!(daemon.get("/get?service=a").status, 404, "HEAD has registered a service");
}

#[test]
fn head_answers_like_get_without_the_body() {
    let home = Home::new(3);
    let daemon = home.start();
    daemon.set("shop").port();
    let reply = daemon.client.request("HEAD", "/get?service=shop", "");
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.header("content-length"), Some("6"));
    assert_eq!(daemon.client.request("HEAD", "/get?service=nope", "").status, 404);
}

#[test]
fn every_reply_is_plain_text_that_no_cache_keeps() {
    let home = Home::new(1);
    let daemon = home.start();
    daemon.set("shop").port();
    let replies = [
        (daemon.get("/get?service=shop"), 200),
        (daemon.get("/get?service=nope"), 404),
        (daemon.get("/get"), 400),
        (daemon.set("second"), 412),
        (daemon.get("/nowhere"), 404),
        (daemon.client.request("PUT", "/get", ""), 405),
        (daemon.client.post("/set", "application/json", b"{}"), 400),
    ];
    for (reply, status) in replies {
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{status}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("server"), None);
    }
}

/// A plain lookup is answered before the app is asked; how it is written, and who asks, makes no difference.
#[test]
fn a_lookup_has_one_answer_however_it_is_asked_for() {
    let home = Home::new(1);
    let daemon = home.start();
    let client = &daemon.client;
    let answer = |reply: &Reply| {
        let names = ["content-type", "content-length", "cache-control", "connection"];
        let guards = ["x-content-type-options", "cross-origin-resource-policy", "server"];
        let headers = names.iter().chain(&guards).map(|name| reply.header(name).map(str::to_owned));
        (reply.status, headers.collect::<Vec<_>>(), reply.body.clone())
    };
    daemon.set("shop").port();
    let form = "application/x-www-form-urlencoded";
    let routed = answer(&client.post("/get", form, b"service=shop"));
    let own_page = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\n";
    let rows = [
        ("/get?service=shop", ""),
        ("/get?x=1&service=%73hop&", ""),
        ("/%67et?service=shop", ""),
        ("/get?service=shop", "Sec-Fetch-Site: none\r\n"),
        ("/get?service=shop", own_page),
    ];
    for (target, headers) in rows {
        assert_eq!(answer(&client.request("GET", target, headers)), routed, "{target} {headers}");
    }
    let refused = [
        ("/get?service=shop", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("/get?service=shop", "Origin: http://other.example\r\n", 403),
        ("/get?service=shop", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n", 403),
        ("/get?service=shop&service=shop", "", 400),
        ("/get?service=%zz", "", 400),
        ("/get?service=Shop", "", 404),
        ("/get/?service=shop", "", 404),
    ];
    for (target, headers, status) in refused {
        let reply = client.request("GET", target, headers);
        assert_eq!(
            (reply.status, reply.body.contains(&home.min.to_string())),
            (status, false),
            "{target}"
        );
    }
    // A browser that looks for a new version of a site's left-over worker gets that.
    let script = client.request("GET", "/get?service=shop", "Service-Worker: script\r\n");
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
}

#[test]
fn a_port_that_is_asked_for_is_given_whoever_runs_on_it() {
    let home = Home::new(9);
    let daemon = home.start();
    // Outside the range, and with a server that runs on it.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = server.local_addr().unwrap().port();
    let inside = home.min + 4;
    assert_eq!(daemon.set("shop").port(), home.min);
    let long = "is not a plain number; use 1 to 65535 without sign, blanks or leading zeros";
    let rows: &[(&str, String, u16, String)] = &[
        ("running", running.to_string(), 200, format!("{running}\n")),
        ("running", running.to_string(), 200, format!("{running}\n")),
        ("inside", inside.to_string(), 200, format!("{inside}\n")),
        (
            "inside",
            running.to_string(),
            400,
            format!(
                "inside is already registered on port {inside}, not {running}\nhint: Leave `port` out to accept it, or release it first with /del\n"
            ),
        ),
        (
            "other",
            running.to_string(),
            400,
            format!(
                "Port {running} is already registered to running\nhint: Release it with /del, or ask for another port\n"
            ),
        ),
        (
            "other",
            home.min.to_string(),
            400,
            format!(
                "Port {0} is already registered to shop\nhint: Release it with /del, or ask for another port\n",
                home.min
            ),
        ),
        (
            "other",
            home.listen.to_string(),
            400,
            format!("Port {} is where pald itself listens\n", home.listen),
        ),
        ("other", "0".into(), 400, "Port 0 is outside 1-65535\n".into()),
        ("other", "65536".into(), 400, "Port 65536 is outside 1-65535\n".into()),
        ("other", "080".into(), 400, format!("Port \"080\" {long}\n")),
        ("other", "7&port=8".into(), 400, "Parameter `port` occurs more than once\n".into()),
    ];
    for (service, port, status, body) in rows {
        let reply = daemon.get(&format!("/set?service={service}&port={port}"));
        assert_eq!((reply.status, &reply.body), (*status, body), "{service} {port}");
    }
    assert_eq!(daemon.get("/get?service=other").status, 404);
    // The server was not disturbed, and its port is still its service's after a restart.
    drop(daemon);
    let daemon = home.start();
    assert_eq!(daemon.get("/get?service=running").port(), running);
    let client = TcpStream::connect(("127.0.0.1", running)).unwrap();
    assert_eq!(server.accept().unwrap().1, client.local_addr().unwrap());
}

#[test]
fn a_port_that_others_use_is_skipped_and_named() {
    let home = Home::new(3);
    let daemon = home.start();
    let taken =
        [home.min, home.min + 2].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    assert_eq!(daemon.set("a").port(), home.min + 1);
    let reply = daemon.set("b");
    let start = format!(
        "No ports available: all 3 ports in {}-{} are registered (1) or in use by others (2)\n\
         hint: Release one with /del, or raise `port_max` in ~/.pald/config.toml; {0} is in use by ",
        home.min, home.max
    );
    assert_eq!(reply.status, 412);
    assert!(reply.body.starts_with(&start), "{}", reply.body);
    assert!(reply.body.contains(&format!("(pid {})", std::process::id())), "{}", reply.body);
    let start = std::time::Instant::now();
    let line = format!("Skipped a port port={} ", home.min);
    while !daemon.log().contains(&line) {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "{}", daemon.log());
        std::thread::yield_now();
    }
    // A skipped port stays unregistered and is given once it is free.
    drop(taken);
    assert_eq!(daemon.set("b").port(), home.min);
}

#[test]
fn a_service_that_must_be_new_is_refused_when_it_is_not() {
    let home = Home::new(3);
    let daemon = home.start();
    assert_eq!(daemon.get("/set?service=shop&new=true").port(), home.min);
    assert_eq!(daemon.get("/set?service=shop&new=false").port(), home.min);
    let reply = daemon.get("/set?service=shop&new=true");
    let expected = format!(
        "shop is already registered on port {}\nhint: Leave `new` out to accept it\n",
        home.min
    );
    assert_eq!((reply.status, reply.body), (400, expected));
    let reply = daemon.get("/set?service=web&new=yes");
    assert_eq!(reply.body, "Parameter `new` is \"yes\"; use true or false\n");
    assert_eq!((reply.status, daemon.get("/get?service=web").status), (400, 404));
}
