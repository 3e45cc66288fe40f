//! Whose the listener on a service's port is, with real processes in real checkouts.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use super::{SHOP, Workplace, is_there};
use crate::daemon::PALD;
use crate::skip::{lacks, skip};

/// A server that ends with its stdin. It is told its address, its port, and how it behaves.
const SERVER: &str = r"
import ctypes, os, socket, sys
address, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
server = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, port))
server.listen()
children = {'workers': 3, 'heir': 1}.get(how, 0)
for _ in range(children):
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
if how == 'heir':
    server.close()
if how == 'title':
    # As nginx and redis do, which write their titles there.
    start, end = map(int, open('/proc/self/stat').read().rsplit(')', 1)[1].split()[47:49])
    ctypes.memset(start, 0, end - start)
if how == 'leaves':
    os.chdir('/')
if how == 'nobody':
    os.setgid(65534)
    os.setuid(65534)
print(flush=True)
os.read(0, 1)
for _ in range(children):
    os.wait()
";

/// The same of node, whose title tells the version, as that of Next.js.
const NODE: &str = "
const [address, port] = process.argv.slice(1);
process.title = 'next-server (v14.2.3)';
require('http').createServer().listen(port, address, () => console.log());
process.stdin.on('end', () => process.exit()).resume();
";

/// A server that runs until the test ends.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    /// Starts a command that becomes a server, and waits until it listens.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "\n");
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Starts one by hand, in a folder.
    fn by_hand(workplace: &Workplace, folder: &str, address: &str, port: u64, how: &str) -> Self {
        let (program, flag, script) = match how {
            "node" => ("node", "-e", NODE),
            _ => ("python3", "-c", SERVER),
        };
        let mut command = workplace.command(program, &workplace.folder(folder));
        Self::start(command.args([flag, script, address, &port.to_string(), how]))
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// A workplace with `shop`, with its worktrees `fix` and `new` inside, of which `new` has not registered,
/// and `shop-beside`, with the project `blog`, and with `alone`, which has no folder. None where something
/// lacks.
fn checkouts() -> Option<Workplace> {
    let is_there = |program: &&str| is_there(program);
    if lacks("sees the folders of processes") || !["git", "python3", "node"].iter().all(is_there) {
        return None;
    }
    let workplace = Workplace::new(18);
    workplace.repository("src/shop", SHOP);
    workplace.repository("src/blog", "project = \"blog\"\n\n[services]\nweb = {}\n");
    workplace.write("src/shop/app/package.json", "{}");
    workplace.git("src/shop", "worktree add -q trees/fix");
    workplace.git("src/shop", "worktree add -q trees/new");
    workplace.git("src/shop", "worktree add -q ../shop-beside");
    for folder in ["src/shop", "src/shop/trees/fix", "src/shop-beside", "src/blog"] {
        workplace.answer(folder, &["set"]);
    }
    workplace.answer("", &["set", "alone"]);
    Some(workplace)
}

fn service(workplace: &Workplace, name: &str) -> Value {
    workplace.daemon.get(&format!("/v1/services/{name}")).json()
}

fn port(workplace: &Workplace, name: &str) -> u64 {
    service(workplace, name)["port"].as_u64().unwrap()
}

/// Checks the verdict on a service's port wherever it is shown, and how `pald check` ends.
fn assert_verdict(workplace: &Workplace, name: &str, verdict: &str, what: &str) {
    let shown = service(workplace, name);
    assert_eq!(shown["verdict"], json!(verdict), "{what}: {shown}");
    assert_eq!(shown["holder"], shown["holders"][0], "{what}");
    let port = workplace.daemon.get(&format!("/v1/ports/{}", shown["port"])).json();
    assert_eq!(port["verdict"], shown["verdict"], "{what}");
    let all = workplace.daemon.get("/v1/services").json();
    let listed = all["services"].as_array().unwrap().iter().find(|it| it["name"] == name);
    assert_eq!(listed, Some(&shown), "{what}");
    let code = workplace.pald("", &["check", name]).0;
    assert_eq!(code, Some(if verdict == "foreign" { 4 } else { 0 }), "{what}");
}

#[test]
fn a_server_is_told_from_its_neighbours() {
    let Some(workplace) = checkouts() else { return };
    // (where it is started by hand, how it behaves, the service whose port it has, the verdict)
    let rows = [
        ("src/shop", "plain", "shop.web", "own"),
        ("src/shop/app", "workers", "shop.web", "own"),
        ("src/shop/app", "title", "shop.web", "own"),
        ("src/shop/app", "heir", "shop.web", "own"),
        ("src/shop/app", "node", "shop.web", "own"),
        ("src/shop/app", "leaves", "shop.web", "unknown"),
        ("src/shop-beside", "plain", "shop.web", "foreign"),
        ("src/shop-beside", "heir", "shop.web", "foreign"),
        ("src/shop-beside", "node", "shop.web", "foreign"),
        ("src/shop/trees/fix", "plain", "shop.web", "foreign"),
        ("src/shop/trees/fix", "workers", "shop.db", "foreign"),
        ("src/shop/trees/new", "plain", "shop.web", "unknown"),
        ("src/blog", "plain", "shop.web", "foreign"),
        ("src/blog", "title", "shop.web", "foreign"),
        ("src", "plain", "shop.web", "unknown"),
        ("src/shop/trees/fix", "plain", "shop.fix.web", "own"),
        ("src/shop", "plain", "shop.fix.web", "foreign"),
        ("src/shop", "plain", "alone", "unknown"),
    ];
    for (folder, how, name, verdict) in rows {
        let port = port(&workplace, name);
        let _server = Server::by_hand(&workplace, folder, "127.0.0.1", port, how);
        let what = format!("{how} in {folder} on the port of {name}");
        assert_verdict(&workplace, name, verdict, &what);
    }
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start a server as another user");
    }
    let port = port(&workplace, "shop.web");
    for folder in ["src/shop", "src/blog"] {
        let _server = Server::by_hand(&workplace, folder, "127.0.0.1", port, "nobody");
        assert_verdict(&workplace, "shop.web", "unknown", "another user");
        let runs = workplace.answer("src/shop", &["check", "web"]);
        assert!(runs.contains(") of user "), "{runs}");
    }
}

