//! The answers of the commands while pald runs.

use std::net::TcpListener;

use super::{pald, session, shell};
use crate::daemon::Home;

/// The name and ID of this process, as a holder.
pub(super) fn own_process() -> (String, u32) {
    let program = std::env::current_exe().unwrap();
    let name = match pald::probe::LACKS {
        None => program.file_name().unwrap().to_string_lossy().into_owned(),
        // The kernel cuts it.
        Some(_) => std::fs::read_to_string("/proc/self/comm").unwrap(),
    };
    (name.trim_end().to_owned(), std::process::id())
}

#[test]
fn services_are_registered_looked_up_and_released() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop.web
49201
$ pald set --new shop.web; echo $?
Error: shop.web is already registered on port 49201
hint: Drop `--new` to accept it
4
$ pald set shop.web; echo $?
49201
0
$ pald get shop.wbe; echo $?
Error: shop.wbe is not registered
hint: Did you mean shop.web? `pald set shop.wbe` registers it
1
$ pald get paint; echo $?
Error: paint is not registered
hint: `pald set paint` registers it
1
$ pald -q get paint; echo $?
Error: paint is not registered
1
$ pald set shop.db --port 49205
49205
$ pald set shop.db --port 49206; echo $?
Error: shop.db is already registered on port 49205, not 49206
hint: Drop `--port` to accept it, or add `--move` to move it
4
$ pald set other --port 49205; echo $?
Error: Port 49205 is already registered to shop.db
hint: Release it with `pald del shop.db`, or ask for another port
4
$ pald set other --port 49200; echo $?
Error: Port 49200 is where pald itself listens
4
$ pald get shop.db
49205
$ pald del shop.dv; echo $?
Error: shop.dv is not registered
hint: Did you mean shop.db?
1
$ pald del shop.db; echo $?
0
$ pald del --port 49201 -v; echo $?
Released shop.web and its port 49201
0
$ pald del --port 49201; echo $?
Error: Port 49201 is not registered
1
$ pald get shop.web -q; echo $?
Error: shop.web is not registered
1
",
    );
}

#[test]
fn an_exhausted_range_has_its_own_exit_code() {
    let home = Home::new(2);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop; pald set db
49201
49202
$ pald set web; echo $?
Error: No ports available: all 2 ports in 49201-49202 are registered (2) or in use by others (0)
hint: Release one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml
5
",
    );
}

#[test]
fn an_exhausted_range_names_what_uses_its_ports() {
    let home = Home::new(2);
    let _daemon = home.start();
    let _listener = TcpListener::bind(("127.0.0.1", home.max)).unwrap();
    let (name, pid) = own_process();
    session(
        &home,
        &format!(
            "\
$ pald set shop
49201
$ pald set web
Error: No ports available: all 2 ports in 49201-49202 are registered (1) or in use by others (1)
hint: Release one with `pald del --port PORT`, or raise `port_max` in ~/.pald/config.toml; 49202 is in use by {name} (pid {pid})
"
        ),
    );
}

#[test]
fn a_service_is_shown_as_json() {
    let home = Home::new(9);
    let daemon = home.start();
    let (code, stdout, stderr) =
        pald(&home, &["set", "shop", "--addr", "127.0.0.1", "--addr", "web.local:80", "--json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let service: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(service["name"], "shop");
    assert_eq!(service["port"], home.min);
    assert_eq!(service["addresses"], serde_json::json!(["127.0.0.1", "web.local:80"]));
    assert_eq!(service["state"], serde_json::Value::Null);
    let (_, stdout, _) = pald(&home, &["get", "shop", "--json"]);
    let service: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(service["state"], "idle");
    let (_, stdout, _) = pald(&home, &["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let answered: serde_json::Value =
        serde_json::from_str(&daemon.get("/v1/services").body).unwrap();
    assert_eq!(listed, answered);
}

#[test]
fn a_port_in_use_is_shown_with_its_holder() {
    let home = Home::new(9);
    let _daemon = home.start();
    shell(&home, "pald set shop.web; pald set shop.db");
    let _listener = TcpListener::bind(("127.0.0.1", home.min)).unwrap();
    let json = pald(&home, &["get", "shop.web", "--json"]).1;
    let service: serde_json::Value = serde_json::from_str(&json).unwrap();
    let date = &service["created_at"].as_str().unwrap()[..10];
    // Only Linux tells it.
    let since = service["holder"]["since"].as_str();
    assert!(since.is_some() || pald::probe::LACKS.is_some(), "{json}");
    let since = since.map_or(String::new(), |since| format!(", since {since}"));
    let folder = service["holder"]["folder"].as_str();
    let folder = folder.map_or(String::new(), |folder| format!(", in {folder}"));
    let comma = if since.is_empty() { "" } else { "," };
    let user = service["holder"]["user"].as_str().unwrap();
    // A process of which no folder is known is named with its user.
    let origin = if folder.is_empty() { format!(" of user {user}") } else { folder.clone() };
    let (name, pid) = own_process();
    let in_use_by = format!("{name} ({pid})");
    let width = in_use_by.len().max(12);
    // How long the tests have been running.
    let no_time = "sed -E 's/[0-9]+ (s|min) +/-        /'";
    let (heading, unused) = ("IN USE BY", "-");
    let idle = match pald::probe::HOLDS_PORTS {
        true => {
            "Error: Port 49202 is held for shop.db; nothing listens\n\
             hint: If its server says that the address is in use: `pald run --no-hold shop.db -- CMD`"
        }
        false => "Error: Nothing uses port 49202 (shop.db)",
    };
    session(
        &home,
        &format!(
            "\
$ pald list | {no_time}
PORT   NAME      {heading:width$}  UP       REGISTERED
49201  shop.web  {in_use_by:width$}  -        {date}
49202  shop.db   {unused:width$}  -        {date}
$ pald list 'shop.d?'
PORT   NAME     IN USE BY     UP       REGISTERED
49202  shop.db  -             -        {date}
$ pald list nothing; echo $?
PORT   NAME  IN USE BY     UP       REGISTERED
hint: nothing is no service's full name; try `pald list '*nothing*'`
0
$ pald list '[a'; echo $?
Error: The pattern \"[a\" can't be used: invalid range pattern
2
$ pald list | head -n 1
PORT   NAME      {heading:width$}  UP       REGISTERED
$ pald list --running | {no_time}
PORT   NAME      {heading:width$}  UP       REGISTERED
49201  shop.web  {in_use_by:width$}  -        {date}
$ pald who 49201
{name} (pid {pid}) of user {user}{folder}{since}{comma} listens on port 49201 (shop.web)
$ pald who shop.web
{name} (pid {pid}) of user {user}{folder}{since}{comma} listens on port 49201 (shop.web)
$ pald who shop.wev; echo $?
Error: shop.wev is not registered
hint: Did you mean shop.web?
1
$ pald who 49202; echo $?
{idle}
1
$ pald who 49203; echo $?
Error: Nothing uses port 49203
1
$ pald run shop.web -- npm start; echo $?
Error: Port 49201 (shop.web) is used by {name} (pid {pid}){origin}
hint: Stop it with `kill {pid}`, or see `pald who 49201`
4
"
        ),
    );
    let moved = format!(
        "$ pald set shop.web --port 49207 --move\n\
         pald: port 49201 is still used by {name} (pid {pid}){origin}\n49207\n"
    );
    session(&home, &moved);
    let (code, stdout, _) = pald(&home, &["who", &home.min.to_string(), "--json"]);
    let port: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &port["holder"]["pid"]), (Some(0), &serde_json::json!(pid)));
    let (code, stdout, _) = pald(&home, &["who", &home.max.to_string(), "--json"]);
    let port: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &port["state"]), (Some(1), &serde_json::json!("idle")));
}

