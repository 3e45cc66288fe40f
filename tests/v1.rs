//! The JSON routes, through curl's door.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::{Client, Daemon, Home, Reply, wait_for_dump};

const JSON: &str = "Content-Type: application/json\r\n";

fn put(client: &Client, path: &str, wish: &Value) -> Reply {
    client.send("PUT", path, JSON, wish.to_string().as_bytes())
}

fn delete(client: &Client, path: &str) -> Reply {
    client.request("DELETE", path, "")
}

/// Checks a problem's status, type and detail, and that it is told as one.
#[track_caller]
fn assert_problem(reply: &Reply, status: u16, kind: &str, detail: &str) {
    let problem = reply.json();
    assert_eq!(problem["detail"], detail);
    assert_eq!((reply.status, &problem["status"]), (status, &json!(status)));
    assert_eq!(problem["type"], kind);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(problem["title"].is_string());
}

fn names(services: &Value) -> Vec<&str> {
    services["services"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect()
}

#[test]
fn a_service_is_registered_shown_and_released() {
    let home = Home::new(5);
    let Daemon { client, .. } = &home.start();
    let made = client.send("PUT", "/v1/services/shop", "", b"");
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/services/shop")));
    let made = made.json();
    assert_eq!((&made["name"], &made["port"]), (&json!("shop"), &json!(home.min)));
    assert_eq!((&made["hold"], &made["addresses"]), (&json!(true), &json!([])));
    assert_eq!((&made["state"], &made["holder"]), (&Value::Null, &Value::Null));

    let again = put(client, "/v1/services/shop", &json!({}));
    assert_eq!((again.status, again.json()), (200, made.clone()));
    let mut shown = made.clone();
    shown["state"] = json!("idle");
    let reply = client.get("/v1/services/shop");
    assert_eq!((reply.status, reply.json()), (200, shown.clone()));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(client.get("/v1/services/shop?state=false").json(), made);

    let all = client.get("/v1/services").json();
    let pool = json!({"min": home.min, "max": home.max, "used": 1, "free": 4});
    assert_eq!(all, json!({"services": [shown], "pool": pool, "revision": 1}));

    let gone = delete(client, "/v1/services/shop");
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    let unknown = "shop is not registered";
    let kind = "urn:pald:error:not-found";
    assert_problem(&delete(client, "/v1/services/shop"), 404, kind, unknown);
    assert_problem(&client.get("/v1/services/shop"), 404, kind, unknown);
    assert_eq!(client.get("/get?service=shop").status, 404);
}

#[test]
fn a_wish_is_followed_or_refused_with_who_is_in_the_way() {
    let home = Home::new(5);
    let Daemon { client, .. } = &home.start();
    let (outside, listen) = (home.max + 1, home.listen);
    let wish = json!({"port": outside, "addresses": ["10.0.0.1", "db"], "hold": false});
    let made = put(client, "/v1/services/db", &wish);
    assert_eq!(made.status, 201);
    wait_for_dump(&home, |dump| dump.contains(&format!("db\t{outside}\t10.0.0.1,db\t")));
    assert!(home.dump().contains(" hold=off"));

    let changed = put(client, "/v1/services/db", &json!({"hold": true, "addresses": []}));
    let (status, body) = (changed.status, changed.json());
    assert_eq!((status, &body["hold"], &body["addresses"]), (200, &json!(true), &json!([])));
    assert_eq!(body["created_at"], made.json()["created_at"]);
    wait_for_dump(&home, |dump| dump.contains(&format!("db\t{outside}\t\t")));
    assert!(!home.dump().contains("hold=off"));

    let (name_taken, port_taken) = ("urn:pald:error:name-taken", "urn:pald:error:port-taken");
    let reply = put(client, "/v1/services/db", &json!({"port": home.min}));
    let detail = format!("db is already registered on port {outside}");
    assert_problem(&reply, 409, name_taken, &detail);
    let reply = put(client, "/v1/services/web", &json!({"port": outside}));
    let detail = format!("Port {outside} is already registered to db");
    assert_problem(&reply, 409, port_taken, &detail);
    assert_eq!((&reply.json()["service"], &reply.json()["port"]), (&json!("db"), &json!(outside)));
    let reply = put(client, "/v1/services/web", &json!({"port": listen}));
    assert_problem(&reply, 409, port_taken, &format!("Port {listen} is where pald itself listens"));
    let reply = client.send("PUT", "/v1/services/db", "If-None-Match: *\r\n", b"");
    let detail = format!("db is already registered (port {outside})");
    assert_problem(&reply, 412, name_taken, &detail);
    assert_eq!(client.send("PUT", "/v1/services/new", "If-None-Match: *\r\n", b"").status, 201);
    assert_eq!(names(&client.get("/v1/services?state=false").json()), ["new", "db"]);
}

#[test]
fn a_full_pool_is_told_as_such() {
    let home = Home::new(1);
    let Daemon { client, .. } = &home.start();
    assert_eq!(put(client, "/v1/services/a", &json!({})).status, 201);
    let reply = put(client, "/v1/services/b", &json!({}));
    assert_eq!(
        (reply.status, &reply.json()["type"]),
        (409, &json!("urn:pald:error:pool-exhausted"))
    );
    let pool = client.get("/v1/services").json()["pool"].clone();
    assert_eq!((&pool["used"], &pool["free"]), (&json!(1), &json!(0)));
}

#[test]
fn mistakes_are_problems_and_change_nothing() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let long = format!("/v1/services/{}", "a".repeat(256));
    let text = "Content-Type: text/plain\r\n";
    let (blank, name) = ("about:blank", "urn:pald:error:name-invalid");
    let (range, missing) = ("urn:pald:error:port-out-of-range", "urn:pald:error:not-found");
    // (method, path, headers, body, status, type)
    let rows: &[(&str, &str, &str, &str, u16, &str)] = &[
        ("PUT", "/v1/services/my%20app", "", "", 400, name),
        ("PUT", "/v1/services/a%2Fb", "", "", 400, name),
        ("PUT", "/v1/services/a%00", "", "", 400, name),
        ("PUT", "/v1/services/%ff", "", "", 400, name),
        ("PUT", "/v1/services/%zz", "", "", 400, name),
        ("PUT", &long, "", "", 400, name),
        ("PUT", "/v1/services/a", JSON, "{", 400, blank),
        ("PUT", "/v1/services/a", JSON, "[]", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"prot\":1}", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"port\":\"1\"}", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"port\":-1}", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"port\":1.5}", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"port\":2000,\"port\":2001}", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"port\":0}", 400, range),
        ("PUT", "/v1/services/a", JSON, "{\"port\":65536}", 400, range),
        ("PUT", "/v1/services/a", JSON, "{\"addresses\":[\"a b\"]}", 400, blank),
        ("PUT", "/v1/services/a", JSON, "{\"addresses\":[\"\"]}", 400, blank),
        ("PUT", "/v1/services/a", text, "{}", 415, blank),
        ("PUT", "/v1/services/a", "", "{}", 415, blank),
        ("PUT", "/v1/services/a", JSON, &"x".repeat(8193), 413, blank),
        ("POST", "/v1/services/a", JSON, "{}", 405, blank),
        ("POST", "/v1/services", JSON, "{}", 405, blank),
        ("OPTIONS", "/v1/services", "", "", 405, blank),
        ("GET", "/v1/services/", "", "", 404, missing),
        ("GET", "/v1/nothing", "", "", 404, missing),
        ("GET", "/v1/services?name=a&name=b", "", "", 400, blank),
        ("GET", "/v1/services?name=%5B", "", "", 400, blank),
        ("GET", "/v1/services?state=no", "", "", 400, blank),
        ("GET", "/v1/ports/0", "", "", 400, range),
        ("GET", "/v1/ports/65536", "", "", 400, range),
        ("GET", "/v1/ports/http", "", "", 400, range),
        ("DELETE", "/v1/ports/1", "", "", 404, missing),
        ("PUT", "/v1/dump?mode=both", "", "a 1\n", 400, blank),
        ("PUT", "/v1/dump", JSON, "a 1\n", 415, blank),
        ("DELETE", "/v1/dump", "", "", 405, blank),
    ];
    for (method, path, headers, body, status, kind) in rows {
        let reply = client.send(method, path, headers, body.as_bytes());
        let told = (reply.status, reply.json()["type"].clone());
        assert_eq!(told, (*status, json!(kind)), "{method} {path} {body}: {}", reply.body);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let all = client.get("/v1/services").json();
    assert_eq!((&all["services"], &all["revision"]), (&json!([]), &json!(0)));
}

#[test]
fn the_door_holds_for_v1_and_tells_it_as_a_problem() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    // (method, headers, type)
    let rows = [
        ("PUT", "Sec-Fetch-Site: cross-site\r\n", "urn:pald:error:cross-site"),
        ("PUT", "Origin: http://evil.example\r\n", "urn:pald:error:cross-site"),
        ("DELETE", "Sec-Fetch-Site: none\r\n", "urn:pald:error:cross-site"),
        ("GET", "Sec-Fetch-Site: same-site\r\n", "urn:pald:error:cross-site"),
    ];
    for (method, headers, kind) in rows {
        let reply = client.request(method, "/v1/services/shop", headers);
        assert_eq!(
            (reply.status, &reply.json()["type"]),
            (403, &json!(kind)),
            "{method} {headers}"
        );
    }
    let rebound =
        "PUT /v1/services/shop HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let reply = crate::daemon::parse(&client.raw(rebound));
    let kind = &reply.json()["type"];
    assert_eq!((reply.status, kind), (403, &json!("urn:pald:error:host-not-allowed")));
    assert_eq!(client.get("/v1/services/shop").status, 404);
}

