use std::fs;

use super::*;
use crate::cli::service::stand_in::Home;
use crate::port::Port;

impl Launchd {
    /// Makes one with a home of its own, and with a program in the place of launchctl.
    pub(in crate::cli::service) fn with(
        home: &Path,
        launchctl: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        let launchctl = launchctl.into_iter().map(Into::into).collect();
        Self { home: home.to_owned(), user: 501, launchctl }
    }
}

fn launchd() -> Launchd {
    Launchd::with(Path::new("/Users/ann"), ["launchctl"])
}

/// launchd whose commands end as this script says; `$1` is the first word after `launchctl`.
fn scripted(home: &Home, script: &str) -> Launchd {
    let script = format!("cd \"$0\"; echo $1 >> launchctl.log; {script}");
    let folder = home.path("");
    let words = ["sh", "-c", &script].map(OsString::from);
    Launchd::with(&folder, words.into_iter().chain([folder.clone().into()]))
}

#[test]
fn the_agent_starts_the_given_program() {
    let program = Program {
        path: "/opt/a&b/pald".into(),
        config: Some("/etc/<pald>.toml".into()),
        port_listen: Port::new(1234).unwrap(),
    };
    let files = launchd().files(Some(&program)).unwrap();
    assert_eq!(files[0].path, PathBuf::from("/Users/ann/Library/LaunchAgents/pald.plist"));
    let content = files[0].content.as_deref().unwrap();
    let arguments = "<string>/opt/a&amp;b/pald</string><string>--config</string><string>/etc/&lt;pald&gt;.toml</string><string>serve</string><string>--launchd</string>\n";
    for part in [MARK, arguments, "<string>/Users/ann/Library/Logs/pald.log</string>"] {
        assert!(content.contains(part), "{part} is not in {content}");
    }
    assert!(content.starts_with("<?xml ") && !content.contains("/usr/local"), "{content}");
}

#[test]
fn the_agent_is_one_of_the_user() {
    let launchd = launchd();
    assert_eq!(launchd.domain(), "gui/501");
    assert_eq!(launchd.target(), "gui/501/pald");
    let words = launchd.command([&"print".into(), &launchd.target()]);
    assert_eq!(words, ["launchctl", "print", "gui/501/pald"]);
    assert_eq!(launchd.kind(), "a launchd agent");
    assert_eq!(launchd.restart_line(), "pald stop && pald start");
    let files = launchd.files(None).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!((&files[0].path, &files[0].content), (&launchd.agent(), &None));
}

#[test]
fn the_process_is_read_from_launchctl() {
    let printed = "gui/501/pald = {\n\tactive count = 1\n\tstate = running\n\n\tpid = 4121\n}\n";
    assert_eq!(pid_in(printed), Some(4121));
    let ended = "gui/501/pald = {\n\tstate = not running\n\tlast exit code = 0\n}\n";
    assert_eq!((pid_in(ended), has_ended(ended)), (None, true));
    let starting =
        "gui/501/pald = {\n\tstate = spawn scheduled\n\tlast exit code = (never exited)\n}\n";
    assert_eq!((pid_in(starting), has_ended(starting)), (None, false));
}

#[test]
fn the_state_is_that_of_the_file_where_nothing_is_loaded() {
    let home = Home::new();
    let none = scripted(&home, "exit 113");
    assert_eq!(none.state().unwrap(), State::default());
    assert!(!none.may_be_installed().unwrap());
    fs::create_dir_all(home.path("Library/LaunchAgents")).unwrap();
    fs::write(none.agent(), "").unwrap();
    assert!(none.may_be_installed().unwrap());
    let state = |is_active, pid| State { is_installed: true, is_enabled: true, is_active, pid };
    assert_eq!(none.state().unwrap(), state(false, None));
    assert_eq!(scripted(&home, "true").state().unwrap(), state(false, None));
    assert_eq!(scripted(&home, "echo pid = 7").state().unwrap(), state(true, Some(7)));
}

