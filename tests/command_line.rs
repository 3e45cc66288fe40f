//! The command line as people type it, with what they see and the exit codes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::process::Command;

use crate::daemon::{Home, PALD};
use crate::faults::{PATIENCE, finish};

mod answers;
mod doctor;
mod dumps;
mod forged;
mod mistyped;
mod run;
pub(crate) mod terminal;
mod unreachable;

/// Runs a console session in a home and compares it with what a person would see.
///
/// Each line that starts with `$ ` is given to a shell; the lines after it are its stdout and
/// stderr as they come. 49200 stands for where pald listens, and the numbers after it for the range.
fn session(home: &Home, expected: &str) {
    let expected = ports(home, expected);
    let lines = expected.lines().filter(|line| line.starts_with("$ "));
    let seen: String = lines.map(|line| format!("{line}\n{}", shell(home, &line[2..]))).collect();
    assert!(seen == expected, "expected:\n{expected}\nseen:\n{seen}");
}

/// The text with the ports of a home.
pub(crate) fn ports(home: &Home, text: &str) -> String {
    let port = |text: String, offset: u16| {
        text.replace(&(49200 + offset).to_string(), &(home.listen + offset).to_string())
    };
    (0..10).fold(text.to_owned(), port)
}

/// A command with a home's environment, in which `pald` is the program under test.
pub(crate) fn prepared(home: &Home, program: &str) -> Command {
    let mut command = Command::new(program);
    home.prepare(&mut command);
    let pald = std::path::Path::new(PALD).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{pald}:{path}")).current_dir(home.path());
    command
}

/// What a line of shell prints.
pub(crate) fn shell(home: &Home, line: &str) -> String {
    let mut command = prepared(home, "sh");
    command.args(["-c", &format!("exec 2>&1; {line}")]);
    finish(&mut command).1
}

/// Runs pald: its exit code, stdout and stderr.
fn pald(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    finish(prepared(home, PALD).args(arguments))
}

/// Answers each request on a port, one to a connection, with these bytes, in the background.
pub(crate) fn answer_each(port: u16, mut answer: impl FnMut() -> String + Send + 'static) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // Errors of a client that has gone do not matter. One that is still sending would miss the
            // answer if the connection were closed at once.
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer().as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
}

/// Answers like pald: a 200 with JSON, which closes the connection.
pub(crate) fn json_answer(value: &serde_json::Value) -> String {
    let (kind, body) = ("Content-Type: application/json", value.to_string());
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