#[test]
fn states_and_holders_are_those_of_the_machine() {
    let home = Home::new(4);
    let Daemon { client, .. } = &home.start();
    for name in ["idle", "runs", "bound", "late"] {
        put(client, &format!("/v1/services/{name}"), &json!({}));
    }
    let _server = TcpListener::bind(("127.0.0.1", home.min + 1)).unwrap();
    let _udp = UdpSocket::bind(("127.0.0.1", home.min + 2)).unwrap();
    let all = client.get("/v1/services").json();
    let rows = all["services"].as_array().unwrap();
    let states: Vec<_> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["idle", "running", "blocked", "idle"]);
    assert_eq!(rows[1]["holder"]["pid"], json!(std::process::id()));
    assert!(rows[1]["holder"]["user"].is_string() && rows[1]["holder"]["since"].is_string());
    assert_eq!(rows[2]["reason"], json!("a UDP socket"));
    for row in rows {
        let one = client.get(&format!("/v1/services/{}", row["name"].as_str().unwrap())).json();
        assert_eq!(&one, row);
        let port = client.get(&format!("/v1/ports/{}", row["port"])).json();
        let expected = json!({"port": row["port"], "state": row["state"], "reason": row["reason"],
            "service": row["name"], "holder": row["holder"]});
        assert_eq!(port, expected);
    }
    assert_eq!(names(&client.get("/v1/services?name=%3F%3F%3Fe").json()), ["idle", "late"]);
    assert_eq!(names(&client.get("/v1/services?name=*n*").json()), ["runs", "bound"]);
}