#[test]
fn what_pald_runs_is_known_wherever_it_goes() {
    let Some(workplace) = checkouts() else { return };
    // (where it is run, as what, the service whose port it has, the verdict)
    let rows = [
        ("src/shop", "web", "shop.web", "own"),
        ("src/shop", "db", "shop.web", "own"),
        ("src/shop/trees/fix", "web", "shop.web", "foreign"),
        ("src/blog", "web", "shop.web", "foreign"),
        ("src/blog", "web", "alone", "foreign"),
        ("src", "alone", "shop.web", "foreign"),
        ("src", "alone", "alone", "own"),
        ("src", "shop.web", "shop.web", "own"),
    ];
    for (folder, run, name, verdict) in rows {
        let port = port(&workplace, name).to_string();
        let mut command = workplace.command(PALD, &workplace.folder(folder));
        command.args(["run", run, "--", "python3", "-c", SERVER, "127.0.0.1", &port, "leaves"]);
        let server = Server::start(&mut command);
        let what = format!("{run} in {folder} on the port of {name}");
        assert_verdict(&workplace, name, verdict, &what);
        let holder = service(&workplace, name)["holder"].clone();
        assert_eq!((&holder["pid"], &holder["folder"]), (&json!(server.pid()), &json!("/")));
        assert!(holder["service"].as_str().unwrap().ends_with(run), "{holder}");
        assert!(holder["command"].as_str().unwrap().contains("python3 -c "), "{holder}");
    }
}

/// `localhost` reached the neighbour's server on one family, and the own one on the other.
#[test]
fn where_the_families_differ_both_servers_are_named() {
    let Some(workplace) = checkouts() else { return };
    let port = port(&workplace, "shop.web");
    let own = Server::by_hand(&workplace, "src/shop", "127.0.0.1", port, "plain");
    let other = Server::by_hand(&workplace, "src/shop/trees/fix", "::1", port, "plain");
    assert_verdict(&workplace, "shop.web", "foreign", "both families");
    let expected = format!(
        "Error: Port {port} (shop.web) is used by python3 (pid {}), in ~/src/shop; \
         python3 (pid {}), in ~/src/shop/trees/fix\nhint: See `pald who {port}`\n",
        own.pid(),
        other.pid(),
    );
    let answer = workplace.pald("src/shop", &["check", "web"]);
    assert_eq!(answer, (Some(4), String::new(), expected));
}

