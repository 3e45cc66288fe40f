//! The commands while no pald answers, or another program does.

use std::time::{Duration, Instant};

use super::{answer_each, pald, ports, session};
use crate::daemon::Home;

const COMMANDS: [&[&str]; 12] = [
    &["get", "shop"],
    &["set", "shop"],
    &["del", "shop"],
    &["del", "--port", "1"],
    &["prune"],
    &["mv", "a", "b"],
    &["list"],
    &["who", "1"],
    &["env", "shop"],
    &["run", "shop", "--", "true"],
    &["export"],
    &["import", "/dev/null"],
];

#[test]
fn without_a_daemon_all_commands_say_how_to_start_it() {
    let home = Home::new(1);
    let expected = ports(
        &home,
        "Error: Nothing answers at http://127.0.0.1:49200\n\
         hint: Start pald with `pald start`, or in the foreground with `pald`\n",
    );
    for arguments in COMMANDS {
        let seen = pald(&home, arguments);
        assert_eq!(seen, (Some(3), String::new(), expected.clone()), "{arguments:?}");
    }
    session(
        &home,
        "\
$ pald get shop.web; echo $?        # nothing listens
Error: Nothing answers at http://127.0.0.1:49200
hint: Start pald with `pald start`, or in the foreground with `pald`
3
$ pald -q --url http://127.0.0.1:1/ get shop; echo $?
Error: Nothing answers at http://127.0.0.1:1
3
",
    );
    // The promise is 30 ms; a loaded machine gets more, a wait for a time-out is far above.
    let start = Instant::now();
    pald(&home, &["get", "shop"]);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_wrong_address_is_a_usage_error_on_the_command_line_and_else_a_configuration_error() {
    let home = Home::new(1);
    session(
        &home,
        r#"$ PALD_URL=localhost:49200 pald get shop; echo $?
Error: PALD_URL is "localhost:49200"; it must be http://HOST or http://HOST:PORT
78
$ PALD_URL=https://localhost pald get shop; echo $?
Error: PALD_URL is "https://localhost"; it must be http://HOST or http://HOST:PORT
78
$ pald --url http://localhost:70000 get shop; echo $?
Error: --url is "http://localhost:70000"; it must be http://HOST or http://HOST:PORT
2
$ PALD_URL=nonsense pald --url '' get shop; echo $?
Error: --url is ""; it must be http://HOST or http://HOST:PORT
2
"#,
    );
}

#[test]
fn another_program_on_the_port_is_not_taken_for_pald() {
    let answers = [
        // A development server that answers everything with its page.
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        // `python3 -m http.server`.
        "HTTP/1.0 404 File not found\r\nContent-Type: text/html;charset=utf-8\r\n\r\nno",
        "HTTP/1.0 501 Unsupported method ('PUT')\r\nContent-Type: text/html\r\n\r\nno",
        // An API of something else.
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        // No HTTP at all.
        "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        "\0\x01\x02\n\n\n",
    ];
    for answer in answers {
        let home = Home::new(1);
        answer_each(home.listen, || answer.to_owned());
        let expected = ports(
            &home,
            "Error: The program that answers at http://127.0.0.1:49200 is not pald\n\
             hint: Give pald's address with `--url` or PALD_URL, or set another `port_listen`\n",
        );
        for arguments in COMMANDS {
            let seen = pald(&home, arguments);
            assert_eq!(seen, (Some(3), String::new(), expected.clone()), "{arguments:?}: {answer}");
        }
    }
}

#[test]
fn a_closed_connection_and_a_closed_port_are_different_errors() {
    let home = Home::new(1);
    answer_each(home.listen, String::new);
    let (code, stdout, stderr) = pald(&home, &["get", "shop"]);
    let expected = ports(&home, "Error: http://127.0.0.1:49200 closed the connection");
    assert!(stderr.starts_with(&expected), "{stderr}");
    assert_eq!((code, stdout.as_str()), (Some(3), ""));
}
