//! pald as a user service: the files it writes and the commands it gives to systemd. A script stands
//! in for systemctl, since few test machines run a systemd session.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command_line::{answer_each, json_answer};
use crate::daemon::{Home, PALD};
use crate::faults::{finish, run};
use crate::skip::skip;

/// A home whose settings are in its file, as a service needs them.
fn home() -> Home {
    let home = Home::new(3);
    let settings = format!(
        "port_listen = {}\nport_min = {}\nport_max = {}\n",
        home.listen, home.min, home.max
    );
    fs::write(home.file("config.toml"), settings).unwrap();
    fs::write(home.path().join("session"), "").unwrap();
    home
}

/// A command of pald, with the script in the place of systemctl: code, stdout, stderr.
fn pald(home: &Home, line: &str) -> (Option<i32>, String, String) {
    pald_with_path(home, line, &scripts())
}

/// A PATH with the script in the place of systemctl.
fn scripts() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bin");
    format!("{}:/usr/bin:/bin", folder.display())
}

fn pald_with_path(home: &Home, line: &str, path: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(PALD);
    command.args(line.split_whitespace()).env_clear();
    command.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path()).env("PATH", path);
    finish(&mut command)
}

/// Returns the commands that systemctl got since the last call, without `--user`.
fn asked(home: &Home) -> Vec<String> {
    let path = home.path().join("systemctl.log");
    let log = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, "").unwrap();
    log.lines().map(|line| line.strip_prefix("--user ").unwrap().to_owned()).collect()
}

fn unit(home: &Home, name: &str) -> PathBuf {
    home.path().join(".config/systemd/user").join(name)
}

const SHOW: &str = "show pald.service --property=LoadState,UnitFileState,ActiveState,MainPID";

fn done(answer: &str) -> (Option<i32>, String, String) {
    (Some(0), format!("{answer}\n"), String::new())
}

fn refused(code: i32, message: &str) -> (Option<i32>, String, String) {
    (Some(code), String::new(), format!("Error: {message}\n"))
}

#[test]
fn installing_twice_changes_nothing_and_removing_undoes_it() {
    let home = home();
    let url = format!("http://127.0.0.1:{}", home.listen);
    let installed = format!("pald is installed as a systemd user service, and serves at {url}");
    assert_eq!(pald(&home, "install"), done(&installed));
    assert_eq!(asked(&home), [SHOW, "daemon-reload", "enable --now pald.service"]);
    let units = ["pald.service", "pald.socket"].map(|name| unit(&home, name));
    let texts = units.each_ref().map(|path| fs::read_to_string(path).unwrap());
    assert!(texts[0].contains(&format!("\nExecStart={PALD}\n")), "{}", texts[0]);
    let listen = format!("\nListenStream=127.0.0.1:{0}\nListenStream=[::1]:{0}\n", home.listen);
    assert!(texts[1].contains(&listen), "{}", texts[1]);

    let already = "pald is already installed as a systemd user service";
    assert_eq!(pald(&home, "install"), done(already));
    assert_eq!(asked(&home), [SHOW]);
    assert_eq!(units.each_ref().map(|path| fs::read_to_string(path).unwrap()), texts);

    let unconfirmed = "`pald uninstall` can't ask for confirmation here\nhint: Add `--yes`";
    assert_eq!(pald(&home, "uninstall"), refused(2, unconfirmed));
    assert!(asked(&home).is_empty() && units[0].exists());
    let removed = "pald is no longer a service; the registry is unchanged";
    assert_eq!(pald(&home, "uninstall --yes"), done(removed));
    assert_eq!(asked(&home), [SHOW, "disable --now pald.socket pald.service", "daemon-reload"]);
    assert!(units.iter().all(|path| !path.exists()));
    assert!(home.file("config.toml").exists());
    assert_eq!(pald(&home, "remove --yes"), done("pald is not installed as a service"));
    assert_eq!(asked(&home), [SHOW]);
}

