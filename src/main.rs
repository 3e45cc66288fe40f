//! Hands the arguments to the command line, which ends with an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    pald::cli::main(std::env::args_os())
}
