//! Mistakes in a project: one message, an exit code, and nothing changed.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{SHOP, Workplace, is_there};
use crate::command_line::{answer_each, json_answer};
use crate::daemon::Home;
use crate::skip::skip;

/// Checks that a command ends with this code, prints nothing, and says this; and that it changed
/// nothing.
fn assert_refused(workplace: &Workplace, folder: &str, command: &str, code: i32, message: &str) {
    let before = workplace.revision();
    let arguments: Vec<_> = command.split(' ').collect();
    let (found, stdout, stderr) = workplace.pald(folder, &arguments);
    assert_eq!((stderr.as_str(), found, stdout.as_str()), (message, Some(code), ""), "{command}");
    assert_eq!(workplace.revision(), before, "{command}");
}

#[test]
fn a_mistake_in_the_file_stops_what_needs_it_and_nothing_else() {
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", "project = \"shop\"\n[services]\nweb = \"x\"\n");
    workplace.answer("src", &["set", "shop.web"]);
    let message = "Error: ~/src/shop/pald.toml:3:7: services.web is \"x\"; it must be a port that it \
                   prefers, or a table such as { prefer = 8080, env = \"API\" }, or {}\n";
    for command in [
        "set",
        "set web",
        "get web",
        "del web",
        "run -- true",
        "run web -- true",
        "env",
        "env web",
        "env -o x",
        "run shop.web -e web -- true",
    ] {
        assert_refused(&workplace, "src/shop", command, 78, message);
    }
    let port = workplace.home.min.to_string();
    for command in [
        "list",
        "list --here",
        "status",
        "get shop.web",
        "get -g other",
        "env shop.web",
        "run shop.web -- true",
        "set shop.web",
        "export",
    ] {
        let (code, _, stderr) = workplace.pald("src/shop", &command.split(' ').collect::<Vec<_>>());
        assert!(!stderr.contains("pald.toml"), "{command}: {stderr}");
        assert_eq!(
            code,
            Some(if command == "get -g other" { 1 } else { 0 }),
            "{command}: {stderr}"
        );
    }
    let (code, _, stderr) = workplace.pald("src/shop", &["who", &port]);
    assert_eq!((code, stderr.contains("pald.toml")), (Some(1), false), "{stderr}");
}