#[test]
fn a_reply_that_the_client_has_is_not_sent_again() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let first = client.get("/v1/services");
    let tag = first.header("etag").unwrap();
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let headers = format!("If-None-Match: {known}\r\n");
        let reply = client.request("GET", "/v1/services", &headers);
        assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{known}");
        assert_eq!(reply.header("etag"), Some(tag));
    }
    let headers = format!("If-None-Match: {tag}\r\n");
    put(client, "/v1/services/shop", &json!({}));
    let reply = client.request("GET", "/v1/services", &headers);
    assert_eq!((reply.status, names(&reply.json())), (200, vec!["shop"]));
}

#[test]
fn a_dump_is_taken_over_whole_or_not_at_all() {
    let home = Home::new(9);
    let Daemon { client, .. } = &home.start();
    let (a, b, c) = (home.min, home.min + 1, home.min + 2);
    let import = |query: &str, dump: &str| {
        client.send("PUT", &format!("/v1/dump{query}"), "", dump.as_bytes())
    };
    let merged = import("", &format!("a {a}\nb {b} 10.0.0.1 # mine\n"));
    let expected = json!({"added": ["a", "b"], "changed": [], "removed": [], "kept": 0,
        "revision": 1, "dry_run": false});
    assert_eq!((merged.status, merged.json()), (200, expected));

    // What is there stays; what contradicts it refuses all of it.
    let merged = import("?mode=merge", &format!("a {a}\nc {c}\n")).json();
    assert_eq!((&merged["added"], &merged["kept"]), (&json!(["c"]), &json!(2)));
    let refused = import("", &format!("d {}\na {c}\nx {b}\n", home.min + 5));
    let detail = format!(
        "a is registered on port {a}, not {c}; x can't have port {b}, which is b's; nothing was imported"
    );
    assert_problem(&refused, 409, "urn:pald:error:name-taken", &detail);
    let refused = import("?mode=replace", &format!("d {}\n", home.listen));
    let detail = format!(
        "d can't have port {}, where pald itself listens; nothing was imported",
        home.listen
    );
    assert_problem(&refused, 409, "urn:pald:error:port-taken", &detail);
    let bad = import("", "a 1\nb\nc 70000\n");
    assert_problem(
        &bad,
        400,
        "urn:pald:error:dump-invalid",
        "The dump has 2 bad lines; nothing was imported",
    );
    assert_eq!(
        bad.json()["lines"][1],
        json!({"line": 3, "reason": "port 70000 is outside 1-65535"})
    );
    assert_eq!(names(&client.get("/v1/services").json()), ["a", "b", "c"]);

    // Ports may be exchanged; what the dump does not say stays.
    let swapped = format!("a {b}\nb {a} 10.0.0.1\nnew {}\n", home.min + 7);
    let dry = import("?mode=replace&dry_run=true", &swapped).json();
    let expected = json!({"added": ["new"], "changed": ["a", "b"], "removed": ["c"], "kept": 0,
        "revision": 2, "dry_run": true});
    assert_eq!(dry, expected);
    assert_eq!(client.get("/get?service=a").port(), a);
    let replaced = import("?mode=replace", &swapped).json();
    assert_eq!((&replaced["changed"], &replaced["revision"]), (&json!(["a", "b"]), &json!(3)));
    assert_eq!(client.get("/get?service=a").port(), b);
    assert_eq!(names(&client.get("/v1/services").json()), ["b", "a", "new"]);

    // A dump of pald's own comes back as it was; a part of it does not.
    let dump = client.get("/v1/dump").body;
    wait_for_dump(&home, |written| written == dump);
    delete(client, "/v1/services/new");
    let part = dump.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    let detail = "The dump is not as pald wrote it; nothing was imported";
    assert_problem(&import("", &part), 400, "urn:pald:error:dump-invalid", detail);
    assert_eq!(import("?mode=replace", &dump).json()["added"], json!(["new"]));
    let nothing = import("?mode=replace", &client.get("/v1/dump").body).json();
    assert_eq!((&nothing["kept"], &nothing["revision"]), (&json!(3), &json!(5)));
    let empty = import("?mode=replace", "");
    let detail = "The dump names no service; nothing was imported";
    assert_problem(&empty, 400, "urn:pald:error:dump-invalid", detail);
    let only = import("?mode=replace", &format!("a {b}\n")).json();
    assert_eq!((&only["removed"], &only["kept"]), (&json!(["b", "new"]), &json!(1)));
}

