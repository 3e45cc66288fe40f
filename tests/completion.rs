//! What a press of the tab key offers: asked as the scripts ask, and in real shells at a terminal.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::command_line::terminal::terminal;
use crate::command_line::{ports, prepared, shell};
use crate::daemon::Home;
use crate::faults::{TimeLimit, wait};
use crate::skip::skip;

const FILE: &str = "project = 'shop'\n[services]\nweb = {}\nweb-api = {}\nmail = {}\n";

/// A home with a project in its folder `shop`, whose service `mail` is not registered yet, and another
/// service besides; beside the project's file is one that is called like the start of no service.
fn home() -> Home {
    let home = Home::new(9);
    fs::create_dir(home.path().join("shop")).unwrap();
    fs::write(home.path().join("shop/pald.toml"), FILE.replace("mail = {}\n", "")).unwrap();
    let daemon = home.start();
    shell(&home, "cd shop; pald set; pald set blog.web");
    fs::write(home.path().join("shop/pald.toml"), FILE).unwrap();
    fs::write(home.path().join("shop/file.txt"), "").unwrap();
    drop(daemon);
    home
}

/// What the script of fish gets for a line, whose last word is completed.
fn offered(home: &Home, line: &str) -> String {
    let (before, last) = line.rsplit_once(' ').unwrap();
    shell(home, &format!("cd shop && pald completions fish -- pald {before} '{last}'"))
}

#[test]
fn services_are_offered_where_they_are_meant_those_of_the_project_first() {
    let home = home();
    let daemon = home.start();
    let short = "web\t49201\nweb-api\t49202\nmail\tnot registered yet\n";
    let full = "shop.web\t49201\nshop.web-api\t49202\nblog.web\t49203\n";
    let both = format!("{short}{full}");
    let rows = [
        ("get ", both.as_str()),
        ("set ", &both),
        ("run ", &both),
        ("run -e ", &both),
        ("env web ", &both),
        ("get web-", "web-api\t49202\n"),
        ("get shop.w", "shop.web\t49201\nshop.web-api\t49202\n"),
        ("run -e DB=bl", "DB=blog.web\t49203\n"),
        ("get -g ", full),
        ("list ", full),
        ("-C .. get ", full),
        ("-C ", ".\t\n"),
        (
            "man st",
            "start\tStart the service that `pald install` set up\nstop\tStop the pald that serves, however it was started\nstatus\tShow the daemon's state, and how it runs\n",
        ),
        ("get fi", ""),
        ("get *", ""),
        ("init ", ""),
        ("import fi", "file.txt\t\n"),
    ];
    for (line, expected) in rows {
        assert_eq!(offered(&home, line), ports(&home, expected), "{line}");
    }
    assert!(offered(&home, "set --add").starts_with("--addr\tStore an address"));
    assert_eq!(shell(&home, "pald completions bash -- pald sta"), "start\nstatus\n");

    // A broken file stops nothing, and where pald is down there is nothing to say.
    fs::write(home.path().join("shop/pald.toml"), "project = 1").unwrap();
    assert_eq!(offered(&home, "get "), ports(&home, full));
    drop(daemon);
    assert_eq!(offered(&home, "get "), "");
}

#[test]
fn of_many_services_the_next_part_of_their_names_is_offered() {
    let home = Home::new(1);
    let mut command = home.command();
    command.env("PALD_HOLD_PORTS", "false");
    let _daemon = home.start_command(command);
    let name = |number| format!("many-{}.fix-{}.web{number}", number / 100, number / 50);
    let dump: String = (0..300).map(|it| format!("{} {}\n", name(it), 1100 + it)).collect();
    fs::write(home.path().join("dump"), dump).unwrap();
    shell(&home, "pald import -q dump");
    let offered = |typed| shell(&home, &format!("pald completions bash -- pald get '{typed}'"));
    assert_eq!(offered("ma"), "many-0.\nmany-1.\nmany-2.\n");
    assert_eq!(offered("").lines().count(), 3);
    assert_eq!(offered("many-1.").lines().count(), 100);
    assert!(offered("many-1.").starts_with("many-1.fix-2.web100\n"));
}

/// The file in which each shell gets its completions, and the line for that.
const SHELLS: [(&str, &str, &str); 3] = [
    ("bash", ".bashrc", "eval \"$(pald completions bash)\"\n"),
    ("zsh", ".zshrc", "autoload -U compinit; compinit -u\nsource <(pald completions zsh)\n"),
    ("fish", ".config/fish/config.fish", "pald completions fish | source\n"),
];

/// Types lines in a shell at a terminal of its own, in the project's folder; returns what that shows.
fn typed(home: &Home, program: &str, keys: &str) -> String {
    let (mut person, terminal) = terminal();
    person.write_all(keys.as_bytes()).unwrap();
    let mut command = prepared(home, "setsid");
    let path = command.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap();
    let path = format!("{}:{}", home.path().join("bin").display(), path.to_str().unwrap());
    command.env("PATH", path).env("TERM", "xterm").current_dir(home.path().join("shop"));
    command.args(["--ctty", "--wait", program, "-i"]);
    command.stdin(terminal.try_clone().unwrap());
    command.stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    let limit = TimeLimit::of(&child);
    // It keeps the copies that it gives to the shell; until they are closed, reading does not end.
    drop(command);
    let mut shown = Vec::new();
    // A closed terminal is read to its end with an error (EIO).
    let _ = person.read_to_end(&mut shown);
    drop(limit);
    wait(&mut child);
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn each_shell_completes_names_of_services_and_commands_after_the_dashes() {
    if Command::new("setsid").arg("--version").output().is_err() {
        return skip("setsid is missing");
    }
    let home = home();
    fs::create_dir(home.path().join("bin")).unwrap();
    let program = home.path().join("bin/unheard-of");
    fs::write(&program, "#!/bin/sh\necho \"$PORT: $*\"\n").unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    for (shell, file, line) in SHELLS {
        if Command::new(shell).arg("--version").output().is_err() {
            skip(format!("{shell} is missing"));
            continue;
        }
        let daemon = home.start();
        let file = home.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, line).unwrap();
        let keys = "pald get blo\t>one\rpald get fil\t>two 2>&1\rpald run web-\t-- unheard-\tx >three\r\
                    pald run -e DB=blo\tweb -- sh -c 'echo $DB' >four\rexit\r";
        let screen = typed(&home, shell, keys);
        let written = |name: &str| {
            fs::read_to_string(home.path().join("shop").join(name)).unwrap_or_default()
        };
        assert_eq!(written("one"), format!("{}\n", home.min + 2), "{shell}\n{screen}");
        assert!(written("two").starts_with("Error: fil is no service of shop"), "{screen}");
        assert_eq!(written("three"), format!("{}: x\n", home.min + 1), "{shell}\n{screen}");
        assert_eq!(written("four"), format!("{}\n", home.min + 2), "{shell}\n{screen}");

        // Where pald is down, nothing happens.
        drop(daemon);
        let screen = typed(&home, shell, "pald get blo\t\x15exit\r");
        assert!(screen.contains("blo") && !screen.contains("blog"), "{shell}\n{screen}");
        assert!(!screen.contains("Error") && !screen.contains("file.txt"), "{shell}\n{screen}");
    }
}