#[test]
fn a_file_that_can_t_be_one_is_refused() {
    let workplace = Workplace::new(9);
    for folder in ["folder/pald.toml", "fifo", "large", "bytes", "link"] {
        fs::create_dir_all(workplace.folder(&format!("src/{folder}"))).unwrap();
    }
    let fifo = workplace.folder("src/fifo/pald.toml");
    mkfifo(&fifo, Mode::S_IRUSR).unwrap();
    fs::write(workplace.folder("src/large/pald.toml"), "#\n".repeat(5_000_000)).unwrap();
    fs::write(workplace.folder("src/bytes/pald.toml"), b"project = 'shop' # \xff").unwrap();
    symlink("none", workplace.folder("src/link/pald.toml")).unwrap();
    let rows = [
        ("folder", 78, "~/src/folder/pald.toml is not a regular file"),
        ("fifo", 78, "~/src/fifo/pald.toml is not a regular file"),
        ("large", 78, "~/src/large/pald.toml is larger than 65536 bytes"),
        ("bytes", 78, "~/src/bytes/pald.toml:1:20: the file is not UTF-8"),
        ("link", 74, "Can't read ~/src/link/pald.toml: No such file or directory (os error 2)"),
    ];
    for (folder, code, message) in rows {
        let message = format!("Error: {message}\n");
        assert_refused(&workplace, &format!("src/{folder}"), "set", code, &message);
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", SHOP);
    let file = workplace.folder("src/shop/pald.toml");
    if std::os::unix::fs::chown(&file, Some(4242), None).is_err() {
        return skip("only root can give a file away");
    }
    let message = "Error: ~/src/shop/pald.toml belongs to user 4242, not to you or root\n\
                   hint: Use a checkout of your own, or full names with `-g`\n";
    assert_refused(&workplace, "src/shop", "set", 78, message);
}

#[test]
fn git_files_that_lead_nowhere_are_named() {
    let workplace = Workplace::new(9);
    let hint = "hint: Run `git worktree repair` in the main checkout, or `git status` here\n";
    // (content of .git, message)
    let rows = [
        (
            "gitdir: /no/such/folder\n",
            "~/src/shop/.git names /no/such/folder, which can't be found",
        ),
        ("gitdir: .git\n", "~/src/shop/.git names ~/src/shop/.git, which is not a folder"),
        ("gitdir: /etc\n", "~/src/shop/.git names /etc, which is not a repository"),
    ];
    for (content, message) in rows {
        workplace.write("src/shop/pald.toml", SHOP);
        workplace.write("src/shop/.git", content);
        assert_refused(&workplace, "src/shop", "set", 78, &format!("Error: {message}\n{hint}"));
    }
    fs::remove_file(workplace.folder("src/shop/.git")).unwrap();
    symlink(".git", workplace.folder("src/shop/.git")).unwrap();
    let message =
        "Error: Can't look at ~/src/shop/.git: Too many levels of symbolic links (os error 40)\n";
    assert_refused(&workplace, "src/shop", "set", 74, message);
}

#[test]
fn a_checkout_whose_path_is_too_long_is_refused() {
    let workplace = Workplace::new(9);
    let deep = format!("src{}", format!("/{}", "n".repeat(240)).repeat(6));
    workplace.write(&format!("{deep}/pald.toml"), SHOP);
    let (code, stdout, stderr) = workplace.pald(&deep, &["set"]);
    assert_eq!((code, stdout.as_str()), (Some(78), ""), "{stderr}");
    assert!(stderr.contains("bytes long as it is stored; at most 1024 are allowed\n"), "{stderr}");
    assert_eq!(workplace.services(), [""; 0]);
}

#[test]
fn a_folder_that_is_gone_has_no_project() {
    if !is_there("bash") {
        return;
    }
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", SHOP);
    workplace.session(
        "bash",
        "src/shop",
        "\
$ rm -r ../shop
$ pald set; echo $?
Error: Can't tell the current folder: No such file or directory (os error 2)
74
$ pald set shop.web
49201
$ pald -C ../shop set; echo $?
Error: Can't change to ../shop: No such file or directory (os error 2)
2
",
    );
}

#[test]
fn a_command_that_needs_a_project_says_where_it_looked() {
    let workplace = Workplace::new(9);
    fs::create_dir_all(workplace.folder("src/shop/.git")).unwrap();
    fs::create_dir_all(workplace.folder("src/shop/deep")).unwrap();
    let hint = "hint: Write one with `pald init NAME...`, or give a full name\n";
    for (folder, command, place) in [
        ("src/shop", "set", "in ~/src/shop"),
        ("src/shop/deep", "env", "from ~/src/shop/deep up to ~/src/shop"),
        ("src/shop/deep", "run -- true", "from ~/src/shop/deep up to ~/src/shop"),
    ] {
        let name = format!("pald {}", command.split(' ').next().unwrap());
        let message =
            format!("Error: `{name}` needs a project, and there is no pald.toml {place}\n{hint}");
        assert_refused(&workplace, folder, command, 2, &message);
    }
}

#[test]
fn names_for_a_new_project_are_checked() {
    let workplace = Workplace::new(9);
    fs::create_dir_all(workplace.folder("src/My Shop")).unwrap();
    fs::create_dir_all(workplace.folder("src/名前")).unwrap();
    let service = |name: &str| {
        format!(
            "Error: {name} can't be a service of a project: its name has 1 to 100 letters, digits, \
                 _ and -, and is neither `port` nor `checkout`\n"
        )
    };
    let rows = [
        ("init a.b", 2, service("\"a.b\"")),
        ("init port", 2, service("\"port\"")),
        ("init a-b a_b", 2, "Error: Variable A_B_PORT is set twice\nhint: Choose another name, as in `WEB=shop.web`\n".to_owned()),
    ];
    for (command, code, message) in rows {
        assert_refused(&workplace, "src/My Shop", command, code, &message);
    }
    let message = "Error: \"\\u{540d}\\u{524d}\" can't be the name of a project, which has 1 to 100 letters, digits, _ and -\n";
    assert_refused(&workplace, "src/名前", "init", 2, message);
    let message = "Error: A pald.toml in the home folder is never used\nhint: Change to a project's folder first\n";
    assert_refused(&workplace, "", "init", 2, message);
    workplace.answer("src/My Shop", &["init", "web", "web"]);
    let text = fs::read_to_string(workplace.folder("src/My Shop/pald.toml")).unwrap();
    assert_eq!(text, "project = \"my-shop\"\n\n[services]\nweb = {}\n");
}

#[test]
fn a_file_that_pald_did_not_write_is_not_overwritten() {
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", SHOP);
    workplace.answer("src/shop", &["set"]);
    workplace.write("src/shop/.env", "SECRET=1\n");
    symlink(".env", workplace.folder("src/shop/link")).unwrap();
    for file in [".env", "link", "."] {
        let message = format!(
            "Error: {file} was not written by `pald env`\nhint: Move it away, or name another file\n"
        );
        assert_refused(&workplace, "src/shop", &format!("env -o {file}"), 4, &message);
    }
    let message = "Error: JSON has no comments, so `-o` can't mark the file as pald's\nhint: Choose another format, or write it with `>`\n";
    assert_refused(&workplace, "src/shop", "env -f json -o new", 2, message);
    workplace.answer("src/shop", &["env", "-o", "new"]);
    workplace.answer("src/shop", &["env", "-f", "dotenv", "-o", "new"]);
    let text = fs::read_to_string(workplace.folder("src/shop/new")).unwrap();
    assert!(
        text.starts_with(
            "# Written by `pald env` for shop in ~/src/shop; it writes the file anew\nWEB_PORT="
        ),
        "{text}"
    );
    assert_eq!(fs::read_to_string(workplace.folder("src/shop/.env")).unwrap(), "SECRET=1\n");
    assert_eq!(fs::read_dir(workplace.folder("src/shop")).unwrap().count(), 4);
}

/// What pald 0.1 answers to a POST.
const REFUSED: &str = r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"This method is not allowed here; use GET, HEAD"}"#;