#[test]
fn health_tells_what_pald_is_and_has() {
    let home = Home::new(3);
    let daemon = home.start();
    let client = &daemon.client;
    put(client, "/v1/services/shop", &json!({}));
    let deadline = Instant::now() + Duration::from_secs(30);
    let health = loop {
        let health = client.get("/v1/health").json();
        // The dump follows a change within a second.
        if health["dump"]["written_at"].is_string() {
            break health;
        }
        assert!(Instant::now() < deadline, "{health}");
    };
    let listen = home.listen;
    let addresses = json!([format!("127.0.0.1:{listen}"), format!("[::1]:{listen}")]);
    assert_eq!((&health["status"], &health["version"]), (&json!("ok"), &json!("0.1.0")));
    assert_eq!((&health["pid"], &health["revision"]), (&json!(daemon.pid()), &json!(1)));
    assert_eq!((&health["services"], &health["addresses"]), (&json!(1), &addresses));
    assert_eq!(health["store"], json!({"path": "~/.pald/db", "error": null}));
    assert_eq!(health["dump"]["error"], Value::Null);
    assert!(health["dump"]["written_at"].is_string());
    assert_eq!((&health["holds"]["held"], &health["holds"]["missing"]), (&json!(1), &json!([])));
    // The data folder is gone: the next change can't be stored.
    std::fs::rename(home.file("db"), home.file("elsewhere")).unwrap();
    let reply = put(client, "/v1/services/web", &json!({}));
    assert_eq!((reply.status, &reply.json()["type"]), (500, &json!("urn:pald:error:storage")));
    let reply = client.get("/v1/health");
    assert_eq!((reply.status, &reply.json()["status"]), (503, &json!("failed")));
    assert!(reply.json()["store"]["error"].as_str().unwrap().contains("db"), "{}", reply.body);
    assert_eq!(client.get("/get?service=shop").port(), home.min);
}

