//! `pald man`: prints manual pages for man(1).

use std::io;

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man as Page;

use crate::cli::completion::Takes;
use crate::cli::error::CommandError;
use crate::cli::{Cli, Failure, Session};
use crate::quoted::Quoted;

/// Print the manual page of pald, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald man | man -l -\n  pald man run > pald-run.1")]
pub(in crate::cli) struct Man {
    /// The command; without it, the page of pald itself, which lists all commands
    #[arg(add = Takes::Command)]
    command: Option<String>,
}

impl Man {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let mut pald = Cli::command().disable_help_subcommand(true);
        // Gives each command its full name and the global options.
        pald.build();
        let page = match &self.command {
            None => render(pald),
            Some(name) => {
                let command = pald.find_subcommand(name);
                let command =
                    command.ok_or_else(|| CommandError::UnknownCommand(Quoted::new(name)))?;
                render(command.clone())
            }
        };
        Ok(session.terminal.answer_bytes(page.map_err(CommandError::Stdout)?.as_bytes())?)
    }
}

/// Renders the page of a command.
fn render(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    let name = command.get_display_name().unwrap_or("pald").to_owned();
    let usage = command.clone().render_usage().to_string();
    let source = concat!("pald ", env!("CARGO_PKG_VERSION"));
    Page::new(command).title(name).source(source).manual("pald").render(&mut page)?;
    let page = with_usage(&String::from_utf8_lossy(&page), &usage);
    // A plain one is a quotation mark to groff (groff_char(7)), and can't be typed.
    Ok(with_headings(&page).replace('`', "\\(ga"))
}

/// Puts what `--help` says into the synopsis: clap_mangen's names all options without their values, and
/// leaves out the `--` before a command.
fn with_usage(page: &str, usage: &str) -> String {
    let (before, rest) = page.split_once(".SH SYNOPSIS\n").expect("a page has a synopsis");
    let (_, after) = rest.split_once("\n.SH ").expect("a page has more than a synopsis");
    let lines = usage.trim_start_matches("Usage:").lines().map(str::trim);
    let lines = lines.map(|line| line.replace('-', "\\-")).collect::<Vec<_>>();
    format!("{before}.SH SYNOPSIS\n{}\n.SH {after}", lines.join("\n.br\n"))
}

/// Gives the examples, and the further parts of pald's own page, their own headings, and keeps their
/// lines.
///
/// clap_mangen puts all of them under one heading, EXTRA, and man(1) fills its lines.
fn with_headings(page: &str) -> String {
    let Some((before, extra)) = page.split_once("\n.SH EXTRA\n") else { return page.to_owned() };
    let (extra, after) = match extra.split_once("\n.SH ") {
        Some((extra, after)) => (extra, format!(".SH {after}")),
        None => (extra, String::new()),
    };
    let mut headed = format!("{before}\n");
    for part in extra.trim_end().split("\n\n") {
        let (heading, lines) = part.split_once('\n').expect("a part has a heading");
        let heading = match heading.trim_end_matches(':') {
            "Example" | "Examples" => "EXAMPLES".to_owned(),
            other => other.to_uppercase(),
        };
        headed.push_str(&format!(".SH \"{heading}\"\n.nf\n{lines}\n.fi\n"));
    }
    headed + &after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_options_has_headings_and_keeps_its_lines() {
        let page =
            ".SH OPTIONS\n-h\n.SH EXTRA\nExample:\n  pald &\n\nExit codes:\n  0  done\n  1  no\n";
        let headed = ".SH OPTIONS\n-h\n.SH \"EXAMPLES\"\n.nf\n  pald &\n.fi\n\
                      .SH \"EXIT CODES\"\n.nf\n  0  done\n  1  no\n.fi\n";
        let version = ".SH VERSION\nv1\n";
        assert_eq!(with_headings(page), headed);
        assert_eq!(with_headings(&format!("{page}{version}")), format!("{headed}{version}"));
        assert_eq!(with_headings(version), version);
    }
}