#[test]
fn installing_again_brings_the_service_up_to_date() {
    let home = home();
    pald(&home, "install");
    asked(&home);
    let config = home.file("config.toml");
    let line = format!("install --config {}", config.display());
    assert_eq!(pald(&home, &line).0, Some(0));
    assert_eq!(asked(&home), [SHOW, "daemon-reload", "restart pald.service"]);
    let text = fs::read_to_string(unit(&home, "pald.service")).unwrap();
    let command = format!("\nExecStart={PALD} --config {}\n", config.display());
    assert!(text.contains(&command), "{text}");

    // An installed service that is not running is started.
    fs::remove_file(home.path().join("active")).unwrap();
    assert_eq!(pald(&home, &line).0, Some(0));
    assert_eq!(asked(&home), [SHOW, "start pald.service"]);
}

#[test]
fn a_unit_that_pald_did_not_write_is_neither_replaced_nor_removed() {
    let home = home();
    let path = unit(&home, "pald.service");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "[Service]\n").unwrap();
    let message = "~/.config/systemd/user/pald.service exists, and pald did not write it\nhint: Move it away first";
    assert_eq!(pald(&home, "install"), refused(4, message));
    assert_eq!(pald(&home, "remove --yes").0, Some(0));
    assert_eq!(asked(&home), [SHOW, SHOW]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "[Service]\n");
}

#[test]
fn the_service_is_started_and_stopped_only_where_it_is_installed() {
    let home = home();
    let message = "pald is not installed as a service\nhint: `pald install` installs and starts it; `pald` runs it in the foreground";
    assert_eq!(pald(&home, "start"), refused(4, message));
    assert_eq!(pald(&home, "stop"), done("pald is not running"));
    pald(&home, "install");
    asked(&home);
    // (command, answer, command for systemctl)
    let rows = [
        ("start", "pald is already running", "start pald.service"),
        ("stop", "pald stopped", "stop pald.socket pald.service"),
        ("stop", "pald is not running", "stop pald.socket pald.service"),
        ("start", "pald started", "start pald.service"),
    ];
    for (line, answer, expected) in rows {
        assert_eq!(pald(&home, line), done(answer));
        assert_eq!(asked(&home), [SHOW, expected]);
    }
}

/// `pald stop` needs no session, since it ends a pald that was started by hand too.
#[test]
fn without_a_session_the_hint_says_what_to_do_instead() {
    let home = home();
    fs::remove_file(home.path().join("session")).unwrap();
    let start = format!("mkdir -pm 700 ~/.pald; nohup {PALD} serve >>~/.pald/log 2>&1 &");
    let without = format!("Start it without a service: {start}");
    let log_in =
        "Log in directly, or have root run `loginctl enable-linger` for you, and try again";
    let other = "Run `pald` in the foreground, or under this system's own service manager";
    let none = done("pald is not installed as a service");
    assert_eq!(pald(&home, "uninstall --yes"), none);
    assert_eq!(pald_with_path(&home, "uninstall --yes", "/nowhere"), none);
    let unit = unit(&home, "pald.service");
    // (command, hint without a session, hint without systemctl)
    let rows = [
        ("install", &*without, &*without),
        ("start", &without, &without),
        ("uninstall --yes", log_in, other),
        ("remove --yes", log_in, other),
    ];
    for (line, session, systemctl) in rows {
        if line == "uninstall --yes" {
            fs::create_dir_all(unit.parent().unwrap()).unwrap();
            fs::write(&unit, "").unwrap();
        }
        let message = format!(
            "Can't reach the service manager of your login session: Failed to connect to bus: No medium found\nhint: {session}"
        );
        assert_eq!(pald(&home, line), refused(4, &message), "{line}");
        let message = format!(
            "Can't run `systemctl`, which manages services on this system: No such file or directory (os error 2)\nhint: {systemctl}"
        );
        assert_eq!(pald_with_path(&home, line, "/nowhere"), refused(4, &message), "{line}");
    }
    assert_eq!(pald(&home, "stop"), done("pald is not running"));
    assert_eq!(pald_with_path(&home, "stop", "/nowhere"), done("pald is not running"));
    assert_eq!(fs::read(&unit).unwrap(), b"");
}