#[test]
fn a_service_without_hold_is_not_held() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let held = || client.get("/v1/health").json()["holds"]["held"].clone();
    put(client, "/v1/services/shop", &json!({"hold": false}));
    assert_eq!(held(), json!(0));
    put(client, "/v1/services/web", &json!({}));
    assert_eq!(held(), json!(1));
    put(client, "/v1/services/web", &json!({"hold": false}));
    assert_eq!(held(), json!(0));
}

#[test]
fn the_document_names_every_route_and_only_those() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let document = client.get("/v1/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            found.push(format!("{} {path}", method.to_uppercase()));
            // Whatever it answers, it is not that there is no such route.
            let target = path.replace("{name}", "shop").replace("{port}", "1");
            let reply = client.request(&method.to_uppercase(), &target, "");
            assert_ne!(reply.status, 405, "{method} {path}");
            let no_route = "There is nothing at this path";
            assert!(!reply.body.contains(no_route), "{method} {path}");
        }
    }
    found.sort();
    let expected = [
        "DELETE /v1/ports/{port}",
        "DELETE /v1/services/{name}",
        "GET /v1/dump",
        "GET /v1/health",
        "GET /v1/openapi.json",
        "GET /v1/ports/{port}",
        "GET /v1/services",
        "GET /v1/services/{name}",
        "PUT /v1/dump",
        "PUT /v1/services/{name}",
    ];
    assert_eq!(found, expected);
}

/// A list showed services as blocked by pald itself: their holds were taken while it was made.
#[test]
fn pald_is_never_in_its_own_way() {
    let home = Home::new(499);
    let line = |port| format!("service-{port}\t{port}\n");
    let dump: String = (home.min..=home.max).map(line).collect();
    std::fs::write(home.file("dump"), dump).unwrap();
    let daemon = home.start();
    let (client, pid) = (&daemon.client, daemon.pid());
    let mut held = 0;
    while held < 499 {
        held = client.get("/v1/health").json()["holds"]["held"].as_u64().unwrap();
        let list = client.get("/v1/services").json();
        let services = list["services"].as_array().unwrap();
        assert_eq!(services.iter().find(|service| service["holder"]["pid"] == pid), None);
    }
}

#[test]
fn what_is_left_of_a_connection_does_not_change_the_list_each_second() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    put(client, "/v1/services/shop", &json!({}));
    let server = TcpListener::bind(("127.0.0.1", home.min)).unwrap();
    let peer = TcpStream::connect(("127.0.0.1", home.min)).unwrap();
    // Who closes first keeps TIME_WAIT.
    drop(server.accept().unwrap());
    drop((server, peer));
    let reason = || client.get("/v1/services/shop").json()["reason"].clone();
    let deadline = Instant::now() + Duration::from_secs(30);
    while reason() != json!("TIME_WAIT, for up to 60 s") {
        assert!(Instant::now() < deadline, "{}", reason());
    }
}

#[test]
fn an_encoded_path_gets_its_errors_as_problems_too() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let reply = client.send("PUT", "/%76%31/services/a%20b", "", b"");
    assert_eq!((reply.status, &reply.json()["type"]), (400, &json!("urn:pald:error:name-invalid")));
    let reply = client.send("PUT", "/%76%31/services/a", "User-Agent: Mozilla/5.0\r\n", b"");
    assert_eq!((reply.status, &reply.json()["type"]), (403, &json!("urn:pald:error:cross-site")));
}

#[test]
fn a_port_that_is_asked_for_or_imported_is_held_without_delay() {
    let home = Home::new(5);
    let Daemon { client, .. } = &home.start();
    let _server = TcpListener::bind(("127.0.0.1", home.min + 2)).unwrap();
    put(client, "/v1/services/asked", &json!({"port": home.min}));
    let dump = format!("imported {}\noccupied {}\n", home.min + 1, home.min + 2);
    assert_eq!(client.send("PUT", "/v1/dump", "", dump.as_bytes()).status, 200);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let holds = client.get("/v1/health").json()["holds"].clone();
        // What nobody is on is never named.
        assert!([json!([]), json!([home.min + 2])].contains(&holds["missing"]), "{holds}");
        if holds["held"] == json!(2) && holds["missing"] == json!([home.min + 2]) {
            break;
        }
        assert!(Instant::now() < deadline, "{holds}");
    }
}
