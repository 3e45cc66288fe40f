//! A pald and the home of its user, for a transcript.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{self, Child, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use actix_web::rt::System;
use clap::ColorChoice;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::cli::commands::{Command, run::Run};
use crate::cli::place::{self, own::Place};
use crate::cli::{Cli, Globals, Session, Terminal, enter, terminal};
use crate::files::Shown;
use crate::http::guard::Hosts;
use crate::http::{self, About, Guard, Listeners};
use crate::paths::Paths;
use crate::port::{Port, PortRange};
use crate::probe::Claimer;
use crate::registry::{Registry, RegistryOptions};
use crate::service_name::ServiceName;
use crate::testing::server;
use crate::timestamp::Timestamp;
use crate::users::Users;

/// Ports that no other tests take and no transcript has as they are, in blocks: pald's own and those that
/// it may give out.
const FIRST_PORT: u16 = 5_000;
const BLOCKS: u16 = 400;
const SIZE: u16 = 10;
/// pald's own as transcripts have it; those that it may give out follow.
const SHOWN_LISTEN: u16 = 11_999;

/// What is another one each time, by what is before it, and as transcripts have it.
const BLOTTED: [(&str, &str); 9] = [
    (", since ", "THEN"),
    ("dump written ", "THEN"),
    ("dump  written ", "THEN"),
    ("dump, written ", "THEN"),
    (", up ", "SOME TIME"),
    (" of user ", "ME"),
    ("pid ", "PID"),
    ("kill ", "PID"),
    ("cat (", "PID"),
];

/// A pald, and the home of its user.
pub(super) struct Workplace {
    top: TempDir,
    registry: Arc<Registry>,
    listen: Port,
    served: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    listening: Vec<Child>,
}

impl Workplace {
    pub(super) fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let (listeners, listen) = listen();
        let port = |number| Port::new(number).unwrap();
        let first = listen.number() + 1;
        let last = first + SIZE - 1;
        let path = top.path().canonicalize().unwrap();
        let (home, folder, program) = (path.join("home"), path.join("code"), path.join("pald"));
        let own = home.join(".pald");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&own).unwrap();
        fs::create_dir(&folder).unwrap();
        write(&program, "", 0o755);
        let settings = format!(
            "port_listen = {listen}\nport_min = {first}\nport_max = {last}\nhold_ports = false\n"
        );
        write(&own.join("config.toml"), &settings, 0o600);
        let paths = Paths { system_file: path.join("none"), home: Some(home) };
        place::own::set(Some(Place { folder, paths, variables: Vec::new(), program }));
        // Not where pald's own is: sled makes its files at any time, with other permissions.
        let (data_dir, dump_file) = (path.join("db"), own.join("dump"));
        let registry = Registry::open(RegistryOptions {
            port_range: PortRange::new(port(first), port(last)).unwrap(),
            port_listen: listen,
            data_dir: data_dir.clone(),
            max_holds: 0,
            dump_file: dump_file.clone(),
        });
        let registry = Arc::new(registry.unwrap());
        let about = About {
            started_at: Instant::now(),
            addresses: listeners.addresses(),
            data_dir,
            dump_file,
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
        let served = Some((stop, thread));
        Self { top, registry, listen, served, listening: Vec::new() }
    }

    /// Does all that a transcript has after `$` and `%`, and returns the transcript as it comes out.
    pub(super) fn replay(&mut self, transcript: &str) -> String {
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
        let own = ["pald", "--color", "never"];
        let arguments = own.into_iter().chain(words.iter().map(String::as_str));
        let arguments: Vec<_> = arguments.map(Into::into).collect();
        let before = place::own::place();
        let code = match Cli::parse_in(ColorChoice::Never, &arguments) {
            Ok(Cli { globals, command: Some(Command::Run(run)) }) => prepare(globals, &run),
            Ok(cli) => cli.run(),
            Err(error) => return usage(&error.render().to_string()),
        };
        place::own::set(before);
        terminal::kept::give(None);
        let [stdout, stderr] = terminal::kept::take();
        // Whoever answers also types in the end of the line.
        let stderr = stderr.replace("[y/N] ", "[y/N]\n");
        let mut text = String::new();
        // A time is another one each time.
        let lasting = |line: &&str| {
            !["created_at", "since\": \"", "pid\": ", "user\": ", "# pald:"]
                .iter()
                .any(|it| line.contains(it))
        };
        stdout
            .lines()
            .filter(lasting)
            .for_each(|line| writeln!(text, "  {}", narrow(line)).unwrap());
        stderr.lines().for_each(|line| writeln!(text, "! {}", line.trim_end()).unwrap());
        if code != ExitCode::SUCCESS {
            let codes = (0..=255).find(|number| ExitCode::from(*number) == code);
            writeln!(text, "= {}", codes.unwrap()).unwrap();
        }
        self.shown(&text)
    }

    /// Does what else happens.
    fn change(&mut self, words: &[String]) {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut place = place::own::place().unwrap();
        let at = |path: &str| place.folder.join(path);
        match words[..] {
            ["cd", folder] => enter(Some(Path::new(folder))).unwrap(),
            ["mkdir", folder] => fs::create_dir_all(at(folder)).unwrap(),
            ["chmod", mode, path] => {
                let mode = Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap());
                fs::set_permissions(at(path), mode).unwrap();
            }
            ["rm", path] => remove(&at(path)),
            ["write", path, ref lines @ ..] => {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                fs::write(at(path), text).unwrap();
            }
            ["env", assignment] => {
                let (name, value) = assignment.split_once('=').unwrap();
                place.variables.retain(|(set, _)| set != name);
                place.variables.push((name.into(), value.into()));
                place::own::set(Some(place));
            }
            ["answer", answer] => terminal::kept::give(Some(answer)),
            ["listen", port, ref service @ ..] => {
                self.listening.push(listening(port.parse().unwrap(), &place.folder, service));
            }
            ["stop"] => self.stop(),
            _ => panic!("{words:?}"),
        }
    }

    fn stop(&mut self) {
        if let Some((stop, thread)) = self.served.take() {
            drop(stop);
            let ended = thread.join();
            self.registry.close();
            assert!(thread::panicking() || ended.is_ok());
        }
    }

    /// What is another one each time, as transcripts have it.
    fn shown(&self, text: &str) -> String {
        let top = self.top.path().canonicalize().unwrap();
        let mut text = text.replace(top.to_str().unwrap(), "/top");
        text = text.replace(&Shown(&top).to_string(), "/top");
        text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        for (before, shown) in BLOTTED {
            text = blotted(&text, before, shown);
        }
        let today = Timestamp::now().to_string();
        text = text.replace(&today[..10], "TODAY");
        for seconds in 0..100 {
            text = text.replace(&format!("  {seconds} s  TODAY"), "  SOME TIME  TODAY");
        }
        // Not each machine has it.
        text = text.replace(&format!(" and [::1]:{}", self.listen), "").replace(" and [::1]", "");
        for (actual, shown) in self.ports() {
            text = renumbered(&text, &actual, &shown);
        }
        text
    }

    fn actual(&self, text: &str) -> String {
        let top = self.top.path().canonicalize().unwrap();
        let mut text = text.replace("/top", top.to_str().unwrap());
        for (actual, shown) in self.ports() {
            text = renumbered(&text, &shown, &actual);
        }
        text
    }

    fn ports(&self) -> impl Iterator<Item = (String, String)> + use<> {
        let listen = self.listen.number();
        (0..=SIZE).map(move |at| ((listen + at).to_string(), (SHOWN_LISTEN + at).to_string()))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        self.stop();
        for child in &mut self.listening {
            drop(child.stdin.take());
            drop(child.wait());
        }
        place::own::set(None);
    }
}