/// How long it takes until an agent is gone, or may be loaded again, the script counts in questions.
#[test]
fn each_step_waits_for_the_one_before() {
    let home = Home::new();
    let launchd = home.launchd();
    fs::create_dir_all(home.path("Library/LaunchAgents")).unwrap();
    let sleeps = "<array><string>sleep</string><string>60</string></array>\n";
    fs::write(launchd.agent(), sleeps).unwrap();
    let started = || fs::read_to_string(home.path("pid")).ok()?.trim().parse().ok();
    let asked = || {
        let mut lines = home.asked("launchctl");
        lines.dedup();
        lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    launchd.run(Step::Reload).unwrap();
    assert_eq!(asked(), [""; 0]);
    launchd.run(Step::Enable).unwrap();
    assert_eq!(asked(), ["enable", "bootstrap"]);
    launchd.wait_for_answer(&started).unwrap();
    let first = launchd.state().unwrap().pid;
    assert!(first.is_some() && first == started());
    launchd.run(Step::Restart).unwrap();
    launchd.wait_for_answer(&started).unwrap();
    assert_ne!(launchd.state().unwrap().pid, first);
    let restarted = ["print", "bootout", "print", "bootstrap", "print", "bootstrap", "print"];
    assert_eq!(asked(), restarted);
    launchd.run(Step::Start).unwrap();
    assert_eq!(asked(), ["print", "kickstart"]);
    launchd.run(Step::Stop).unwrap();
    assert!(launchd.print().unwrap().is_none(), "it is gone");
    // What is gone already is not stopped again.
    launchd.run(Step::Disable).unwrap();
    launchd.run(Step::Start).unwrap();
    launchd.run(Step::Stop).unwrap();
    let again = ["bootstrap", "print", "bootstrap", "bootout", "print"];
    assert_eq!(asked(), [&["bootout", "print", "bootout", "print"], &again[..]].concat());
}

#[test]
fn a_step_that_fails_is_told() {
    // (what launchctl does, the step, the error)
    let rows = [
        // It would do it if it were asked again.
        (
            "case $1 in bootstrap) [ -e asked ] || { touch asked; echo no >&2; exit 1; };; \
             print) false;; esac",
            Step::Enable,
            Some(("bootstrap", "no")),
        ),
        ("echo no >&2; exit 1", Step::Enable, Some(("enable", "no"))),
        ("[ $1 = print ]", Step::Start, Some(("kickstart", "exit status: 1"))),
        ("[ $1 = print ]", Step::Stop, Some(("bootout", "exit status: 1"))),
        // It is loaded although the command has failed.
        ("[ $1 != bootstrap ]", Step::Enable, None),
        // It is gone although the command has failed.
        ("exit 3", Step::Stop, None),
        // It is leaving already, and then it is gone.
        (
            "case $1 in bootout) exit 36;; print) [ ! -e asked ] && touch asked;; esac",
            Step::Stop,
            None,
        ),
    ];
    for (script, step, expected) in rows {
        let found = match scripted(&Home::new(), script).run(step) {
            Ok(()) => None,
            Err(ServiceError::Failed { command, message }) => Some((command, message)),
            Err(other) => panic!("{other:?}"),
        };
        let message = found.as_ref().map(|(_, message)| message.as_str());
        assert_eq!(message, expected.map(|(_, message)| message), "{script} {step:?}");
        if let (Some((command, _)), Some((word, _))) = (found, expected) {
            assert!(command.contains(&format!(" {word} gui/501")), "{command}");
        }
    }
}

#[test]
fn what_was_started_answers_or_has_ended() {
    let home = Home::new();
    let ended = scripted(&home, "echo last exit code = 1");
    assert!(matches!(ended.wait_for_answer(&|| None), Err(ServiceError::Ended)));
    // It runs again, and the code is that of the run before.
    let running = scripted(&home, "echo last exit code = 1; echo pid = 7");
    let answers = std::cell::Cell::new(0);
    let answering = || {
        answers.set(answers.get() + 1);
        [None, Some(8), Some(7)].get(answers.get() - 1).copied().flatten()
    };
    running.wait_for_answer(&answering).unwrap();
    assert_eq!(answers.get(), 3);
    // What answers without a process of launchd's is another pald.
    let starting =
        "[ -e asked ] && echo pid = 7; touch asked; echo 'last exit code = (never exited)'";
    scripted(&home, starting)
        .wait_for_answer(&|| home.path("asked").exists().then_some(7))
        .unwrap();
}
