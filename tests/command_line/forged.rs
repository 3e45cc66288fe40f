//! A program that answers like pald, with text that no terminal may see.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;

use super::terminal::on_terminal;
use super::{pald as run, prepared};
use crate::daemon::{Home, PALD};
use crate::faults::PATIENCE;

/// Clears the screen, forges a hint, reverses what follows, hides, and ends a line in five ways.
const EVIL: &str = "e\u{1b}[2J\u{9b}31m\u{7f}\nhint: run evil\r\u{202e}\u{200b}\u{e0041}\u{2028}ö";
/// The same as every text shows it.
const SHOWN: &str =
    "e\\u{1b}[2J\\u{9b}31m\\u{7f}\\nhint: run evil\\r\\u{202e}\\u{200b}\\u{e0041}\\u{2028}ö";

/// A server on a home's port that answers each request with what `reply` makes of its first line:
/// a status, a type and a body.
fn serve(home: &Home, reply: impl Fn(&str) -> (u16, &'static str, String) + Send + 'static) {
    let listener = TcpListener::bind(("127.0.0.1", home.listen)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let head = head(&mut stream);
            let (status, kind, body) = reply(head.lines().next().unwrap_or_default());
            let reply = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            // A client that has gone does not matter.
            let _ = stream.write_all(reply.as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// What a pald would answer, with each text replaced.
fn success(line: &str) -> (u16, &'static str, String) {
    let text = serde_json::to_string(EVIL).unwrap();
    let holder = format!(r#"{{"pid":1,"process":{text},"user":{text},"since":{text}}}"#);
    let service = |state: &str| {
        format!(
            r#"{{"name":{text},"port":7,"addresses":[{text}],"created_at":{text},"hold":true,"state":"{state}","reason":{text},"reason_code":"bound","holder":{holder}}}"#
        )
    };
    let body = if line.contains("/v1/services ") || line.contains("/v1/services?") {
        format!(
            r#"{{"services":[{},{}],"pool":{{"min":1,"max":2,"used":0,"free":2}},"revision":1}}"#,
            service("running"),
            service("blocked")
        )
    } else if line.contains("/v1/services/") {
        service("running")
    } else if line.contains("/v1/ports/") {
        format!(
            r#"{{"port":7,"state":"blocked","reason":{text},"reason_code":null,"service":{text},"holder":{holder}}}"#
        )
    } else if line.contains("/v1/health") {
        format!(
            r#"{{"status":"failed","version":{text},"pid":1,"uptime_s":1,"revision":1,"services":9,
                "addresses":[{text},"[::1]:1; evil"],"store":{{"path":{text},"error":{text}}},
                "dump":{{"path":{text},"written_at":{text},"error":{text}}},
                "holds":{{"max":1,"held":0,"missing":[7]}},
                "overlap":{{"ephemeral":{text},"ephemeral_min":1,"ephemeral_max":2,"reserve":{text}}}}}"#
        )
    } else if line.starts_with("PUT") {
        format!(
            r#"{{"added":[{text}],"changed":[{text}],"removed":[{text}],"kept":1,"revision":1,"dry_run":true}}"#
        )
    } else {
        return (200, "text/plain", format!("shop\t7\t\t# {EVIL}\n"));
    };
    (200, "application/json", body)
}

fn problem(kind: &str, lines: usize) -> (u16, &'static str, String) {
    let text = serde_json::to_string(EVIL).unwrap();
    let line = format!(r#"{{"line":1,"reason":{text}}}"#);
    let occupied = format!(
        r#"{{"port":7,"state":"blocked","reason":{text},"reason_code":null,"service":{text},"holder":null}}"#
    );
    let body = format!(
        r#"{{"type":"urn:pald:error:{kind}","title":{text},"status":409,"detail":{text},"hint":{text},"service":{text},"port":7,"occupied":[{occupied}],"lines":[{}]}}"#,
        vec![line; lines].join(",")
    );
    (409, "application/problem+json", body)
}

/// Asserts that a terminal may see this text, and that no line is forged in it.
fn assert_printable(case: &str, text: &str) {
    let is_printable = |c| c == '\n' || pald::printable::is_printable(c);
    assert!(text.chars().all(is_printable), "{case}: {text:?}");
    assert!(text.lines().all(|line| !line.starts_with("hint: run")), "{case}: {text}");
}

#[test]
fn what_a_daemon_says_is_escaped_in_every_text() {
    let home = Home::new(1);
    serve(&home, success);
    std::fs::write(home.path().join("dump"), "a\t1\n").unwrap();
    // (command, code, how often the text is shown)
    let rows = [
        ("list", 0, 6),
        ("who 7", 0, 5),
        ("run shop -- true", 4, 2),
        ("status", 0, 6),
        ("import --dry-run dump", 0, 3),
        ("import -v --replace --yes dump", 0, 3),
        ("get shop", 0, 0),
        ("env shop", 0, 0),
    ];
    for (line, code, times) in rows {
        let arguments: Vec<_> = line.split(' ').collect();
        let (found, stdout, stderr) = run(&home, &arguments);
        assert_eq!(found, Some(code), "{line}: {stdout}{stderr}");
        assert_printable(line, &(stdout.clone() + &stderr));
        let shown = (stdout + &stderr).matches(SHOWN).count();
        assert!(shown >= times, "{line}: {shown} times");
    }
}

#[test]
fn json_is_escaped_in_its_own_way_and_keeps_its_values() {
    let home = Home::new(1);
    serve(&home, success);
    for line in
        ["get --json shop", "set --json shop", "list --json", "who --json 7", "status --json"]
    {
        let arguments: Vec<_> = line.split(' ').collect();
        let (code, stdout, _) = run(&home, &arguments);
        assert_eq!(code, Some(0), "{line}");
        assert_printable(line, &stdout);
        let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert!(json.to_string().contains(&serde_json::to_string(EVIL).unwrap()), "{line}");
    }
}

#[test]
fn an_export_with_what_pald_never_writes_is_refused() {
    let home = Home::new(1);
    serve(&home, success);
    for arguments in [&["export"][..], &["export", "file"]] {
        let (code, stdout, stderr) = run(&home, arguments);
        assert_eq!((code, stdout.as_str()), (Some(3), ""), "{stderr}");
        assert!(stderr.contains(" is not pald\n"), "{stderr}");
        assert!(!home.path().join("file").exists());
    }
}

#[test]
fn a_problem_forges_no_line_and_no_command() {
    for (kind, lines) in [
        ("name-taken", 0),
        ("pool-exhausted", 0),
        ("storage", 0),
        ("dump-invalid", 1),
        ("dump-invalid", 2),
    ] {
        let home = Home::new(1);
        serve(&home, move |_| problem(kind, lines));
        std::fs::write(home.path().join("dump"), "a\t1\n").unwrap();
        for line in ["set shop", "del shop", "list", "import dump", "doctor"] {
            let arguments: Vec<_> = line.split(' ').collect();
            let (_, stdout, stderr) = run(&home, &arguments);
            let shown = stdout + &stderr;
            assert_printable(&format!("{kind}: {line}"), &shown);
            // The doctor names the program that has the port instead.
            assert!(line == "doctor" || shown.contains(SHOWN), "{kind}: {line}: {shown}");
            let hints = shown.lines().filter_map(|line| line.trim_start().strip_prefix("hint: "));
            let foreign =
                hints.filter(|hint| hint.starts_with('e') || hint.contains("`pald del e"));
            assert_eq!(foreign.count(), 0, "{kind}: {line}: {shown}");
        }
    }
}

#[test]
fn the_doctor_prints_only_commands_that_it_built() {
    let home = Home::new(1);
    serve(&home, success);
    let (code, stdout, _) = run(&home, &["doctor"]);
    assert_eq!(code, Some(1));
    assert_printable("doctor", &stdout);
    let hints: Vec<_> =
        stdout.lines().filter_map(|line| line.trim_start().strip_prefix("hint: ")).collect();
    assert!(hints.len() > 4, "{stdout}");
    // The folder of the dump is a word of the shell; all other hints are free of what was said.
    for hint in hints {
        let is_quoted = hint.starts_with("ls -ld ");
        assert!(is_quoted || !(hint.contains("evil") || hint.contains("u{")), "{hint}");
    }
}

#[test]
fn a_question_shows_escaped_names() {
    let home = Home::new(1);
    serve(&home, success);
    std::fs::write(home.path().join("dump"), "a\t1\n").unwrap();
    let mut command: Command = prepared(&home, PALD);
    let (code, shown) = on_terminal(command.args(["import", "--replace", "dump"]), "n\n");
    assert_eq!(code, Some(1));
    let question = format!(
        "+ {SHOWN}\n~ {SHOWN}\n- {SHOWN}\n1 added, 1 changed, 1 released, 1 unchanged\nGo on? [y/N] "
    );
    assert!(shown.contains(&question), "{shown}");
    assert!(!shown.contains("\x1b[2J") && !shown.contains('\u{202e}'), "{shown}");
}
