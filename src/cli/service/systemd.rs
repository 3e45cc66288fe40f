//! systemd for one user: unit files in `~/.config/systemd/user`, and `systemctl --user`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::process::getuid;

use super::{MARK, Manager, Program, ServiceError, ServiceFile, State, Step};

const UNIT: &str = "pald.service";
const SOCKET: &str = "pald.socket";
const UNIT_FILE: &str = include_str!("pald.service");
const SOCKET_FILE: &str = include_str!("pald.socket");

/// Where the Debian package puts the program, and the units that start it.
const PACKAGED_PROGRAM: &str = "/usr/bin/pald";
const PACKAGED_UNITS: &str = "/usr/lib/systemd/user";

/// systemd for one user.
#[derive(Debug)]
pub(in crate::cli) struct Systemd {
    /// The folder of the user's own units.
    folder: PathBuf,
    /// The folder of the package's units.
    packaged: PathBuf,
    /// The session's folder, if it exists but XDG_RUNTIME_DIR is not set.
    unset_session: Option<PathBuf>,
    /// The words that begin each command.
    systemctl: Vec<OsString>,
}

impl Systemd {
    pub(super) fn of_this_user() -> Result<Self, ServiceError> {
        let config = dirs::config_dir().ok_or(ServiceError::NoHome)?;
        let session = PathBuf::from(format!("/run/user/{}", getuid().as_raw()));
        let variable = std::env::var_os("XDG_RUNTIME_DIR");
        Ok(Self {
            folder: config.join("systemd/user"),
            packaged: PACKAGED_UNITS.into(),
            unset_session: is_unset(variable.as_deref(), &session).then_some(session),
            systemctl: ["systemctl", "--user"].map(OsString::from).into(),
        })
    }

    fn command(&self, words: &[&str]) -> Vec<OsString> {
        self.systemctl.iter().cloned().chain(words.iter().map(OsString::from)).collect()
    }

    /// Returns whether the package's own unit starts this program.
    fn is_packaged(&self, program: &Program) -> bool {
        program.path == Path::new(PACKAGED_PROGRAM)
            && program.config.is_none()
            && self.packaged.join(UNIT).is_file()
    }
}

impl Manager for Systemd {
    fn kind(&self) -> &'static str {
        "a systemd user service"
    }

    fn files(&self, program: Option<&Program>) -> Result<Vec<ServiceFile>, ServiceError> {
        let program = program.filter(|program| !self.is_packaged(program));
        let contents = [(UNIT, program.map(unit).transpose()?), (SOCKET, program.map(socket))];
        let marked = |content: String| {
            format!("# {MARK}\n# Make changes with `systemctl --user edit`.\n{content}")
        };
        Ok(contents
            .into_iter()
            .map(|(name, content)| ServiceFile {
                path: self.folder.join(name),
                content: content.map(marked),
            })
            .collect())
    }

    fn may_be_installed(&self) -> Result<bool, ServiceError> {
        // The package's own unit may be enabled, too.
        Ok(super::is_any_there(&self.files(None)?) || self.packaged.join(UNIT).exists())
    }

    fn state(&self) -> Result<State, ServiceError> {
        let properties = "--property=LoadState,UnitFileState,ActiveState,MainPID";
        let output = super::run(&self.command(&["show", UNIT, properties]))?;
        if !output.status.success() {
            return Err(ServiceError::NoSession {
                message: super::stderr_line(&output),
                runtime_dir: self.unset_session.clone(),
            });
        }
        Ok(state_of(&String::from_utf8_lossy(&output.stdout)))
    }

    fn run(&self, step: Step) -> Result<(), ServiceError> {
        super::run_whole(&self.command(words(step)))
    }

    /// Nothing is left to wait for: systemd has waited until pald was ready.
    fn wait_for_answer(&self, _answering: &dyn Fn() -> Option<u32>) -> Result<(), ServiceError> {
        Ok(())
    }

    fn restart_line(&self) -> String {
        super::joined(&self.command(words(Step::Restart)))
    }
}

fn words(step: Step) -> &'static [&'static str] {
    match step {
        Step::Reload => &["daemon-reload"],
        Step::Enable => &["enable", "--now", UNIT],
        // Otherwise the socket would start the service again.
        Step::Disable => &["disable", "--now", SOCKET, UNIT],
        Step::Start => &["start", UNIT],
        Step::Stop => &["stop", SOCKET, UNIT],
        Step::Restart => &["restart", UNIT],
    }
}

/// Whether this session is there, and all that is missing is its variable.
fn is_unset(variable: Option<&OsStr>, session: &Path) -> bool {
    variable.is_none() && session.join("systemd/private").exists()
}

/// Parses the output of `systemctl show`: a line `Name=value` for each property.
fn state_of(shown: &str) -> State {
    let properties: BTreeMap<_, _> =
        shown.lines().filter_map(|line| line.split_once('=')).collect();
    let is =
        |name, values: &[&str]| properties.get(name).is_some_and(|value| values.contains(value));
    State {
        is_installed: is("LoadState", &["loaded"]),
        is_enabled: is("UnitFileState", &["enabled", "enabled-runtime"]),
        is_active: is("ActiveState", &["active", "activating", "reloading"]),
        pid: properties.get("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
    }
}

/// Returns the unit that starts this program.
fn unit(program: &Program) -> Result<String, ServiceError> {
    // In arguments, but not in the path of the program, `$` is written `$$`
    // (systemd.service(5), "Command lines").
    let mut command = word(super::text_of(&program.path)?);
    if let Some(config) = &program.config {
        command.push_str(" --config ");
        command.push_str(&word(super::text_of(config)?).replace('$', "$$"));
    }
    Ok(UNIT_FILE.replace("ExecStart=/usr/bin/pald", &format!("ExecStart={command}")))
}

/// Returns the sockets on this program's port.
fn socket(program: &Program) -> String {
    SOCKET_FILE.replace(":49200\n", &format!(":{}\n", program.port_listen))
}

/// Quotes a word of a command line, if it needs quotes.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@:".contains(c);
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    if text.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") }
}

#[cfg(test)]
mod tests;
