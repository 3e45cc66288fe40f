use std::process::ExitCode;

use super::*;
use crate::cli::Exit;
use crate::cli::service::stand_in::Home;
use crate::port::Port;

impl Systemd {
    /// Makes one with files of its own, and with a program in the place of systemctl.
    pub(in crate::cli::service) fn with(
        folder: &Path,
        systemctl: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            packaged: folder.join("packaged"),
            unset_session: None,
            systemctl: systemctl.into_iter().map(Into::into).collect(),
        }
    }
}

fn systemd() -> Systemd {
    Systemd::with(Path::new("/c"), ["systemctl", "--user"])
}

fn program(path: &str, config: Option<&str>) -> Program {
    let port_listen = Port::new(1234).unwrap();
    Program { path: path.into(), config: config.map(PathBuf::from), port_listen }
}

#[test]
fn the_units_start_the_given_program() {
    let systemd = systemd();
    // (program, configuration, what follows `ExecStart=`)
    let rows = [
        ("/opt/pald", None, "/opt/pald"),
        ("/a b/100%/$x/\"q\"/\\", None, r#""/a b/100%%/$x/\"q\"/\\""#),
        ("/opt/pald", Some("/c$d/e.toml"), "/opt/pald --config \"/c$$d/e.toml\""),
    ];
    for (path, config, expected) in rows {
        let files = systemd.files(Some(&program(path, config))).unwrap();
        assert_eq!(files[0].path, Path::new("/c/pald.service"));
        let content = files[0].content.as_deref().unwrap();
        assert!(content.starts_with(&format!("# {MARK}\n")), "{content}");
        assert!(content.contains(&format!("\nExecStart={expected}\n")), "{content}");
        let sockets = files[1].content.as_deref().unwrap();
        let listen = "\nListenStream=127.0.0.1:1234\nListenStream=[::1]:1234\n";
        assert!(sockets.contains(listen), "{sockets}");
    }
    let error = systemd.files(Some(&program("/a\nb", None))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The path /a\\nb has characters that a service file can't contain"
    );
}

#[test]
fn the_unit_of_the_package_is_used_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pald.service"), UNIT_FILE).unwrap();
    let systemd = Systemd { packaged: folder.path().into(), ..systemd() };
    for (path, config, is_written) in [
        ("/usr/bin/pald", None, false),
        ("/usr/bin/pald", Some("/etc/x"), true),
        ("/usr/local/bin/pald", None, true),
    ] {
        let files = systemd.files(Some(&program(path, config))).unwrap();
        assert!(files.iter().all(|file| file.content.is_some() == is_written), "{path}");
    }
}

#[test]
fn the_state_is_read_from_the_properties() {
    let state = |is_installed, is_enabled, is_active, pid| State {
        is_installed,
        is_enabled,
        is_active,
        pid,
    };
    let rows = [
        (
            "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nMainPID=7\n",
            state(true, true, true, Some(7)),
        ),
        (
            "LoadState=loaded\nUnitFileState=disabled\nActiveState=failed\nMainPID=0\n",
            state(true, false, false, None),
        ),
        (
            "LoadState=not-found\nUnitFileState=\nActiveState=inactive\nMainPID=0\n",
            State::default(),
        ),
    ];
    for (shown, expected) in rows {
        assert_eq!(state_of(shown), expected, "{shown}");
    }
}

#[test]
fn each_step_is_a_command_that_people_can_give_too() {
    let systemd = systemd();
    let rows = [
        (Step::Reload, "systemctl --user daemon-reload"),
        (Step::Enable, "systemctl --user enable --now pald.service"),
        (Step::Disable, "systemctl --user disable --now pald.socket pald.service"),
        (Step::Start, "systemctl --user start pald.service"),
        (Step::Stop, "systemctl --user stop pald.socket pald.service"),
        (Step::Restart, "systemctl --user restart pald.service"),
    ];
    for (step, line) in rows {
        assert_eq!(crate::cli::service::joined(&systemd.command(words(step))), line);
    }
    assert_eq!(systemd.restart_line(), "systemctl --user restart pald.service");
    assert_eq!(systemd.kind(), "a systemd user service");
    // Without a program, all that could have been written is to go.
    let files = systemd.files(None).unwrap();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|file| file.content.is_none()));
}

#[test]
fn systemctl_is_asked_and_told() {
    let home = Home::new();
    let systemd = home.systemd();
    let state = |is_active| State { is_installed: true, is_enabled: true, is_active, pid: None };
    assert_eq!(systemd.state().unwrap(), State::default());
    for file in systemd.files(Some(&program("/opt/pald", None))).unwrap() {
        file.apply().unwrap();
    }
    systemd.run(Step::Enable).unwrap();
    assert_eq!(systemd.state().unwrap(), state(true));
    systemd.run(Step::Stop).unwrap();
    assert_eq!(systemd.state().unwrap(), state(false));
    let show = "show pald.service --property=LoadState,UnitFileState,ActiveState,MainPID";
    let stop = "stop pald.socket pald.service";
    assert_eq!(home.asked("systemctl"), [show, "enable --now pald.service", show, stop, show]);

    std::fs::remove_file(home.path("session")).unwrap();
    let session = Some(PathBuf::from("/run/user/7"));
    let systemd = Systemd { unset_session: session.clone(), ..systemd };
    let error = systemd.state().unwrap_err();
    let ServiceError::NoSession { message, runtime_dir } = &error else { panic!("{error:?}") };
    assert_eq!(message, "Failed to connect to bus: No medium found");
    assert_eq!(*runtime_dir, session);
    assert!(matches!(systemd.run(Step::Start), Err(ServiceError::Failed { .. })));
}

#[test]
fn a_unit_of_the_user_or_of_the_package_may_be_installed() {
    let folder = tempfile::tempdir().unwrap();
    // (the unit, whether it counts)
    let rows = [("pald.socket", true), ("packaged/pald.service", true), ("other.service", false)];
    for (unit, expected) in rows {
        let units = folder.path().join(unit.replace(['/', '.'], "-"));
        let unit = units.join(unit);
        std::fs::create_dir_all(unit.parent().unwrap()).unwrap();
        std::fs::write(&unit, "").unwrap();
        let systemd = Systemd::with(&units, ["systemctl"]);
        assert_eq!(systemd.may_be_installed().unwrap(), expected, "{unit:?}");
    }
}

#[test]
fn only_a_session_that_is_there_lacks_its_variable() {
    let session = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(session.path().join("systemd/private")).unwrap();
    assert!(is_unset(None, session.path()));
    assert!(!is_unset(None, Path::new("/none")));
    assert!(!is_unset(Some(OsStr::new("/run/user/7")), session.path()));
}

#[test]
fn what_only_a_person_can_mend_is_not_started_again() {
    let line = UNIT_FILE.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
    let mut listed: Vec<u8> = line.unwrap().split(' ').map(|code| code.parse().unwrap()).collect();
    listed.sort_unstable();
    let codes = (0..=u8::MAX).filter(|code| {
        let is =
            |exit: Exit| exit.needs_a_person() && ExitCode::from(exit) == ExitCode::from(*code);
        EXITS.into_iter().any(is)
    });
    assert_eq!(codes.collect::<Vec<_>>(), listed);
}

const EXITS: [Exit; 13] = [
    Exit::GivenUp,
    Exit::No,
    Exit::Usage,
    Exit::NoDaemon,
    Exit::Conflict,
    Exit::Exhausted,
    Exit::Dump,
    Exit::Internal,
    Exit::Storage,
    Exit::Temporary,
    Exit::Config,
    Exit::NotRunnable,
    Exit::NoSuchCommand,
];
