//! What `/v1` says of the machine, of the holds, and of pald itself.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use pald::probe::HOLDS_PORTS;
use serde_json::{Value, json};

use super::{names, put};
use crate::daemon::{Daemon, Home};
use crate::skip::lacks;

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
    assert!(rows[1]["holder"]["user"].is_string());
    assert_eq!(rows[1]["holder"]["since"].is_string(), pald::probe::LACKS.is_none());
    assert_eq!(rows[1]["holders"], json!([rows[1]["holder"]]));
    assert_eq!(rows[1]["reason_code"], Value::Null);
    let held = (&rows[0]["reason_code"], &rows[0]["reason"], &rows[0]["held"]);
    let expected = match HOLDS_PORTS {
        true => (&json!("held"), &json!("held for idle; nothing listens"), &json!(true)),
        false => (&Value::Null, &Value::Null, &json!(false)),
    };
    assert_eq!(held, expected);
    assert_eq!(rows[2]["reason"], json!("a UDP socket"));
    assert_eq!(rows[2]["reason_code"], json!("udp"));
    for row in rows {
        let one = client.get(&format!("/v1/services/{}", row["name"].as_str().unwrap())).json();
        assert_eq!(&one, row);
        let port = client.get(&format!("/v1/ports/{}", row["port"])).json();
        let expected = json!({"port": row["port"], "state": row["state"], "reason": row["reason"],
            "reason_code": row["reason_code"], "service": row["name"], "holder": row["holder"],
            "holders": row["holders"], "verdict": row["verdict"], "held": row["held"]});
        assert_eq!(port, expected);
    }
    assert_eq!(names(&client.get("/v1/services?name=%3F%3F%3Fe").json()), ["idle", "late"]);
    assert_eq!(names(&client.get("/v1/services?name=*n*").json()), ["runs", "bound"]);
    let stars = "*".repeat(255);
    assert_eq!(names(&client.get(&format!("/v1/services?name={stars}")).json()).len(), 4);
    assert_eq!(names(&client.get("/v1/services?name=**n***s").json()), ["runs"]);
    let reply = client.get(&format!("/v1/services?name={stars}*"));
    let reason = "it is longer than 255 bytes";
    assert!(reply.json()["detail"].as_str().unwrap().ends_with(reason), "{}", reply.body);
    assert_eq!(reply.status, 400);
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
    let version = json!(env!("CARGO_PKG_VERSION"));
    assert_eq!((&health["status"], &health["version"]), (&json!("ok"), &version));
    assert_eq!((&health["pid"], &health["revision"]), (&json!(daemon.pid()), &json!(1)));
    assert_eq!((&health["services"], &health["addresses"]), (&json!(1), &addresses));
    assert_eq!(health["store"], json!({"path": "~/.pald/db", "error": null}));
    assert_eq!(health["dump"]["error"], Value::Null);
    assert!(health["dump"]["written_at"].is_string());
    let held = json!(u8::from(HOLDS_PORTS));
    assert_eq!((&health["holds"]["held"], &health["holds"]["missing"]), (&held, &json!([])));
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
    if lacks("holds ports") {
        return;
    }
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    let held = || client.get("/v1/health").json()["holds"]["held"].clone();
    put(client, "/v1/services/shop", &json!({"hold": false}));
    assert_eq!(held(), json!(0));
    put(client, "/v1/services/web", &json!({}));
    assert_eq!(held(), json!(1));
    put(client, "/v1/services/web", &json!({"hold": false}));
    assert_eq!(held(), json!(0));
    assert!(is_strictly_free(home.min + 1));
    put(client, "/v1/services/web", &json!({"hold": true}));
    let deadline = Instant::now() + Duration::from_secs(30);
    while held() != json!(1) {
        assert!(Instant::now() < deadline, "it is not held again");
    }
    assert!(!is_strictly_free(home.min + 1));
}

/// Whether no socket has a port, pald's hold neither.
fn is_strictly_free(port: u16) -> bool {
    matches!(pald::probe::Claimer::default().claim(pald::port::Port::new(port).unwrap()), Ok(Ok(_)))
}

#[test]
fn with_hold_ports_switched_off_nothing_is_held() {
    let home = Home::new(3);
    let mut command = home.command();
    command.env("PALD_HOLD_PORTS", "false");
    let Daemon { client, .. } = &home.start_command(command);
    put(client, "/v1/services/shop", &json!({"hold": true}));
    put(client, "/v1/services/web", &json!({"port": home.min + 1}));
    let holds = client.get("/v1/health").json()["holds"].clone();
    assert_eq!(holds, json!({"max": 0, "held": 0, "missing": [], "refused": []}));
    assert_eq!(client.get("/v1/services/shop").json()["held"], json!(false));
    assert!(is_strictly_free(home.min) && is_strictly_free(home.min + 1));
}

/// A port that found no descriptor for its hold was said to be in use by others.
#[cfg(target_os = "linux")]
#[test]
fn a_hold_that_finds_no_descriptor_says_so_and_is_taken_once_there_is_one() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    if lacks("holds ports") {
        return;
    }
    let home = Home::new(3);
    let daemon = home.start();
    let client = &daemon.client;
    // From here on the client keeps its connection.
    assert_eq!(client.get("/v1/health").status, 200);
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    let limit = |current| {
        let old = prlimit(pid, Resource::Nofile, Rlimit { current, maximum: None }).ok();
        // Where the highest possible limit is not ours to set, the present one stays.
        old.unwrap_or_else(|| {
            let own = rustix::process::getrlimit(Resource::Nofile);
            prlimit(pid, Resource::Nofile, Rlimit { current, ..own }).unwrap()
        })
    };
    let before = limit(Some(3));
    assert_eq!(client.get(&format!("/set?service=shop&port={}", home.min)).port(), home.min);
    let holds = || client.get("/v1/health").json()["holds"].clone();
    let deadline = Instant::now() + Duration::from_secs(30);
    while holds()["missing"] != json!([home.min]) {
        assert!(Instant::now() < deadline, "{}", holds());
    }
    let refused = &holds()["refused"][0];
    assert_eq!((&refused["port"], &refused["cause"]), (&json!(home.min), &json!("open_files")));
    limit(before.current);
    while holds()["held"] != json!(1) {
        assert!(Instant::now() < deadline, "{}", holds());
    }
    assert_eq!(holds()["refused"], json!([]));
}

#[test]
fn what_is_left_of_a_connection_does_not_change_the_list_each_second() {
    if lacks("sees TIME_WAIT") {
        return;
    }
    let home = Home::new(3);
    let Daemon { client, .. } = &home.start();
    put(client, "/v1/services/shop", &json!({}));
    let server = TcpListener::bind(("127.0.0.1", home.min)).unwrap();
    let peer = TcpStream::connect(("127.0.0.1", home.min)).unwrap();
    // Who closes first keeps TIME_WAIT.
    drop(server.accept().unwrap());
    drop((server, peer));
    let shown = || client.get("/v1/services/shop").json();
    let deadline = Instant::now() + Duration::from_secs(30);
    while shown()["reason_code"] != json!("time_wait") {
        assert!(Instant::now() < deadline, "{}", shown());
    }
    assert_eq!(shown()["reason"], json!("TIME_WAIT, for up to 60 s"));
}

#[test]
fn a_port_that_is_asked_for_or_imported_is_held_without_delay() {
    if lacks("holds ports") {
        return;
    }
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
