//! `pald man`: prints manual pages for man(1).

use std::io;

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man as Page;

use crate::cli::error::CommandError;
use crate::cli::{Cli, Failure, Session};
use crate::quoted::Quoted;

/// Print the manual page of pald, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald man | man -l -\n  pald man run > pald-run.1")]
pub(in crate::cli) struct Man {
    /// The command; without it, the page of pald itself, which lists all commands
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
    let source = concat!("pald ", env!("CARGO_PKG_VERSION"));
    Page::new(command).title(name).source(source).manual("pald").render(&mut page)?;
    Ok(with_headings(&String::from_utf8_lossy(&page)))
}

/// Gives the examples, and the further parts of pald's own page, their own headings.
///
/// clap_mangen puts all of them under one heading, EXTRA.
fn with_headings(page: &str) -> String {
    let page = page.replace("\n.SH EXTRA\nExample:\n", "\n.SH EXAMPLES\n");
    let page = page.replace("\n.SH EXTRA\nExamples:\n", "\n.SH EXAMPLES\n");
    let (mut headed, mut is_after_blank) = (String::new(), false);
    for line in page.lines() {
        match line.strip_suffix(':').filter(|_| is_after_blank) {
            Some(heading) => headed.push_str(&format!(".SH {}", heading.to_uppercase())),
            None => headed.push_str(line),
        }
        headed.push('\n');
        is_after_blank = line.is_empty();
    }
    headed
}
