//! The JSON routes, through curl's door.

mod dump;
mod machine;
mod projects;

use std::net::TcpListener;

use pald::probe::HOLDS_PORTS;
use serde_json::{Value, json};

use crate::daemon::{Client, Daemon, Home, Reply, wait_for_dump};
use crate::skip::lacks;

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
    assert_eq!(reply.header("content-type"), Some("application/problem+json; charset=utf-8"));
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
    if HOLDS_PORTS {
        shown["reason"] = json!("held for shop; nothing listens");
        shown["reason_code"] = json!("held");
    }
    let reply = client.get("/v1/services/shop");
    assert_eq!((reply.status, reply.json()), (200, shown.clone()));
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
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
    let detail = format!("db is already registered on port {outside}, not {}", home.min);
    assert_problem(&reply, 409, name_taken, &detail);
    let reply = put(client, "/v1/services/web", &json!({"port": outside}));
    let detail = format!("Port {outside} is already registered to db");
    assert_problem(&reply, 409, port_taken, &detail);
    assert_eq!((&reply.json()["service"], &reply.json()["port"]), (&json!("db"), &json!(outside)));
    let reply = put(client, "/v1/services/web", &json!({"port": listen}));
    assert_problem(&reply, 409, port_taken, &format!("Port {listen} is where pald itself listens"));
    let reply = client.send("PUT", "/v1/services/db", "If-None-Match: *\r\n", b"");
    let detail = format!("db is already registered on port {outside}");
    assert_problem(&reply, 412, name_taken, &detail);
    assert_eq!(client.send("PUT", "/v1/services/new", "If-None-Match: *\r\n", b"").status, 201);
    assert_eq!(names(&client.get("/v1/services?state=false").json()), ["new", "db"]);
}

#[test]
fn a_full_range_is_a_problem_that_says_what_uses_its_ports() {
    let home = Home::new(2);
    let Daemon { client, .. } = &home.start();
    let _server = TcpListener::bind(("127.0.0.1", home.max)).unwrap();
    assert_eq!(put(client, "/v1/services/a", &json!({})).status, 201);
    let reply = put(client, "/v1/services/b", &json!({}));
    let problem = reply.json();
    assert_eq!((reply.status, &problem["type"]), (409, &json!("urn:pald:error:pool-exhausted")));
    let shown = client.get(&format!("/v1/ports/{}", home.max)).json();
    assert_eq!(problem["occupied"], json!([shown]));
    assert_eq!(shown["holder"]["pid"], json!(std::process::id()));
    let hint = problem["hint"].as_str().unwrap();
    let end = format!("(pid {})", std::process::id());
    assert!(hint.starts_with("Release a service, or raise") && hint.ends_with(&end), "{hint}");
    let pool = client.get("/v1/services").json()["pool"].clone();
    assert_eq!((&pool["used"], &pool["free"]), (&json!(1), &json!(1)));
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
        ("POST", "/v1/services", JSON, "{}", 400, blank),
        ("POST", "/v1/services", text, "{}", 415, blank),
        ("POST", "/v1/health", JSON, "{}", 405, blank),
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
        "GET /v1/prune",
        "GET /v1/services",
        "GET /v1/services/{name}",
        "POST /v1/prune",
        "POST /v1/release",
        "POST /v1/services",
        "POST /v1/services/{name}/rename",
        "PUT /v1/dump",
        "PUT /v1/services/{name}",
    ];
    assert_eq!(found, expected);
}

/// A list showed services as blocked by pald itself: their holds were taken while it was made.
#[test]
fn pald_is_never_in_its_own_way() {
    if lacks("holds ports") {
        return;
    }
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
fn an_encoded_path_gets_its_errors_as_problems_too() {
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let reply = client.send("PUT", "/%76%31/services/a%20b", "", b"");
    assert_eq!((reply.status, &reply.json()["type"]), (400, &json!("urn:pald:error:name-invalid")));
    let reply = client.send("PUT", "/%76%31/services/a", "User-Agent: Mozilla/5.0\r\n", b"");
    assert_eq!((reply.status, &reply.json()["type"]), (403, &json!("urn:pald:error:cross-site")));
}
