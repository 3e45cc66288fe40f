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

/// Mistakes of a file, each with the message after the file's name, and its hint.
const MISTAKES: [(&str, &str, &str); 14] = [
    (
        "",
        ": `project` is missing; it must be 1 to 100 letters, digits, _ and -",
        "Begin the file with `project = \"shop\"`",
    ),
    (
        "project = 'my shop'",
        ":1:11: project is \"my shop\"; it must be 1 to 100 letters, digits, _ and -",
        "Try `my-shop`",
    ),
    ("project = 'shop", ":1:16: invalid literal string, expected `'`", ""),
    ("projekt = 'shop'", ":1:1: unknown key `projekt`", "Did you mean `project`?"),
    (
        "project = 'shop'\nport_min = 1",
        ":2:1: unknown key `port_min`",
        "It is a setting of the daemon, which belongs in ~/.pald/config.toml",
    ),
    ("project = 'shop'\nservices = 7", ":2:12: services is 7; it must be a table", ""),
    (
        "project = 'shop'\n[services]\nweb = { perfer = 1 }",
        ":3:9: unknown key `perfer`",
        "Did you mean `prefer`?",
    ),
    (
        "project = 'shop'\n[services]\nweb = 70000",
        ":3:7: services.web is 70000; it must be an integer from 1 to 65535",
        "",
    ),
    (
        "project = 'shop'\n[services]\nweb = { prefer = '80' }",
        ":3:18: services.web.prefer is \"80\"; it must be an integer from 1 to 65535",
        "Remove the quotes",
    ),
    (
        "project = 'shop'\n[services]\na.b.c = 1",
        ":3:3: unknown key `b`",
        "The keys are prefer, env, shared",
    ),
    (
        "project = 'shop'\n[services]\na-b = {}\na_b = {}",
        ":4:1: a-b and a_b both have the variable A_B_PORT",
        "Give one of them another, as in `web = { env = \"WEB\" }`",
    ),
    (
        "project = 'shop'\n[env]\nPATH = 'x'",
        ":3:1: a variable of env is \"PATH\"; it must be a variable by which no shell or loader runs code, as by PATH, LD_PRELOAD or NODE_OPTIONS",
        "",
    ),
    (
        "project = 'shop'\n[env]\nA = \"\\u001b\"",
        ":3:5: env.A is \"\\u{1b}\"; it must be a string without control characters",
        "",
    ),
    (
        "project = 'shop'\n[services]\ndb = {}\n[env]\nA = '{dbb}'",
        ":5:5: env.A has {dbb} in it, which is no service of shop",
        "Did you mean {db}?",
    ),
];

#[test]
fn each_mistake_of_a_file_has_one_message_and_changes_nothing() {
    let workplace = Workplace::new(9);
    for (text, message, hint) in MISTAKES {
        workplace.write("src/shop/pald.toml", text);
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
        let message = format!("Error: ~/src/shop/pald.toml{message}\n{hint}");
        assert_refused(&workplace, "src/shop", "set", 78, &message);
    }
}