/// Has a process listen on a port until it loses its stdin, which is that of a `Child`.
fn listening(port: u16, folder: &Path, service: &[&str]) -> Child {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let mut command = server(listener, folder);
    command.env_remove(ServiceName::VARIABLE);
    command.envs(service.iter().map(|name| (ServiceName::VARIABLE, name)));
    command.spawn().unwrap()
}

/// Listens on a port above which are as many ports as a pald here may give out, and nobody uses them.
fn listen() -> (Listeners, Port) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two suites that run at once begin at different blocks.
    let begin = u16::try_from(process::id() % u32::from(BLOCKS)).unwrap();
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

/// What is wrong with a command line, without its usage.
fn usage(text: &str) -> String {
    let lines = text
        .lines()
        .take_while(|line| !["Usage:", "For more"].iter().any(|it| line.starts_with(it)));
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| format!("! {line}\n")).collect::<String>() + "= 2\n"
}

/// Puts another text for the numbers and names that follow `before`.
fn blotted(text: &str, before: &str, shown: &str) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find([',', ';', ')', '`', '"', '\n']).unwrap_or(part.len());
        let is_meant = before == " of user " || part.starts_with(|c: char| c.is_ascii_digit());
        text + before + if is_meant { shown } else { &part[..end] } + &part[end..]
    })
}

/// Puts another number for each that is `from`, but not for digits within a longer one.
fn renumbered(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from).peekable();
    let mut seen = String::new();
    while let Some(part) = parts.next() {
        seen += part;
        let Some(next) = parts.peek() else { break };
        let is_digit = |c: char| c.is_ascii_digit();
        let is_within = seen.ends_with(is_digit) || next.starts_with(is_digit);
        seen += if is_within { from } else { to };
    }
    seen
}

/// Prints the command that `pald run` runs.
fn prepare(globals: Globals, run: &Run) -> ExitCode {
    let terminal = Terminal::new(&globals);
    let command = enter(globals.directory.as_deref())
        .and_then(|()| run.command(&Session::new(globals, terminal)));
    let printed = command.and_then(|it| Ok(terminal.answer([shown_command(&it)])?));
    printed.map_or_else(
        |failure| {
            terminal.print_failure(&failure);
            failure.exit.into()
        },
        |()| ExitCode::SUCCESS,
    )
}

/// A command with the variables that it is given, those that it loses without a value.
fn shown_command(command: &process::Command) -> String {
    let variables = command.get_envs().map(|(name, value)| {
        let value = value.unwrap_or_default().to_string_lossy();
        format!("{}={value}", name.to_string_lossy())
    });
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
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