#[test]
fn ports_are_printed_as_variables_if_all_are_known() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop.web; pald set shop.db
49201
49202
$ pald env PORT=shop.web DB_PORT=shop.db
export PORT=49201
export DB_PORT=49202
$ pald env shop.web -f fish
set -gx SHOP_WEB_PORT 49201
$ pald env -f dotenv WEB=shop.web shop.db
WEB=49201
SHOP_DB_PORT=49202
$ pald env --format json PORT=shop.web
{
  \"PORT\": 49201
}
$ eval \"$(pald env PORT=shop.web)\"; echo $PORT
49201
$ pald env PORT=shop.web DB=shop.dbs; echo $?
Error: shop.dbs is not registered
hint: Did you mean shop.db? `pald env --set shop.dbs` registers it
1
$ pald env PORT=shop.web PORT=shop.db; echo $?
Error: Variable PORT is set twice
hint: Choose another name, as in `WEB=shop.web`
2
$ pald env --set -f dotenv shop.web shop.api; pald env 'shop.*' -f dotenv
pald: registered shop.api on 49203
SHOP_WEB_PORT=49201
SHOP_API_PORT=49203
SHOP_WEB_PORT=49201
SHOP_DB_PORT=49202
SHOP_API_PORT=49203
$ pald env 'URL=http://localhost:{shop.web}/?a=b&{{c}'
export URL='http://localhost:49201/?a=b&{c}'
$ pald env 'none.*'; echo $?
Error: No registered service matches \"none.*\"
hint: A pattern matches full names; `pald list` shows them
1
$ pald env 'URL={'; echo $?
Error: Text \"{\" can't be used; it must be a text in which each { starts a {name}, or is written as {{
2
$ pald env 1A=shop.web; echo $?
Error: \"1A\" is not a valid variable name; use letters, digits and _, and no digit first
2
",
    );
}

#[test]
fn a_second_pald_names_the_running_one() {
    let home = Home::new(9);
    let daemon = home.start();
    let (pid, version) = (daemon.pid(), env!("CARGO_PKG_VERSION"));
    session(
        &home,
        &format!(
            "\
$ pald; echo $?
Error: pald is already running (pid {pid}, version {version}) at http://127.0.0.1:49200
hint: See `pald status`
4
$ pald serve; echo $?
Error: pald is already running (pid {pid}, version {version}) at http://127.0.0.1:49200
hint: See `pald status`
4
"
        ),
    );
}

#[test]
fn a_failed_write_to_stdout_is_an_error_and_a_closed_pipe_is_not() {
    let home = Home::new(9);
    let _daemon = home.start();
    session(
        &home,
        "\
$ pald set shop > /dev/full; echo $?
Error: Can't write to stdout: No space left on device (os error 28)
74
$ (pald get shop; echo $? >&2) | true
0
$ pald get shop
49201
",
    );
}

#[test]
fn a_url_and_the_environment_choose_the_pald() {
    let [one, other] = [Home::new(9), Home::new(9)];
    let (_one, _other) = (one.start(), other.start());
    shell(&other, "pald set shop --port 5432");
    let url = format!("http://localhost:{}", other.listen);
    session(
        &one,
        &format!(
            "\
$ pald --url {url} get shop
5432
$ PALD_URL={url}/ pald get shop
5432
$ PALD_URL={url} pald get shop --url http://127.0.0.1:49200; echo $?
Error: shop is not registered
hint: `pald set shop` registers it
1
$ PALD_URL= pald -q get shop; echo $?
Error: shop is not registered
1
$ http_proxy=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1 pald set web
49201
"
        ),
    );
}