/// What is no file to read, and git's files that lead nowhere.
#[test]
fn bad_input_has_one_message_and_changes_nothing() {
    let workplace = Workplace::new(9);
    let make = |folder: &str, git: Option<&str>| {
        workplace.write(&format!("src/{folder}/pald.toml"), SHOP);
        if let Some(git) = git {
            workplace.write(&format!("src/{folder}/.git"), git);
        }
        workplace.folder(&format!("src/{folder}"))
    };
    for folder in ["folder/pald.toml", "fifo", "link"] {
        fs::create_dir_all(workplace.folder(&format!("src/{folder}"))).unwrap();
    }
    mkfifo(&workplace.folder("src/fifo/pald.toml"), Mode::S_IRUSR).unwrap();
    symlink("none", workplace.folder("src/link/pald.toml")).unwrap();
    fs::write(make("large", None).join("pald.toml"), "#\n".repeat(5_000_000)).unwrap();
    fs::write(make("edge", None).join("pald.toml"), "#".repeat(65_537)).unwrap();
    fs::write(make("bytes", None).join("pald.toml"), b"project = 'shop' # \xff").unwrap();
    make("theirs", None);
    make("nowhere", Some("gitdir: /no/such/folder\n"));
    make("itself", Some("gitdir: .git\n"));
    make("outside", Some("gitdir: /etc\n"));
    make("text", Some("what is this?\n"));
    make("own", Some("gitdir: ../repository\n"));
    workplace.write("src/repository/HEAD", "ref: refs/heads/main\n");
    workplace.write("src/repository/commondir", "/no/such/folder\n");
    symlink(".git", make("circle", None).join(".git")).unwrap();
    let repair = "\nhint: Run `git worktree repair` in the main checkout, or `git status` here";
    let mut rows = vec![
        ("folder", 78, "~/src/folder/pald.toml is not a regular file".to_owned()),
        ("fifo", 78, "~/src/fifo/pald.toml is not a regular file".to_owned()),
        (
            "link",
            74,
            "Can't read ~/src/link/pald.toml: No such file or directory (os error 2)".to_owned(),
        ),
        ("large", 78, "~/src/large/pald.toml is larger than 65536 bytes".to_owned()),
        ("edge", 78, "~/src/edge/pald.toml is larger than 65536 bytes".to_owned()),
        ("bytes", 78, "~/src/bytes/pald.toml:1:20: the file is not UTF-8".to_owned()),
        (
            "nowhere",
            78,
            format!("~/src/nowhere/.git names /no/such/folder, which can't be found{repair}"),
        ),
        (
            "itself",
            78,
            format!("~/src/itself/.git names ~/src/itself/.git, which is not a folder{repair}"),
        ),
        (
            "outside",
            78,
            format!("~/src/outside/.git names /etc, which is not a repository{repair}"),
        ),
        (
            "text",
            78,
            "~/src/text/.git is not a file that git wrote: it must start with `gitdir: `"
                .to_owned(),
        ),
        (
            "own",
            78,
            format!(
                "~/src/repository/commondir names /no/such/folder, which can't be found{repair}"
            ),
        ),
        (
            "circle",
            74,
            "Can't look at ~/src/circle/.git: Too many levels of symbolic links (os error 40)"
                .to_owned(),
        ),
    ];
    let theirs = workplace.folder("src/theirs/pald.toml");
    match std::os::unix::fs::chown(theirs, Some(4242), None) {
        Ok(()) => rows.push(("theirs", 78, "~/src/theirs/pald.toml belongs to user 4242, not to you or root\nhint: Use a checkout of your own, or full names with `-g`".to_owned())),
        Err(_) => skip("only root can give a file away"),
    }
    for (folder, code, message) in rows {
        println!("{folder:8} {code} {}", message.replace('\n', " | "));
        let message = format!("Error: {message}\n");
        assert_refused(&workplace, &format!("src/{folder}"), "set", code, &message);
    }
    let largest = format!("{SHOP}{}", "#".repeat(65_536 - SHOP.len()));
    workplace.write("src/edge/pald.toml", &largest);
    workplace.answer("src/edge", &["set"]);
}

#[test]
fn a_checkout_whose_path_is_too_long_is_refused() {
    let workplace = Workplace::new(9);
    let deep = format!("src{}", format!("/{}", "n".repeat(240)).repeat(6));
    workplace.write(&format!("{deep}/pald.toml"), SHOP);
    let bytes = fs::canonicalize(workplace.folder(&deep)).unwrap().as_os_str().len();
    let message = format!(
        "Error: The checkout ~/{deep} can't be remembered: The folder is {bytes} bytes long as it is \
         stored; at most 1024 are allowed\nhint: Move the checkout to a shorter path\n"
    );
    assert_refused(&workplace, &deep, "set", 78, &message);
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
        ("init web git", 2, "Error: git can't be a service here: shells and loaders run code by its variable GIT_PORT\nhint: Choose another name, or add it to the file with `env = \"VAR\"`\n".to_owned()),
        ("init a-b a_b", 2, "Error: Two of these services would have the variable A_B_PORT\nhint: Leave one out, and add it to the file with `env = \"VAR\"`\n".to_owned()),
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
