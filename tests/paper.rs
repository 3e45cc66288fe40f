//! What pald prints about itself: completions for shells, and manual pages.

use std::fs;

use crate::daemon::Home;
use crate::faults::finish;

fn answer(home: &Home, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = finish(home.command().args(arguments));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    stdout
}

/// The commands that the page of pald itself names.
fn commands(page: &str) -> Vec<&str> {
    let names = page.lines().filter_map(|line| line.strip_prefix("pald\\-"));
    names.filter_map(|line| line.strip_suffix("(1)")).collect()
}

#[test]
fn each_command_has_a_manual_page_with_an_example() {
    let home = Home::new(1);
    let page = answer(&home, &["man"]);
    assert!(page.contains("\n.TH pald 1 "), "{page}");
    assert!(page.contains("\n.SH \"EXIT CODES\"\n.nf\n  0   done\n  1   "), "{page}");
    let names = commands(&page);
    assert!(
        ["serve", "set", "run", "install", "man"].iter().all(|it| names.contains(it)),
        "{names:?}"
    );
    for name in names {
        let page = answer(&home, &["man", name]);
        assert!(page.contains(&format!("\n.TH pald-{name} 1 ")), "{page}");
        assert!(page.contains("\n.SH \"EXAMPLES\"\n.nf\n  "), "{page}");
        // groff makes a quotation mark of it, which can't be typed.
        assert!(!page.contains('`'), "{page}");
        // The margin takes 7 of 80 columns.
        let kept = page.split("\n.nf\n").skip(1).filter_map(|it| it.split_once("\n.fi\n"));
        for line in kept.flat_map(|(kept, _)| kept.lines()) {
            let shown = line.replace("\\(ga", "`").replace('\\', "");
            assert!(shown.len() <= 73, "{line}");
        }
    }
    let synopsis = ".SH SYNOPSIS\npald run [OPTIONS] [NAME] \\-\\- <CMD>...\n.SH DESCRIPTION\n";
    assert!(answer(&home, &["man", "run"]).contains(synopsis));
    for name in ["help", "nope"] {
        let message =
            format!("Error: pald has no command \"{name}\"\nhint: `pald man` lists all commands\n");
        let refused = finish(home.command().args(["man", name]));
        assert_eq!(refused, (Some(2), String::new(), message));
    }
}

#[test]
fn each_shell_gets_a_completion_script() {
    let home = Home::new(1);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(answer(&home, &["completions", shell]).contains("pald"), "{shell}");
    }
}

#[test]
fn serve_check_reports_wrong_settings_and_creates_nothing() {
    let home = Home::new(1);
    let check = |variable: Option<&str>| {
        let mut command = home.command();
        command.args(["serve", "--check"]).envs(variable.map(|name| (name, "1")));
        home.run(command)
    };
    assert_eq!(check(None), (Some(0), String::new()));
    let warning = "warning: Unknown setting PALD_PORT\n";
    assert_eq!(check(Some("PALD_PORT")), (Some(0), warning.to_owned()));
    fs::write(home.file("config.toml"), "# My settings.\n\nport_lisen = 49200\n").unwrap();
    let message = "Error: ~/.pald/config.toml:3:1: unknown key `port_lisen`\nhint: Did you mean `port_listen`?\n";
    assert_eq!(check(None), (Some(78), message.to_owned()));
    assert_eq!(fs::read_dir(home.file("")).unwrap().count(), 1);
}
