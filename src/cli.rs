//! The command line: what it understands, how it speaks, and the one table to exit codes.
//!
//! Each command has a file of its own. All but `serve` ask the daemon through [`crate::client`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

mod ago;
mod completions;
mod del;
mod descriptors;
mod doctor;
mod env;
mod error;
mod exit;
mod export;
mod failure;
mod get;
mod holder;
mod import;
mod install;
mod list;
mod log;
mod man;
mod named;
mod notify;
mod remove;
mod run;
mod serve;
mod service;
mod session;
mod set;
mod start;
mod status;
mod stop;
mod terminal;
mod variable;
mod who;

pub use exit::Exit;
pub use failure::Failure;

use session::Session;
use terminal::Terminal;

/// Keeps the registry of which service has which port on this machine.
///
/// Without a command pald serves in the foreground until it gets SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "pald", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Example:
  pald &
  pald set shop.web
  pald run shop.web -- vite --port {port} --strictPort

Environment:
  PALD_CONFIG           like --config
  PALD_URL              like --url
  PALD_<KEY>            any setting, for example PALD_PORT_MIN=20000
  RUST_LOG              what `pald serve` logs, for example pald=debug
  NO_COLOR              no colours

Exit codes:
  0 done, 1 the answer is no, 2 usage, 3 no daemon answers, 4 refused or in conflict,
  5 no port left, 65 bad dump, 70 a bug, 74 storage, 78 configuration";

/// What all commands take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
struct Globals {
    /// Read this file in place of ~/.pald/config.toml
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Ask the pald at this address, http://HOST[:PORT], in place of the configured one
    #[arg(long, value_name = "URL", global = true)]
    url: Option<OsString>,
    /// Say nothing but answers and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto, global = true)]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Get(get::Get),
    Set(set::Set),
    Del(del::Del),
    List(list::List),
    Who(who::Who),
    Run(run::Run),
    Env(env::Env),
    Export(export::Export),
    Import(import::Import),
    Install(install::Install),
    Remove(remove::Remove),
    Start(start::Start),
    Stop(stop::Stop),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Does what the arguments ask for; an error becomes text and an exit code here.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Cli { globals, command } = Cli::read(arguments.into_iter().collect());
    let terminal = Terminal::new(&globals);
    let session = Session::new(globals, terminal);
    match run(command, &session) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.fail(&failure);
            failure.exit.into()
        }
    }
}

fn run(command: Option<Command>, session: &Session) -> Result<(), Failure> {
    match command.unwrap_or(Command::Serve(serve::Serve::default())) {
        Command::Serve(serve) => serve.run(session),
        Command::Get(get) => get.run(session),
        Command::Set(set) => set.run(session),
        Command::Del(del) => del.run(session),
        Command::List(list) => list.run(session),
        Command::Who(who) => who.run(session),
        Command::Run(run) => run.run(session),
        Command::Env(env) => env.run(session),
        Command::Export(export) => export.run(session),
        Command::Import(import) => import.run(session),
        Command::Install(install) => install.run(session),
        Command::Remove(remove) => remove.run(session),
        Command::Start(start) => start.run(session),
        Command::Stop(stop) => stop.run(session),
        Command::Status(status) => status.run(session),
        Command::Doctor(doctor) => doctor.run(session),
        Command::Completions(completions) => completions.run(session),
        Command::Man(man) => man.run(session),
    }
}

impl Cli {
    /// Reads the arguments; wrong ones, and questions for help, end the program here.
    fn read(arguments: Vec<OsString>) -> Self {
        let color = terminal::wish_for_color(&arguments);
        let matches = Self::command().color(color).get_matches_from(arguments);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound_and_each_has_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example"), "{}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
