//! Output: stdout gets the answer alone, stderr everything else.
//!
//! All text goes out line by line, and each line is escaped here: what answers the client, a file or
//! a process name could say anything, also what looks like a line of pald's own.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
#[cfg(not(test))]
use std::io::{self as streams, IsTerminal as _};
use std::io::{self, Write as _};

use clap::{ColorChoice, ValueEnum as _};
use serde::Serialize;

use super::error::CommandError;
use super::{Failure, Globals};
use crate::printable::{self, Printable, is_printable};
#[cfg(test)]
use kept as streams;

/// Prints answers, warnings, hints and errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    is_quiet: bool,
    is_verbose: bool,
    has_color: bool,
}

/// The colours of the first word of a line: bold red, bold yellow, bold cyan.
const ERROR: &str = "\x1b[1;31m";
const WARNING: &str = "\x1b[1;33m";
const HINT: &str = "\x1b[1;36m";
const PLAIN: &str = "\x1b[0m";

impl Terminal {
    pub(super) fn new(globals: &Globals) -> Self {
        let has_color = match globals.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let variable = |name| std::env::var_os(name).unwrap_or_default();
                let is_unwanted = is_color_unwanted(&variable("NO_COLOR"), &variable("TERM"));
                streams::stderr().is_terminal() && !is_unwanted
            }
        };
        Self { is_quiet: globals.quiet, is_verbose: globals.verbose, has_color }
    }

    /// Prints lines to stdout.
    pub(super) fn answer(
        self,
        lines: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), CommandError> {
        let mut text = String::new();
        for line in lines {
            let _ = writeln!(text, "{}", Printable(line.as_ref()));
        }
        self.answer_bytes(text.as_bytes())
    }

    /// Prints bytes that pald itself made, or has checked, to stdout; succeeds if the reader, such as
    /// `head`, closed the pipe.
    pub(super) fn answer_bytes(self, bytes: &[u8]) -> Result<(), CommandError> {
        let mut stdout = streams::stdout();
        unless_closed(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Prints a value to stdout as JSON.
    pub(super) fn answer_json(self, value: &impl Serialize) -> Result<(), CommandError> {
        let text =
            serde_json::to_string_pretty(value).expect("the types of the API have a JSON form");
        self.answer_bytes((printable::json(&text) + "\n").as_bytes())
    }

    /// Says what pald did by itself, except with `--quiet`.
    pub(super) fn say(self, text: &str) {
        if !self.is_quiet {
            print_line(format!("pald: {}", Printable(text)));
        }
    }

    /// Prints a line to stderr with `--verbose`.
    pub(super) fn note(self, text: &str) {
        if self.is_verbose {
            print_line(Printable(text));
        }
    }

    /// Returns whether `--verbose` was given.
    pub(super) fn is_verbose(self) -> bool {
        self.is_verbose
    }

    /// Prints a warning, except with `--quiet`.
    pub(super) fn warn(self, text: &str) {
        if !self.is_quiet {
            print_line(format!("{} {}", self.colored(WARNING, "warning:"), Printable(text)));
        }
    }

    /// Prints a hint, except with `--quiet`.
    pub(super) fn hint(self, text: &str) {
        if !self.is_quiet {
            print_line(format!("{} {}", self.colored(HINT, "hint:"), Printable(text)));
        }
    }

    /// Returns whether there is a terminal to ask on.
    pub(super) fn can_ask(self) -> bool {
        streams::stdin().is_terminal() && streams::stderr().is_terminal()
    }

    /// Prints lines and asks a question; returns whether the answer is yes.
    pub(super) fn confirm(self, lines: &[String], question: &str) -> bool {
        lines.iter().for_each(|line| print_line(Printable(line)));
        let mut answer = String::new();
        let asked = write!(streams::stderr(), "{} [y/N] ", Printable(question))
            .and_then(|()| streams::stdin().read_line(&mut answer));
        asked.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    /// Prints an error and its hint.
    pub(super) fn print_failure(self, failure: &Failure) {
        let mut lines = failure.lines.iter().map(|line| Printable(line));
        let first = lines.next().unwrap_or(Printable(""));
        print_line(format!("{} {first}", self.colored(ERROR, "Error:")));
        lines.for_each(print_line);
        failure.hint.iter().for_each(|hint| self.hint(hint));
    }

    fn colored(self, color: &str, word: &str) -> String {
        if self.has_color { format!("{color}{word}{PLAIN}") } else { word.to_owned() }
    }
}

/// Prints help, the version or an error about the arguments, and exits.
///
/// clap quotes arguments as they are, and a name in a script may come from a file.
pub(super) fn exit_with_usage(error: &clap::Error, arguments: &[OsString]) -> ! {
    let is_printable = |text: &OsString| text.to_string_lossy().chars().all(is_printable);
    if arguments.iter().all(is_printable) {
        error.exit();
    }
    // Without colours, which clap would mix with what the arguments have of them.
    let text = error.render().to_string();
    text.lines().for_each(|line| print_line(Printable(line)));
    std::process::exit(error.exit_code())
}

/// Prints a line to stderr. If that fails, only the exit code is left to report it.
fn print_line(line: impl fmt::Display) {
    let _ = writeln!(streams::stderr(), "{line}");
}

fn unless_closed(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(CommandError::Stdout),
    }
}

/// Returns whether the environment asks for no colours (<https://no-color.org>), or can't show any.
fn is_color_unwanted(no_color: &OsStr, term: &OsStr) -> bool {
    !no_color.is_empty() || term == "dumb"
}

/// Returns what `--color` asks for, before clap parses the arguments: clap colours help and usage
/// errors itself.
pub(super) fn color_choice(arguments: &[OsString]) -> ColorChoice {
    let texts = arguments.iter().map(|argument| argument.to_str().unwrap_or_default());
    let mut texts = texts.take_while(|text| *text != "--");
    let mut request = None;
    while let Some(text) = texts.next() {
        request = match text.strip_prefix("--color") {
            Some("") => texts.next(),
            Some(value) => value.strip_prefix('=').or(request),
            None => request,
        };
    }
    request.and_then(|request| ColorChoice::from_str(request, false).ok()).unwrap_or_default()
}

/// Keeps what a test's thread prints, and gives it an answer.
#[cfg(test)]
pub(super) mod kept {
    use std::cell::RefCell;
    use std::io;

    thread_local! {
        static PRINTED: RefCell<[Vec<u8>; 2]> = RefCell::default();
        static ANSWER: RefCell<Option<String>> = RefCell::default();
    }

    /// One of the two streams.
    pub(super) struct Stream(usize);

    pub(super) struct Stdin;

    pub(super) fn stdin() -> Stdin {
        Stdin
    }

    pub(super) fn stdout() -> Stream {
        Stream(0)
    }

    pub(super) fn stderr() -> Stream {
        Stream(1)
    }

    /// Returns what was printed to stdout and to stderr since the last call.
    pub(in crate::cli) fn take() -> [String; 2] {
        PRINTED.take().map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// Sets what is typed in; without it, there is no terminal.
    pub(in crate::cli) fn give(answer: Option<&str>) {
        ANSWER.set(answer.map(str::to_owned));
    }

    impl Stdin {
        pub(super) fn is_terminal(&self) -> bool {
            ANSWER.with_borrow(Option::is_some)
        }

        pub(super) fn read_line(&self, line: &mut String) -> io::Result<usize> {
            let answer = ANSWER.take().ok_or(io::ErrorKind::NotFound)?;
            *line += &answer;
            Ok(answer.len())
        }
    }

    impl Stream {
        pub(super) fn is_terminal(&self) -> bool {
            stdin().is_terminal()
        }
    }

    impl io::Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            PRINTED.with_borrow_mut(|printed| printed[self.0].write(bytes))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
