//! The command line: what it understands, how it speaks, and the one table to exit codes.

use std::path::PathBuf;

use clap::Parser;

mod descriptors;
mod exit;
mod log;
mod serve;

pub use exit::{Exit, Failure};

/// Keeps the registry of which service has which port on this machine.
///
/// Without arguments pald serves in the foreground until it gets SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "pald", version, after_help = AFTER_HELP)]
pub struct Args {
    /// Read this file in place of ~/.pald/config.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Example:
  pald &
  curl -d service=shop localhost:49200/set

Environment:
  PALD_CONFIG           like --config
  PALD_<KEY>            any setting, for example PALD_PORT_MIN=20000
  RUST_LOG              what is logged, for example pald=debug";

/// Does what the arguments ask for.
///
/// # Errors
/// What went wrong, ready for the user, with its exit code.
pub fn run(args: Args) -> Result<(), Failure> {
    let _log = log::start();
    Ok(serve::serve(args.config)?)
}