#[test]
fn a_daemon_that_is_too_old_is_named_with_what_restarts_it() {
    let workplace = Workplace::new(9);
    workplace.write("src/shop/pald.toml", SHOP);
    let other = Home::new(1);
    let old = other.listen;
    let mut answers = 0;
    answer_each(old, move || {
        answers += 1;
        match answers {
            3 => format!(
                "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/problem+json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{REFUSED}",
                REFUSED.len()
            ),
            4 => json_answer(&health()),
            _ => json_answer(&serde_json::json!({
                "services": [], "revision": 1,
                "pool": { "min": 1, "max": 2, "used": 0, "free": 2 },
            })),
        }
    });
    let url = format!("http://127.0.0.1:{old}");
    let (code, stdout, stderr) = workplace.pald("src/shop", &["--url", &url, "set"]);
    // Where users can't be told apart, its process is not known either.
    let how = match pald::probe::TELLS_USERS {
        true => "Restart pald: kill 4242, then start pald again",
        false => "Restart pald where it runs",
    };
    let message = format!(
        "Error: The pald that answers at {url} is older than this program, and knows no projects\n\
         hint: {how}\n"
    );
    assert_eq!((stderr, code, stdout.as_str()), (message, Some(4), ""));
}

fn health() -> serde_json::Value {
    serde_json::json!({
        "status": "ok", "version": "0.1.0", "pid": 4242, "uptime_s": 1, "revision": 1, "services": 0,
        "addresses": [], "store": { "path": null, "error": null },
        "dump": { "path": null, "written_at": null, "error": null },
        "holds": { "max": 0, "held": 0, "missing": [] }, "overlap": null,
    })
}