/// The line that starts pald detached does so in each shell, and `pald stop` ends what it started.
#[test]
fn what_was_started_detached_is_stopped() {
    let home = home();
    fs::remove_file(home.path().join("session")).unwrap();
    let (_, _, stderr) = pald(&home, "start");
    let line = stderr.trim_end().rsplit_once("Start it without a service: ").unwrap().1.to_owned();
    for shell in ["sh", "bash", "zsh", "fish"] {
        if Command::new(shell).args(["-c", "true"]).output().is_err() {
            skip(format_args!("{shell} is missing"));
            continue;
        }
        let mut command = Command::new(shell);
        home.prepare(&mut command);
        run(command.args(["-c", &line]).env("PATH", "/usr/bin:/bin"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", home.listen)).is_err() {
            assert!(Instant::now() < deadline, "{shell}: pald does not answer");
            std::thread::yield_now();
        }
        assert_eq!(pald(&home, "stop"), done("pald stopped"), "{shell}");
        // It has ended: its lock is free, and the log has its last word.
        let log = fs::read_to_string(home.file("log")).unwrap();
        assert!(log.trim_end().ends_with("Stopped"), "{shell}: {log}");
        assert_eq!(pald(&home, "stop"), done("pald is not running"), "{shell}");
        fs::remove_file(home.file("log")).unwrap();
    }
}

#[test]
fn a_pald_in_the_foreground_is_ended_by_stop_alone() {
    let home = home();
    pald(&home, "install");
    fs::remove_file(home.path().join("active")).unwrap();
    let daemon = home.start();
    for line in ["install", "start"] {
        let (pid, url) = (daemon.pid(), format!("http://127.0.0.1:{}", home.listen));
        let version = env!("CARGO_PKG_VERSION");
        let message = format!(
            "pald is already running (pid {pid}, version {version}) at {url}, but not as a service\n\
             hint: Stop it first, with `pald stop`"
        );
        assert_eq!(pald(&home, line), refused(4, &message));
    }
    assert_eq!(daemon.get("/get?service=shop").status, 404);
    assert_eq!(pald(&home, "stop"), done("pald stopped"));
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("Stopping signal=\"SIGTERM\""), "{log}");
}

/// `pald stop` looked only where the settings point now, and said that no pald was running.
#[test]
fn a_pald_that_listens_where_the_settings_no_longer_point_is_ended() {
    let (home, elsewhere) = (home(), Home::new(1));
    let daemon = home.start();
    let settings = format!("port_listen = {}\n", elsewhere.listen);
    fs::write(home.file("config.toml"), settings).unwrap();
    let message = format!(
        "pald is already running (pid {}, version {}) at http://127.0.0.1:{port}\n\
         hint: See `pald --url http://127.0.0.1:{port} status`; `pald stop` ends it",
        daemon.pid(),
        env!("CARGO_PKG_VERSION"),
        port = home.listen
    );
    assert_eq!(pald(&home, "serve"), refused(4, &message));
    assert_eq!(pald(&home, "stop"), done("pald stopped"));
    assert_eq!(daemon.wait().0, Some(0));
    assert_eq!(pald(&home, "stop"), done("pald is not running"));
}

/// What a program says of itself is no reason to end another process.
#[test]
fn only_the_process_that_listens_is_ended() {
    let home = home();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let daemon = home.start();
    let mut health = daemon.get("/v1/health").json();
    daemon.stop();
    health["pid"] = other.id().into();
    answer_each(home.listen, move || json_answer(&health));
    let pid = other.id();
    let message = format!(
        "The pald that answers is no process of yours here (it says pid {pid})\n\
         hint: Stop it where it runs, such as in its container"
    );
    assert_eq!(pald(&home, "stop"), refused(4, &message));
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn settings_that_the_service_will_not_see_are_warned_of() {
    let home = home();
    let mut command = home.command();
    command.arg("install").env("PATH", scripts()).env("XDG_RUNTIME_DIR", home.path());
    let (code, _, stderr) = finish(command.env("PALD_PORT_LISTEN", "1"));
    assert_eq!(code, Some(0), "{stderr}");
    let sockets = fs::read_to_string(unit(&home, "pald.socket")).unwrap();
    assert!(sockets.contains(&format!("127.0.0.1:{}\n", home.listen)), "{sockets}");
    for name in ["PALD_PORT_LISTEN", "PALD_PORT_MIN", "PALD_PORT_MAX"] {
        let line = format!("warning: {name} is set here, but the service will not see it\n");
        assert!(stderr.contains(&line), "{stderr}");
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("systemd-analyze is missing");
    }
    let home = home();
    pald(&home, "install");
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--user"]).env("XDG_RUNTIME_DIR", home.path());
    command.args(["pald.service", "pald.socket"].map(|name| unit(&home, name)));
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && report.is_empty(), "{report}");
}
