//! What the README shows on a console is what happens.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use snapbox::assert_data_eq;

use crate::daemon::{Home, PALD};

/// Commands of the README that a test can't run, by how they start: they build the program, need
/// root or change the machine, or take minutes.
const NOT_RUN: [&str; 6] = ["cargo ", "sudo ", "PALD_", "systemctl ", ".ci/", "pald install"];

/// A part of the README between two headings.
struct Section {
    heading: String,
    blocks: Vec<Block>,
}

enum Block {
    /// Commands, each with what it prints.
    Console(Vec<(String, String)>),
    /// What is to stand in a file.
    File { name: String, text: String },
}

/// The sections of a text in Markdown.
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

/// The file of which a line says that the next block stands in it.
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

/// A shell in a home of its own, for which pald's ports are the README's.
struct Shell<'a> {
    home: &'a Home,
    folder: PathBuf,
}

impl Shell<'_> {
    /// A text of the README with the ports of this test in place of those that it shows.
    fn own(&self, text: &str) -> String {
        let own = |text: String, number: u16| {
            let port = if number == 0 { self.home.listen } else { self.home.min + number - 1 };
            text.replace(&format!("{}", 49200 + number), &port.to_string())
        };
        (0..=9).fold(text.to_owned(), own)
    }

    /// What a command prints, stdout and stderr as a terminal shows them.
    fn run(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        self.home.prepare(&mut shell);
        let folder = Path::new(PALD).parent().unwrap().to_str().unwrap();
        let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
        // On a terminal curl shows no progress of what it prints.
        let prelude = "exec 2>&1; curl() { command curl -sS \"$@\"; };";
        shell.args(["-c", &format!("{prelude} {}", self.own(command))]);
        shell.env("PATH", path).current_dir(&self.folder).stderr(Stdio::null());
        String::from_utf8(shell.output().unwrap().stdout).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name.trim_start_matches("~/"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, self.own(text)).unwrap();
    }
}

/// A text with all its dates and times in place of which the README shows its own.
fn with_the_readmes_dates(text: &str) -> String {
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

#[test]
fn each_console_block_of_the_readme_happens() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let sections = sections(&std::fs::read_to_string(readme).unwrap());
    let home = Home::new(9);
    let daemon = home.start();
    let shell = Shell { home: &home, folder: home.path().to_owned() };
    let (mut run, mut left_out) = (0, Vec::new());
    for Section { heading, blocks } in sections {
        for block in blocks {
            let commands = match block {
                Block::File { name, text } => {
                    shell.write(&name, &text);
                    continue;
                }
                Block::Console(commands) => commands,
            };
            for (command, expected) in commands {
                let program = command.split(' ').next().unwrap();
                if NOT_RUN.iter().any(|start| command.starts_with(start))
                    && !command.starts_with("PALD_URL")
                {
                    continue;
                }
                if ["make", "curl"].contains(&program) && !is_there(program) {
                    left_out.push(program.to_owned());
                    continue;
                }
                let printed = shell.run(&command);
                let shown = format!("## {heading}\n$ {command}\n");
                assert_data_eq!(
                    shown.clone() + &with_the_readmes_dates(&printed),
                    shown + &shell.own(&expected)
                );
                run += 1;
            }
        }
        // Each section starts anew.
        for line in shell.run("pald list -q").lines().skip(1) {
            daemon.client.del(line.split(' ').next().unwrap().parse().unwrap());
        }
    }
    if !left_out.is_empty() {
        println!("Left out, since they are not installed: {}", left_out.join(", "));
    }
    assert!(run > 15, "only {run} commands were run");
}
