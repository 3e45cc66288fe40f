//! The commands as a person types them, against a pald in this process: what each prints, and its exit code.
//!
//! A transcript is a text: after `$` a command, below it what it prints, with `!` before what goes to
//! stderr, and `=` before an exit code other than 0. `% cd`, `% write`, `% mkdir` and `% rm` change the
//! folder where commands run and what is in it. Not here: commands that run others, ask, or need a
//! service manager; the tests in `tests/` run the program itself.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use actix_web::rt::System;
use clap::Parser as _;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Cli, Failure, Session, Terminal, terminal};
use crate::http::guard::Hosts;
use crate::http::{self, About, Guard, Listeners};
use crate::port::{Port, PortRange};
use crate::probe::Claimer;
use crate::registry::{Registry, RegistryOptions};
use crate::users::Users;

/// Ports that no other tests take, in blocks: pald's own and those that it may give out.
const FIRST_PORT: u16 = 5_000;
const BLOCKS: u16 = 400;
const SIZE: u16 = 10;
/// The first of them as transcripts have it.
const SHOWN_FIRST: u16 = 12_000;

/// A pald, and the folder where commands run.
struct Workplace {
    top: TempDir,
    folder: PathBuf,
    registry: Arc<Registry>,
    listen: Port,
    first: u16,
    served: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Workplace {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let (listeners, listen) = listen();
        let port = |number| Port::new(number).unwrap();
        let first = listen.number() + 1;
        let registry = Registry::open(RegistryOptions {
            port_range: PortRange::new(port(first), port(first + SIZE - 1)).unwrap(),
            port_listen: listen,
            data_dir: top.path().join("db"),
            max_holds: 0,
            dump_file: top.path().join("dump"),
        });
        let registry = Arc::new(registry.unwrap());
        let about = About {
            started_at: Instant::now(),
            addresses: listeners.addresses(),
            data_dir: top.path().join("db"),
            dump_file: top.path().join("dump"),
            overlap: None,
        };
        let guard = Guard::new(Hosts::new(Vec::new()), Users::Anybody);
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&registry);
        let thread = thread::spawn(move || {
            let shutdown = async { drop(stopped.await) };
            let serve = http::serve(served, about, guard, listeners, 64, shutdown);
            System::new().block_on(serve).unwrap();
        });
        let folder = top.path().canonicalize().unwrap().join("code");
        fs::create_dir(&folder).unwrap();
        fs::write(top.path().join("config.toml"), "").unwrap();
        let served = Some((stop, thread));
        Self { top, folder, registry, listen, first, served }
    }

    /// Does all that a transcript has after `$` and `%`, and returns the transcript as it comes out.
    fn replay(&mut self, transcript: &str) -> String {
        let mut seen = String::new();
        for line in transcript.lines() {
            if let Some(command) = line.strip_prefix("$ pald ") {
                writeln!(seen, "{line}").unwrap();
                seen += &self.run(&words(&self.actual(command)));
            } else if let Some(change) = line.strip_prefix("% ") {
                writeln!(seen, "{line}").unwrap();
                self.change(&words(&self.actual(change)));
            } else if line.is_empty() {
                seen.push('\n');
            }
        }
        seen
    }

    fn run(&self, words: &[String]) -> String {
        let url = format!("http://127.0.0.1:{}", self.listen);
        let config = self.top.path().join("config.toml");
        let own = ["pald", "--color", "never", "--url", &url, "--config", config.to_str().unwrap()];
        let arguments = own.into_iter().chain(words.iter().map(String::as_str));
        let Cli { globals, command } = match Cli::try_parse_from(arguments) {
            Ok(cli) => cli,
            Err(error) => {
                let text = error.render().to_string();
                return format!("! {}\n= 2\n", text.lines().next().unwrap_or_default());
            }
        };
        let terminal = Terminal::new(&globals);
        let mut session = Session::new(globals, terminal);
        session.folder = Some(self.folder.clone());
        let code = match command.unwrap().run(&session) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                terminal.print_failure(&failure);
                let Failure { exit, .. } = failure;
                exit.into()
            }
        };
        let [stdout, stderr] = terminal::kept::take();
        let mut text = String::new();
        // A time is another one each time.
        let lasting = |line: &&str| !line.contains("created_at") && !line.contains("# pald:");
        stdout
            .lines()
            .filter(lasting)
            .for_each(|line| writeln!(text, "  {}", narrow(line)).unwrap());
        stderr.lines().for_each(|line| writeln!(text, "! {line}").unwrap());
        if code != ExitCode::SUCCESS {
            let codes = (0..=255).find(|number| ExitCode::from(*number) == code);
            writeln!(text, "= {}", codes.unwrap()).unwrap();
        }
        self.shown(&text)
    }

    /// Changes files, or the folder where commands run.
    fn change(&mut self, words: &[String]) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["cd", folder] => self.folder = self.folder.join(folder).canonicalize().unwrap(),
            ["mkdir", folder] => fs::create_dir_all(self.folder.join(folder)).unwrap(),
            ["rm", path] => remove(&self.folder.join(path)),
            ["write", path, ref lines @ ..] => {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                fs::write(self.folder.join(path), text).unwrap();
            }
            _ => panic!("{words:?}"),
        }
    }

    /// The folder and the ports as transcripts have them.
    fn shown(&self, text: &str) -> String {
        let top = self.top.path().canonicalize().unwrap();
        let mut text = text.replace(top.to_str().unwrap(), "/top");
        text = text.replace(&crate::files::Shown(&top).to_string(), "/top");
        let today = crate::timestamp::Timestamp::now().to_string();
        text = text.replace(&today[..10], "TODAY");
        for (actual, shown) in self.ports() {
            text = text.replace(&actual, &shown);
        }
        text
    }

    fn actual(&self, text: &str) -> String {
        let top = self.top.path().canonicalize().unwrap();
        let mut text = text.replace("/top", top.to_str().unwrap());
        for (actual, shown) in self.ports() {
            text = text.replace(&shown, &actual);
        }
        text
    }

    fn ports(&self) -> impl Iterator<Item = (String, String)> + use<> {
        let first = self.first;
        (0..SIZE).map(move |place| ((first + place).to_string(), (SHOWN_FIRST + place).to_string()))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.served.take() {
            drop(stop);
            let ended = thread.join();
            self.registry.close();
            assert!(thread::panicking() || ended.is_ok());
        }
    }
}

