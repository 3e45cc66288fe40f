//! `pald doctor`: shows what is wrong, and the command that fixes it.

use clap::Args;

use crate::cli::doctor::{Finding, Level, examine};
use crate::cli::error::CommandError;
use crate::cli::{Failure, Session};

/// Show what is wrong, and the command that fixes it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pald doctor\n  pald doctor --json | jq '.[] | select(.level != \"ok\")'"
)]
pub(in crate::cli) struct Doctor {
    /// Print a list of the findings as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let findings = examine(session)?;
        match self.json {
            true => session.terminal.answer_json(&findings)?,
            false => session.terminal.answer(findings.iter().flat_map(Finding::lines))?,
        }
        let faults = findings.iter().filter(|finding| finding.level == Level::Fault).count();
        if faults > 0 { Err(CommandError::Faults(faults).into()) } else { Ok(()) }
    }
}
