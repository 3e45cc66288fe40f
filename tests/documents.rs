//! What the documents show on a console is what happens, and their links lead somewhere.
//!
//! Each document has a home and a daemon of its own, and each section starts without services.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use snapbox::assert_data_eq;

use crate::daemon::{Home, PALD};
use crate::faults::TimeLimit;
use crate::skip::skip;

/// How commands start that a test can't run: they build the program, need root, change the machine
/// or the repository, or take minutes.
const NOT_RUN: [&str; 10] = [
    "cargo ",
    "sudo ",
    "PALD_",
    "RUSTC_",
    "systemctl ",
    ".ci/",
    "pald install",
    "git tag",
    "git push",
    "tar ",
];

/// Programs of others, as scripts that say how they were called.
const STAND_INS: [(&str, &str); 2] = [
    ("vite", "echo \"  Local: http://localhost:$2/\""),
    (
        "docker",
        "for file; do case $file in .env*) . ./$file;; esac; done\n\
         echo \"docker $*: project $COMPOSE_PROJECT_NAME, web on $WEB_PORT, db on $PGPORT\"",
    ),
];
/// Programs that a machine may lack.
const MAY_BE_MISSING: [&str; 4] = ["make", "curl", "npm", "node"];

/// A part of a document between two headings.
struct Section {
    heading: String,
    blocks: Vec<Block>,
}

enum Block {
    /// Commands, each with what it prints.
    Console(Vec<(String, String)>),
    /// The content of a file that the line above names.
    File { name: String, text: String },
}

/// Splits Markdown at its headings.
fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section { heading: String::new(), blocks: Vec::new() }];
    let mut lines = text.lines();
    let mut last = "";
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading: heading.to_owned(), blocks: Vec::new() });
        } else if let Some(kind) = line.strip_prefix("```") {
            let content: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let blocks = &mut sections.last_mut().unwrap().blocks;
            match (kind, file_named_in(last)) {
                ("console", _) => blocks.push(Block::Console(commands(&content))),
                (_, Some(name)) => {
                    let text = content.iter().map(|line| format!("{line}\n")).collect();
                    blocks.push(Block::File { name, text });
                }
                _ => {}
            }
        }
        if !line.is_empty() {
            last = line;
        }
    }
    sections
}

/// Finds the file that a line such as "In `compose.yaml`:" names for the next block.
fn file_named_in(line: &str) -> Option<String> {
    let (_, rest) = line.rsplit_once("n `")?;
    rest.split_once('`').map(|(name, _)| name.to_owned())
}

fn commands(lines: &[&str]) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in lines {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command.to_owned(), String::new())),
            None => commands.last_mut().unwrap().1.push_str(&format!("{line}\n")),
        }
    }
    commands
}

/// A shell in a test's home; the ports that a document shows stand for the home's own.
struct Shell<'a> {
    home: &'a Home,
    program: &'a str,
    folder: PathBuf,
}

impl<'a> Shell<'a> {
    /// A shell in a home with stand-ins, and with a repository in its folder `shop`.
    fn new(home: &'a Home, program: &'a str) -> Self {
        let shell = Self { home, program, folder: home.path().to_owned() };
        // On a terminal curl shows no progress of what it prints.
        shell.write(".curlrc", "silent\nshow-error\n");
        shell.write(".gitconfig", "[user]\nname = Ann\nemail = ann@localhost\n");
        for (name, script) in STAND_INS {
            shell.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(home.path().join("bin").join(name), executable).unwrap();
        }
        shell.write("shop/main.js", "");
        shell.run("git init -q shop && cd shop && git add -A && git commit -qm files");
        shell
    }

    /// Changes to a folder, as the shell that a reader has open.
    fn enter(&mut self, folder: &str) {
        self.folder = fs::canonicalize(self.folder.join(folder)).unwrap();
    }

    /// Replaces the ports that a document shows by those of this home.
    fn own(&self, text: &str) -> String {
        let own = |text: String, number: u16| {
            let port = if number == 0 { self.home.listen } else { self.home.min + number - 1 };
            text.replace(&format!("{}", 49200 + number), &port.to_string())
        };
        // A port that a service prefers in the documents may be in use here.
        (0..=9).fold(text.replace("8080", "49209"), own)
    }