/// Listens on a port above which are as many ports as a pald here may give out, and nobody uses them.
fn listen() -> (Listeners, Port) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two suites that run at once begin at different blocks.
    let begin = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
    loop {
        let block = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
        let first = FIRST_PORT + block * (SIZE + 1);
        let mut ports = (first..=first + SIZE).map(|number| Port::new(number).unwrap());
        let is_free = |port| matches!(Claimer::default().claim(port), Ok(Ok(_)));
        let listen = Port::new(first).unwrap();
        if ports.all(is_free)
            && let Ok(listeners) = Listeners::bind(listen, |_| {})
        {
            return (listeners, listen);
        }
    }
}

/// Leaves two blanks between the columns of a table: the widths of some depend on where this runs.
fn narrow(line: &str) -> String {
    let text = line.trim_start();
    let cells = text.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    " ".repeat(line.len() - text.len()) + &cells.collect::<Vec<_>>().join("  ")
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
}

/// Splits a line at blanks, but not between apostrophes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

#[test]
fn services_are_registered_shown_renamed_and_released() {
    check(snapbox::file!["transcripts/services.txt"]);
}

#[test]
fn a_project_and_its_worktree_have_services_of_their_own() {
    check(snapbox::file!["transcripts/project.txt"]);
}

/// Checks that a transcript comes out as it is. With SNAPSHOTS=overwrite it is written anew.
fn check(transcript: snapbox::Data) {
    let transcript = transcript.raw();
    let seen = Workplace::new().replay(&transcript.render().unwrap());
    snapbox::assert_data_eq!(seen, transcript);
}
