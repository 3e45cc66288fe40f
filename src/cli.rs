//! The command line: arguments, commands, output and exit codes.
//!
//! `commands/` holds a file for each command; what they share is beside it.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, ValueHint};

mod assignment;
mod commands;
mod completion;
mod daemon;
mod doctor;
mod duration;
mod env_file;
mod env_format;
mod error;
mod exit;
mod explain;
mod failure;
mod here;
mod hold;
mod holder;
mod in_use_by;
mod listener;
mod mistyped;
mod names;
mod place;
mod restart;
mod scope;
mod service;
mod session;
mod table;
mod terminal;
#[cfg(test)]
mod transcripts;

use commands::Command;
use error::CommandError;
use exit::Exit;
use failure::Failure;
use session::Session;
use terminal::Terminal;

/// Keeps track of which service has which port on this machine.
///
/// Without a command, pald serves in the foreground until it gets SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "pald", version = VERSION, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The version; in a package also its commit and date, so that a plain build has nothing in it that
/// changes from commit to commit.
const VERSION: &str = match option_env!("PALD_BUILD_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

const AFTER_HELP: &str = "\
Example:
  pald &
  pald init web api && pald set
  pald run web -- vite --port {port} --strictPort

Environment:
  PALD_CONFIG           like --config
  PALD_URL              like --url
  PALD_<KEY>            any setting, for example PALD_PORT_MIN=20000
  RUST_LOG              what `pald serve` logs, for example pald=debug
  NO_COLOR              no colours

Exit codes:
  0   done
  1   the answer is no
  2   wrong usage
  3   no pald answers
  4   refused or in conflict
  5   no port is left in the range
  65  a bad dump
  70  an internal error
  74  the store or the disk
  75  the daemon can't start now
  78  the configuration";

/// The options of all commands.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of all commands")]
struct Globals {
    /// Read this file instead of ~/.pald/config.toml
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Run as if pald were started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    directory: Option<PathBuf>,
    /// Ask the pald at this address, `http://HOST[:PORT]`, instead of the configured one
    #[arg(long, value_name = "URL", global = true)]
    url: Option<OsString>,
    /// Print only answers and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto, global = true)]
    color: ColorChoice,
}

/// Runs the command in the arguments; turns an error, and a panic, into text and an exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    caught(|| Cli::parse_or_exit(arguments.into_iter().collect()).run())
}

/// Runs what may panic; where and why has been told by then.
fn caught(run: impl FnOnce() -> ExitCode) -> ExitCode {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let failure = Failure {
            lines: vec!["pald failed, which is a mistake in pald".to_owned()],
            hint: Some("Please report it with the lines above".to_owned()),
            exit: Exit::Internal,
        };
        Terminal::new(&Globals::default()).print_failure(&failure);
        failure.exit.into()
    })
}

/// Changes to the folder of `-C`, so that all that follows, the command of `run` too, is there.
fn enter(directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else { return Ok(()) };
    place::enter(directory)
        .map_err(|source| CommandError::Directory { path: directory.to_owned(), source }.into())
}

impl Cli {
    fn run(self) -> ExitCode {
        let Self { globals, command } = self;
        let terminal = Terminal::new(&globals);
        let entered = enter(globals.directory.as_deref());
        let session = Session::new(globals, terminal);
        match entered.and_then(|()| command.unwrap_or_default().run(&session)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                terminal.print_failure(&failure);
                failure.exit.into()
            }
        }
    }

    /// Parses the arguments; exits on wrong ones, and after `--help` and `--version`.
    fn parse_or_exit(arguments: Vec<OsString>) -> Self {
        let color = terminal::color_choice(&arguments);
        let cli = Self::parse_in(color, &arguments);
        cli.unwrap_or_else(|error| terminal::exit_with_usage(&error, &arguments))
    }

    fn parse_in(color: ColorChoice, arguments: &[OsString]) -> Result<Self, clap::Error> {
        let matches = Self::command().color(color).try_get_matches_from(arguments);
        let cli = matches.and_then(|matches| Self::from_arg_matches(&matches));
        cli.map_err(mistyped::suggest_command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_answers_or_fails_with_its_exit_code() {
        let run = |words: &[&str]| {
            let code = main(["pald", "--color", "never"].iter().chain(words).map(OsString::from));
            (code, terminal::kept::take())
        };
        let (code, [stdout, stderr]) = run(&["completions", "bash", "--", "pald", "unin"]);
        assert_eq!(
            (code, stdout.as_str(), stderr.as_str()),
            (ExitCode::SUCCESS, "uninstall\n", "")
        );
        let (code, [stdout, stderr]) = run(&["man", "nope"]);
        let expected = "Error: pald has no command \"nope\"\nhint: `pald man` lists all commands\n";
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (ExitCode::from(2), "", expected));
    }

    #[test]
    fn a_panic_is_an_internal_error() {
        let panics = || panic!("for the test");
        assert_eq!(caught(panics), ExitCode::from(70));
    }

    #[test]
    fn each_command_is_valid_and_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example"), "{}", command.get_name());
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            // Behind the name it fits into 80 columns.
            assert!((1..=66).contains(&about.len()), "{}: {about}", command.get_name());
        }
    }
}