    /// Runs a command; returns stdout and stderr together, as a terminal shows them.
    fn run(&self, command: &str) -> String {
        let mut shell = Command::new(self.program);
        self.home.prepare(&mut shell);
        let folder = Path::new(PALD).parent().unwrap().to_str().unwrap();
        let bin = self.home.path().join("bin").display().to_string();
        let path = format!("{bin}:{folder}:{}", std::env::var("PATH").unwrap());
        shell.args(["-c", &self.own(command)]).env("PATH", path).current_dir(&self.folder);
        let (mut printed, stdout) = io::pipe().unwrap();
        let stderr = stdout.try_clone().unwrap();
        let mut running = shell.stdout(stdout).stderr(stderr).spawn().unwrap();
        // It keeps the ends of the pipe that it gives to the shell.
        drop(shell);
        let mut text = String::new();
        let _limit = TimeLimit::of(&running);
        printed.read_to_string(&mut text).unwrap();
        running.wait().unwrap();
        text
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home.path().join(name.trim_start_matches("~/"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.own(text)).unwrap();
    }
}

/// Replaces all dates and times by the one that the documents show.
fn with_the_documents_dates(text: &str) -> String {
    let is_date = |text: &str| {
        let form =
            |(c, digit): (char, char)| if digit == '0' { c.is_ascii_digit() } else { c == digit };
        text.chars().count() == 10 && text.chars().zip("0000-00-00".chars()).all(form)
    };
    let mut dated = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match rest.get(..10) {
            Some(date) if is_date(date) => {
                dated.push_str("2026-11-22");
                let has_time = rest
                    .get(10..20)
                    .is_some_and(|time| time.starts_with('T') && time.ends_with('Z'));
                dated.push_str(if has_time { "T10:00:00Z" } else { "" });
                if has_time { 20 } else { 10 }
            }
            _ => {
                dated.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    dated
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    found.unwrap().status.success()
}

/// The documents, as paths from the root of the repository.
fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let docs = docs.filter(|file| file.extension().is_some_and(|it| it == "md"));
    let mut all: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(PathBuf::from).into();
    all.extend(docs);
    all
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the console blocks of a document in a shell; returns how many commands were run.
fn run_document(document: &Path, program: &str, left_out: &mut Vec<String>) -> usize {
    let sections = sections(&fs::read_to_string(root().join(document)).unwrap());
    let home = Home::new(9);
    let mut shell = Shell::new(&home, program);
    let mut run = 0;
    for Section { heading, blocks } in sections.into_iter().filter(|it| !it.blocks.is_empty()) {
        let daemon = home.start();
        home.path().clone_into(&mut shell.folder);
        for block in blocks {
            let commands = match block {
                Block::File { name, text } => {
                    shell.write(&name, &text);
                    continue;
                }
                Block::Console(commands) => commands,
            };
            for (command, expected) in commands {
                let mut words = command.split(' ').skip_while(|word| word.contains('='));
                let program = words.next().unwrap();
                let is_asked = ["PALD_URL=", "PALD_PORT_LISTEN="];
                if NOT_RUN.iter().any(|start| command.starts_with(start))
                    && !is_asked.iter().any(|start| command.starts_with(start))
                {
                    continue;
                }
                if let Some(folder) = command.strip_prefix("cd ") {
                    shell.enter(folder);
                    continue;
                }
                if MAY_BE_MISSING.contains(&program) && !is_there(program) {
                    left_out.push(program.to_owned());
                    continue;
                }
                let printed = shell.run(&command);
                let shown =
                    format!("{} in {program}: ## {heading}\n$ {command}\n", document.display());
                assert_data_eq!(
                    shown.clone() + &with_the_documents_dates(&printed),
                    shown + &shell.own(&expected)
                );
                run += 1;
            }
        }
        // Each section begins with an empty registry, which remembers no released port either.
        drop(daemon);
        for file in ["db.record", "dump"] {
            fs::remove_file(home.file(file)).unwrap();
        }
        fs::remove_dir_all(home.file("db")).unwrap();
    }
    run
}

#[test]
fn each_console_block_happens() {
    if !is_there("git") {
        return skip("git is missing");
    }
    let mut left_out = Vec::new();
    let run: usize =
        documents().iter().map(|document| run_document(document, "sh", &mut left_out)).sum();
    if !left_out.is_empty() {
        println!("Left out, since they are not installed: {}", left_out.join(", "));
    }
    assert!(run > 15, "only {run} commands were run");
}

#[test]
fn what_the_readme_shows_works_in_each_shell() {
    if !is_there("git") {
        return skip("git is missing");
    }
    for shell in ["bash", "zsh", "fish"] {
        match is_there(shell) {
            true => assert!(run_document(Path::new("README.md"), shell, &mut Vec::new()) > 9),
            false => skip(format!("{shell} is missing")),
        }
    }
    // On a terminal, zsh does not know comments.
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let commands = text.lines().filter(|line| line.starts_with("$ "));
    assert_eq!(commands.filter(|line| line.contains(" #")).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn each_link_to_a_file_leads_to_one() {
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.starts_with("http")) {
            let file = root().join(&document).with_file_name(target.split('#').next().unwrap());
            assert!(file.exists(), "{} links to {target}", document.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} links were found");
}
