//! `pald completions`: prints a completion script for a shell, and answers what that asks.

use std::ffi::OsString;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;

use crate::cli::completion::candidates;
use crate::cli::{Cli, Failure, Session};

/// Print the completion script for a shell
///
/// In bash, zsh and fish the script asks pald for the names of services.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bash: eval \"$(pald completions bash)\" in ~/.bashrc
  zsh:  source <(pald completions zsh) in ~/.zshrc, after compinit
  fish: pald completions fish | source in ~/.config/fish/config.fish")]
pub(in crate::cli) struct Completions {
    /// The shell
    shell: Shell,
    /// What the script asks: the words up to the one to complete
    #[arg(last = true, hide = true)]
    words: Vec<OsString>,
}

impl Completions {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        if !self.words.is_empty() {
            let answer = answer(self.shell, &candidates(self.words));
            return Ok(session.terminal.answer_bytes(answer.as_bytes())?);
        }
        let script = match self.shell {
            Shell::Bash => include_str!("../completion/pald.bash"),
            Shell::Zsh => include_str!("../completion/pald.zsh"),
            Shell::Fish => include_str!("../completion/pald.fish"),
            shell => return generate(shell, session),
        };
        Ok(session.terminal.answer_bytes(script.as_bytes())?)
    }
}

/// Prints a script that knows commands and options alone.
fn generate(shell: Shell, session: &Session) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pald", &mut script);
    Ok(session.terminal.answer_bytes(&script)?)
}

/// Returns the candidates as a shell's script reads them: one a line, and after a tab what it is; for
/// zsh the whole line that it shows.
fn answer(shell: Shell, candidates: &[CompletionCandidate]) -> String {
    let value = |it: &CompletionCandidate| it.get_value().to_string_lossy().into_owned();
    let width = candidates.iter().map(|it| value(it).chars().count()).max().unwrap_or_default();
    let mut answer = String::new();
    for candidate in candidates {
        let (value, help) = (value(candidate), candidate.get_help().map(ToString::to_string));
        let help = help.as_deref().and_then(|help| help.lines().next()).unwrap_or_default();
        answer += &match shell {
            Shell::Zsh => format!("{value}\t{value:width$}  {help}\n"),
            Shell::Fish => format!("{value}\t{help}\n"),
            _ => format!("{value}\n"),
        };
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Globals, Terminal, terminal};

    #[test]
    fn each_shell_has_its_script() {
        let globals = Globals::default();
        let terminal = Terminal::new(&globals);
        let session = Session::new(globals, terminal);
        let rows = [
            (Shell::Bash, "complete -o nosort -F _pald pald", true),
            (Shell::Zsh, "#compdef pald", true),
            (Shell::Fish, "complete -c pald -k -f -a ", true),
            (Shell::Elvish, "set edit:completion:arg-completer[pald] = ", false),
            (Shell::PowerShell, "Register-ArgumentCompleter -Native -CommandName 'pald'", false),
        ];
        for (shell, line, asks_pald) in rows {
            Completions { shell, words: Vec::new() }.run(&session).unwrap();
            let [script, _] = terminal::kept::take();
            assert!(script.lines().any(|it| it.starts_with(line)), "{shell}: {script}");
            let asks = script.contains(&format!("pald completions {shell} -- "));
            assert_eq!(asks, asks_pald, "{shell}");
        }
    }
}
