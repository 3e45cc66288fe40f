use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::io::Errno;

use super::*;
use crate::cli::daemon::ServeError;
use crate::cli::error::CommandError;
use crate::cli::service::ServiceError;
use crate::client::{ClientError, Url};
use crate::dump::{BadLine, LineError};
use crate::dump_file::{BadLines, DumpFileError};
use crate::files::ReadError;
use crate::files::ownership::UnsafePath;
use crate::http::ListenError;
use crate::lock::LockError;
use crate::port::Port;
use crate::probe::PortState;
use crate::quoted::Quoted;
use crate::registry::{DumpProblem, OpenError};
use crate::service_name::ServiceName;
use crate::store::StoreError;

fn path() -> PathBuf {
    "/none/db".into()
}

/// What the system says of a lasting fault.
fn denied() -> io::Error {
    Errno::ACCESS.into()
}

/// What it says of one that passes.
fn full() -> io::Error {
    Errno::NOSPC.into()
}

fn url() -> Url {
    Url::of_port(Port::MIN)
}

fn quoted() -> Quoted {
    Quoted::new("x y")
}

fn bad_lines(count: usize) -> DumpFileError {
    let line = |number| BadLine { number, error: LineError::TooLong { bytes: 70_000 } };
    BadLines { path: path(), lines: (7..7 + count).map(line).collect() }.into()
}

