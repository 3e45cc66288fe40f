//! Parses the command line and runs; an error becomes text and an exit code here.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use pald::cli::{self, Args};

fn main() -> ExitCode {
    match cli::run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where stderr is gone too, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "{failure}");
            failure.exit.into()
        }
    }
}
