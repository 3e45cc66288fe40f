use std::io;

use super::stand_in::{Home, NO_PROCESS, answer, systemd_saying};
use super::*;
use crate::cli::explain::Explain as _;

#[test]
fn only_files_that_pald_wrote_are_replaced_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("systemd/user/pald.service");
    let file = |content: Option<&str>| {
        let content = content.map(|content| format!("# {MARK}\n{content}\n"));
        ServiceFile { path: path.clone(), content }
    };
    assert!(!file(None).apply().unwrap());
    assert!(file(Some("one")).apply().unwrap());
    assert!(!file(Some("one")).apply().unwrap());
    assert!(file(Some("two")).apply().unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("# {MARK}\ntwo\n"));
    assert!(file(None).apply().unwrap());
    assert!(!path.exists());

    // Up to 64 KiB are read.
    for (bytes, is_read) in [(65_536, true), (65_537, false)] {
        fs::write(&path, MARK.to_owned() + &"x".repeat(bytes - MARK.len())).unwrap();
        assert_eq!(matches!(file(None).apply(), Ok(true)), is_read, "{bytes}");
    }

    fs::write(&path, "[Service]\n").unwrap();
    assert!(matches!(file(Some("one")).apply(), Err(ServiceError::Foreign { .. })));
    assert!(!file(None).apply().unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), "[Service]\n");
}

#[test]
fn a_command_that_fails_is_told_with_the_first_line_of_what_it_said() {
    let command = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let script = |script: &str| command(&["sh", "-c", script]);
    assert!(run_whole(&script("echo fine >&2")).is_ok());
    // (script, message)
    let rows = [
        ("echo out; echo >&2; echo ' why ' >&2; echo more >&2; exit 3", "why"),
        ("exit 3", "exit status: 3"),
    ];
    for (text, expected) in rows {
        let error = run_whole(&script(text)).unwrap_err();
        let line = joined(&script(text));
        assert_eq!(error.to_string(), format!("`{line}` failed: {expected}"));
    }
    assert_eq!(joined(&command(&["a", "b c"])), "a 'b c'");
    let error = run_whole(&command(&["/none/tool", "x"])).unwrap_err();
    let expected = "Can't run `/none/tool`, which manages services on this system";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn where_there_is_no_service_manager_the_hint_starts_pald_without_it() {
    let program = std::env::current_exe().unwrap();
    let line = format!(
        "Start it without a service: mkdir -pm 700 ~/.pald; nohup {} serve >>~/.pald/log 2>&1 &",
        InShell(&program)
    );
    let no_tool = || ServiceError::NoTool {
        tool: "systemctl".to_owned(),
        source: io::ErrorKind::NotFound.into(),
    };
    let no_session = |runtime_dir: Option<&str>| ServiceError::NoSession {
        message: "why".to_owned(),
        runtime_dir: runtime_dir.map(PathBuf::from),
    };
    let unset = no_session(Some("/run/user/7"));
    let own = unset.hint();
    let rows = [
        (no_tool(), Some(line.clone())),
        (no_session(None), Some(line)),
        (unset, own),
        (ServiceError::NoHome, ServiceError::NoHome.hint()),
    ];
    for (error, hint) in rows {
        let lines = error.lines();
        let failure = explain_start(error);
        assert_eq!((failure.lines, failure.hint), (lines, hint));
    }
}

#[test]
fn a_pald_that_is_not_the_service_keeps_it_from_starting() {
    let home = Home::new();
    let asked = |pid: u32| systemd_saying(&format!("MainPID={pid}"));
    let config = || home.session().config().unwrap();
    let (active, ended) = (State { is_active: true, ..State::default() }, State::default());
    // Nothing answers.
    refuse_foreground(&asked(7), ended, &config()).unwrap();
    home.listen_on(answer(NO_PROCESS));
    refuse_foreground(&asked(7), active, &config()).unwrap();
    // The request has started it.
    refuse_foreground(&asked(NO_PROCESS), ended, &config()).unwrap();
    let refused = refuse_foreground(&asked(7), ended, &config()).unwrap_err();
    let expected = format!(
        "pald is already running (pid {NO_PROCESS}, version 0.0.7) at http://127.0.0.1:{}, but not as a service",
        config().port_listen
    );
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn the_pald_that_launchd_started_has_to_answer() {
    let home = Home::new();
    home.listen_on(answer(7));
    let config = home.session().config().unwrap();
    let says = |text: &str| Launchd::with(&home.path(""), ["sh", "-c", &format!("echo '{text}'")]);
    wait_for_answer(&says("pid = 7"), &config).unwrap();
    let ended = wait_for_answer(&says("last exit code = 1"), &config);
    assert!(matches!(ended, Err(ServiceError::Ended)), "{ended:?}");
}