/// (error, exit code, hint)
type Row = (Box<dyn Explain>, u8, Option<&'static str>);

fn row(error: impl Explain + 'static, code: u8, hint: impl Into<Option<&'static str>>) -> Row {
    (Box::new(error), code, hint.into())
}

#[track_caller]
fn check(rows: Vec<Row>) {
    for (error, code, hint) in rows {
        assert_eq!(ExitCode::from(error.exit()), ExitCode::from(code), "{error:?}");
        assert_eq!(error.hint().as_deref(), hint, "{error:?}");
    }
}

#[test]
fn errors_of_commands_have_their_exit_codes_and_hints() {
    use CommandError as E;
    let named = |name: &str, nearest: Option<&str>, is_full| E::NoService {
        name: name.to_owned(),
        project: "shop".to_owned(),
        file: path(),
        nearest: nearest.map(str::to_owned),
        is_full,
    };
    let no_service = |nearest, is_full| named("wbe", nearest, is_full);
    let called = |name| named(name, Some("web"), true);
    let not_here = |names: &[&str]| E::NotHere {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        project: "shop".to_owned(),
        folder: path(),
        remedy: "pald set",
    };
    let taken = |service: &str| E::PortTaken { port: 7, service: service.to_owned() };
    let held = |service: &str| E::Held { port: 7, service: service.to_owned() };
    let text = |text: &str| text.to_owned();
    let used = |pid| E::Used { port: text("7"), number: 7, by: text("node"), pid };
    check(vec![
        row(E::UrlFlag(Url::parse("x").unwrap_err()), 2, None),
        row(E::UrlVariable(Url::parse("x").unwrap_err()), 78, None),
        row(E::VariableName(quoted()), 2, None),
        row(E::Text { text: quoted() }, 2, None),
        row(E::Pattern { pattern: quoted(), reason: "why" }, 2, None),
        row(E::VariableTwice(text("A")), 2, "Choose another name, as in `WEB=shop.web`"),
        row(used(Some(8)), 4, "Stop it with `kill 8`, or see `pald who 7`"),
        row(used(None), 4, "See `pald who 7`"),
        row(E::Silent { port: text("7"), waited: None }, 1, None),
        row(E::Time(quoted()), 2, None),
        row(E::Unused { port: text("7") }, 1, None),
        row(
            held("shop"),
            1,
            "If its server says that the address is in use: `pald run --no-hold shop -- CMD`",
        ),
        row(
            held("; evil"),
            1,
            "If its server says that the address is in use: `pald run --no-hold NAME -- CMD`",
        ),
        row(E::UnknownUse { port: text("7"), reason: text("why") }, 1, None),
        row(E::NotRunnable { program: quoted(), source: denied() }, 126, None),
        row(E::NoSuchCommand { program: quoted(), hint: None, source: denied() }, 127, None),
        row(E::Directory { path: path(), source: denied() }, 2, None),
        row(E::CurrentFolder(denied()), 74, None),
        row(
            E::NoProject { command: "pald env", from: path(), to: path() },
            2,
            "Write one with `pald init NAME...`, or give a full name",
        ),
        row(
            E::NoProject { command: "pald list --here", from: path(), to: path() },
            2,
            "Change to a project's folder first, or write its file with `pald init NAME...`",
        ),
        row(E::MoveWhere, 2, "Add `--port N`"),
        row(no_service(Some("web"), false), 1, "Did you mean web?"),
        row(
            no_service(Some("web"), true),
            1,
            "Did you mean web? With `-g` it is the registered service wbe",
        ),
        row(no_service(None, true), 1, "With `-g` it is the registered service wbe"),
        row(
            no_service(None, false),
            1,
            "Add `wbe = {}` below `[services]` in /none/db, or take it as a full name with `-g`",
        ),
        row(
            called("port"),
            1,
            "`{port}` is the port of NAME in `pald run NAME`; with `-g` it is a full name",
        ),
        row(
            called("checkout"),
            1,
            "`{checkout}` is the name of the checkout; with `-g` it is a full name",
        ),
        row(not_here(&["web"]), 1, "`pald set` registers it"),
        row(not_here(&["web", "db"]), 1, "`pald set` registers them"),
        row(E::NothingHere(path()), 1, None),
        row(taken("shop"), 4, "Release it with `pald del shop`, or ask for another port"),
        row(taken("; evil"), 4, None),
        row(E::NoMatch(quoted()), 1, "A pattern matches full names; `pald list` shows them"),
        row(
            E::FileExists(path()),
            4,
            "It stays as it is; add lines such as `web = {}` below its `[services]`, then run `pald set`",
        ),
        row(
            E::SameVariable(text("A")),
            2,
            "Leave one out, and add it to the file with `env = \"VAR\"`",
        ),
        row(E::ProjectName(quoted()), 2, None),
        row(E::ProjectService(quoted()), 2, None),
        row(
            E::RefusedVariable { service: text("path"), variable: text("PATH") },
            2,
            "Choose another name, or add it to the file with `env = \"VAR\"`",
        ),
        row(E::NoName { command: "pald env" }, 2, "Leave `-g` out for the project here"),
        row(E::HomeFolder, 2, "Change to a project's folder first"),
        row(E::NotOurs(path()), 4, "Move it away, or name another file"),
        row(E::JsonFile, 2, "Choose another format, or write it with `>`"),
        row(
            E::Dotenv { variable: text("A"), value: quoted() },
            1,
            "Use `-f sh` or `-f json`, or leave quotes and backslashes out",
        ),
        row(
            E::UnconfirmedRelease { command: "pald prune", list: text("pald list") },
            2,
            "Add `--yes`, or see what it is with `pald list`",
        ),
        row(E::NotReleased, 1, None),
        row(E::Read { path: path(), source: denied() }, 74, None),
        row(E::TooLarge { path: path() }, 65, None),
        row(E::BadLines { lines: vec![] }, 65, "Fix the dump and import it again"),
        row(E::Faults(1), 1, None),
        row(E::UnknownCommand(quoted()), 2, "`pald man` lists all commands"),
        row(E::Unconfirmed, 2, "Add `--yes`, or see what would change with `--dry-run`"),
        row(E::Declined, 1, None),
        row(E::NotAFile { path: path() }, 2, "Leave the file out to write to stdout"),
        row(E::Write { path: path(), source: denied() }, 74, None),
        row(E::Stdout(denied()), 74, None),
        row(ProjectError::Read(ReadError::Io { path: path(), source: denied() }), 74, None),
        row(ProjectError::Read(ReadError::NotAFile(path())), 78, None),
    ]);
    assert_eq!(not_here(&["web"]).to_string(), "web is not registered for shop in /none/db");
    let three = not_here(&["web", "api", "db"]).to_string();
    assert_eq!(three, "web, api and db are not registered for shop in /none/db");
    let found = [0, 1, 2].map(|count| E::Faults(count).to_string());
    assert_eq!(
        found.map(|it| it.replace("pald doctor found ", "")),
        ["0 faults", "1 fault", "2 faults"]
    );
    let looked = |to: &str| E::NoProject { command: "c", from: "/a/b".into(), to: to.into() };
    assert!(looked("/a/b").to_string().ends_with("no pald.toml in /a/b"));
    assert!(looked("/a").to_string().ends_with("no pald.toml from /a/b up to /a"));
    let bad = E::BadLines { lines: vec![text("one"), text("two")] };
    assert_eq!(bad.lines(), ["one", "two"]);
    let denied = E::Stdout(denied()).lines();
    assert_eq!(denied, ["Can't write to stdout: Permission denied (os error 13)"]);
}

#[test]
fn errors_of_a_start_have_their_exit_codes_and_hints() {
    const DISK: &str = "Check the disk and the folder's permissions";
    const DISK_AGAIN: &str = "Check the disk and the folder's permissions, then start pald again";
    const MEANWHILE: &str =
        "Nothing is damaged: free space, memory, threads or open files, then start pald again";
    const OWN_FOLDER: &str =
        "Move it away, or set `data_dir` and `dump_file` to a folder of your own";
    const OWN_FILE: &str = "Set `dump_file` to a file that belongs to you, or to a new name";
    let address = (std::net::Ipv4Addr::LOCALHOST, 7).into();
    let refused = |source| ListenError::Refused { address, source };
    let store = |source| StoreError::Io { path: path(), source };
    let read = |source| DumpFileError::Read(ReadError::Io { path: path(), source });
    let unrecoverable = |reason| OpenError::Unrecoverable {
        problem: String::new(),
        store: path(),
        dump: "/none/dump".into(),
        reason,
    };
    check(vec![
        row(UnsafePath::Owner { path: path(), owner: 7 }, 78, OWN_FOLDER),
        row(UnsafePath::Link(path()), 78, OWN_FOLDER),
        row(
            UnsafePath::Writable { path: path(), mode: 0o777 },
            78,
            "Make sure that nobody else changed what is there, then: chmod go-w /none/db",
        ),
        row(UnsafePath::Io { path: path(), source: denied() }, 74, DISK),
        row(UnsafePath::Io { path: path(), source: full() }, 75, DISK),
        row(
            LockError::Held { path: path(), holder: String::new() },
            4,
            "Stop that program first, or set another `dump_file` or `data_dir`",
        ),
        row(
            LockError::NotALock { path: path() },
            78,
            "Move it away, or set another `dump_file` or `data_dir`",
        ),
        row(LockError::Unsafe(UnsafePath::Link(path())), 78, OWN_FOLDER),
        row(LockError::Io { path: path(), source: denied() }, 74, DISK),
        row(LockError::Io { path: path(), source: full() }, 75, DISK),
        row(
            ListenError::InUse { address, holder: None },
            4,
            "Stop that program, or set another `port_listen`",
        ),
        row(
            ListenError::NotYet { address, state: Box::new(PortState::Free) },
            75,
            "Start pald again later, or set another `port_listen`",
        ),
        row(refused(denied()), 78, "Set `port_listen` to a port above 1023"),
        row(refused(full()), 75, None),
        row(refused(Errno::INVAL.into()), 78, None),
        row(store(denied()), 74, DISK_AGAIN),
        row(store(full()), 75, MEANWHILE),
        row(
            StoreError::Beside(ReadError::NotAFile(path())),
            74,
            "Move it away, or set `data_dir` to a new folder",
        ),
        row(StoreError::Beside(ReadError::Io { path: path(), source: full() }), 75, MEANWHILE),
        row(StoreError::MountPoint { path: path() }, 78, "Set `data_dir` to a folder inside it"),
        row(
            StoreError::Link { path: path() },
            78,
            "Set `data_dir` to the folder that it leads to, or put the store there back",
        ),
        row(StoreError::Unsafe(UnsafePath::Link(path())), 78, OWN_FOLDER),
        row(StoreError::NotAStore { path: path() }, 78, "Set `data_dir` to a new folder"),
        row(StoreError::Panicked { path: path(), reason: String::new() }, 74, None),
        row(StoreError::Contradiction { path: path(), found: String::new() }, 74, None),
        row(
            StoreError::TooNew { path: path(), version: 9, newest: 2 },
            74,
            "Start the version of pald that wrote it, or a later one",
        ),
        row(read(denied()), 74, OWN_FILE),
        row(
            read(full()),
            75,
            "Nothing is damaged: free memory or open files, then start pald again",
        ),
        row(DumpFileError::Read(ReadError::TooLarge { path: path(), max_bytes: 7 }), 65, OWN_FILE),
        row(DumpFileError::Read(ReadError::Link(path())), 74, OWN_FILE),
        row(bad_lines(1), 65, "Fix line 7 and start pald again"),
        row(bad_lines(2), 65, "Fix these lines and start pald again"),
        row(OpenError::Store(store(full())), 75, MEANWHILE),
        row(OpenError::Dump(bad_lines(1)), 65, "Fix line 7 and start pald again"),
        row(
            unrecoverable(DumpProblem::Missing),
            74,
            "Put a backup of the dump at /none/dump and start pald again; or begin without \
             services: rm -f /none/db.record /none/dump",
        ),
        row(
            unrecoverable(DumpProblem::Unsealed),
            74,
            "Put a backup of the dump at /none/dump and start pald again; or take the dump as it \
             is, if you have edited it: sed -i 's/# pald:.*//' /none/dump; or begin without \
             services: rm -f /none/db.record /none/dump",
        ),
        row(
            OpenError::AnotherRegistry {
                problem: String::new(),
                store: path(),
                dump: "/none/dump".into(),
                found: None,
            },
            74,
            "Put a dump of this registry at /none/dump and start pald again; or go on with the one \
             that is there: rm -f /none/db.record",
        ),
        row(OpenError::TooMuch { path: path() }, 65, "Remove services or addresses from it"),
        row(
            OpenError::ListenRegistered {
                port: Port::MIN,
                service: ServiceName::parse("shop").unwrap(),
            },
            78,
            "Set another `port_listen`, or start pald where it listened before and release shop",
        ),
        row(OpenError::SetAside { path: path(), source: denied() }, 74, DISK_AGAIN),
        row(OpenError::KeepDump { path: path(), source: full() }, 75, DISK_AGAIN),
        row(OpenError::Random(denied()), 74, None),
        row(OpenError::Thread(full()), 75, "End other programs, then start pald again"),
        row(ServeError::Unsafe(UnsafePath::Link(path())), 78, OWN_FOLDER),
        row(ServeError::Folder { path: path(), source: denied() }, 74, DISK),
        row(ServeError::Folder { path: path(), source: full() }, 75, DISK),
        row(ServeError::Running { holder: String::new(), elsewhere: None }, 4, "See `pald status`"),
        row(ServeError::Locked(LockError::Io { path: path(), source: full() }), 75, DISK),
        row(ServeError::Listen(refused(full())), 75, None),
        row(ServeError::Open(OpenError::Random(denied())), 74, None),
        row(ServeError::Descriptors, 75, "Raise `ulimit -n` to 64 or more"),
        row(
            ServeError::Threads(full()),
            75,
            "End other programs, or raise the limit on processes (`ulimit -u`, or the cgroup's \
             `pids.max`)",
        ),
        row(ServeError::Http(full()), 75, None),
        row(ServeError::Http(denied()), 70, None),
    ]);
    // What lists something has a line for each.
    let lines = ServeError::Open(OpenError::Dump(bad_lines(2))).lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let lines = ServeError::Open(OpenError::Random(denied())).lines();
    let expected = "Can't draw an id for the registry: Permission denied (os error 13)";
    assert_eq!(lines, [expected]);
    let lines = ServeError::Http(denied()).lines();
    assert_eq!(lines, ["The HTTP service failed: Permission denied (os error 13)"]);
}

#[test]
fn what_is_left_of_a_store_is_moved_away_and_its_place_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("my db");
    std::fs::create_dir(&store).unwrap();
    let error = OpenError::AnotherRegistry {
        problem: String::new(),
        store: store.clone(),
        dump: "/none/dump".into(),
        found: None,
    };
    let command = format!("mv '{0}' '{0}.old' && rm -f '{0}.record'", store.display());
    let hint = error.hint().unwrap();
    assert!(hint.ends_with(&command), "{hint}");
}