#[test]
fn check_says_whose_a_server_is() {
    let Some(workplace) = checkouts() else { return };
    let at = "src/shop/trees/fix";
    let port = port(&workplace, "shop.fix.web");
    let check = || workplace.pald(at, &["check", "web"]);
    let silent = format!("Error: Nothing listens on port {port} (shop.fix.web)\n");
    assert_eq!(check(), (Some(1), String::new(), silent));
    let mut command = workplace.command(PALD, &workplace.folder("src/shop"));
    let fixed = port.to_string();
    command.args(["run", "web", "--", "python3", "-c", SERVER, "127.0.0.1", &fixed, "plain"]);
    let foreign = Server::start(&mut command);
    let pid = foreign.pid();
    let used = format!(
        "Error: Port {port} (shop.fix.web) is used by python3 (pid {pid}) of shop.web, in ~/src/shop\n\
         hint: Stop it with `kill {pid}`, or see `pald who {port}`\n"
    );
    assert_eq!(check(), (Some(4), String::new(), used.clone()));
    let (code, stdout, stderr) = workplace.pald(at, &["check", "web", "--json"]);
    let shown: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &shown["verdict"], &stderr), (Some(4), &json!("foreign"), &used));
    assert_eq!(
        workplace.pald(at, &["run", "web", "--", "true"]),
        (Some(4), String::new(), used.clone())
    );
    assert_eq!(workplace.pald(at, &["wait", "web"]), (Some(4), String::new(), used));
    let listed = workplace.pald(at, &["list", "--here", "--running"]).1;
    let mark = format!("! python3 ({pid}) in ~/src/shop ");
    assert!(listed.contains(&mark) && listed.lines().count() == 2, "{listed}");
    drop(foreign);
    let own = Server::by_hand(&workplace, at, "127.0.0.1", port, "plain");
    let (code, stdout, stderr) = check();
    let runs = format!("web runs: python3 (pid {}) in ~/{at}, since ", own.pid());
    assert!(stdout.starts_with(&runs) && stdout.len() == runs.len() + 6, "{stdout}");
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert_eq!(workplace.pald(at, &["wait", "web", "--timeout", "0"]), (code, stdout, stderr));
    drop(own);
    let elsewhere = Server::by_hand(&workplace, "src", "127.0.0.1", port, "plain");
    let (code, stdout, stderr) = check();
    let runs = format!("web runs: python3 (pid {}) in ~/src, since ", elsewhere.pid());
    assert!(stdout.starts_with(&runs), "{stdout}");
    assert_eq!((code, &*stderr), (Some(0), "pald: can't tell whose server this is\n"));
}

#[test]
fn wait_ends_as_soon_as_something_listens_or_time_is_up() {
    let Some(workplace) = checkouts() else { return };
    let port = port(&workplace, "shop.web");
    for (folder, expected) in [("src/shop", 0), ("src/blog", 4)] {
        thread::scope(|scope| {
            let wait = || workplace.pald("src/shop", &["wait", "web", "--timeout", "1h"]).0;
            let waiting = scope.spawn(wait);
            let _server = Server::by_hand(&workplace, folder, "127.0.0.1", port, "plain");
            assert_eq!(waiting.join().unwrap(), Some(expected), "{folder}");
        });
    }
    let late = format!("Error: Nothing listens on port {port} (shop.web), after 1 ms\n");
    let wait = |time| workplace.pald("src/shop", &["wait", "web", "--timeout", time]);
    assert_eq!(wait("1ms"), (Some(1), String::new(), late));
    let (code, _, stderr) = wait("soon");
    assert!(code == Some(2) && stderr.starts_with("Error: \"soon\" is not a time"), "{stderr}");
    let (code, _, stderr) = workplace.pald("src/shop", &["wait", "wep"]);
    assert!(code == Some(1) && stderr.ends_with("hint: Did you mean web?\n"), "{stderr}");
}

/// For up to a second, `list` contradicted `who`.
#[test]
fn a_list_is_true_now() {
    let Some(workplace) = checkouts() else { return };
    let port = port(&workplace, "shop.web");
    let is_listed = || workplace.pald("src/shop", &["list", "--running"]).1.contains("shop.web");
    for _ in 0..3 {
        let server = Server::by_hand(&workplace, "src/shop", "127.0.0.1", port, "plain");
        assert!(is_listed());
        drop(server);
        assert!(!is_listed());
    }
}

#[test]
fn a_service_comes_back_to_its_server_and_not_to_a_foreign_one() {
    let Some(workplace) = checkouts() else { return };
    let port = port(&workplace, "shop.db");
    // (where the server runs, whether the service gets its port)
    for (folder, gets_it) in [("src/shop", true), ("src", true), ("src/blog", false)] {
        let _server = Server::by_hand(&workplace, folder, "127.0.0.1", port, "plain");
        workplace.answer("src/shop", &["del", "db"]);
        workplace.answer("src/shop", &["set"]);
        assert_eq!(self::port(&workplace, "shop.db") == port, gets_it, "{folder}");
    }
}
