//! What differs at a terminal: questions and colours.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{prepared, shell};
use crate::daemon::{Home, PALD};
use crate::faults::{TimeLimit, wait};

/// A terminal: the side of the person, and that of the programs.
pub(crate) fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    // It must not become the terminal that sends the tests signals.
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let programs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (File::from(person), File::from(programs))
}

/// Runs a command whose stdin and stderr are a terminal on which this is typed: its exit code, and
/// what the terminal shows, with what was typed first.
pub(crate) fn on_terminal(command: &mut Command, typed: &str) -> (Option<i32>, String) {
    let (mut person, terminal) = terminal();
    person.write_all(typed.as_bytes()).unwrap();
    command.stdin(terminal.try_clone().unwrap()).stderr(terminal).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let limit = TimeLimit::of(&child);
    // Closes the copies that the command holds; until then, reading the terminal does not end.
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut shown = Vec::new();
    // A closed terminal is read to its end with an error (EIO).
    let _ = person.read_to_end(&mut shown);
    drop(limit);
    (wait(&mut child).code(), String::from_utf8(shown).unwrap().replace("\r\n", "\n"))
}

#[test]
fn at_a_terminal_an_import_asks_before_it_releases_services() {
    let home = Home::new(9);
    let _daemon = home.start();
    shell(&home, "pald set shop; pald set web --port 5000; printf 'web\\t5000\\n' > dump");
    let import = |typed: &str| {
        on_terminal(prepared(&home, PALD).args(["import", "--replace", "dump"]), typed)
    };
    let question = "- shop\n0 added, 0 changed, 1 released, 1 unchanged\nGo on? [y/N] ";
    for typed in ["n\n", "\n", "\x04"] {
        let (code, shown) = import(typed);
        assert!(shown.contains(question), "{shown}");
        assert!(shown.ends_with("Nothing was imported\n"), "{shown}");
        assert_eq!(code, Some(1));
    }
    assert_eq!(shell(&home, "pald get shop"), format!("{}\n", home.min));
    assert_eq!(import("y\n"), (Some(0), format!("y\n{question}")));
    assert_eq!(shell(&home, "pald -q get shop"), "Error: shop is not registered\n");
    // If nothing would be released, nothing is asked.
    assert_eq!(import(""), (Some(0), String::new()));
}

#[test]
fn only_terminals_get_colors_unless_asked() {
    let home = Home::new(9);
    let _daemon = home.start();
    let plain = "Error: shop is not registered\nhint: `pald set shop` registers it\n";
    let colored = "\x1b[1;31mError:\x1b[0m shop is not registered\n\
                   \x1b[1;36mhint:\x1b[0m `pald set shop` registers it\n";
    // (line of a shell, what a pipe gets, what a terminal gets)
    let rows = [
        ("pald get shop", plain, colored),
        ("pald get shop --color=auto", plain, colored),
        ("pald get shop --color never", plain, plain),
        ("pald get shop --color=always", colored, colored),
        ("NO_COLOR=1 pald get shop", plain, plain),
        ("NO_COLOR= pald get shop", plain, colored),
        ("NO_COLOR=1 pald --color always get shop", colored, colored),
        ("TERM=dumb pald get shop", plain, plain),
    ];
    for (line, in_pipe, on_screen) in rows {
        assert_eq!(shell(&home, line), in_pipe, "{line}");
        let seen = on_terminal(prepared(&home, "sh").args(["-c", line]), "");
        assert_eq!(seen, (Some(1), on_screen.to_owned()), "{line}");
    }
    assert!(shell(&home, "pald --help --color always").contains('\x1b'));
    assert!(!shell(&home, "pald --help").contains('\x1b'));
}

/// An unknown option was shown as it is, with what it does to a terminal.
#[test]
fn what_is_wrong_with_the_arguments_is_escaped() {
    let home = Home::new(3);
    for argument in ["--\x1b[2J", "--\u{9b}2J", "--a\nhint: b", "-\u{202e}"] {
        for line in [vec!["get", argument], vec![argument], vec!["--color", "always", argument]] {
            let (code, shown) = on_terminal(prepared(&home, PALD).args(&line), "");
            assert_eq!(code, Some(2), "{line:?}: {shown}");
            assert!(shown.starts_with("error: unexpected argument "), "{line:?}: {shown:?}");
            let is_harmless = |c: char| c == '\n' || pald::printable::is_printable(c);
            assert!(shown.chars().all(is_harmless), "{line:?}: {shown:?}");
        }
    }
    let (code, shown) = on_terminal(prepared(&home, PALD).args(["--color=always", "--nope"]), "");
    assert_eq!(code, Some(2));
    assert!(shown.contains('\x1b'), "{shown}");
}