#[test]
fn errors_of_a_service_and_of_a_client_have_their_exit_codes_and_hints() {
    use ServiceError as E;
    let text = String::new;
    let log = match cfg!(any(feature = "portable", target_os = "macos")) {
        true => "~/Library/Logs/pald.log says why, if pald started at all",
        false => "`journalctl --user -u pald.service -n 20` says why, if pald started at all",
    };
    let session = |runtime_dir: Option<&str>| E::NoSession {
        message: text(),
        runtime_dir: runtime_dir.map(PathBuf::from),
    };
    let no_pald = "If that is pald, see its log; if not, give pald's address with `--url`";
    check(vec![
        row(E::NoHome, 74, "Set HOME"),
        row(
            E::NoTool { tool: text(), source: denied() },
            4,
            "Run `pald` in the foreground, or under this system's own service manager",
        ),
        row(
            session(Some("/run/user/7")),
            4,
            "Run `export XDG_RUNTIME_DIR=/run/user/7` and try again",
        ),
        row(
            session(None),
            4,
            "Log in directly, or have root run `loginctl enable-linger` for you, and try again",
        ),
        row(E::Failed { command: text(), message: text() }, 4, log),
        row(E::Ended, 4, log),
        row(E::NoAnswer, 4, log),
        row(E::Foreign { path: path() }, 4, "Move it away first"),
        row(E::Read(ReadError::Link(path())), 74, None),
        row(E::Write { path: path(), source: denied() }, 74, None),
        row(
            E::Foreground { pid: 7, version: text(), url: url() },
            4,
            "Stop it first, with `pald stop`",
        ),
        row(
            E::NotInstalled,
            4,
            "`pald install` installs and starts it; `pald` runs it in the foreground",
        ),
        row(E::Unconfirmed, 2, "Add `--yes`"),
        row(E::Declined, 1, None),
        row(E::Program(denied()), 74, None),
        row(
            E::UnsafeProgram(UnsafePath::Writable { path: path(), mode: 0o777 }),
            4,
            "chmod go-w /none/db",
        ),
        row(
            E::UnsafeProgram(UnsafePath::Owner { path: path(), owner: 7 }),
            4,
            "Install a copy that belongs to you or root",
        ),
        row(E::Path { path: path() }, 4, "Move the program or the configuration to a simpler path"),
        row(
            ClientError::NotListening { url: url() },
            3,
            "Start pald with `pald start`, or in the foreground with `pald`",
        ),
        row(ClientError::Unreachable { url: url(), source: denied() }, 3, None),
        row(ClientError::Slow { url: url() }, 3, no_pald),
        row(ClientError::Ended { url: url(), source: denied() }, 3, no_pald),
        row(
            ClientError::NotPald { url: url() },
            3,
            "Give pald's address with `--url` or PALD_URL, or set another `port_listen`",
        ),
        row(ClientError::TooOld { url: url(), lacks: "knows no projects" }, 4, "Restart pald"),
    ]);
}
